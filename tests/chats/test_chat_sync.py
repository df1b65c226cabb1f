"""PUT /api/migration/sync, and how two sides are merged."""

from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from accounts.models import User
from chats.changes import empty_deleted_chats
from chats.models import Chat
from tests.chats.payloads import (
    all_chats,
    chat,
    figures,
    hand_over,
    message,
    one_chat,
    payload,
    synchronise,
)
from wavelength.tenancy import tenant

OLDER = "2025-02-03T10:04:00.000Z"
NEWER = "2025-02-03T10:06:00.000Z"


def test_it_works(as_alice: Client) -> None:
    response = synchronise(as_alice, chat("c1", message("m1"), message("m2")))

    assert response.status_code == 200
    assert figures(response) == (1, 2, 0, 0)
    assert ids(as_alice, "c1") == ["m1", "m2"]


def test_also_at_the_shorter_address(as_alice: Client) -> None:
    response = as_alice.put("/api/migration", payload(chat("c1")), content_type="application/json")

    assert response.status_code == 200
    assert figures(response) == (1, 0, 0, 0)


def test_counts_only_what_is_new(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", message("m1")), chat("c2"))

    response = synchronise(
        as_alice, chat("c1", message("m1"), message("m2"), updatedAt=NEWER), chat("c2"), chat("c3", message("m3"))
    )

    assert figures(response) == (1, 2, 0, 1)


def test_another_person_is_untouched(as_alice: Client, as_bob: Client) -> None:
    synchronise(as_alice, chat("c1", message("m1"), title="Alice's"))

    synchronise(as_bob, chat("c1", message("m1", content="Bob's"), title="Bob's", updatedAt=NEWER))

    assert one_chat(as_alice, "c1")["title"] == "Alice's"
    assert one_chat(as_alice, "c1")["messages"][0]["content"] == "Content of m1."


def test_signed_out(anonymous: Client, db: None) -> None:
    assert synchronise(anonymous, chat("c1")).status_code == 401


def test_wrong_method(as_alice: Client) -> None:
    assert as_alice.post("/api/migration/sync", {}, content_type="application/json").status_code == 405


@pytest.mark.parametrize("body", [b"{}", b'{"chats": 1}', b"not JSON", b""])
def test_bad_payload(as_alice: Client, body: bytes) -> None:
    response = as_alice.put("/api/migration/sync", body, content_type="application/json")

    assert response.status_code == 400
    assert all_chats(as_alice) == []


def test_newer_wins(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", message("m1"), message("m2"), title="Old", status="active"))

    changed = message("m1", content="Edited.", cost=0.5, reasoning="Because.", tokens={"input": 1, "output": 2})
    synchronise(
        as_alice,
        chat("c1", changed, message("m2"), title="New", model="x-ai/grok-3", status="archived", updatedAt=NEWER),
    )

    stored = one_chat(as_alice, "c1")
    assert (stored["title"], stored["model"], stored["status"]) == ("New", "x-ai/grok-3", "archived")
    assert stored["updatedAt"] == NEWER
    first = stored["messages"][0]
    assert (first["content"], first["cost"], first["reasoning"]) == ("Edited.", 0.5, "Because.")
    assert first["tokens"] == {"input": 1, "reasoning": None, "output": 2}
    assert (stored["totalCost"], stored["totalTokens"]) == (0.5, 3)


@pytest.mark.parametrize("updated_at", [OLDER, "2025-02-03T10:05:00.000Z"])
def test_older_and_equally_old_lose(as_alice: Client, updated_at: str) -> None:
    synchronise(as_alice, chat("c1", message("m1"), title="Kept", status="active"))
    before = one_chat(as_alice, "c1")

    response = synchronise(
        as_alice, chat("c1", message("m1", content="Edited."), title="Lost", status="lost", updatedAt=updated_at)
    )

    assert figures(response) == (0, 0, 0, 1)
    assert one_chat(as_alice, "c1") == before


def test_loser_still_brings_messages(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", message("m1", cost=1), title="Kept"))

    response = synchronise(
        as_alice,
        chat("c1", message("m1"), message("m2", cost=0.25, tokens={"output": 7}), title="Lost", updatedAt=OLDER),
    )

    assert figures(response) == (0, 1, 0, 0)
    stored = one_chat(as_alice, "c1")
    assert stored["title"] == "Kept"
    assert [message["id"] for message in stored["messages"]] == ["m1", "m2"]
    assert (stored["totalCost"], stored["totalTokens"]) == (1.25, 7)


def test_nothing_is_deleted(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", message("m1"), message("m2")), chat("c2"))

    synchronise(as_alice, chat("c1", message("m2"), updatedAt=NEWER))

    assert ids(as_alice, "c1") == ["m1", "m2"]
    assert {stored["id"] for stored in all_chats(as_alice)} == {"c1", "c2"}


def test_deleted_chat_does_not_come_back(as_alice: Client, alice: User) -> None:
    synchronise(as_alice, chat("c1", message("m1"), title="Secret plans"))
    as_alice.delete("/api/chats/c1")

    response = synchronise(as_alice, chat("c1", message("m1"), message("m2"), updatedAt=NEWER))

    assert figures(response) == (0, 0, 0, 1)
    assert all_chats(as_alice) == []
    assert hand_over(as_alice, payload(chat("c1", message("m1")))).json()["data"]["migratedChats"] == 0
    with tenant(alice.pk):
        Chat.objects.update(purge_at=Now())
    empty_deleted_chats(user_id=alice.pk)
    assert figures(synchronise(as_alice, chat("c1", message("m1"), updatedAt=NEWER))) == (0, 0, 0, 1)
    with tenant(alice.pk):
        tombstone = Chat.objects.get()
    assert (tombstone.title, tombstone.model, tombstone.message_count) == ("", "", 0)


def test_renamed_here_wins_over_an_older_client(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1"))
    as_alice.put("/api/chats/c1", {"title": "Renamed"}, content_type="application/json")

    synchronise(as_alice, chat("c1", message("m1"), title="Old", updatedAt=NEWER))

    assert one_chat(as_alice, "c1")["title"] == "Renamed"
    assert ids(as_alice, "c1") == ["m1"]


@pytest.mark.parametrize(
    ("here", "sent", "updated_at", "merged"),
    [
        ("abc", "abc", NEWER, "abc"),
        ("abc", "cba", NEWER, "cba"),
        ("abc", "cba", OLDER, "abc"),
        ("ab", "abcd", NEWER, "abcd"),
        ("ab", "abcd", OLDER, "abcd"),
        ("abcd", "ab", NEWER, "abcd"),
        ("abx", "aby", NEWER, "abyx"),
        ("abx", "aby", OLDER, "abxy"),
        ("axb", "ayb", NEWER, "ayxb"),
        ("axb", "ayb", OLDER, "axyb"),
        ("ab", "xab", NEWER, "xab"),
        ("ab", "xab", OLDER, "xab"),
        ("xab", "ab", NEWER, "xab"),
        ("abc", "axbycz", OLDER, "axbycz"),
        ("abc", "xyz", OLDER, "abcxyz"),
        ("", "ab", OLDER, "ab"),
    ],
)
def test_order_of_merged_messages(as_alice: Client, here: str, sent: str, updated_at: str, merged: str) -> None:
    """The winner's order leads; what only the other side has stands before the next that both have."""
    synchronise(as_alice, chat("c1", *map(message, here)))

    synchronise(as_alice, chat("c1", *map(message, sent), updatedAt=updated_at))

    assert "".join(ids(as_alice, "c1")) == merged


def test_order_is_the_array_s(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", *map(message, "zmab")))  # all of the same time

    assert ids(as_alice, "c1") == list("zmab")


def test_same_client_id_of_another_creation_time_is_another_chat(as_alice: Client) -> None:
    days = [f"2025-02-0{day}T10:00:00.000Z" for day in (1, 2, 3)]
    synchronise(as_alice, chat("c1", message("m1"), createdAt=days[0]))

    response = synchronise(
        as_alice,
        chat("c1", message("m1", content="Second."), createdAt=days[1]),
        chat("c1", message("m1", content="Third."), createdAt=days[2]),
    )

    assert figures(response) == (2, 2, 0, 0)
    assert {stored["id"]: stored["createdAt"] for stored in all_chats(as_alice)} == dict(
        zip(["c1", "c1~2", "c1~3"], days, strict=True)
    )
    assert one_chat(as_alice, "c1~2")["messages"][0]["content"] == "Second."


def test_chat_that_the_client_got_back_under_its_shown_id(as_alice: Client) -> None:
    other_day = "2025-02-01T10:00:00.000Z"
    synchronise(as_alice, chat("c1"), chat("c1", createdAt=other_day))

    response = synchronise(as_alice, chat("c1~2", message("m1"), createdAt=other_day, title="Known", updatedAt=NEWER))

    assert figures(response) == (0, 1, 0, 0)
    assert len(all_chats(as_alice)) == 2
    assert one_chat(as_alice, "c1~2")["title"] == "Known"


def test_twice_in_one_payload_under_both_its_ids(as_alice: Client) -> None:
    other_day = "2025-02-01T10:00:00.000Z"
    synchronise(as_alice, chat("c1"), chat("c1", createdAt=other_day))

    both = [chat(id_, message(f"of-{id_}"), createdAt=other_day, updatedAt=NEWER) for id_ in ("c1", "c1~2")]
    response = synchronise(as_alice, chat("c2", title=5), *both)

    assert response.status_code == 206
    assert [fault["path"] for fault in response.json()["details"]] == [["chats", 0, "title"], ["chats", 2]]
    assert ids(as_alice, "c1~2") == ["of-c1"]


def test_shown_id_that_a_client_chose_itself(as_alice: Client) -> None:
    response = synchronise(
        as_alice,
        chat("c1~2", title="Its own"),
        chat("c1"),
        chat("c1", createdAt="2025-02-01T10:00:00.000Z", title="Later"),
    )

    assert figures(response) == (3, 0, 0, 0)
    assert {stored["id"] for stored in all_chats(as_alice)} == {"c1", "c1~2", "c1~3"}
    assert one_chat(as_alice, "c1~2")["title"] == "Its own"


def test_twice_in_one_payload(as_alice: Client) -> None:
    response = synchronise(as_alice, chat("c1", title="First"), chat("c1", title="Second", updatedAt=NEWER), chat("c2"))

    assert response.status_code == 206
    assert [fault["path"] for fault in response.json()["details"]] == [["chats", 1]]
    assert one_chat(as_alice, "c1")["title"] == "First"
    assert figures(response) == (2, 0, 0, 0)


def test_bad_chat_leaves_the_known_one_alone(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", message("m1")))
    before = one_chat(as_alice, "c1")

    response = synchronise(as_alice, chat("c1", message("m1"), message("m2", cost=-1), title="No", updatedAt=NEWER))

    assert response.status_code == 206
    assert one_chat(as_alice, "c1") == before


def ids(client: Client, chat_id: str) -> list[Any]:
    return [message["id"] for message in one_chat(client, chat_id)["messages"]]
