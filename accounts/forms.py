"""The forms of the profile page."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Theme
from accounts.profile import BIO_LENGTH, NAME_LENGTH

LANGUAGES = (("", _("As the browser")), ("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("fr", "Français"))


def _zones() -> list[tuple[str, str | Promise]]:
    # Only the names people know: regions with a city, and UTC.
    named = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return [("", _("Not chosen: UTC")), ("UTC", "UTC"), *((name, name.replace("_", " ")) for name in named)]


class ProfileForm(forms.Form):
    """What a person says of themself. A stored value that the lists lack (the API takes more) stays choosable."""

    display_name = forms.CharField(label=_("Name"), max_length=NAME_LENGTH, required=False)
    bio = forms.CharField(
        label=_("About you"),
        max_length=BIO_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Up to %(length)d characters.") % {"length": BIO_LENGTH},
    )
    timezone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        widget=forms.Select(attrs={"data-guess-timezone": True}),
        help_text=_("Days and months begin and end here."),
    )
    language = forms.ChoiceField(label=_("Language"), required=False)
    theme = forms.ChoiceField(
        choices=[(Theme.AUTO, _("System")), (Theme.LIGHT, _("Light")), (Theme.DARK, _("Dark"))],
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, choices in (("timezone", _zones()), ("language", list(LANGUAGES))):
            stored = self.initial.get(name, "")
            known = stored in (value for value, _label in choices)
            self.fields[name].choices = choices if known else [*choices, (stored, stored)]  # type: ignore[attr-defined]  # a ChoiceField


class AvatarForm(forms.Form):
    """A new picture; what it may be is checked where it is made."""

    avatar = forms.FileField(
        label=_("Picture"), widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"})
    )
