"""The forms of the keys page. A pasted secret is a `Secret` from the moment it is read, and is never shown again."""

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from apikeys.models import LIMIT_MAX, NAME_LENGTH, URL_LENGTH
from apikeys.providers import MAX_LENGTH, PROVIDERS, KeyRefusedError
from wavelength.envelope import Secret

FIELDS = {"secret": "api_key"}


class SecretField(forms.CharField):
    """A pasted secret; its form value is a `Secret`, and a refused form comes back without it."""

    def __init__(self, **options: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})
        super().__init__(widget=widget, max_length=4 * MAX_LENGTH, **options)

    def clean(self, value: Any) -> Any:
        """The secret, without the white space around it."""
        return Secret(super().clean(value))


class KeyForm(forms.Form):
    """What the forms have in common: a refusal of the vault stands beside the field it is about.

    `folded` are the fields that few need: they are shown when asked for, or when something is wrong with one.
    """

    folded: ClassVar[tuple[str, ...]] = ()

    def folded_has_errors(self) -> bool:
        """Whether what is folded away has to be seen."""
        return any(name in self.errors for name in self.folded)

    def plain_fields(self) -> list[forms.BoundField]:
        """What is shown in the usual way, in order."""
        return [field for field in self if field.name not in (*self.folded, "provider", "api_key", "anyway")]

    def folded_fields(self) -> list[forms.BoundField]:
        """What is folded away."""
        return [self[name] for name in self.folded]

    def refuse(self, refused: KeyRefusedError) -> None:
        """Show why the vault did not take it."""
        field = FIELDS.get(refused.field, refused.field)
        self.add_error(field if field in self.fields else None, str(refused))


class SettingsForm(KeyForm):
    """A key's name and limits."""

    key_name = forms.CharField(
        label=_("Name"), max_length=NAME_LENGTH, required=False, help_text=_("To tell several keys apart.")
    )
    daily_limit = forms.IntegerField(label=_("Requests a day"), min_value=1, max_value=LIMIT_MAX, required=False)
    monthly_limit = forms.IntegerField(label=_("Requests a month"), min_value=1, max_value=LIMIT_MAX, required=False)


class SecretForm(KeyForm):
    """A key's secret and the address it may be sent to; they change only together.

    `anyway` is the second step of somebody who stores a key that its provider has refused.
    """

    api_key = SecretField(label=_("Key"))
    base_url = forms.CharField(
        label=_("Address"),
        max_length=URL_LENGTH,
        required=False,
        widget=forms.URLInput(attrs={"inputmode": "url", "placeholder": "https://"}),
        help_text=_("Only if the provider is reached through a server of your own."),
    )
    anyway = forms.BooleanField(required=False)
    folded: ClassVar[tuple[str, ...]] = ("base_url",)

    @property
    def secret(self) -> Secret:
        """The secret of a valid form."""
        secret: Secret = self.cleaned_data["api_key"]
        return secret


class NewKeyForm(SettingsForm, SecretForm):
    """A new key, whole."""

    provider = forms.ChoiceField(
        label=_("Provider"), choices=[(provider.name, provider.label) for provider in PROVIDERS.values()]
    )
    folded = ("daily_limit", "monthly_limit", "base_url")
    field_order = ("provider", "api_key", "key_name", "daily_limit", "monthly_limit", "base_url")
