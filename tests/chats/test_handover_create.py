"""POST /api/migration."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chats.models import Chat, Handover, Message
from tests import samples
from tests.chats.payloads import all_chats, chat, figures, hand_over, message, one_chat, payload
from tests.samples import HOSTILE, RICH
from wavelength.tenancy import tenant


def test_it_works(as_alice: Client, alice: User) -> None:
    sent = samples.payload("rich")

    response = hand_over(as_alice, sent)

    assert response.status_code == 200
    answer = response.json()
    assert answer == {
        "success": True,
        "message": "40 chats, 1,000 messages and 6 keys arrived.",
        "data": {
            "success": True,
            "migratedChats": RICH.chats,
            "migratedMessages": RICH.messages,
            "migratedApiKeys": RICH.keys,
            "skippedChats": 0,
            "errors": [],
            "warnings": [],
        },
    }
    shown = all_chats(as_alice)
    assert {stored["id"]: stored for stored in shown} == {chat["id"]: as_shown(chat, alice) for chat in sent["chats"]}
    updates = [stored["updatedAt"] for stored in shown]
    assert updates == sorted(updates, reverse=True)


def test_repeat_reports_zero(as_alice: Client) -> None:
    first = hand_over(as_alice, samples.payload("rich"))
    before = all_chats(as_alice)

    again = hand_over(as_alice, samples.payload("rich"))

    assert figures(first) == (RICH.chats, RICH.messages, RICH.keys, 0)
    assert figures(again) == (0, 0, 0, RICH.chats)
    assert all_chats(as_alice) == before


def test_another_person_sees_nothing(as_alice: Client, as_bob: Client, bob: User) -> None:
    hand_over(as_alice, payload(chat("c1", message("m1"))))

    assert all_chats(as_bob) == []
    assert as_bob.get("/api/chats/c1").status_code == 404
    with tenant(bob.pk):
        assert not Chat.objects.exists()
        assert not Message.objects.exists()
        assert not Handover.objects.exists()


def test_same_ids_of_two_people_stay_apart(as_alice: Client, as_bob: Client) -> None:
    hand_over(as_alice, payload(chat("c1", message("m1", content="Alice's"))))

    response = hand_over(as_bob, payload(chat("c1", message("m1", content="Bob's"))))

    assert figures(response) == (1, 1, 0, 0)
    assert one_chat(as_alice, "c1")["messages"][0]["content"] == "Alice's"
    assert one_chat(as_bob, "c1")["messages"][0]["content"] == "Bob's"


def test_signed_out(anonymous: Client, db: None) -> None:
    response = hand_over(anonymous, payload(chat("c1")))

    assert response.status_code == 401
    assert response.json()["success"] is False


def test_wrong_method(as_alice: Client) -> None:
    response = as_alice.delete("/api/migration")

    assert response.status_code == 405
    assert response.json()["success"] is False


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("{}", ["chats"]),
        ("[]", []),
        ('"chats"', []),
        ("null", []),
        ('{"chats": null}', ["chats"]),
        ('{"chats": {"0": {}}}', ["chats"]),
        ('{"chats": "all"}', ["chats"]),
        ('{"chats": [], "chats": []}', ["chats"]),
        ('{"chats": [], "config": []}', ["config"]),
        ('{"chats": [], "config": "dark"}', ["config"]),
        ('{"chats": [], "anonymousId": 5}', ["anonymousId"]),
        ('{"chats": [], "anonymousId": "%s"}' % ("x" * 201), ["anonymousId"]),
    ],
)
def test_another_shape(as_alice: Client, alice: User, body: str, path: list[str]) -> None:
    response = hand_over(as_alice, body)

    assert response.status_code == 400
    answer = response.json()
    assert answer["success"] is False
    assert answer["code"] == "invalid_request"
    assert [fault["path"] for fault in answer["details"]] == [path]
    assert nothing_stored(alice)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"chats": [',
        b'{"chats": [}',
        b'{"chats": []',
        b'{"chats": []} more',
        b'{"chats": [],}',
        b'{"chats": [{"id": "c1" "title": ""}]}',
        b'{"chats": [{"id": tru}]}',
        b"{'chats': []}",
        b'{"chats": ["\xff"]}',
        b'{"chats": ["unended]}',
        b"chats=1",
        b'{"chats": [], "config": {"a": +1}}',
    ],
)
def test_not_json(as_alice: Client, alice: User, body: bytes) -> None:
    response = hand_over(as_alice, body)

    assert response.status_code == 400, response.content
    assert response.json()["code"] == "malformed_json"
    assert nothing_stored(alice)


def test_broken_at_the_end_stores_nothing(as_alice: Client, alice: User) -> None:
    whole = json.dumps(samples.payload("rich"))

    response = hand_over(as_alice, whole[:-1])

    assert response.status_code == 400
    assert nothing_stored(alice)


def test_wrong_media_type(as_alice: Client, alice: User) -> None:
    response = as_alice.post("/api/migration", b'{"chats": []}', content_type="text/plain")

    assert response.status_code == 415
    assert nothing_stored(alice)


def test_announced_too_large(as_alice: Client, alice: User) -> None:
    response = as_alice.post(
        "/api/migration", b"{}", content_type="application/json", CONTENT_LENGTH=str(100 * 1024 * 1024 + 1)
    )

    assert response.status_code == 413
    assert response.json()["success"] is False


def test_too_many_messages(as_alice: Client, alice: User) -> None:
    crowd = json.dumps(payload(chat("c1") | {"messages": [0] * 200_001}))

    response = hand_over(as_alice, crowd)

    assert response.status_code == 413
    assert nothing_stored(alice)


def test_hostile(as_alice: Client, alice: User) -> None:
    response = hand_over(as_alice, samples.raw("hostile"))

    assert response.status_code == 206
    answer = response.json()
    assert answer["success"] is False
    assert answer["code"] == "partly_taken"
    assert answer["data"]["success"] is False
    errors = answer["data"]["errors"]
    assert {stored["id"] for stored in all_chats(as_alice)} == set(HOSTILE.good)
    assert answer["data"]["migratedChats"] == len(HOSTILE.good)
    for id_ in (*HOSTILE.bad, HOSTILE.twice):
        assert len([error for error in errors if f"({id_})" in error]) == 1, id_
    for provider in HOSTILE.refused:
        assert [error for error in errors if f"Key for {provider}" in error], provider
    assert len(errors) == len(HOSTILE.bad) + HOSTILE.nameless + 1 + len(HOSTILE.refused)
    assert len(answer["details"]) == len(errors)
    for id_ in HOSTILE.repaired:
        assert [warning for warning in answer["data"]["warnings"] if f"({id_})" in warning], id_
    assert answer["data"]["migratedApiKeys"] == len(HOSTILE.keys)
    sent = response.content.decode()
    for secret in ("SAMPLE", "5a5a5a", "6b6b6b"):
        assert secret not in sent


def test_more_faults_than_anyone_reads(as_alice: Client) -> None:
    response = hand_over(as_alice, payload(chat("good"), *([5] * 10_050)))

    assert response.status_code == 206
    assert figures(response) == (1, 0, 0, 0)
    errors = response.json()["data"]["errors"]
    assert len(errors) == 10_001
    assert errors[-1] == "50 more chats: could not be taken either."


def test_hostile_again_reports_zero(as_alice: Client) -> None:
    hand_over(as_alice, samples.raw("hostile"))

    again = hand_over(as_alice, samples.raw("hostile"))

    assert again.status_code == 206
    assert figures(again) == (0, 0, 0, len(HOSTILE.good))


def test_messages_of_8_mib_and_above(as_alice: Client) -> None:
    limit = 8 * 1024 * 1024
    large = [samples.oversized_chat("just-fits", limit), samples.oversized_chat("too-large", limit + 1)]
    # Four bytes a character, and the other way round: six bytes of JSON for one.
    wide = chat("wide", message("m1", content="\N{GRINNING FACE}" * (limit // 4)))
    wider = chat("wider", message("m1", content="\N{GRINNING FACE}" * (limit // 4 + 1)))

    response = hand_over(as_alice, payload(large[0], chat("small", message("m1")), large[1], wide, wider))

    assert response.status_code == 206
    assert [fault["path"] for fault in response.json()["details"]] == [
        ["chats", 2, "messages", 0, "content"],
        ["chats", 4, "messages", 0, "content"],
    ]
    assert {stored["id"]: len(stored["messages"][0]["content"]) for stored in all_chats(as_alice)} == {
        "just-fits": limit, "small": len("Content of m1."), "wide": limit // 4,
    }  # fmt: skip


def test_faults_in_large_chats(as_alice: Client) -> None:
    """Chats too large to be loaded whole are read message by message, and judged alike."""
    filling = [message(f"m{number}", content="x" * 1000) for number in range(2500)]
    good = chat("good", *filling)
    late = chat("late", *filling, message("last", role="wizard"))
    twice = chat("twice", *filling, message("m7"))
    deep = '{"id": "deep", "createdAt": "2025-01-01T00:00:00Z", "messages": [], "x": %s}' % ("[" * 500 + "]" * 500)
    body = json.dumps(payload(good, late, twice, chat("after", message("first", content="a\0b"), *filling)))
    body = body.replace('"chats": [', f'"chats": [{deep},', 1)

    response = hand_over(as_alice, body)

    assert response.status_code == 206
    assert [fault["path"] for fault in response.json()["details"]] == [
        ["chats", 2, "messages", 2500, "role"],
        ["chats", 3, "messages", 2500, "id"],
    ]
    assert len(response.json()["data"]["warnings"]) == 1
    shown = {stored["id"]: stored["messages"] for stored in all_chats(as_alice)}
    assert {id_: len(messages) for id_, messages in shown.items()} == {"deep": 0, "good": 2500, "after": 2501}
    assert shown["after"][0]["content"] == "a\N{REPLACEMENT CHARACTER}b"


def test_times_and_figures_survive_in_any_spelling(as_alice: Client) -> None:
    sent = message(
        "m1",
        timestamp="2025-02-03T15:30:00.123456+05:30",
        cost=1.25e-10,
        duration=1500.5,
        tokens={"input": 5.0},
    )

    hand_over(as_alice, payload(chat("c1", sent, createdAt="2025-02-03T10:00:00Z", updatedAt=None)))

    stored = one_chat(as_alice, "c1")
    assert stored["createdAt"] == stored["updatedAt"] == "2025-02-03T10:00:00.000Z"
    assert stored["messages"][0] == {
        "id": "m1", "role": "user", "content": "Content of m1.", "timestamp": "2025-02-03T10:00:00.123Z",
        "cost": 1.25e-10, "duration": 1500.5, "reasoning": None, "model": None,
        "tokens": {"input": 5, "reasoning": None, "output": None},
    }  # fmt: skip
    assert stored["totalCost"] == 1.25e-10
    assert stored["totalTokens"] == 5


@pytest.mark.parametrize(
    "spelling",
    [
        "2025-02-03T10:00:00.000Z", "2025-02-03T10:00:00Z", "2025-02-03 10:00:00", "2025-02-03T12:00:00.000+02:00",
        "2025-W06-1T10:00:00.000Z", "2025-02-03T10:00:00,000Z", "2025-02-03x10:00:00.000Z", "20250203T100000Z",
    ],
)  # fmt: skip
def test_every_spelling_of_a_date_that_is_understood_is_stored(as_alice: Client, spelling: str) -> None:
    hand_over(as_alice, payload(chat("c1", message("m1", timestamp=spelling), createdAt=spelling, updatedAt=spelling)))

    stored = one_chat(as_alice, "c1")
    assert (
        stored["createdAt"] == stored["updatedAt"] == stored["messages"][0]["timestamp"] == "2025-02-03T10:00:00.000Z"
    )


def test_text_that_means_something_to_the_database(as_alice: Client) -> None:
    odd = [
        "\\.",
        "\\N",
        "\\\\",
        "\t",
        "\n\r\n",
        "\\t",
        "a\\",
        "\x7f\x1b",
        "\u2028",
        "{}",
        "NULL",
        "'",
        '"',
        "%s",
        "{",
        "x" * 70_000 + "\\\n\t\r",
    ]
    sent = [
        message(f"m{place}{text[:9]}", content=text, reasoning=text, model=text[:9], metadata={text: text})
        for place, text in enumerate(odd)
    ]

    hand_over(as_alice, payload(chat("c1\\.\t\n", *sent, title="\\N\t", model="\\N", status="\\N")))

    (stored,) = all_chats(as_alice)
    assert (stored["id"], stored["title"], stored["model"], stored["status"]) == ("c1\\.\t\n", "\\N\t", "\\N", "\\N")
    assert [(one["id"], one["content"], one["reasoning"], one["model"]) for one in stored["messages"]] == [
        (one["id"], one["content"], one["reasoning"], one["model"]) for one in sent
    ]


def test_members_in_any_order(as_alice: Client) -> None:
    kept = json.dumps(chat("kept"))
    members = [
        '"anonymousId": "first"', '"other": [1, {"chats": []}]', f'"chats": [{kept}]', '"config": null',
        '"anonymousId": "second"',
    ]  # fmt: skip

    response = hand_over(as_alice, "{" + ",".join(members) + "}")

    assert figures(response) == (1, 0, 0, 0)
    assert [stored["id"] for stored in all_chats(as_alice)] == ["kept"]
    assert as_alice.get("/api/migration").json()["data"]["anonymousIds"] == ["second"]


def as_shown(sent: dict[str, Any], owner: User) -> dict[str, Any]:
    """How the API shows a chat that was sent: absent is null, money has 12 places, absent totals are sums."""
    optional = dict.fromkeys(["cost", "duration", "reasoning", "model", "tokens"])
    messages = [optional | message for message in sent["messages"]]
    for message_ in messages:
        if message_["cost"] is not None:
            message_["cost"] = round(message_["cost"], 12)
    cost = sum(Decimal(str(message_["cost"] or 0)) for message_ in messages)
    tokens = sum(sum((message_["tokens"] or {}).values()) for message_ in messages)
    return sent | {
        "messages": messages,
        "totalCost": round(sent.get("totalCost", float(cost)), 12),
        "totalTokens": sent.get("totalTokens", tokens),
        "status": sent.get("status"),
        "userId": str(owner.pk),
        "anonymousId": None,
        "isAnonymous": False,
    }


def nothing_stored(owner: User) -> bool:
    with tenant(owner.pk):
        return not (Chat.objects.exists() or Message.objects.exists() or Handover.objects.exists())
