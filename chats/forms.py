"""What the chats pages ask for, and the form of the import page for browsers without script."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chats.listing import Wanted, models_by_provider
from chats.validation import MAX_TITLE
from wavelength.names import provider_label

MAX_QUERY = 200
END = 2**31 - 1  # a position behind every message
ORDER_NAMES: Final[Mapping[str, str | Promise]] = {
    "updated": gettext_lazy("Last updated"),
    "created": gettext_lazy("Newest first"),
    "oldest": gettext_lazy("Oldest first"),
    "cost": gettext_lazy("Most expensive"),
    "messages": gettext_lazy("Most messages"),
    "tokens": gettext_lazy("Most tokens"),
}


class ImportForm(forms.Form):
    """A saved store, or a payload of the API."""

    file = forms.FileField()


class TitleForm(forms.Form):
    """Another title for a chat."""

    title = forms.CharField(
        label=gettext_lazy("Title"), max_length=MAX_TITLE, widget=forms.TextInput(attrs={"autofocus": True})
    )


class ShareForm(forms.Form):
    """For how long a link shows a chat, and what of it."""

    days = forms.TypedChoiceField(
        label=gettext_lazy("The link works for"),
        choices=[
            (1, gettext_lazy("1 day")),
            (7, gettext_lazy("7 days")),
            (30, gettext_lazy("30 days")),
            (365, gettext_lazy("1 year")),
        ],
        coerce=int,
        initial=7,
    )
    with_reasoning = forms.BooleanField(label=gettext_lazy("Show the reasoning of models too"), required=False)


class PlaceForm(forms.Form):
    """Where in a chat one reads: the query of its address."""

    after = forms.IntegerField(min_value=-1, max_value=END, required=False)
    before = forms.IntegerField(min_value=0, max_value=END, required=False)
    message = forms.UUIDField(required=False)

    def given(self) -> dict[str, Any]:
        """What of it can be."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value is not None}

    def place(self) -> dict[str, int]:
        """The same without what names a message."""
        return {name: value for name, value in self.given().items() if name != "message"}


class Day(forms.DateField):
    """A day as browsers send it."""

    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    input_formats = ("%Y-%m-%d",)

    def __init__(self, **options: Any) -> None:
        # Beyond, a day of some time zone is out of range.
        bounds = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 1, 1))]
        super().__init__(validators=bounds, **options)


class ListForm(forms.Form):
    """The query of the list's address; each part may be missing. What cannot be is left out of `wanted`."""

    q = forms.CharField(label=gettext_lazy("Search in titles and messages"), required=False)
    provider = forms.ChoiceField(label=gettext_lazy("Provider"), required=False)
    model = forms.ChoiceField(label=gettext_lazy("Model"), required=False)
    since = Day(label=gettext_lazy("From"), required=False)
    until = Day(label=gettext_lazy("Until"), required=False)
    sort = forms.ChoiceField(label=gettext_lazy("Sorted by"), choices=list(ORDER_NAMES.items()), required=False)

    def __init__(self, data: Mapping[str, Any], *, models: list[str]) -> None:
        given = {name: data.get(name, "") for name in self.base_fields} | {"q": data.get("q", "")[:MAX_QUERY]}
        super().__init__({**given, "sort": given["sort"] or "updated"}, label_suffix="")
        self._by_provider = models_by_provider(models)
        self._choose("provider", _("All providers"), {name: provider_label(name) for name in sorted(self._by_provider)})
        chosen = given["provider"]
        of_provider = self._by_provider.get(chosen, []) if chosen else models
        self._choose("model", _("All models"), {model: model for model in of_provider})

    def wanted(self, *, after: str = "", before: str = "") -> Wanted:
        """What is asked for, days in the current time zone."""
        asked = self.given()
        provider, model = asked.get("provider", ""), asked.get("model", "")
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        return Wanted(
            query=asked.get("q", ""),
            models=[model] if model else self._by_provider[provider] if provider else None,
            since=_midnight(since) if since else None,
            until=_midnight(until + timedelta(days=1)) if until else None,
            order=asked.get("sort", "updated"),
            after=after,
            before=before,
        )

    def given(self) -> dict[str, str]:
        """What of it is valid and says something, as it stands in an address."""
        self.is_valid()
        there = {name: str(value) for name, value in self.cleaned_data.items() if value}
        if there.get("sort") == "updated":
            del there["sort"]
        return there

    def _choose(self, name: str, everything: str, choices: Mapping[str, str]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared above)
        field.choices = [("", everything), *choices.items()]


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
