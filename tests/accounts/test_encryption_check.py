"""manage.py check_encryption opens everything that is sealed, and generate_encryption_key makes a key."""

import base64
import os
import subprocess
import sys
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import DataKey, User
from apikeys.models import ApiKey
from tests.apikeys.conftest import SECRETS, add_for
from tests.processes import ROOT
from wavelength.envelope import KeyRing, generate_ring_key
from wavelength.tenancy import tenant

TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def everything(alice: User, bob: User) -> None:
    """Two keys, an authenticator and recovery codes."""
    add_for(alice, "openai")
    add_for(bob, "xai")
    TOTP.activate(alice, TOTP_SECRET)
    RecoveryCodes.activate(alice)


def check() -> tuple[str, bool]:
    """What it printed, and whether it was content."""
    output = StringIO()
    try:
        call_command("check_encryption", stdout=output, stderr=output)
    except CommandError:
        return output.getvalue(), False
    return output.getvalue(), True


def test_it_works(everything: None) -> None:
    output, content = check()

    assert content
    assert output.splitlines() == ["data keys: 3 open", "provider keys: 2 open", "two-factor secrets: 2 open"]
    assert not any(secret in output for secret in (*SECRETS.values(), TOTP_SECRET))


def test_an_empty_database_is_fine(db: None) -> None:
    assert check() == ("data keys: 0 open\nprovider keys: 0 open\ntwo-factor secrets: 0 open\n", True)


def test_a_changed_envelope_is_counted(everything: None, alice: User) -> None:
    with tenant(alice.pk):
        key = ApiKey.objects.get()
        envelope = bytearray(key.envelope)
        envelope[-1] ^= 1
        ApiKey.objects.update(envelope=bytes(envelope))

    output, content = check()

    assert not content
    assert "provider keys: 1 open, 1 do NOT open" in output


def test_a_changed_data_key_is_counted(everything: None, bob: User) -> None:
    with tenant(bob.pk):
        DataKey.objects.update(wrapped=bytes(61))

    output, content = check()

    assert not content
    assert "data keys: 2 open, 1 do NOT open" in output


@pytest.mark.parametrize("damage", ["plain text", base64.b64encode(bytes(150)).decode()])
def test_a_changed_two_factor_secret_is_counted(everything: None, damage: str) -> None:
    authenticator = Authenticator.objects.get(type=Authenticator.Type.TOTP)
    authenticator.data = {"secret": damage}
    authenticator.save()

    output, content = check()

    assert not content
    assert "two-factor secrets: 1 open, 1 do NOT open" in output


def test_a_missing_ring_key_is_told(everything: None, settings: Settings) -> None:
    settings.API_KEY_ENCRYPTION_KEY = generate_ring_key()

    output, content = check()

    assert not content
    assert "data keys: 0 open, 3 do NOT open" in output


def test_who_was_shredded_has_nothing_left_to_open(everything: None, alice: User) -> None:
    with tenant(alice.pk):
        DataKey.objects.all().delete()

    assert check() == ("data keys: 2 open\nprovider keys: 1 open\ntwo-factor secrets: 2 open\n", True)


def test_a_generated_key_is_a_ring() -> None:
    first, second = StringIO(), StringIO()
    call_command("generate_encryption_key", stdout=first)
    call_command("generate_encryption_key", stdout=second)

    assert len(first.getvalue().strip()) == 64
    assert KeyRing.from_hex(first.getvalue()).primary_id != KeyRing.from_hex(second.getvalue()).primary_id


def test_a_key_is_generated_where_nothing_is_configured_yet() -> None:
    configured = ("DEBUG", "SECRET_KEY", "NEXTAUTH_SECRET", "API_KEY_ENCRYPTION_KEY", "DATABASE_URL", "SITE_URL")
    bare = {name: value for name, value in os.environ.items() if name not in configured}

    made = subprocess.run(
        [sys.executable, "manage.py", "generate_encryption_key"],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert len(made.stdout.strip()) == 64
