"""What allauth stores of a second factor."""

import json

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    SECRET_SESSION_KEY,
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client

from accounts.mfa import MFAAdapter, open_unconfirmed
from accounts.models import Session, User
from tests.conftest import PASSWORD
from wavelength.envelope import EnvelopeError

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_now(secret: str = SECRET) -> str:
    return str(format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time()))))


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


def test_before_it_is_confirmed_it_stands_sealed_in_the_session(as_alice: Client, alice: User) -> None:
    as_alice.post("/accounts/reauthenticate/", {"password": PASSWORD})

    page = as_alice.get("/accounts/2fa/totp/activate/")
    secret = as_alice.session[SECRET_SESSION_KEY]

    assert secret in page.content.decode()
    stored = json.loads(Session.objects.get(user=alice).session_data)
    assert secret not in str(stored)
    assert get_adapter().decrypt(stored[SECRET_SESSION_KEY]) == secret
    confirmed = as_alice.post("/accounts/2fa/totp/activate/", {"code": code_now(secret)})
    assert confirmed.status_code == 302
    assert Authenticator.objects.filter(user=alice, type=Authenticator.Type.TOTP).exists()


def test_one_that_does_not_open_is_made_anew(alice: User) -> None:
    assert open_unconfirmed({SECRET_SESSION_KEY: "plain", "kept": 1}) == {"kept": 1}
