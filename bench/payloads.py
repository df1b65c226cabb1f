"""Payloads of any size, made of the rich sample: texts and figures as the web client's store really holds them."""

import json
from itertools import cycle, islice
from pathlib import Path
from typing import Any

RICH = Path(__file__).resolve().parent.parent / "tests" / "samples" / "rich.json"


def payload(*, chats: int, messages: int, repeat_text: int = 1, keys: bool = False) -> bytes:
    """The body of a hand-over with `messages` messages in each of `chats` chats, each text `repeat_text` times.

    Provider keys are in it only when asked for.
    """
    state = json.loads(RICH.read_bytes())["state"]
    headers = cycle(state["chats"])
    texts = cycle(message for chat in state["chats"] for message in chat["messages"])
    made = [_chat(number, next(headers), list(islice(texts, messages)), repeat_text) for number in range(chats)]
    config = state["config"] if keys else {}
    body = {"chats": made, "config": config, "anonymousId": ""}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _chat(number: int, header: dict[str, Any], messages: list[dict[str, Any]], repeat_text: int) -> dict[str, Any]:
    return header | {
        "id": f"{header['id']}-{number}",
        "messages": [
            message | {"id": f"{message['id']}-{place}", "content": message["content"] * repeat_text}
            for place, message in enumerate(messages)
        ],
    }
