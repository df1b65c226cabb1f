"""Small payloads, and how to send and read back."""

import json
from typing import Any

from django.test import Client

START = "2025-02-03T10:00:00.000Z"


def message(id_: str, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "role": "user", "content": f"Content of {id_}.", "timestamp": START} | fields


def chat(id_: str, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A chat; `messages` may be empty."""
    return {
        "id": id_,
        "title": f"Title of {id_}",
        "model": "openai/gpt-4o",
        "messages": list(messages),
        "createdAt": START,
        "updatedAt": "2025-02-03T10:05:00.000Z",
    } | fields


def payload(*chats: Any, **fields: Any) -> dict[str, Any]:
    return {"chats": list(chats), "config": {}, "anonymousId": "anon-1"} | fields


def hand_over(client: Client, body: dict[str, Any] | bytes | str) -> Any:
    """POST /api/migration; answers the response."""
    return client.post("/api/migration", _bytes(body), content_type="application/json")


def synchronise(client: Client, *chats: Any, **fields: Any) -> Any:
    """PUT /api/migration/sync; answers the response."""
    body = {"chats": list(chats), "config": {}} | fields
    return client.put("/api/migration/sync", _bytes(body), content_type="application/json")


def figures(response: Any) -> tuple[int, int, int, int]:
    """What was new: chats, messages, keys; and what was skipped."""
    data = response.json()["data"]
    return data["migratedChats"], data["migratedMessages"], data["migratedApiKeys"], data["skippedChats"]


def all_chats(client: Client) -> list[dict[str, Any]]:
    """What GET /api/chats shows."""
    return list(read(client, "/api/chats")["data"])


def one_chat(client: Client, id_: str) -> dict[str, Any]:
    """What GET /api/chats/<id> shows."""
    return dict(read(client, f"/api/chats/{id_}")["data"])


def read(client: Client, address: str) -> dict[str, Any]:
    """The body of a streamed answer."""
    response = client.get(address)
    assert response.status_code == 200, response.content
    body: dict[str, Any] = json.loads(b"".join(response.streaming_content))  # type: ignore[attr-defined]  # streams
    return body


def _bytes(body: dict[str, Any] | bytes | str) -> bytes:
    if isinstance(body, dict):
        return json.dumps(body).encode()
    return body.encode() if isinstance(body, str) else body
