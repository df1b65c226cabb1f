"""Two-factor secrets at rest: allauth's hook, through the envelope. DESIGN.md §6.

The hook names neither person nor row, so these secrets hang from the system's data key.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.datakeys import system_data_key
from accounts.models import User
from wavelength.caller import current_caller
from wavelength.devices import device_name
from wavelength.envelope import Binding, DataKey, EnvelopeError, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

BINDING: Final = Binding(owner=None, column="mfa_authenticator.data")
# Where allauth keeps what it gave to `encrypt()`: accounts and recovery codes.
SEALED_FIELDS: Final = ("secret", "seed")


class MFAAdapter(DefaultMFAAdapter):
    """Seals TOTP secrets and the seeds of recovery codes; names what people see at their devices."""

    error_messages: ClassVar[dict[str, Any]] = DefaultMFAAdapter.error_messages | {
        "add_email_blocked": _("Switch two-factor sign-in off to add an e-mail address."),
        "cannot_delete_authenticator": _("This second factor is needed. It cannot be switched off."),
        "cannot_generate_recovery_codes": _(
            "Set up an authenticator app or a passkey first, then make recovery codes."
        ),
        "unverified_email": _("Confirm your e-mail address first, then switch two-factor sign-in on."),
    }

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        """A first name for a passkey: the device that it is made on."""
        caller = current_caller()
        return device_name(caller.device if caller else "") or gettext("Passkey")

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The site as devices know it."""
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return entity | {"name": "Wavelength"}

    def encrypt(self, text: str) -> str:
        """Answer the envelope of a secret, in base64."""
        return base64.b64encode(system_data_key().seal(Secret(text), BINDING)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Answer the secret of an envelope. Raises EnvelopeError when it does not open."""
        return _open(system_data_key(), encrypted_text).reveal()


def seal_unconfirmed(session: dict[str, Any]) -> dict[str, Any]:
    """Answer a session with the secret sealed that its person has not confirmed with a first code yet."""
    if SECRET_SESSION_KEY not in session:
        return session
    return session | {SECRET_SESSION_KEY: MFAAdapter().encrypt(session[SECRET_SESSION_KEY])}


def open_unconfirmed(session: dict[str, Any]) -> dict[str, Any]:
    """Answer a session as it was before `seal_unconfirmed`; what does not open is left out, for a new one."""
    if SECRET_SESSION_KEY not in session:
        return session
    opened = dict(session)
    try:
        opened[SECRET_SESSION_KEY] = MFAAdapter().decrypt(session[SECRET_SESSION_KEY])
    except EnvelopeError:
        del opened[SECRET_SESSION_KEY]
    return opened


def open_all(data_key: DataKey, _owner: UUID | None) -> Iterator[bool]:
    """Open every sealed field of every authenticator, for `check_encryption`."""
    for data in Authenticator.objects.order_by("pk").values_list("data", flat=True):
        for sealed in _sealed_texts(data):
            try:
                _open(data_key, sealed)
            except EnvelopeError:
                yield False
            else:
                yield True


def _sealed_texts(data: dict[str, Any]) -> list[str]:
    return [data[field] for field in SEALED_FIELDS if field in data] + [*data.get("migrated_codes", ())]


def _open(data_key: DataKey, sealed: str) -> Secret:
    try:
        envelope = base64.b64decode(sealed, validate=True)
    except (ValueError, binascii.Error):
        raise EnvelopeError("The two-factor secret is not an envelope.") from None
    return data_key.open(envelope, BINDING)
