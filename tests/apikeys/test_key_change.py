"""PUT /api/profile/api-keys/<id>"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from apikeys import vault
from apikeys.models import ApiKey
from tests.apikeys.conftest import KEYS_URL, at, call
from wavelength.tenancy import tenant

NEW_SECRET = "sk-proj-another-secret-9876"


def opened(user: User, key: ApiKey) -> str:
    with tenant(user.pk):
        return vault.open_key(ApiKey.objects.get(pk=key.pk)).secret.reveal()


def test_it_works(as_alice: Client, add: Callable[..., ApiKey]) -> None:
    key = add()

    status, answer = call(
        as_alice, "put", at(key.pk), {"keyName": "Home", "dailyLimit": 5, "monthlyLimit": 50, "isActive": False}
    )

    shown = answer["data"]
    assert status == 200
    assert (shown["keyName"], shown["dailyLimit"], shown["monthlyLimit"]) == ("Home", 5, 50)
    assert shown["isActive"] is False
    assert shown["updatedAt"] >= shown["createdAt"]
    assert call(as_alice, "get", KEYS_URL)[1]["data"] == [shown]


def test_what_is_absent_stays(as_alice: Client, add: Callable[..., ApiKey]) -> None:
    key = add(key_name="Home", daily_limit=5)

    _, answer = call(as_alice, "put", at(key.pk), {"isActive": False})

    assert (answer["data"]["keyName"], answer["data"]["dailyLimit"]) == ("Home", 5)


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_clears(as_alice: Client, add: Callable[..., ApiKey], empty: object) -> None:
    key = add(key_name="Home", daily_limit=5, monthly_limit=6)

    _, answer = call(as_alice, "put", at(key.pk), {"keyName": empty, "dailyLimit": empty, "monthlyLimit": empty})

    shown = answer["data"]
    assert (shown["keyName"], shown["dailyLimit"], shown["monthlyLimit"]) == ("Default", None, None)


def test_a_new_secret_replaces_the_old_and_what_was_known_of_it(
    as_alice: Client, alice: User, add: Callable[..., ApiKey]
) -> None:
    key = add()
    with tenant(alice.pk):
        ApiKey.objects.update(is_valid=False, validation_error="It was refused.", last_validated=key.created_at)

    status, answer = call(as_alice, "put", at(key.pk), {"apiKey": f" {NEW_SECRET} "})

    shown = answer["data"]
    assert status == 200
    assert (shown["hint"], shown["isValid"], shown["validationError"], shown["lastValidated"]) == (
        NEW_SECRET[-4:],
        None,
        None,
        None,
    )
    assert opened(alice, key) == NEW_SECRET


def test_the_address_changes_only_with_the_secret(as_alice: Client, alice: User, add: Callable[..., ApiKey]) -> None:
    key = add()
    address = "https://llm.example.com/v1"

    status, answer = call(as_alice, "put", at(key.pk), {"baseUrl": address, "keyName": "Moved"})
    assert (status, answer["details"][0]["path"]) == (400, ["baseUrl"])
    assert call(as_alice, "get", KEYS_URL)[1]["data"][0]["keyName"] == "Default"

    status, answer = call(as_alice, "put", at(key.pk), {"baseUrl": address, "apiKey": NEW_SECRET})
    assert (status, answer["data"]["baseUrl"]) == (200, address)
    assert opened(alice, key) == NEW_SECRET

    # The same address again is no change.
    assert call(as_alice, "put", at(key.pk), {"baseUrl": address + "/"})[0] == 200
    assert call(as_alice, "put", at(key.pk), {"baseUrl": None})[0] == 400
    status, answer = call(as_alice, "put", at(key.pk), {"baseUrl": "", "apiKey": NEW_SECRET})
    assert (status, answer["data"]["baseUrl"]) == (200, None)


def test_its_own_secret_again_is_no_conflict(as_alice: Client, add: Callable[..., ApiKey]) -> None:
    key = add(secret=NEW_SECRET)

    assert call(as_alice, "put", at(key.pk), {"apiKey": NEW_SECRET})[0] == 200


def test_another_keys_name_or_secret_is_a_conflict(as_alice: Client, alice: User, add: Callable[..., ApiKey]) -> None:
    add(key_name="Taken", secret=NEW_SECRET)
    key = add(key_name="Mine", secret="sk-proj-mine-1234567890")

    by_name = call(as_alice, "put", at(key.pk), {"keyName": "Taken"})
    by_secret = call(as_alice, "put", at(key.pk), {"apiKey": NEW_SECRET, "dailyLimit": 5})

    assert (by_name[0], by_name[1]["code"]) == (409, "key_exists")
    assert (by_secret[0], by_secret[1]["code"]) == (409, "key_exists")
    assert opened(alice, key) == "sk-proj-mine-1234567890"
    with tenant(alice.pk):
        assert ApiKey.objects.get(pk=key.pk).daily_limit is None


def test_another_persons_key_is_not_found(as_bob: Client, alice: User, add: Callable[..., ApiKey]) -> None:
    key = add()

    theirs = call(as_bob, "put", at(key.pk), {"keyName": "Mine now"})
    nobodys = call(as_bob, "put", at(uuid4()), {"keyName": "Mine now"})

    assert theirs == nobodys
    assert theirs[0] == 404
    with tenant(alice.pk):
        assert ApiKey.objects.get().key_name == "Default"


def test_another_method_is_refused(as_alice: Client, add: Callable[..., ApiKey]) -> None:
    assert call(as_alice, "get", at(add().pk))[0] == 405


@pytest.mark.parametrize("path", ["nonsense", "1", "00000000-0000-0000-0000-00000000000g"])
def test_what_is_no_id_is_not_found(as_alice: Client, path: str) -> None:
    status, answer = call(as_alice, "put", at(path), {"keyName": "x"})

    assert (status, answer["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("isActive", "yes"),
        ("isActive", 1),
        ("dailyLimit", 0),
        ("monthlyLimit", 1.5),
        ("apiKey", "short"),
        ("apiKey", 7),
        ("keyName", "a" * 101),
    ],
)
def test_bad_input_changes_nothing(as_alice: Client, add: Callable[..., ApiKey], field: str, value: Any) -> None:
    key = add()
    before = call(as_alice, "get", KEYS_URL)[1]["data"]

    status, answer = call(as_alice, "put", at(key.pk), {"keyName": "Changed", field: value})

    assert (status, answer["details"][0]["path"]) == (400, [field])
    assert call(as_alice, "get", KEYS_URL)[1]["data"] == before
