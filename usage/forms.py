"""What a person narrows the usage page down to."""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from usage.models import NAME_LENGTH, Source
from usage.reports import Origin, Span
from wavelength.names import provider_label

SPANS = {
    Span.TODAY: gettext_lazy("Today"),
    Span.WEEK: gettext_lazy("7 days"),
    Span.MONTH: gettext_lazy("This month"),
    Span.ALL: gettext_lazy("All time"),
}
_LABELS: Final[Mapping[str, Callable[[str], str]]] = {
    "provider": provider_label,
    "source": lambda source: str(Source(source).label),
}


class ReportForm(forms.Form):
    """The query of the page's address; every field may be missing."""

    period = forms.TypedChoiceField(choices=list(SPANS.items()), coerce=Span, required=False, empty_value=Span.MONTH)
    provider = forms.CharField(max_length=NAME_LENGTH, required=False)
    model = forms.CharField(max_length=NAME_LENGTH, required=False)
    source = forms.ChoiceField(choices=Source.choices, required=False)

    @property
    def span(self) -> Span:
        """Of a valid form."""
        return Span(self.cleaned_data["period"])

    @property
    def origin(self) -> Origin:
        """Of a valid form."""
        return Origin(*(self.cleaned_data[name] for name in ("provider", "model", "source")))


class FilterForm(forms.Form):
    """The filters as one chooses them: from what there was in the period."""

    provider = forms.ChoiceField(label=gettext_lazy("Provider"), required=False)
    model = forms.ChoiceField(label=gettext_lazy("Model"), required=False)
    source = forms.ChoiceField(label=gettext_lazy("Source"), required=False)

    def __init__(self, chosen: Origin, choices: Iterable[Origin]) -> None:
        super().__init__(initial=chosen.named())
        there = [*choices, chosen]
        of_provider = [origin for origin in there if chosen.provider in ("", origin.provider)]
        for name, everything in (
            ("provider", _("All providers")),
            ("model", _("All models")),
            ("source", _("All sources")),
        ):
            origins = of_provider if name == "model" else there
            names = sorted({value for value in map(attrgetter(name), origins) if value})
            label = _LABELS.get(name, str)
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared above)
            field.choices = [("", everything), *((value, label(value)) for value in names)]
