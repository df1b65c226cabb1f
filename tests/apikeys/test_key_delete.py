"""DELETE /api/profile/api-keys/<id>"""

from collections.abc import Callable
from uuid import uuid4

from django.test import Client

from accounts.models import AuditEvent, User
from apikeys.models import ApiKey
from tests.apikeys.conftest import KEYS_URL, at, call
from wavelength.tenancy import tenant


def test_it_works(as_alice: Client, alice: User, add: Callable[..., ApiKey]) -> None:
    key, kept = add("openai"), add("xai")

    status, answer = call(as_alice, "delete", at(key.pk))

    assert (status, answer["success"], bool(answer["message"])) == (200, True, True)
    assert [left["id"] for left in call(as_alice, "get", KEYS_URL)[1]["data"]] == [str(kept.pk)]
    with tenant(alice.pk):
        assert AuditEvent.objects.filter(kind="key.deleted").count() == 1


def test_it_is_gone_the_second_time(as_alice: Client, add: Callable[..., ApiKey]) -> None:
    key = add()
    call(as_alice, "delete", at(key.pk))

    assert call(as_alice, "delete", at(key.pk))[0] == 404


def test_another_persons_key_is_not_found(as_bob: Client, alice: User, add: Callable[..., ApiKey]) -> None:
    key = add()

    assert call(as_bob, "delete", at(key.pk)) == call(as_bob, "delete", at(uuid4()))
    with tenant(alice.pk):
        assert ApiKey.objects.count() == 1


def test_the_secret_can_be_stored_again(as_alice: Client, add: Callable[..., ApiKey]) -> None:
    call(as_alice, "delete", at(add().pk))

    assert add().pk
