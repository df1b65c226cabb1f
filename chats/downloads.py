"""Chats as files: read a little at a time, each time in a short transaction, and given away outside it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from accounts import audit
from chats.models import Chat, Role
from chats.reading import chats_as_json, message_batches
from wavelength.tenancy import tenant

SPEAKERS: Final = {Role.USER: "You", Role.ASSISTANT: "Assistant", Role.SYSTEM: "System", Role.TOOL: "Tool"}


def chats_of(*, user_id: UUID, chats: Iterable[UUID]) -> list[Chat]:
    """Those of these chats that are the person's and there, newest first."""
    with tenant(user_id):
        return list(Chat.objects.present().filter(pk__in=list(chats)).newest_first())


def as_json(*, user_id: UUID, chats: list[Chat]) -> Iterator[bytes]:
    """What a hand-over takes: the chats as the API shows them, with every field."""
    yield b'{"chats":['
    yield from chats_as_json([chats], user_id=user_id)
    yield b"]}\n"


def as_markdown(*, user_id: UUID, chat: Chat) -> Iterator[str]:
    """A heading for the chat and one for each message, with the texts as they were written; reasoning is quoted."""
    yield f"# {chat.plain_title or 'Untitled chat'}\n\n"
    yield f"{chat.model or 'No model'}, {_moment(chat.client_created_at)}, {chat.message_count} messages\n"
    for batch in message_batches(user_id, [chat.pk]):
        for row in batch:
            role, content, sent_at, reasoning, model = row[3], row[4], row[5], row[8], row[9]
            named = f" ({model})" if model else ""
            yield f"\n## {SPEAKERS[Role(role)]}{named}, {_moment(sent_at)}\n\n"
            if reasoning:
                yield "> **Reasoning**\n>\n" + "".join(f"> {line}\n" for line in reasoning.splitlines()) + "\n"
            yield content + "\n"


def note_download(*, user_id: UUID, chats: int) -> None:
    """Remember in the person's trail that so many of their chats, if any, were taken as a file."""
    if chats:
        with tenant(user_id):
            audit.record(user_id, "chat.downloaded", count=chats)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
