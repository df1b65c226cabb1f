"""What a person narrows the usage page down to, and the budgets they set themselves."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from operator import attrgetter
from typing import Any, Final

from django import forms
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from usage.asking import Asked, Sort
from usage.models import NAME_LENGTH, Period, Source
from usage.quotas import MOST_TOKENS
from usage.reports import By, Origin, Span
from wavelength.names import provider_label

SPANS: Final[dict[Span, str | Promise]] = {
    Span.TODAY: gettext_lazy("Today"),
    Span.WEEK: gettext_lazy("7 days"),
    Span.RECENT: gettext_lazy("30 days"),
    Span.MONTH: gettext_lazy("This month"),
    Span.LAST_MONTH: gettext_lazy("Last month"),
    Span.ALL: gettext_lazy("All time"),
}
FIRST_YEAR: Final = 2000
MOST_DAYS: Final = 3660
GROUPED: Final = re.compile(r"\d{1,3}([,.'\u2019 \u00a0\u202f])\d{3}(\1\d{3})*")
PROVIDERS: Final = ("anthropic", "google", "openai", "openrouter", "xai")  # a budget may wait for their first use
PERIODS: Final[dict[str, str | Promise]] = {
    Period.DAILY.value: gettext_lazy("a day"),
    Period.MONTHLY.value: gettext_lazy("a month"),
}
_LABELS: Final[Mapping[str, Callable[[str], str]]] = {
    "provider": provider_label,
    "source": lambda source: str(Source(source).label),
}


class ReportForm(forms.Form):
    """The query of the page's address, without the days of a custom range; every field may be missing."""

    period = forms.TypedChoiceField(
        choices=[(span.value, span.value) for span in Span], coerce=Span, required=False, empty_value=Span.MONTH
    )
    provider = forms.CharField(max_length=NAME_LENGTH, required=False)
    model = forms.CharField(max_length=NAME_LENGTH, required=False)
    source = forms.ChoiceField(choices=Source.choices, required=False)
    by = forms.TypedChoiceField(
        choices=[(by.value, by.value) for by in By], coerce=By, required=False, empty_value=By.MODEL
    )
    sort = forms.TypedChoiceField(
        choices=[(sort.value, sort.value) for sort in Sort], coerce=Sort, required=False, empty_value=Sort.COST_DOWN
    )
    page = forms.IntegerField(min_value=1, max_value=10**6, required=False)

    @property
    def asked(self) -> Asked:
        """Of a valid form."""
        said = self.cleaned_data
        only = Origin(*(said[name] for name in ("provider", "model", "source")))
        return Asked(span=said["period"], only=only, by=said["by"], sort=said["sort"], page=said["page"] or 1)


class RangeForm(forms.Form):
    """The first and the last day of a custom range, `from` and `to`, on the person's own calendar."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **{"auto_id": "range-%s", **more})
        self.today = timezone.localdate()
        self.fields["from"] = _day(_("From"), self.today)
        self.fields["to"] = _day(_("To"), self.today)

    def clean(self) -> dict[str, Any]:
        """Both days, in their order, begun and not too far apart."""
        said = super().clean() or self.cleaned_data
        first, last = said.get("from"), said.get("to")
        if first and first.year < FIRST_YEAR:
            self.add_error("from", _("Choose a first day from the year %(year)s on.") % {"year": FIRST_YEAR})
        elif first and first > self.today:
            self.add_error("from", _("This day is still to come. Choose a first day up to today."))
        elif first and last and last < first:
            self.add_error("to", _("The range ends before it begins. Choose a last day that is not before the first."))
        elif first and last and (last - first).days >= MOST_DAYS:
            self.add_error("to", _("A range has at most ten years. Choose days that are closer together."))
        return said

    @property
    def days(self) -> tuple[date, date]:
        """Of a valid form."""
        return self.cleaned_data["from"], self.cleaned_data["to"]


def _day(label: str, today: date) -> forms.DateField:
    return forms.DateField(
        label=label,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "max": today.isoformat()}),
        error_messages={
            "required": _("Choose a day."),
            "invalid": _("This is no day. Write it as year-month-day, such as %(day)s.") % {"day": today.isoformat()},
        },
    )


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
            _choices(self, name, [("", everything), *((value, label(value)) for value in names)])


class CountField(forms.IntegerField):
    """A whole number that may be written in groups of three, with whatever a language puts between them."""

    def to_python(self, value: Any) -> int | None:
        if isinstance(value, str) and GROUPED.fullmatch(value.strip()):
            value = "".join(filter(str.isdecimal, value))
        return super().to_python(value)


class BudgetForm(forms.Form):
    """A budget: cost, tokens or both, in a period, overall or with one provider."""

    period = forms.ChoiceField(label=gettext_lazy("For"), choices=list(PERIODS.items()))
    provider = forms.ChoiceField(label=gettext_lazy("Of what"), required=False)
    cost = forms.DecimalField(
        label=gettext_lazy("Cost in US dollars"),
        required=False,
        localize=True,
        max_digits=24,
        decimal_places=12,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    tokens = CountField(
        label=gettext_lazy("Tokens"),
        required=False,
        max_value=MOST_TOKENS,
        help_text=gettext_lazy("Of both, whichever is reached first holds."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, providers: Iterable[str], **more: Any) -> None:
        super().__init__(*args, **{"auto_id": "budget-%s", **more})
        labels = [(provider, provider_label(provider)) for provider in providers]
        _choices(self, "provider", [("", _("Everything")), *sorted(labels, key=lambda pair: pair[1].casefold())])

    def clean(self) -> dict[str, Any]:
        """At least one figure."""
        said = super().clean() or self.cleaned_data
        if not self.errors and said["cost"] is None and said["tokens"] is None:
            self.add_error("cost", _("Say how much it may cost, how many tokens it may take, or both."))
        return said


class BudgetRemovalForm(forms.Form):
    """Which budget is to go."""

    period = forms.ChoiceField(choices=Period.choices)
    provider = forms.CharField(max_length=NAME_LENGTH, required=False)


def _choices(form: forms.Form, name: str, choices: list[tuple[str, str]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared above)
    field.choices = choices
