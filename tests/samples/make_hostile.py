"""Writes hostile.json: one API payload with every fault that API.md's last rule names, among good chats.

`python -m tests.samples.make_hostile` writes the same bytes every time. What JSON has no words for
(NaN, a number of 5,000 digits, 2,000 nested lists) is put in as text after the rest is serialised.
"""

import json
from pathlib import Path
from typing import Any, Final

PATH: Final = Path(__file__).with_name("hostile.json")

DEEP: Final = "@deep@"
LONG_INTEGER: Final = "@long integer@"
AS_TEXT: Final = {DEEP: "[" * 2_000 + "]" * 2_000, LONG_INTEGER: "9" * 5_000}

LONE_SURROGATE: Final = "\ud83d"
START: Final = "2025-02-0{day}T10:00:00.000Z"


def message(id_: str, **fields: Any) -> dict[str, Any]:
    """One assistant message, good in every field that `fields` leaves alone."""
    return {
        "id": id_,
        "role": "assistant",
        "content": f"Content of {id_}.",
        "timestamp": "2025-02-03T10:00:01.000Z",
        "model": "openai/gpt-4o",
        "cost": 0.000125,
        "duration": 900,
        "tokens": {"input": 10, "reasoning": 0, "output": 10},
    } | fields


def chat(id_: str, *messages: Any, **fields: Any) -> dict[str, Any]:
    """One chat, good in every field that `fields` leaves alone; one good message when none is given."""
    return {
        "id": id_,
        "title": f"Title of {id_}",
        "model": "openai/gpt-4o",
        "messages": list(messages) or [message(f"{id_}-m1")],
        "createdAt": "2025-02-03T10:00:00.000Z",
        "updatedAt": "2025-02-03T10:05:00.000Z",
    } | fields


def with_message(id_: str, **fields: Any) -> dict[str, Any]:
    """A chat of one good message and one that carries `fields`."""
    return chat(id_, message(f"{id_}-m1"), message(f"{id_}-m2", **fields))


def good_chats() -> list[Any]:
    """Chats that must arrive, however odd they look."""
    bare = {
        "id": "good-bare-m1",
        "role": "user",
        "content": "",
        "timestamp": "2025-02-03T10:00:00.000Z",
    }
    nulls = dict.fromkeys(["cost", "duration", "reasoning", "model", "tokens"])
    return [
        chat("good-plain"),
        chat(
            "good-emoji",
            message(
                "good-emoji-m1",
                content="👩🏽‍🚀 👨‍👩‍👧‍👦 \u202eright to left\u202c e\u0301",
            ),
        ),
        with_message("good-nul", content="before\u0000after", reasoning="\u0000"),
        chat("good-nul-title", title="nul\u0000title"),
        with_message(
            "good-surrogate",
            content=f"half an emoji {LONE_SURROGATE} and on",
            reasoning="\udc00",
        ),
        chat("good-surrogate-title", title=f"cut off {LONE_SURROGATE}"),
        with_message("good-nulls", **nulls) | {"totalCost": None, "totalTokens": None, "status": None},
        chat("good-bare", bare),
        chat("good-empty") | {"messages": []},
        with_message(
            "good-unknown-fields",
            __proto__={"admin": True},
            attachments=[{"size": 1e300}],
        )
        | {"pinned": True, "folder": {"id": "f1"}},
        with_message(
            "good-markup",
            content="<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7*7 }} %s",
        ),
        with_message("good-sql", content="'; DROP TABLE chats_message; -- \\ $$ \\x00"),
        chat(
            "good-roles",
            *(message(f"good-roles-{role}", role=role) for role in ("system", "user", "assistant")),
        ),
        chat(
            "good-offset",
            createdAt="2025-02-03T15:30:00.000+05:30",
            updatedAt="2025-02-03T10:00:00Z",
        ),
        chat(
            "good-zeros",
            message(
                "good-zeros-m1",
                cost=0,
                duration=0,
                tokens={"input": 0, "reasoning": 0, "output": 0},
            ),
        ),
        chat("good-tiny-cost", message("good-tiny-cost-m1", cost=1.25e-10)),
        chat(
            "good-partial-tokens",
            message("good-partial-tokens-m1", tokens={"input": 5}),
        ),
        chat("good-twin", message("good-twin-m1"), createdAt=START.format(day=1)),
        chat(
            "good-twin",
            message("good-twin-m1", content="Another chat."),
            createdAt=START.format(day=2),
        ),
        chat(
            "good-shared-message-id",
            message("good-plain-m1", content="Same message id, other chat."),
        ),
    ]


def bad_figures() -> list[Any]:
    """Figures that are no figures, or cannot be."""
    return [
        with_message("bad-nan-cost", cost=float("nan")),
        with_message("bad-infinite-cost", cost=float("inf")),
        with_message("bad-minus-infinite-duration", duration=float("-inf")),
        with_message(
            "bad-nan-tokens",
            tokens={"input": float("nan"), "reasoning": 0, "output": 1},
        ),
        with_message("bad-negative-cost", cost=-0.01),
        with_message("bad-negative-tokens", tokens={"input": 10, "reasoning": -1, "output": 10}),
        with_message("bad-negative-duration", duration=-5),
        with_message("bad-absurd-cost", cost=1e300),
        with_message("bad-absurd-tokens", tokens={"input": 10**30, "reasoning": 0, "output": 1}),
        with_message("bad-absurd-duration", duration=1e18),
        with_message("bad-long-integer", duration=LONG_INTEGER),
        with_message("bad-fractional-tokens", tokens={"input": 1.5, "reasoning": 0, "output": 1}),
    ]


def bad_words() -> list[Any]:
    """Roles, ids and dates that nothing can be made of."""
    return [
        with_message("bad-role", role="wizard"),
        with_message("bad-role-type", role=7),
        chat("bad-duplicate-message", message("same"), message("same", content="Again.")),
        with_message("bad-message-id-empty", id=""),
        with_message("bad-message-id-missing", id=None),
        chat("bad-date-words", createdAt="the day before yesterday"),
        chat("bad-date-missing", createdAt=None),
        chat("bad-date-far", updatedAt="+275760-09-13T00:00:00.000Z"),
        chat(
            "bad-date-future",
            createdAt="9999-12-31T23:59:59.999Z",
            updatedAt="9999-12-31T23:59:59.999Z",
        ),
        chat("bad-date-ancient", createdAt="0001-01-01T00:00:00.000Z"),
        chat("bad-date-impossible", createdAt="2025-02-30T00:00:00.000Z"),
        with_message("bad-message-date", timestamp="2999-01-01T00:00:00.000Z"),
    ]


def bad_types() -> list[Any]:
    """Values of the wrong kind."""
    return [
        chat("bad-title-type", title=42),
        chat("bad-messages-type") | {"messages": {"0": message("x")}},
        chat("bad-message-type", "just words"),
        with_message("bad-content-type", content=["a", "list"]),
        with_message("bad-tokens-type", tokens="many"),
        with_message("bad-cost-type", cost="a lot"),
        with_message("bad-reasoning-deep", reasoning=DEEP),
        chat("", message("empty-id-m1")),
        {
            "title": "no id",
            "messages": [],
            "createdAt": START.format(day=1),
            "updatedAt": START.format(day=1),
        },
        chat("bad-id-type") | {"id": 12},
        "a chat that is a string",
        None,
        ["a", "chat", "that", "is", "a", "list"],
    ]


def chats() -> list[Any]:
    """Good and bad in turn, so that a good one follows every kind of fault; one chat stands there twice."""
    twice = chat("twice", message("twice-m1"))
    good = good_chats()
    mixed: list[Any] = [twice]
    for index, bad in enumerate([*bad_figures(), *bad_words(), *bad_types()]):
        mixed.append(bad)
        if index < len(good):
            mixed.append(good[index])
    return [*mixed, twice, chat("good-last")]


def config() -> dict[str, Any]:
    """Keys that the vault takes and keys that it refuses, among odd preferences."""
    key = "sk-or-v1-" + "5a" * 32
    return {
        "apiKey": key,
        "baseUrl": "https://openrouter.ai/api/v1",
        "providers": {
            "openrouter": {"apiKey": f"  {key}\n", "enabled": True, "priority": 1},
            "openai": {
                "apiKey": "sk-proj-SAMPLE with spaces inside",
                "enabled": True,
                "priority": 2,
            },
            "anthropic": {
                "apiKey": "sk-or-v1-" + "6b" * 32,
                "enabled": True,
                "priority": 3,
            },
            "google": {"apiKey": "short", "enabled": False, "priority": 4},
            "xai": {
                "apiKey": "xai-ключ-SAMPLE-0123456789",
                "enabled": True,
                "priority": 5,
            },
            "mistral": {
                "apiKey": "SAMPLE0123456789abcdef0123456789",
                "enabled": True,
                "priority": 6,
            },
        },
        "defaultModel": "openai/gpt-4o\u0000",
        "defaultProvider": f"openrouter{LONE_SURROGATE}",
        "showReasoning": True,
        "showTokens": False,
        "showCosts": True,
        "autoScroll": True,
        "reasoningEffort": "low",
        "fontScale": float("nan"),
    }


def hostile() -> str:
    """The payload as text."""
    text = json.dumps(
        {"chats": chats(), "config": config(), "anonymousId": "anon-hostile-0001"},
        indent=1,
    )
    for mark, raw in AS_TEXT.items():
        text = text.replace(json.dumps(mark), raw)
    return text + "\n"


if __name__ == "__main__":
    PATH.write_text(hostile(), encoding="ascii")
