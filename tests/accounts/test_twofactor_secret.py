"""What allauth stores of a second factor."""

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time

from accounts.mfa import MFAAdapter
from accounts.models import User
from wavelength.envelope import EnvelopeError

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_now() -> str:
    return str(format_hotp_value(hotp_value(SECRET, next(yield_hotp_counters_from_time()))))


def test_it_works(alice: User) -> None:
    TOTP.activate(alice, SECRET)

    authenticator = Authenticator.objects.get()
    assert SECRET not in str(authenticator.data)
    assert authenticator.wrap().validate_code(code_now())
    assert not authenticator.wrap().validate_code("000000")


def test_recovery_codes_stay_the_same(alice: User) -> None:
    codes = RecoveryCodes.activate(alice).get_unused_codes()

    stored = Authenticator.objects.get()
    assert stored.wrap().get_unused_codes() == codes
    assert stored.wrap().validate_code(codes[0])


def test_what_was_changed_does_not_open(db: None) -> None:
    adapter = get_adapter()
    sealed = adapter.encrypt(SECRET)

    assert isinstance(adapter, MFAAdapter)
    assert adapter.decrypt(sealed) == SECRET
    for changed in (SECRET, sealed[:-8] + "AAAAAAA=", "é"):
        with pytest.raises(EnvelopeError):
            adapter.decrypt(changed)
