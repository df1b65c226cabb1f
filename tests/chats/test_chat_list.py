"""GET /api/chats."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chats.models import Chat
from chats.reading import BATCH_BYTES
from tests.chats.payloads import START, all_chats, chat, hand_over, message, payload, read, synchronise
from wavelength.tenancy import tenant


def test_it_works(as_alice: Client, alice: User) -> None:
    sent = message(
        "m1", cost=0.25, duration=900, model="openai/gpt-4o", tokens={"input": 1, "reasoning": 2, "output": 3}
    )
    hand_over(as_alice, payload(chat("c1", sent, message("m2")), chat("empty", updatedAt="2025-02-03T10:00:00.000Z")))

    response = as_alice.get("/api/chats")

    assert response["Content-Type"] == "application/json"
    assert response.streaming
    body = json.loads(b"".join(response.streaming_content))  # type: ignore[attr-defined]  # it streams
    shared = {
        "model": "openai/gpt-4o",
        "status": None,
        "userId": str(alice.pk),
        "anonymousId": None,
        "isAnonymous": False,
    }
    assert body == {
        "success": True,
        "data": [
            {
                "id": "c1", "title": "Title of c1", "createdAt": "2025-02-03T10:00:00.000Z",
                "updatedAt": "2025-02-03T10:05:00.000Z", "totalCost": 0.25, "totalTokens": 6, **shared,
                "messages": [
                    {
                        "id": "m1", "role": "user", "content": "Content of m1.", "timestamp": START,
                        "cost": 0.25, "duration": 900, "reasoning": None, "model": "openai/gpt-4o",
                        "tokens": {"input": 1, "reasoning": 2, "output": 3},
                    },
                    {
                        "id": "m2", "role": "user", "content": "Content of m2.", "timestamp": START,
                        "cost": None, "duration": None, "reasoning": None, "model": None, "tokens": None,
                    },
                ],
            },
            {
                "id": "empty", "title": "Title of empty", "createdAt": "2025-02-03T10:00:00.000Z",
                "updatedAt": "2025-02-03T10:00:00.000Z", "totalCost": 0.0, "totalTokens": 0, **shared, "messages": [],
            },
        ],
    }  # fmt: skip


def test_nothing_there(as_alice: Client) -> None:
    assert read(as_alice, "/api/chats") == {"success": True, "data": []}


def test_another_owner(as_alice: Client, as_bob: Client) -> None:
    hand_over(as_alice, payload(chat("c1", message("m1"))))

    assert all_chats(as_bob) == []


def test_signed_out(anonymous: Client, db: None) -> None:
    assert anonymous.get("/api/chats").status_code == 401


def test_wrong_method(as_alice: Client) -> None:
    assert as_alice.delete("/api/chats").status_code == 405


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", ["limit"]),
        ("limit=-1", ["limit"]),
        ("limit=1001", ["limit"]),
        ("limit=ten", ["limit"]),
        ("cursor=nonsense", ["cursor"]),
        ("cursor=%00", ["cursor"]),
        ("cursor=MjAyNS0wMi0wM1QxMDowMDowMCBub25l", ["cursor"]),
        ("updatedSince=yesterday", ["updatedSince"]),
    ],
)
def test_bad_query(as_alice: Client, query: str, path: list[str]) -> None:
    response = as_alice.get(f"/api/chats?{query}")

    assert response.status_code == 400, response.content
    assert [fault["path"] for fault in response.json()["details"]] == [path]


def test_pages(as_alice: Client) -> None:
    # Every second chat shares its time with the one before.
    sent = [chat(f"c{number}", updatedAt=f"2025-02-03T10:{number // 2:02}:00.000Z") for number in range(7)]
    synchronise(as_alice, *sent)
    whole = [stored["id"] for stored in all_chats(as_alice)]

    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        body = read(as_alice, f"/api/chats?limit=3&cursor={cursor}")
        pages.append([stored["id"] for stored in body["data"]])
        cursor = body.get("nextCursor")

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [id_ for page in pages for id_ in page] == whole
    assert set(whole) == {stored["id"] for stored in sent}


def test_page_that_ends_exactly(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1"), chat("c2"))

    assert "nextCursor" not in read(as_alice, "/api/chats?limit=2")


def test_updated_since(as_alice: Client) -> None:
    synchronise(as_alice, *(chat(f"c{hour}", updatedAt=f"2025-02-03T{hour}:00:00.000Z") for hour in (10, 11, 12)))

    def since(moment: str) -> list[str]:
        return [stored["id"] for stored in read(as_alice, f"/api/chats?updatedSince={moment}")["data"]]

    assert since("2025-02-03T11:00:00.000Z") == ["c12", "c11"]
    assert since("2025-02-03T11:00:00.001Z") == ["c12"]
    assert since("2025-02-03T12:00:00%2B01:00") == ["c12", "c11"]
    assert since("2025-02-03T11:00:00") == ["c12", "c11"]
    assert since("2026-01-01T00:00:00Z") == []


def test_deleted_chats_are_gone(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1"), chat("c2"))
    as_alice.delete("/api/chats/c1")

    assert [stored["id"] for stored in all_chats(as_alice)] == ["c2"]


def test_all_of_many_arrive_in_order(as_alice: Client) -> None:
    """More chats than a page holds and more messages than a batch holds, empty chats among them."""
    sent = [
        chat(
            f"c{number}",
            *(message(f"m{place}") for place in range(number % 7)),
            updatedAt=f"2025-02-03T10:00:00.{number:03}Z",
        )
        for number in range(250)
    ]
    sent.append(chat("long", *(message(f"m{place}") for place in range(1203)), updatedAt="2025-02-03T09:00:00.000Z"))
    synchronise(as_alice, *sent)

    shown = all_chats(as_alice)

    sent.sort(key=lambda one: one["updatedAt"], reverse=True)
    assert [stored["id"] for stored in shown] == [one["id"] for one in sent]
    assert [ids(stored) for stored in shown] == [ids(one) for one in sent]


def test_large_messages_come_a_few_at_a_time(as_alice: Client) -> None:
    size = BATCH_BYTES // 4
    synchronise(
        as_alice,
        chat("c1", *(message(f"m{place}", content="x" * size) for place in range(10))),
        chat("c2", message("m")),
    )

    response = as_alice.get("/api/chats")
    pieces = list(response.streaming_content)  # type: ignore[attr-defined]  # it streams

    assert max(map(len, pieces)) < BATCH_BYTES * 1.5
    assert {stored["id"]: ids(stored) for stored in json.loads(b"".join(pieces))["data"]} == {
        "c1": [f"m{place}" for place in range(10)], "c2": ["m"],
    }  # fmt: skip


def test_streams_and_asks_as_it_goes(as_alice: Client, alice: User) -> None:
    """What is given away was read just before, in transactions that ended: a slow reader holds nothing."""
    synchronise(as_alice, *(chat(f"c{number}", *(message(f"m{place}") for place in range(300))) for number in range(4)))

    pieces = iter(as_alice.get("/api/chats").streaming_content)  # type: ignore[attr-defined]  # it streams
    first = next(pieces), next(pieces)
    with tenant(alice.pk):
        Chat.objects.filter(shown_id="c0").update(message_count=0)
    rest = list(pieces)

    assert len(rest) >= 4
    assert json.loads(b"".join([*first, *rest]))["success"] is True


def test_query_count(as_alice: Client) -> None:
    synchronise(as_alice, *(chat(f"c{number}", message("m1"), message("m2")) for number in range(50)))

    with CaptureQueriesContext(connection) as queries:
        all_chats(as_alice)

    reads = [query for query in queries if "chats_" in query["sql"]]
    assert len(reads) == 2


def ids(stored: dict[str, Any]) -> list[str]:
    return [message["id"] for message in stored["messages"]]
