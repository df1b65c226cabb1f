"""The sections of the profile page, each a form of its own."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from accounts.models import Mail, Profile, Theme
from accounts.profile import (
    BIO_LENGTH,
    NAME_LENGTH,
    PreferencesTooLargeError,
    change_profile,
    choose_preferences,
    known_time_zones,
    time_zone,
)
from wavelength.names import provider_label

PROVIDERS: Final = ("openrouter", "openai", "anthropic", "google", "xai")
MODEL_LENGTH: Final = 200


class SectionForm(forms.Form):
    """A part of the profile: what stands in it now, and storing what it became."""

    said: ClassVar[str | Promise]
    """What is said once it is stored."""

    @classmethod
    def stored(cls, profile: Profile) -> dict[str, Any]:
        """The values that stand in the profile."""
        return {name: getattr(profile, name) for name in cls.base_fields}

    def save(self, profile: Profile) -> bool:
        """Store the values. Answers whether they could be; if not, the form says why."""
        change_profile(user_id=profile.user_id, **self.cleaned_data)
        return True


class AboutForm(SectionForm):
    """What a person says of themself."""

    said = _("Your profile is saved.")

    display_name = forms.CharField(label=_("Name"), max_length=NAME_LENGTH, required=False)
    bio = forms.CharField(
        label=_("About you"),
        max_length=BIO_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=format_lazy(_("Up to {length} characters."), length=BIO_LENGTH),
    )


class RegionForm(SectionForm):
    """Where a person lives and how they like to look at things. A language that the list lacks stays choosable."""

    said = _("Your settings are saved.")

    timezone = forms.CharField(
        label=_("Time zone"),
        required=False,
        widget=forms.TextInput(
            attrs={"list": "time-zones", "data-guess-timezone": True, "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=_("Type a city. Days and months begin and end there; left empty, it is UTC."),
    )
    language = forms.ChoiceField(label=_("Language"), required=False)
    theme = forms.ChoiceField(
        label=_("Appearance"),
        choices=[(Theme.AUTO, _("System")), (Theme.LIGHT, _("Light")), (Theme.DARK, _("Dark"))],
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [
            ("", _("As the browser")),
            *((code, get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES),
        ]
        stored = self.initial.get("language", "")
        if stored not in (value for value, _label in choices):
            choices.append((stored, stored))
        self.fields["language"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField

    def clean_timezone(self) -> str:
        typed = self.cleaned_data["timezone"].strip()
        # As people type it: "europe/new york".
        by_typing = {name.lower(): name for name in known_time_zones()}
        name = by_typing.get(typed.lower().replace(" ", "_"), typed)
        try:
            return time_zone(name)
        except ValueError:
            raise ValidationError(
                _("There is no such time zone. Choose one of the list, such as Europe/Berlin.")
            ) from None


class MailsForm(SectionForm):
    """Which mails a person wants."""

    said = _("Your choice of mails is saved.")

    quota = forms.BooleanField(
        label=_("A quota runs low"),
        required=False,
        help_text=_("When one of your quotas or budgets passes 80 % and when it is used up."),
    )
    key = forms.BooleanField(
        label=_("A key stops working"), required=False, help_text=_("When a provider no longer accepts a key of yours.")
    )
    news = forms.BooleanField(
        label=_("Product news"), required=False, help_text=_("What is new in Wavelength, a few times a year.")
    )

    @classmethod
    def stored(cls, profile: Profile) -> dict[str, Any]:
        return {mail.value: profile.wants(mail) for mail in Mail}

    def save(self, profile: Profile) -> bool:
        change_profile(user_id=profile.user_id, wanted_mails=[mail for mail in Mail if self.cleaned_data[mail.value]])
        return True


class ChatForm(SectionForm):
    """How chats are shown and begun: the preferences that the web client shares, key by key."""

    said = _("Your chat settings are saved.")
    keys: ClassVar[Mapping[str, str]] = {
        "default_provider": "defaultProvider",
        "default_model": "defaultModel",
        "reasoning_effort": "reasoningEffort",
        "show_reasoning": "showReasoning",
        "show_tokens": "showTokens",
        "show_costs": "showCosts",
        "auto_scroll": "autoScroll",
    }
    # What the web client does as long as nobody chose.
    first: ClassVar[Mapping[str, Any]] = {
        "show_reasoning": True, "show_tokens": True, "show_costs": True, "auto_scroll": True,
    }  # fmt: skip

    default_provider = forms.ChoiceField(label=_("Provider of new chats"), required=False)
    default_model = forms.CharField(
        label=_("Model of new chats"),
        max_length=MODEL_LENGTH,
        required=False,
        help_text=_("As the provider names it, such as anthropic/claude-sonnet-4."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    reasoning_effort = forms.ChoiceField(label=_("Reasoning effort"), required=False)
    show_reasoning = forms.BooleanField(label=_("Show reasoning"), required=False)
    show_tokens = forms.BooleanField(label=_("Show tokens"), required=False)
    show_costs = forms.BooleanField(label=_("Show costs"), required=False)
    auto_scroll = forms.BooleanField(label=_("Follow an answer while it is written"), required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._offer("default_provider", [(name, provider_label(name)) for name in PROVIDERS])
        self._offer("reasoning_effort", [("low", _("Low")), ("medium", _("Medium")), ("high", _("High"))])

    @classmethod
    def stored(cls, profile: Profile) -> dict[str, Any]:
        held = profile.preferences
        return {name: _fitting(held.get(key), cls.first.get(name, "")) for name, key in cls.keys.items()}

    def save(self, profile: Profile) -> bool:
        # Only what was changed here: what a client keeps in a form that this page cannot show stays as it is.
        changed = {
            self.keys[name]: value if value != "" else None
            for name, value in self.cleaned_data.items()
            if value != self.initial.get(name)
        }
        try:
            choose_preferences(user_id=profile.user_id, chosen=changed)
        except PreferencesTooLargeError as error:
            self.add_error(None, str(error))
            return False
        return True

    def _offer(self, name: str, choices: list[tuple[str, str | Promise]]) -> None:
        stored = self.initial.get(name, "")
        known = not stored or stored in (value for value, _label in choices)
        others = [] if known else [(stored, stored)]
        self.fields[name].choices = [("", _("Not chosen")), *choices, *others]  # type: ignore[attr-defined]  # a ChoiceField


def _fitting(value: object, first: Any) -> Any:
    """A preference as a form can show it: of the kind that `first` is, else `first`."""
    return value if type(value) is type(first) else first


class AvatarForm(forms.Form):
    """A new picture; what it may be is checked where it is made."""

    avatar = forms.FileField(
        label=_("Choose a picture"), widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"})
    )
