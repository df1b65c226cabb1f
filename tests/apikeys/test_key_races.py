"""The same key from several sides at once."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections
from django.test import Client

from accounts.models import User
from tests.apikeys.conftest import KEYS_URL, SECRETS, add_for, at, call
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
SIDES = 6


def at_once(person: User, method: str, url: str, bodies: Sequence[Mapping[str, object]]) -> list[int]:
    """The statuses of calls that begin together, each on a connection of its own."""
    barrier = Barrier(len(bodies))
    clients = [signed_in(person) for _ in bodies]

    def side(client: Client, body: Mapping[str, object]) -> int:
        barrier.wait()
        try:
            return call(client, method, url, body)[0]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(bodies)) as pool:
        return sorted(pool.map(side, clients, bodies))


def test_one_secret_is_stored_once(alice: User) -> None:
    bodies = [{"provider": "openai", "apiKey": SECRETS["openai"], "keyName": f"Key {n}"} for n in range(SIDES)]

    assert at_once(alice, "post", KEYS_URL, bodies) == [200] + [409] * (SIDES - 1)


def test_one_name_is_taken_once(alice: User) -> None:
    bodies = [{"provider": "openai", "apiKey": f"sk-secret-number-{n}"} for n in range(SIDES)]

    assert at_once(alice, "post", KEYS_URL, bodies) == [200] + [409] * (SIDES - 1)


def test_changes_of_one_key_follow_each_other(alice: User) -> None:
    key = add_for(alice)
    bodies: list[dict[str, object]] = [{"dailyLimit": 7}, {"monthlyLimit": 8}, {"keyName": "New"}, {"isActive": False}]

    assert at_once(alice, "put", at(key.pk), bodies) == [200] * 4
    shown = call(signed_in(alice), "get", KEYS_URL)[1]["data"][0]
    assert (shown["dailyLimit"], shown["monthlyLimit"], shown["keyName"], shown["isActive"]) == (7, 8, "New", False)
