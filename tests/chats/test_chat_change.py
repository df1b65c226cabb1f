"""GET, PUT and DELETE /api/chats/<id>."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db.models.functions import Now
from django.test import Client

from accounts.due import people_due
from accounts.models import User
from chats.changes import delete_chats, restore_chats
from chats.models import KEPT, Chat, Message, SearchEntry
from chats.search import index_chats
from chats.tasks import empty_deleted
from tests.chats.payloads import all_chats, chat, message, one_chat, synchronise
from wavelength.tenancy import tenant

METHODS = ["get", "put", "delete"]


def test_show(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", message("m1")), chat("c2"))

    assert one_chat(as_alice, "c1") == next(stored for stored in all_chats(as_alice) if stored["id"] == "c1")


def test_rename(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", message("m1")))
    before = one_chat(as_alice, "c1")

    renamed = rename(as_alice, "c1", title="  Trip to Kyōto  ")

    assert renamed == before | {"title": "Trip to Kyōto", "updatedAt": renamed["updatedAt"]}
    assert renamed["updatedAt"] > before["updatedAt"]
    assert one_chat(as_alice, "c1") == renamed


def test_rename_counts_as_newer_than_a_clock_that_is_ahead(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", updatedAt="2090-01-01T00:00:00.000Z"))

    assert rename(as_alice, "c1", title="Later")["updatedAt"] == "2090-01-01T00:00:00.001Z"


def test_delete(as_alice: Client, alice: User) -> None:
    synchronise(as_alice, chat("c1", message("m1")), chat("c2", message("m1")))
    index_chats(user_id=alice.pk)

    response = as_alice.delete("/api/chats/c1")

    assert response.status_code == 200
    assert response.json() == {"success": True, "data": None, "message": "The chat was deleted."}
    assert [stored["id"] for stored in all_chats(as_alice)] == ["c2"]
    for method in METHODS:
        assert call(as_alice, method, "c1").status_code == 404


def test_of_what_was_deleted_a_day_ago_nothing_stays(as_alice: Client, alice: User) -> None:
    synchronise(as_alice, chat("c1", message("m1")), chat("c2", message("m1")))
    index_chats(user_id=alice.pk)
    for id_ in ("c1", "c2"):
        as_alice.delete(f"/api/chats/{id_}")
    wait_a_day(alice, "c1")

    assert list(people_due("deleted_chats")) == [alice.pk]
    empty_deleted(timestamp=0)
    assert list(people_due("deleted_chats")) == []

    with tenant(alice.pk):
        assert Message.objects.count() == 1
        assert SearchEntry.objects.count() == 2
        assert Chat.objects.get(shown_id="c1").title == ""
        assert Chat.objects.get(shown_id="c2").title == "Title of c2"
        chats = list(Chat.objects.values_list("pk", flat=True))
    assert restore_chats(user_id=alice.pk, chats=chats) == 1
    assert [stored["id"] for stored in all_chats(as_alice)] == ["c2"]


def test_what_is_had_back_is_as_it_was(as_alice: Client, alice: User) -> None:
    synchronise(as_alice, chat("c1", message("m1"), message("m2")), chat("c2"))
    before = all_chats(as_alice)
    with tenant(alice.pk):
        deleted = Chat.objects.get(shown_id="c1").pk
    as_alice.delete("/api/chats/c1")
    # Meanwhile a client sends it again, with more in it: it stays away, and is not changed.
    synchronise(as_alice, chat("c1", message("m1"), message("m3"), updatedAt="2026-01-01T00:00:00.000Z"))

    assert restore_chats(user_id=alice.pk, chats=[deleted, deleted]) == 1
    assert all_chats(as_alice) == before
    assert restore_chats(user_id=alice.pk, chats=[deleted]) == 0
    synchronise(as_alice, chat("c1", message("m1"), message("m3"), updatedAt="2026-01-01T00:00:00.000Z"))
    assert len(one_chat(as_alice, "c1")["messages"]) == 3


def test_after_a_day_it_cannot_be_had_back(as_alice: Client, alice: User) -> None:
    synchronise(as_alice, chat("c1"))
    as_alice.delete("/api/chats/c1")
    wait_a_day(alice, "c1")

    with tenant(alice.pk):
        chats = list(Chat.objects.values_list("pk", flat=True))
    assert restore_chats(user_id=alice.pk, chats=chats) == 0
    assert all_chats(as_alice) == []


def test_anothers_chat_is_neither_deleted_nor_had_back(as_alice: Client, alice: User, bob: User) -> None:
    synchronise(as_alice, chat("c1"))
    with tenant(alice.pk):
        chats = list(Chat.objects.values_list("pk", flat=True))

    assert delete_chats(user_id=bob.pk, chats=chats) == 0
    assert len(all_chats(as_alice)) == 1
    assert delete_chats(user_id=alice.pk, chats=chats) == 1
    assert restore_chats(user_id=bob.pk, chats=chats) == 0
    assert all_chats(as_alice) == []


@pytest.mark.parametrize("method", METHODS)
def test_another_owner(as_alice: Client, as_bob: Client, method: str) -> None:
    synchronise(as_alice, chat("c1", message("m1")))
    before = one_chat(as_alice, "c1")

    theirs, nobodys = call(as_bob, method, "c1"), call(as_bob, method, "never-was")

    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.content == nobodys.content
    assert one_chat(as_alice, "c1") == before


@pytest.mark.parametrize("method", METHODS)
def test_signed_out(anonymous: Client, db: None, method: str) -> None:
    assert call(anonymous, method, "c1").status_code == 401


def test_wrong_method(as_alice: Client) -> None:
    assert as_alice.post("/api/chats/c1", {}, content_type="application/json").status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"title": ""}',
        '{"title": "   "}',
        '{"title": 5}',
        '{"title": null}',
        f'{{"title": "{"x" * 1001}"}}',
        "[]",
        "{",
    ],
)
def test_bad_input(as_alice: Client, body: str) -> None:
    synchronise(as_alice, chat("c1"))
    before = one_chat(as_alice, "c1")

    response = as_alice.put("/api/chats/c1", body, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["success"] is False
    assert one_chat(as_alice, "c1") == before


@pytest.mark.parametrize("id_", ["a/b", "a b", "ü?#%", "../etc", "~2", "a\\b", "status", "\N{GRINNING FACE}"])
def test_any_id_a_client_may_have(as_alice: Client, id_: str) -> None:
    synchronise(as_alice, chat(id_, title="Odd"))

    address = "/api/chats/" + quote(id_, safe="")
    assert json.loads(b"".join(as_alice.get(address).streaming_content))["data"]["title"] == "Odd"  # type: ignore[attr-defined]  # it streams


def test_id_that_cannot_be(as_alice: Client) -> None:
    for method in METHODS:
        assert call(as_alice, method, "%00").status_code == 404


def wait_a_day(person: User, id_: str) -> None:
    with tenant(person.pk):
        Chat.objects.filter(shown_id=id_).update(
            deleted_at=Now() - KEPT - timedelta(hours=1), purge_at=Now() - timedelta(hours=1)
        )


def call(client: Client, method: str, id_: str) -> Any:
    address = f"/api/chats/{id_}"
    if method == "put":
        return client.put(address, {"title": "New"}, content_type="application/json")
    return getattr(client, method)(address)


def rename(client: Client, id_: str, **fields: Any) -> dict[str, Any]:
    response = client.put(f"/api/chats/{id_}", fields, content_type="application/json")
    assert response.status_code == 200
    data: dict[str, Any] = json.loads(b"".join(response.streaming_content))["data"]  # type: ignore[attr-defined]  # it streams
    return data
