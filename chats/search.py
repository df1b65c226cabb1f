"""Keeps the index of words that finding chats (chats/listing.py) goes by."""

from typing import Any
from uuid import UUID

from django.db import connections

from wavelength.tenancy import tenant

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
     UNION ALL
    SELECT id, user_id, id, to_tsvector('simple', title)
      FROM chats_chat
     WHERE user_id = %(user)s AND id = ANY(%(chats)s)
"""
INDEXED = "UPDATE chats_chat SET indexed = true WHERE user_id = %(user)s AND id = ANY(%(chats)s)"


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
