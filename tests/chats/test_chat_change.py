"""GET, PUT and DELETE /api/chats/<id>."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.models import User
from chats.models import Chat, Message, SearchEntry
from chats.search import index_chats
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
    with tenant(alice.pk):
        assert Message.objects.count() == SearchEntry.objects.count() == 1
        assert Chat.objects.exclude(deleted_at=None).get().title == ""
    for method in METHODS:
        assert call(as_alice, method, "c1").status_code == 404


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
    assert as_alice.get("/api/chats/%00").status_code == 404


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
