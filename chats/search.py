"""Keeps the index of words that finding chats (chats/listing.py) goes by."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.backends.utils import CursorWrapper

from apikeys.watching import LOOKS_LIKE_A_KEY, look_for_keys
from wavelength.tenancy import tenant

INDEX_AT_ONCE = 20  # chats a transaction
# A tsvector holds less than 1 MiB: of a very long message, only the beginning is found.
INDEXED_CHARACTERS = 100_000

PENDING = """
    SELECT id FROM chats_chat
     WHERE user_id = %(user)s AND NOT indexed
     ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
NEXT = """
    SELECT id FROM chats_chat WHERE user_id = %(user)s AND id > %(after)s ORDER BY id LIMIT %(limit)s
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
# Only the words leave the database: in 100,000 messages there are few. Most texts are done with after LIKE.
WORDS = """
    SELECT DISTINCT found[1]
      FROM (SELECT concat_ws(' ', content, reasoning) AS text
              FROM chats_message
             WHERE user_id = %(user)s AND chat_id = ANY(%(chats)s)
             UNION ALL
            SELECT title FROM chats_chat WHERE user_id = %(user)s AND id = ANY(%(chats)s)) AS said,
           regexp_matches(text, %(pattern)s, 'g') AS found
     WHERE text LIKE ANY (%(likes)s) AND EXISTS (SELECT FROM apikeys_apikey WHERE user_id = %(user)s)
"""
LIKES = ["%sk-%", "%xai-%", "%AIza%"]
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
                look_for_keys(user_id=user_id, texts=_key_like_words(cursor, parameters), place="chat")
                cursor.execute(INDEXED, parameters)
        if not chats:
            return indexed
        indexed += len(chats)


def words_like_keys(user_id: UUID) -> Iterator[str]:
    """Answers every word in the person's chats that may be a provider's key, some chats at a time."""
    after = UUID(int=0)
    while True:
        with tenant(user_id), connections["default"].cursor() as cursor:
            cursor.execute(NEXT, {"user": user_id, "after": after, "limit": INDEX_AT_ONCE})
            chats = [chat_id for (chat_id,) in cursor.fetchall()]
            words = _key_like_words(cursor, {"user": user_id, "chats": chats}) if chats else []
        yield from words
        if not chats:
            return
        after = chats[-1]


def _key_like_words(cursor: CursorWrapper, parameters: dict[str, Any]) -> list[str]:
    cursor.execute(WORDS, parameters | {"pattern": LOOKS_LIKE_A_KEY, "likes": LIKES})
    return [word for (word,) in cursor.fetchall()]
