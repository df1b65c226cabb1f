"""Nothing serves while a stored data key needs a ring key that is not configured."""

import subprocess
import sys

import pytest
from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from accounts.models import User
from tests.processes import ROOT, environment, serve
from wavelength.envelope import KeyRing, generate_ring_key
from wavelength.startup import STARTUP, refuse_unsafe

everywhere = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@everywhere
def test_it_works(alice: User, settings: Settings) -> None:
    refuse_unsafe()

    settings.API_KEY_ENCRYPTION_OLD_KEYS = [settings.API_KEY_ENCRYPTION_KEY]
    settings.API_KEY_ENCRYPTION_KEY = generate_ring_key()
    refuse_unsafe()


@everywhere
def test_a_missing_ring_key_is_named(alice: User, settings: Settings) -> None:
    missing = KeyRing.from_hex(settings.API_KEY_ENCRYPTION_KEY).primary_id
    settings.API_KEY_ENCRYPTION_KEY = generate_ring_key()

    with pytest.raises(ImproperlyConfigured, match=f"{missing}, which is not configured"):
        refuse_unsafe()


@pytest.mark.parametrize("key", ["short", "g" * 64, "ab" * 31])
def test_a_bad_ring_key_is_not_shown(db: None, settings: Settings, key: str) -> None:
    settings.API_KEY_ENCRYPTION_KEY = key

    found = run_checks(tags=[STARTUP], databases=["default"])

    assert [message.id for message in found] == ["accounts.E001"]
    assert key not in str(found)


def test_it_is_also_a_check_of_the_database(alice: User, settings: Settings) -> None:
    settings.API_KEY_ENCRYPTION_KEY = generate_ring_key()

    assert [message.id for message in run_checks(tags=[Tags.database], databases=["default"])] == ["accounts.E003"]
    assert run_checks(tags=[Tags.database], databases=["owner"]) == []


@everywhere
def test_the_web_and_the_worker_do_not_start(alice: User) -> None:
    other = generate_ring_key()

    with pytest.raises(RuntimeError, match="is not configured"), serve(API_KEY_ENCRYPTION_KEY=other):
        pass
    worker = subprocess.run(
        [sys.executable, "manage.py", "worker"],
        cwd=ROOT,
        env=environment(API_KEY_ENCRYPTION_KEY=other),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert worker.returncode != 0
    assert "is not configured" in worker.stderr
    assert other not in worker.stderr


@everywhere
def test_the_web_starts_with_the_old_key_kept(alice: User, settings: Settings) -> None:
    with serve(
        API_KEY_ENCRYPTION_KEY=generate_ring_key(), API_KEY_ENCRYPTION_OLD_KEYS=settings.API_KEY_ENCRYPTION_KEY
    ) as running:
        assert running.url
