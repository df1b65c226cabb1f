"""What allauth does to the ways into an account, remembered in the audit trail.

Signals, because allauth offers nothing else for these; what its adapters are asked stands in adapter.py and social.py.
"""

from typing import Any, Final

from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import EmailAddress
from allauth.account.signals import email_added, email_removed
from allauth.account.signals import password_changed as password_was_changed
from allauth.account.signals import password_reset as password_was_reset
from allauth.account.signals import password_set as password_was_set
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed, authenticator_added, authenticator_removed, authenticator_reset
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.http import HttpRequest

from accounts import audit
from accounts.models import User

NAME_LENGTH: Final = 100


def connect() -> None:
    """Listen to allauth, once, when the app is ready."""
    password_was_changed.connect(_password_changed)
    password_was_set.connect(_password_set)
    password_was_reset.connect(_password_reset)
    email_added.connect(_email_asked_for)
    email_removed.connect(_email_given_up)
    authenticator_added.connect(_authenticator_added)
    authenticator_removed.connect(_authenticator_removed)
    authenticator_reset.connect(_recovery_codes_made)
    authentication_failed.connect(_code_refused)
    social_account_added.connect(_provider_connected)
    social_account_removed.connect(_provider_disconnected)


def _password_changed(user: User, **_: Any) -> None:
    audit.record_for(user.pk, "password.changed")


def _password_set(user: User, **_: Any) -> None:
    audit.record_for(user.pk, "password.set")


def _password_reset(user: User, **_: Any) -> None:
    audit.record_for(user.pk, "password.reset")


def _email_asked_for(user: User, email_address: EmailAddress, **_: Any) -> None:
    audit.record_for(user.pk, "email.change_asked", after=email_address.email)


def _email_given_up(user: User, email_address: EmailAddress, **_: Any) -> None:
    if not email_address.verified:
        audit.record_for(user.pk, "email.change_cancelled", after=email_address.email)


def _authenticator_added(
    user: User, authenticator: Authenticator, request: HttpRequest | None = None, **_: Any
) -> None:
    if request is not None and authenticator.type != Authenticator.Type.RECOVERY_CODES:
        # Setting it up showed it: what asks for a second factor need not ask again.
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)
    match authenticator.type:
        case Authenticator.Type.TOTP:
            audit.record_for(user.pk, "twofactor.on")
        case Authenticator.Type.WEBAUTHN:
            audit.record_for(user.pk, "passkey.added", name=_name_of(authenticator))
        case Authenticator.Type.RECOVERY_CODES:
            audit.record_for(user.pk, "recovery.made")


def _authenticator_removed(user: User, authenticator: Authenticator, **_: Any) -> None:
    match authenticator.type:
        case Authenticator.Type.TOTP:
            audit.record_for(user.pk, "twofactor.off")
        case Authenticator.Type.WEBAUTHN:
            audit.record_for(user.pk, "passkey.removed", name=_name_of(authenticator))
        case Authenticator.Type.RECOVERY_CODES:
            audit.record_for(user.pk, "recovery.removed")


def _recovery_codes_made(user: User, authenticator: Authenticator, **_: Any) -> None:
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        audit.record_for(user.pk, "recovery.made")


def _code_refused(user: User, reauthentication: bool = False, **_: Any) -> None:
    # The password was right, or somebody is signed in: the person is known.
    kind = "confirmation.failed" if reauthentication else "session.failed"
    audit.record_for(user.pk, kind, way="code")


def _provider_connected(sociallogin: SocialLogin, **_: Any) -> None:
    if sociallogin._did_authenticate_by_email:  # noqa: SLF001  # allauth has no other name for it
        return  # remembered in social.py, with what was taken over
    audit.record_for(sociallogin.user.pk, "social.connected", provider=sociallogin.account.provider)


def _provider_disconnected(socialaccount: SocialAccount, **_: Any) -> None:
    audit.record_for(socialaccount.user_id, "social.disconnected", provider=socialaccount.provider)


def _name_of(authenticator: Authenticator) -> str:
    return str(authenticator)[:NAME_LENGTH]
