"""A hand-over goes to the database in batches while it is read: the same arrives, and nothing where it is none."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from accounts.models import User
from chats import conversation, staging
from chats.models import Chat, Handover, Message
from tests import samples
from tests.chats.payloads import all_chats, chat, figures, hand_over, message, payload
from tests.chats.test_handover_interrupt import rows_of
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

FAR_BEHIND = 10


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Each chat a batch wherever the server has time for it; the scripts that were run."""
    run, scripts = conversation.run, []

    def remembered(server: Any, script: bytes, *copies: Any) -> Any:
        scripts.append(script)
        return run(server, script, *copies)

    monkeypatch.setattr(staging, "BATCH_BYTES", 1)
    # Whoever reads waits for the server, so that there are many batches however fast it reads.
    monkeypatch.setattr(staging, "WAITING_BYTES", FAR_BEHIND)
    monkeypatch.setattr(conversation, "run", remembered)
    yield scripts


def many(number: int) -> list[dict[str, Any]]:
    return [chat(f"c{n}", *(message(f"m{m}") for m in range(3))) for n in range(number)]


def test_batches_leave_what_one_leaves(
    as_alice: Client, alice: User, as_bob: Client, bob: User, batches: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = samples.payload("rich") | {"anonymousId": ""}
    assert hand_over(as_alice, body).status_code == 200
    assert len(batches) > 3

    again = hand_over(as_alice, body)

    assert figures(again)[:3] == (0, 0, 0)
    monkeypatch.setattr(staging, "BATCH_BYTES", 2**30)
    hand_over(as_bob, body)
    assert rows_of(alice) == rows_of(bob)


@pytest.mark.parametrize("end", ["", "]", "], 'x'}", '], "chats": []}', '], "config": 1}'])
def test_what_turns_out_to_be_no_handover_leaves_nothing(
    as_alice: Client, alice: User, batches: list[bytes], end: str
) -> None:
    beginning = json.dumps({"chats": many(20)})[:-2]
    connections["default"].ensure_connection()
    connection = connections["default"].connection

    response = hand_over(as_alice, beginning + end)

    assert response.status_code == 400
    assert len(batches) > 3
    with tenant(alice.pk):
        assert not Chat.objects.exists()
        assert not Message.objects.exists()
        assert not Handover.objects.exists()
    # The connection is as good as before, and no other.
    assert connections["default"].connection is connection
    assert figures(hand_over(as_alice, payload(*many(20)))) == (20, 60, 0, 0)


def test_known_chats_and_bad_ones_among_new_ones(as_alice: Client, batches: list[bytes]) -> None:
    hand_over(as_alice, payload(*many(3)))
    batches.clear()
    sent = [
        chat("new 1", message("m1")),
        chat("bad 1", message("m1"), message("m2", role="wizard")),
        chat("new 2", message("m1"), message("m2")),
        chat("c1", message("m0"), message("between"), message("m1"), message("m2")),
        chat("new 3", message("m1")),
        chat("new 1", message("m1"), createdAt="2025-02-04T10:00:00.000Z"),
        chat("bad 2", message("m1"), message("m1")),
        chat("c2", message("m0")),
        chat("new 3", message("m1")),
        chat("new 4", message("m1")),
    ]

    response = hand_over(as_alice, payload(*sent))

    assert response.status_code == 206
    assert [fault["path"] for fault in response.json()["details"]] == [
        ["chats", 1, "messages", 1, "role"],
        ["chats", 6, "messages", 1, "id"],
        ["chats", 8],
    ]
    assert figures(response) == (5, 7, 0, 1)
    assert len(batches) > 3
    shown = {one["id"]: [said["id"] for said in one["messages"]] for one in all_chats(as_alice)}
    assert shown == {
        "c0": ["m0", "m1", "m2"],
        "c1": ["m0", "between", "m1", "m2"],
        "c2": ["m0", "m1", "m2"],
        "new 1": ["m1"],
        "new 1~2": ["m1"],
        "new 2": ["m1", "m2"],
        "new 3": ["m1"],
        "new 4": ["m1"],
    }


def test_two_of_one_id_in_one_batch(as_alice: Client) -> None:
    later = "2025-02-04T10:00:00.000Z"

    response = hand_over(as_alice, payload(chat("c1", message("m1")), chat("c1", message("m2"), createdAt=later)))

    assert figures(response) == (2, 2, 0, 0)
    assert {one["id"]: one["messages"][0]["id"] for one in all_chats(as_alice)} == {"c1": "m1", "c1~2": "m2"}


@pytest.mark.parametrize("wrong", ["SELECT 1/0", "COPY incoming_chat FROM STDIN (FORMAT nonsense)"])
def test_what_the_database_refuses_leaves_nothing(
    as_alice: Client, alice: User, batches: list[bytes], monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    as_alice.raise_request_exception = False
    with monkeypatch.context() as patched:
        patched.setattr(staging, "EMPTY", wrong)
        response = hand_over(as_alice, payload(*many(20)))
    assert response.status_code == 500
    with tenant(alice.pk):
        assert not Chat.objects.exists()

    assert figures(hand_over(as_alice, payload(*many(20)))) == (20, 60, 0, 0)
