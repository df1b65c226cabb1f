"""Payloads of any content: never a 500, and every chat is stored or named."""

import json
from typing import Any

from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chats.payloads import all_chats, chat, hand_over, message, payload

texts = st.text(st.characters(), max_size=12) | st.sampled_from(["\\N", "\\.", "\0", "\ud800", "x\ty\r\n", "~2"])
numbers = st.floats() | st.integers() | st.sampled_from([5e-324, 1e308, -0.0, 2**31, 10**40, 0.1 + 0.2])
junk = (
    st.none()
    | st.booleans()
    | numbers
    | texts
    | st.lists(numbers, max_size=2)
    | st.dictionaries(texts, numbers, max_size=2)
)
dates = st.datetimes().map(lambda moment: moment.isoformat() + "Z") | texts
messages = st.fixed_dictionaries(
    {},
    optional={
        "id": texts | junk, "role": st.sampled_from(["user", "tool"]) | junk, "content": texts | junk,
        "timestamp": dates,
        "cost": numbers | junk, "duration": numbers | junk, "reasoning": texts | junk, "model": texts | junk,
        "tokens": st.dictionaries(st.sampled_from(["input", "output", "reasoning"]), numbers) | junk,
        "metadata": st.dictionaries(texts, junk, max_size=3) | junk,
    },
)  # fmt: skip
chats = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["c1", "c1~2", "c2"]) | junk, "title": texts | junk, "model": texts | junk,
        "status": texts | junk, "createdAt": dates | st.sampled_from(["2025-01-01", "2025-01-02"]), "updatedAt": dates,
        "totalCost": numbers | junk, "totalTokens": numbers | junk,
        "messages": st.lists(messages.map(lambda fields: message("m1") | fields), max_size=3) | junk,
    },
)  # fmt: skip
configs = st.fixed_dictionaries(
    {},
    optional={
        "apiKey": texts | junk, "baseUrl": texts | junk, "defaultModel": texts | junk,
        "providers": st.dictionaries(
            st.sampled_from(["openai", "xai"]) | texts,
            st.dictionaries(st.sampled_from(["apiKey", "baseUrl", "enabled", "priority"]), texts | junk) | junk,
            max_size=3,
        ) | junk,
    },
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(chats.map(lambda fields: chat("c1") | fields) | junk, max_size=5), configs)
def test_never_a_500(as_alice: Client, sent: list[Any], config: dict[str, Any]) -> None:
    before = {stored["id"] for stored in all_chats(as_alice)}

    response = hand_over(as_alice, json.dumps(payload(*sent, config=config)))

    assert response.status_code in (200, 206), response.content
    data = response.json()["data"]
    shown = all_chats(as_alice)
    assert len(shown) == len(before) + data["migratedChats"]
    of_chats = [fault for fault in response.json().get("details", []) if fault["path"][0] == "chats"]
    assert data["migratedChats"] + data["skippedChats"] + len(of_chats) <= len(sent)
    again = hand_over(as_alice, json.dumps(payload(*sent, config=config)))
    assert (again.json()["data"]["migratedChats"], again.json()["data"]["migratedMessages"]) == (0, 0)
    assert all_chats(as_alice) == shown
