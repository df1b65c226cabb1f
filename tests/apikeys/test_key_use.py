"""Taking a key out for a call, and what keeps it shut."""

from collections.abc import Callable

import pytest
from django.db import connections

from accounts.models import DataKey, User
from apikeys import vault
from apikeys.models import ApiKey
from tests.apikeys.conftest import SECRETS, add_for
from wavelength.envelope import EnvelopeError
from wavelength.tenancy import tenant

Add = Callable[..., ApiKey]


def test_it_works(alice: User, add: Add) -> None:
    key = add(base_url="https://llm.example.com/v1")

    with vault.use_key(user_id=alice.pk, key_id=key.pk) as opened:
        assert (opened.provider, opened.base_url) == ("openai", "https://llm.example.com/v1")
        assert opened.secret.reveal() == SECRETS["openai"]
        assert SECRETS["openai"] not in repr(opened)

    with tenant(alice.pk):
        assert ApiKey.objects.get().last_used is not None


def test_another_person_cannot(bob: User, add: Add) -> None:
    key = add()

    with pytest.raises(ApiKey.DoesNotExist), vault.use_key(user_id=bob.pk, key_id=key.pk):
        pass


def test_one_that_is_switched_off_is_not_used(alice: User, add: Add) -> None:
    key = add()
    vault.change_key(user_id=alice.pk, key_id=key.pk, is_active=False)

    with pytest.raises(ApiKey.DoesNotExist), vault.use_key(user_id=alice.pk, key_id=key.pk):
        pass


@pytest.mark.parametrize(
    "moved", [{"provider": "xai"}, {"base_url": "https://evil.example/v1"}, {"base_url": ""}, {"envelope": b"x" * 200}]
)
def test_a_row_that_was_tampered_with_does_not_open(alice: User, add: Add, moved: dict[str, object]) -> None:
    key = add(base_url="https://llm.example.com/v1")
    with tenant(alice.pk):
        ApiKey.objects.update(**moved)

    with pytest.raises(EnvelopeError), vault.use_key(user_id=alice.pk, key_id=key.pk):
        pass


def test_an_envelope_moved_to_another_row_or_person_does_not_open(alice: User, bob: User, add: Add) -> None:
    key, other, his = add("openai"), add("openai", secret="sk-other-12345", key_name="Other"), add_for(bob)
    with tenant(alice.pk):
        ApiKey.objects.filter(pk=other.pk).update(envelope=key.envelope)
    with tenant(bob.pk):
        ApiKey.objects.filter(pk=his.pk).update(envelope=key.envelope)

    for owner, row in ((alice, other), (bob, his)):
        with pytest.raises(EnvelopeError), vault.use_key(user_id=owner.pk, key_id=row.pk):
            pass


def test_without_the_data_key_nothing_opens(alice: User, add: Add) -> None:
    key = add()
    with tenant(alice.pk):
        DataKey.objects.all().delete()

    with pytest.raises(DataKey.DoesNotExist), vault.use_key(user_id=alice.pk, key_id=key.pk):
        pass


@pytest.mark.django_db(databases=["default", "operator"])
def test_the_operator_reads_no_ciphertext(add: Add) -> None:
    add()

    for column in ("envelope", "fingerprint", "hint", "key_name", "base_url"):
        with connections["operator"].cursor() as cursor:
            cursor.execute(
                "SELECT has_column_privilege('apikeys_apikey', %s, 'SELECT'),"
                " has_table_privilege('apikeys_apikey', 'UPDATE')",
                [column],
            )
            assert cursor.fetchone() == (False, False)
