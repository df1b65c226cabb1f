"""How a person gets into their account, gathered for the security page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from django.http import HttpRequest

from accounts.models import User


@dataclass(frozen=True, slots=True)
class Passkey:
    """A key on a device; ``alone`` when it signs in without the password."""

    id: int
    name: str
    alone: bool
    added_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Connection:
    """A provider to sign in with: connected, as whom, or to be connected."""

    provider: str
    label: str
    account: str
    is_connected: bool


@dataclass(frozen=True, slots=True)
class WaysIn:
    """Everything that opens an account. ``codes_left`` is None where there are no recovery codes."""

    has_password: bool
    email: str
    pending_email: str
    totp: bool
    codes_left: int | None
    passkeys: list[Passkey]
    connections: list[Connection]

    @property
    def two_factor(self) -> bool:
        """Whether the password alone does not open the account."""
        return self.totp or bool(self.passkeys)


def ways_in(request: HttpRequest, user: User) -> WaysIn:
    """Everything that opens this person's account, in three queries."""
    addresses = list(EmailAddress.objects.filter(user=user))
    factors = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    codes = [factor for factor in factors if factor.type == Authenticator.Type.RECOVERY_CODES]
    return WaysIn(
        has_password=user.has_usable_password(),
        email=user.email,
        pending_email=next((address.email for address in addresses if not address.verified), ""),
        totp=any(factor.type == Authenticator.Type.TOTP for factor in factors),
        codes_left=len(codes[0].wrap().get_unused_codes()) if codes else None,
        passkeys=[_passkey(factor) for factor in factors if factor.type == Authenticator.Type.WEBAUTHN],
        connections=list(_connections(request, SocialAccount.objects.filter(user=user))),
    )


def _passkey(factor: Authenticator) -> Passkey:
    key = factor.wrap()
    return Passkey(factor.pk, key.name, key.is_passwordless is True, factor.created_at, factor.last_used_at)


def _connections(request: HttpRequest, accounts: Sequence[SocialAccount] | Any) -> list[Connection]:
    connected = {account.provider: account for account in accounts}
    offered = {provider.id: provider.name for provider in get_adapter().list_providers(request)}
    # One that is connected stays in sight when the operator no longer offers it.
    labels = {provider: provider.title() for provider in connected} | offered
    return [
        Connection(
            provider,
            label,
            str(connected[provider].extra_data.get("email") or connected[provider].extra_data.get("login") or "")
            if provider in connected
            else "",
            provider in connected,
        )
        for provider, label in sorted(labels.items())
    ]
