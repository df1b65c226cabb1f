"""manage.py rotate_encryption_keys: data keys move under the new ring key, and every secret still opens."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier

import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.db import connections
from pytest_django import Settings

from accounts import datakeys
from accounts.models import DataKey, SystemKey, User
from tests.conftest import make_person
from wavelength.envelope import KeyRing, MissingRingKeyError, Secret, generate_ring_key
from wavelength.tenancy import tenant

OLD = str(configured.API_KEY_ENCRYPTION_KEY)
NEW = generate_ring_key()
NEW_ID = KeyRing.from_hex(NEW).primary_id
OLD_ID = KeyRing.from_hex(OLD).primary_id


def rotate() -> str:
    output = StringIO()
    call_command("rotate_encryption_keys", stdout=output, stderr=output)
    return output.getvalue()


def fingerprint_of(person: User) -> bytes:
    """Something that only the person's own data key can make."""
    with tenant(person.pk):
        return datakeys.data_key_for(person.pk).fingerprint(Secret("canary"))


@pytest.fixture
def new_ring(settings: Settings) -> None:
    settings.API_KEY_ENCRYPTION_KEY = NEW
    settings.API_KEY_ENCRYPTION_OLD_KEYS = [OLD]


def test_it_works(alice: User, bob: User, settings: Settings) -> None:
    before = [fingerprint_of(alice), fingerprint_of(bob)]
    system = datakeys.system_data_key().fingerprint(Secret("canary"))
    settings.API_KEY_ENCRYPTION_KEY = NEW
    settings.API_KEY_ENCRYPTION_OLD_KEYS = [OLD]

    output = rotate()
    settings.API_KEY_ENCRYPTION_OLD_KEYS = []

    assert "Wrapped anew: 3 data keys." in output
    assert NEW_ID in output
    assert [fingerprint_of(alice), fingerprint_of(bob)] == before
    assert datakeys.system_data_key().fingerprint(Secret("canary")) == system
    assert datakeys.ring_keys_in_use() == {NEW_ID: 3}
    with tenant(alice.pk):
        assert DataKey.objects.get().rewrapped_at is not None


def test_again_has_nothing_to_do(alice: User, new_ring: None) -> None:
    rotate()
    with tenant(alice.pk):
        before = bytes(DataKey.objects.get().wrapped)

    assert "Wrapped anew: 0 data keys." in rotate()
    with tenant(alice.pk):
        assert bytes(DataKey.objects.get().wrapped) == before


def test_more_people_than_a_page(alice: User, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.due.PAGE", 2)
    for number in range(4):
        make_person(f"person{number}@example.com", "Person")
    settings.API_KEY_ENCRYPTION_KEY, settings.API_KEY_ENCRYPTION_OLD_KEYS = NEW, [OLD]

    assert "Wrapped anew: 5 data keys." in rotate()


def test_new_people_are_under_the_new_key_at_once(new_ring: None, alice: User) -> None:
    assert datakeys.ring_keys_in_use() == {NEW_ID: 1}


def test_what_does_not_open_is_left_and_told(alice: User, bob: User, new_ring: None) -> None:
    with tenant(alice.pk):
        DataKey.objects.update(ring_key_id="0123456789abcdef")
    output = StringIO()

    with pytest.raises(CommandError, match="Keep the old keys"):
        call_command("rotate_encryption_keys", stdout=output, stderr=output)

    assert "Left: 1 data keys under the old ring key 0123456789abcdef." in output.getvalue()
    assert OLD not in output.getvalue()
    assert datakeys.ring_keys_in_use() == {NEW_ID: 1, "0123456789abcdef": 1}


def test_without_the_old_key_nothing_opens(alice: User, settings: Settings) -> None:
    settings.API_KEY_ENCRYPTION_KEY = NEW

    with pytest.raises(MissingRingKeyError, match=OLD_ID):
        fingerprint_of(alice)
    assert datakeys.missing_ring_keys() == {OLD_ID: 1}


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_two_at_once_wrap_each_key_once(settings: Settings) -> None:
    people = [make_person(f"person{number}@example.com", "Person") for number in range(20)]
    before = [fingerprint_of(person) for person in people]
    settings.API_KEY_ENCRYPTION_KEY, settings.API_KEY_ENCRYPTION_OLD_KEYS = NEW, [OLD]
    barrier = Barrier(3)

    def run(_: int) -> int:
        barrier.wait()
        try:
            return sum(1 for outcome in datakeys.rewrap_data_keys() if outcome is None)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(run, range(3))) == len(people)
    assert datakeys.ring_keys_in_use() == {NEW_ID: len(people)}
    assert [fingerprint_of(person) for person in people] == before


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_a_run_that_was_stopped_is_taken_up_again(settings: Settings) -> None:
    people = [make_person(f"person{number}@example.com", "Person") for number in range(5)]
    settings.API_KEY_ENCRYPTION_KEY, settings.API_KEY_ENCRYPTION_OLD_KEYS = NEW, [OLD]

    stopped = datakeys.rewrap_data_keys()
    next(stopped)
    next(stopped)
    stopped.close()

    assert datakeys.ring_keys_in_use() == {NEW_ID: 2, OLD_ID: 3}
    assert "Wrapped anew: 3 data keys." in rotate()
    assert [len(fingerprint_of(person)) for person in people] == [32] * 5


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_two_processes_make_one_system_key() -> None:
    barrier = Barrier(4)

    def run(_: int) -> bytes:
        barrier.wait()
        try:
            return datakeys.system_data_key().fingerprint(Secret("canary"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(run, range(4)))) == 1
    assert SystemKey.objects.count() == 1
