"""allauth's forms, where theirs say too little."""

from typing import Any

from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.utils.translation import gettext_lazy as _


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
