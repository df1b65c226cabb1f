"""Finds chats by the words in their titles and messages, and keeps the index that makes it fast."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections

from chats.models import Chat, Message
from wavelength.tenancy import tenant

LIMIT = 50
EXCERPT = 160
INDEX_AT_ONCE = 20  # chats a transaction
# A tsvector holds less than 1 MiB: of a very long message, only the beginning is found.
INDEXED_CHARACTERS = 100_000

PENDING = """
    SELECT id FROM chats_chat
     WHERE user_id = %(user)s AND NOT indexed
     ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
FORGET = "DELETE FROM chats_searchentry WHERE user_id = %(user)s AND chat_id = ANY(%(chats)s)"
INDEX = """
    INSERT INTO chats_searchentry (id, user_id, chat_id, words)
    SELECT id, user_id, chat_id, to_tsvector('simple', left(content, %(characters)s::integer))
      FROM chats_message
     WHERE user_id = %(user)s AND chat_id = ANY(%(chats)s)
"""
INDEXED = "UPDATE chats_chat SET indexed = true WHERE user_id = %(user)s AND id = ANY(%(chats)s)"


@dataclass(frozen=True, slots=True)
class Found:
    """A chat, and the first message of it that matched; none where only the title did."""

    chat: Chat
    message: Message | None
    excerpt: str


def search(*, user_id: UUID, query: str, limit: int = LIMIT) -> list[Found]:
    """The person's chats that match, newest first.

    `query` is what people type into search engines (`"a phrase"`, `-without`, `this or that`); the last word
    also finds its continuations.
    """
    query = query.replace("\0", "").strip()
    if not query:
        return []
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute("SELECT chat_id, message_id FROM search_chats(%s, %s)", [query, limit])
        matches: list[tuple[UUID, UUID | None]] = cursor.fetchall()
        chats = Chat.objects.present().in_bulk([chat_id for chat_id, _ in matches])
        messages = Message.objects.in_bulk([message_id for _, message_id in matches if message_id])
    found = []
    for chat_id, message_id in matches:
        if chat := chats.get(chat_id):
            message = messages.get(message_id) if message_id else None
            found.append(Found(chat, message, _excerpt(message.content, query) if message else ""))
    return found


def index_chats(*, user_id: UUID) -> int:
    """Indexes the person's chats whose text is new; answers how many there were. Any number of times, at once too."""
    indexed = 0
    while True:
        with tenant(user_id), connections["default"].cursor() as cursor:
            cursor.execute(PENDING, {"user": user_id, "limit": INDEX_AT_ONCE})
            chats = [chat_id for (chat_id,) in cursor.fetchall()]
            parameters: dict[str, Any] = {"user": user_id, "chats": chats, "characters": INDEXED_CHARACTERS}
            if chats:
                cursor.execute(FORGET, parameters)
                cursor.execute(INDEX, parameters)
                cursor.execute(INDEXED, parameters)
        if not chats:
            return indexed
        indexed += len(chats)


def _excerpt(content: str, query: str) -> str:
    """A line of the text around the first word of the query that stands in it."""
    text = " ".join(content[:INDEXED_CHARACTERS].split())
    lowered = text.lower()
    places = [place for word in query.lower().split() if (place := lowered.find(word.strip('"-'))) >= 0]
    start = max(0, min(places, default=0) - EXCERPT // 4)
    piece = text[start : start + EXCERPT]
    return ("…" if start else "") + piece + ("…" if start + EXCERPT < len(text) else "")
