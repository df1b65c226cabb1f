"""Data as the web client sends it, for the tests and for trying things by hand.

`small.json` and `rich.json` are raw `wavelength-store` values that zustand's `persist` wrote
(tests/node/make_samples.mjs); `hostile.json` is an API payload (make_hostile.py beside this file).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Expected:
    """What a hand-over of a raw sample must report and leave behind."""

    chats: int
    messages: int
    keys: int
    """How many different secrets it carries."""


@dataclass(frozen=True)
class HostileExpected:
    """What a hand-over of `hostile.json` must do, by the ids that the API shows afterwards."""

    good: tuple[str, ...]
    """Chats that must be stored, and nothing else."""
    bad: tuple[str, ...]
    """Chats of which nothing may be stored; each is named in `errors`."""
    nameless: int
    """Elements of `chats` without a usable id; `errors` names them by their place."""
    twice: str
    """Stands in the payload twice: its second appearance is a fault, named in `errors`."""
    repaired: tuple[str, ...]
    """Good chats of which U+0000 or a lone surrogate became U+FFFD, with a warning."""
    keys: tuple[str, ...]
    """Providers whose key is stored (the legacy `apiKey` is the same secret as openrouter's)."""
    refused: tuple[str, ...]
    """Providers whose key is refused, each named in `errors`, the secret never."""


SMALL: Final = Expected(chats=3, messages=12, keys=1)
RICH: Final = Expected(chats=40, messages=1000, keys=6)
HOSTILE: Final = HostileExpected(
    good=(
        "twice",
        "good-plain",
        "good-emoji",
        "good-nul",
        "good-nul-title",
        "good-surrogate",
        "good-surrogate-title",
        "good-nulls",
        "good-bare",
        "good-empty",
        "good-unknown-fields",
        "good-markup",
        "good-sql",
        "good-roles",
        "good-offset",
        "good-zeros",
        "good-tiny-cost",
        "good-partial-tokens",
        "good-twin",
        "good-twin~2",
        "good-shared-message-id",
        "good-last",
    ),
    bad=(
        "bad-nan-cost",
        "bad-infinite-cost",
        "bad-minus-infinite-duration",
        "bad-nan-tokens",
        "bad-negative-cost",
        "bad-negative-tokens",
        "bad-negative-duration",
        "bad-absurd-cost",
        "bad-absurd-tokens",
        "bad-absurd-duration",
        "bad-long-integer",
        "bad-fractional-tokens",
        "bad-role",
        "bad-role-type",
        "bad-duplicate-message",
        "bad-message-id-empty",
        "bad-message-id-missing",
        "bad-date-words",
        "bad-date-missing",
        "bad-date-far",
        "bad-date-future",
        "bad-date-ancient",
        "bad-date-impossible",
        "bad-message-date",
        "bad-title-type",
        "bad-messages-type",
        "bad-message-type",
        "bad-content-type",
        "bad-tokens-type",
        "bad-cost-type",
        "bad-reasoning-deep",
    ),
    nameless=6,
    twice="twice",
    repaired=("good-nul", "good-nul-title", "good-surrogate", "good-surrogate-title"),
    keys=("openrouter",),
    refused=("openai", "anthropic", "google", "xai", "mistral"),
)


def path(name: str) -> Path:
    """Where the sample `name` ("small", "rich", "hostile") lies."""
    return FOLDER / f"{name}.json"


def raw(name: str) -> bytes:
    """The sample's bytes: for small and rich the raw store value, for hostile the API payload."""
    return path(name).read_bytes()


def payload(name: str) -> dict[str, Any]:
    """The body of `POST /api/migration` that the web client makes of the raw store `name` ("small" or "rich").

    The hostile sample has no Python value (numbers of 5,000 digits, 2,000 nested lists): post `raw("hostile")`.
    """
    state: dict[str, Any] = json.loads(raw(name))["state"]
    return {
        "chats": state["chats"],
        "config": state["config"],
        "anonymousId": f"anon-{name}-0001",
    }


def oversized_chat(id_: str, size: int = 8 * 1024 * 1024 + 1) -> dict[str, Any]:
    """A chat with one message of `size` bytes, by default one more than a message may have."""
    at = "2025-02-03T10:00:00.000Z"
    content = {
        "id": f"{id_}-m1",
        "role": "user",
        "content": "x" * size,
        "timestamp": at,
    }
    return {
        "id": id_,
        "title": id_,
        "model": "openai/gpt-4o",
        "messages": [content],
        "createdAt": at,
        "updatedAt": at,
    }
