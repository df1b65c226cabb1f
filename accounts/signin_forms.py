"""allauth's forms, where theirs say too little."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AddWebAuthnForm, AuthenticateWebAuthnForm, LoginWebAuthnForm
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.mailed_codes import CodeGoneError, take_code
from accounts.models import User

Cleaned = TypeVar("Cleaned")


class NewPasskeyForm(AddWebAuthnForm):
    """A passkey that also signs in by itself, unless one says otherwise."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        required=False,
        help_text=_("So that you know it again, such as the device it is on."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        passwordless = self.fields["passwordless"]
        passwordless.initial = True
        passwordless.label = _("Sign in with it alone, without the password")
        passwordless.help_text = _("The device then asks for your fingerprint, face or PIN each time.")

    def clean(self) -> dict[str, Any]:
        return _read(super().clean)


class PasskeyForm(AuthenticateWebAuthnForm):
    """A passkey as second factor. A refused one stands in the trail, as a code does: allauth has no signal for it."""

    def clean_credential(self) -> Authenticator:
        try:
            return _read(super().clean_credential)
        except ValidationError as error:
            if error.code == "incorrect_code":
                kind = "confirmation.failed" if self.reauthenticated else "session.failed"
                audit.record_for(self.user.pk, kind, way="passkey")
            raise


class ConfirmingPasskeyForm(PasskeyForm):
    """A passkey to show that it is still them."""

    reauthenticated = True


class SigninPasskeyForm(LoginWebAuthnForm):
    """A passkey to sign in with alone. Whose a refused one would be, only who sends it says: it stands in no trail."""

    def clean_credential(self) -> Authenticator:
        return _read(super().clean_credential)


class MailedCodeForm(forms.Form):
    """The code that was mailed, typed with or without its dash."""

    code = forms.CharField(
        label=_("Code from the mail"),
        max_length=20,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "characters", "autofocus": True}
        ),
    )

    def __init__(self, *args: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        user = cast("User", self.request.user)
        try:
            if take_code(self.request, user, code):
                return code
        except CodeGoneError:
            raise ValidationError(_("This code works no more. Have another one mailed.")) from None
        audit.record(user.pk, "confirmation.failed", way="code")
        raise ValidationError(_("This is not the code that we mailed last. Look again, or have another one mailed."))


def _read(clean: Callable[[], Cleaned]) -> Cleaned:
    """What a browser sent, which may be anything: allauth looks at its values, but takes its parts for granted."""
    try:
        return clean()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise get_adapter().validation_error("incorrect_code") from error
