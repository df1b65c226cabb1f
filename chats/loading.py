"""Merges the chats and messages that wait in temporary tables (chats/staging.py) into a person's.

The merging rules are those of API.md, "Migration and sync".
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from usage.history import recording

# Whoever merges chats of one person waits for whoever came first: two payloads at once end as one after the other.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('chats of ' || %(user)s::text, 0))"

# A chat of ours that the client got back under its shown id ("…~2") is the same chat too.
KNOWN = """
    INSERT INTO merging (ordinal, chat_id, newer, deleted)
    SELECT i.ordinal, c.id, i.updated_at > c.updated_at, c.deleted_at IS NOT NULL
      FROM incoming_chat i
      JOIN chats_chat c ON c.user_id = %(user)s AND c.client_id = i.client_id
                       AND c.client_created_at = i.client_created_at
     UNION ALL
    SELECT i.ordinal, c.id, i.updated_at > c.updated_at, c.deleted_at IS NOT NULL
      FROM incoming_chat i
      JOIN chats_chat c ON c.user_id = %(user)s AND c.shown_id = i.client_id AND c.client_id <> i.client_id
                       AND c.client_created_at = i.client_created_at
     WHERE NOT EXISTS (SELECT FROM chats_chat o WHERE o.user_id = %(user)s AND o.client_id = i.client_id
                                                  AND o.client_created_at = i.client_created_at)
    RETURNING ordinal, chat_id, newer, deleted
"""

NEW = """
    SELECT ordinal, client_id FROM incoming_chat i
     WHERE NOT EXISTS (SELECT FROM merging m WHERE m.ordinal = i.ordinal)
     ORDER BY ordinal
"""

TAKEN = "SELECT shown_id FROM chats_chat WHERE user_id = %s AND shown_id = ANY(%s)"
NAMESAKES = "SELECT client_id, count(*) FROM chats_chat WHERE user_id = %s AND client_id = ANY(%s) GROUP BY client_id"

# Of chats whose client says no totals.
TOTALS = """
    SELECT ordinal, coalesce(sum(cost), 0) AS cost,
           coalesce(sum(coalesce(input_tokens, 0) + coalesce(reasoning_tokens, 0) + coalesce(output_tokens, 0)), 0)
               AS tokens
      FROM incoming_message
     WHERE ordinal IN (SELECT ordinal FROM incoming_chat WHERE total_cost IS NULL OR total_tokens IS NULL)
     GROUP BY ordinal
"""

# `{new}` are the chats to make: ordinal and shown id. They are remembered as chats without messages so far.
INSERT_CHATS = f"""
    WITH added AS (
        INSERT INTO chats_chat (id, user_id, client_id, client_created_at, shown_id, title, model, status, updated_at,
                                total_cost, total_tokens, message_count, indexed)
        SELECT i.id, %(user)s, i.client_id, i.client_created_at, n.shown_id, i.title, i.model, i.status, i.updated_at,
               coalesce(i.total_cost, t.cost, 0), coalesce(i.total_tokens, t.tokens, 0), i.message_count, false
          FROM ({{new}}) AS n (ordinal, shown_id)
          JOIN incoming_chat i USING (ordinal)
          LEFT JOIN ({TOTALS}) t USING (ordinal)
        {{on_conflict}}
        RETURNING id
    )
    INSERT INTO merging (ordinal, chat_id, newer, deleted)
    SELECT i.ordinal, i.id, NULL, false FROM added JOIN incoming_chat i USING (id)
"""  # noqa: S608  (a constant above)

INSERT_NUMBERED_CHATS = INSERT_CHATS.format(
    new="SELECT * FROM unnest(%(ordinals)s::integer[], %(shown_ids)s::text[])", on_conflict=""
)

# Where there is a chat of a client's id, one is shown under it: no other can be made.
INSERT_CHATS_OF_NEW_IDS = INSERT_CHATS.format(
    new="SELECT ordinal, client_id FROM incoming_chat", on_conflict="ON CONFLICT DO NOTHING"
)

# What the messages that are about to be stored cost, each once: those of new chats, and those that known chats lack.
RECORD_HISTORY = recording(
    """
        SELECT coalesce(nullif(m.model, ''), i.model) AS model, m.sent_at, m.cost, m.input_tokens, m.output_tokens,
               m.reasoning_tokens
          FROM merging g JOIN incoming_chat i USING (ordinal) JOIN incoming_message m USING (ordinal)
         WHERE m.role = 'assistant' AND NOT g.deleted
           AND (g.newer IS NULL
                OR NOT EXISTS (SELECT FROM chats_message o
                                WHERE o.user_id = %(user)s AND o.chat_id = g.chat_id AND o.client_id = m.client_id))
    """
)

# No message of a chat that this transaction made is there yet, so none can conflict: a third faster.
INSERT_MESSAGES_OF_NEW_CHATS = """
    INSERT INTO chats_message (id, user_id, chat_id, position, client_id, role, content, sent_at, cost, duration,
                               reasoning, model, input_tokens, reasoning_tokens, output_tokens, metadata)
    SELECT m.id, %(user)s, g.chat_id, m.position, m.client_id, m.role, m.content, m.sent_at, m.cost, m.duration,
           m.reasoning, m.model, m.input_tokens, m.reasoning_tokens, m.output_tokens, m.metadata
      FROM merging g JOIN incoming_message m USING (ordinal)
     WHERE g.newer IS NULL
"""

# A message new to a known chat gets a negative position: its place among the others is found afterwards.
INSERT_MESSAGES = """
    WITH added AS (
        INSERT INTO chats_message (id, user_id, chat_id, position, client_id, role, content, sent_at, cost, duration,
                                   reasoning, model, input_tokens, reasoning_tokens, output_tokens, metadata)
        SELECT m.id, %(user)s, g.chat_id, -1 - m.position,
               m.client_id, m.role, m.content, m.sent_at, m.cost, m.duration, m.reasoning, m.model,
               m.input_tokens, m.reasoning_tokens, m.output_tokens, m.metadata
          FROM incoming_message m JOIN merging g USING (ordinal)
         WHERE g.newer IS NOT NULL AND NOT g.deleted
        ON CONFLICT (user_id, chat_id, client_id) DO NOTHING
        RETURNING chat_id, cost, input_tokens, reasoning_tokens, output_tokens
    )
    SELECT chat_id, count(*), coalesce(sum(cost), 0),
           coalesce(sum(coalesce(input_tokens, 0) + coalesce(reasoning_tokens, 0) + coalesce(output_tokens, 0)), 0)
      FROM added GROUP BY chat_id
"""

UPDATE_MESSAGES = """
    UPDATE chats_message m
       SET role = i.role, content = i.content, sent_at = i.sent_at, cost = i.cost, duration = i.duration,
           reasoning = i.reasoning, model = i.model, input_tokens = i.input_tokens,
           reasoning_tokens = i.reasoning_tokens, output_tokens = i.output_tokens, metadata = i.metadata
      FROM merging g JOIN incoming_message i USING (ordinal)
     WHERE g.newer AND NOT g.deleted
       AND m.user_id = %(user)s AND m.chat_id = g.chat_id AND m.client_id = i.client_id
       AND (m.role, m.content, m.sent_at, m.cost, m.duration, m.reasoning, m.model, m.input_tokens,
            m.reasoning_tokens, m.output_tokens, m.metadata)
           IS DISTINCT FROM
           (i.role, i.content, i.sent_at, i.cost, i.duration, i.reasoning, i.model, i.input_tokens,
            i.reasoning_tokens, i.output_tokens, i.metadata)
"""

# The winner's order leads. A message that only the other side has stands before the next one that both have.
ORDER_MESSAGES = """
    WITH both_sides AS (
        SELECT m.id, m.chat_id, m.position, g.newer, i.position AS sent,
               CASE WHEN m.position >= 0 THEN m.position END AS stored
          FROM merging g
          JOIN chats_message m ON m.user_id = %(user)s AND m.chat_id = g.chat_id
          LEFT JOIN incoming_message i ON i.ordinal = g.ordinal AND i.client_id = m.client_id
         WHERE g.chat_id = ANY(%(chats)s)
    ), sides AS (
        SELECT id, chat_id, position, CASE WHEN newer THEN sent ELSE stored END AS led_at,
               CASE WHEN newer THEN stored ELSE sent END AS followed_at
          FROM both_sides
    ), anchored AS (
        SELECT *, min(led_at) OVER (PARTITION BY chat_id ORDER BY followed_at NULLS FIRST
                                    ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS anchor
          FROM sides
    ), placed AS (
        SELECT id, position,
               row_number() OVER (
                   PARTITION BY chat_id
                   ORDER BY coalesce(led_at, anchor, 2147483647), led_at IS NOT NULL, followed_at
               ) - 1 AS place
          FROM anchored
    )
    UPDATE chats_message m SET position = placed.place
      FROM placed WHERE m.user_id = %(user)s AND m.id = placed.id AND placed.position <> placed.place
"""

UPDATE_NEWER_CHATS = """
    UPDATE chats_chat c
       SET title = i.title, model = i.model, status = i.status, updated_at = i.updated_at, indexed = false,
           total_cost = coalesce(i.total_cost, (
               SELECT sum(m.cost) FROM chats_message m WHERE m.user_id = c.user_id AND m.chat_id = c.id
           ), 0),
           total_tokens = coalesce(i.total_tokens, (
               SELECT sum(coalesce(m.input_tokens, 0) + coalesce(m.reasoning_tokens, 0) + coalesce(m.output_tokens, 0))
                 FROM chats_message m WHERE m.user_id = c.user_id AND m.chat_id = c.id
           ), 0)
      FROM merging g JOIN incoming_chat i USING (ordinal)
     WHERE g.newer AND NOT g.deleted AND c.user_id = %(user)s AND c.id = g.chat_id
"""

COUNT_ADDED = """
    UPDATE chats_chat c
       SET message_count = c.message_count + a.messages, indexed = false,
           total_cost = c.total_cost + CASE WHEN g.newer THEN 0 ELSE a.cost END,
           total_tokens = c.total_tokens + CASE WHEN g.newer THEN 0 ELSE a.tokens END
      FROM unnest(%(chats)s::uuid[], %(messages)s::bigint[], %(costs)s::numeric[], %(tokens)s::bigint[])
               AS a (chat_id, messages, cost, tokens)
      JOIN merging g ON g.chat_id = a.chat_id AND g.newer IS NOT NULL
     WHERE c.user_id = %(user)s AND c.id = a.chat_id
"""


@dataclass(slots=True)
class Loaded:
    """What one chunk brought. `twice` are ordinals of chats that turned out to be one already merged."""

    new_chats: int = 0
    new_messages: int = 0
    skipped_chats: int = 0
    twice: list[int] = field(default_factory=list)


def lock_chats(cursor: CursorWrapper, user_id: UUID) -> None:
    """Waits until nobody else changes which chats and messages this person has, until the transaction ends."""
    cursor.execute(LOCK, {"user": user_id})


def merge(cursor: CursorWrapper, user_id: UUID, loaded: Loaded) -> None:
    """Merges what stands in the temporary tables and adds it to `loaded`; the caller has locked the chats."""
    user: dict[str, Any] = {"user": user_id}
    cursor.execute(KNOWN, user)
    known: dict[UUID, tuple[bool, bool]] = {}
    for ordinal, chat_id, newer, deleted in sorted(cursor.fetchall()):
        if chat_id in known:
            loaded.twice.append(ordinal)
        known.setdefault(chat_id, (newer, deleted))
    if loaded.twice:
        cursor.execute("DELETE FROM merging WHERE ordinal = ANY(%s)", [loaded.twice])
    new_chats = _insert_chats(cursor, user_id, but=loaded.twice)
    loaded.new_chats += new_chats
    added: dict[UUID, tuple[Any, ...]] = {}
    # Without figures the planner may join by nested loops; the messages' take longest, and only merging needs them.
    cursor.execute("ANALYZE merging, incoming_message (ordinal, client_id)" if known else "ANALYZE merging")
    cursor.execute(RECORD_HISTORY, user)
    if new_chats:
        cursor.execute(INSERT_MESSAGES_OF_NEW_CHATS, user)
        loaded.new_messages += cursor.rowcount
    if known:
        cursor.execute(INSERT_MESSAGES, user)
        added = {row[0]: row[1:] for row in cursor.fetchall()}
        loaded.new_messages += sum(messages for messages, _, _ in added.values())
    newer = {chat_id for chat_id, (is_newer, deleted) in known.items() if is_newer and not deleted}
    grown = known.keys() & added.keys()
    loaded.skipped_chats += len(known.keys() - newer - grown)
    if newer:
        cursor.execute(UPDATE_MESSAGES, user)
        cursor.execute(UPDATE_NEWER_CHATS, user)
    if grown:
        figures = [(chat_id, *added[chat_id]) for chat_id in grown]
        chats, messages, costs, tokens = zip(*figures, strict=True)
        columns = {"chats": list(chats), "messages": list(messages), "costs": list(costs), "tokens": list(tokens)}
        cursor.execute(COUNT_ADDED, user | columns)
    if newer or grown:
        cursor.execute(ORDER_MESSAGES, user | {"chats": list(newer | grown)})


def _insert_chats(cursor: CursorWrapper, user_id: UUID, *, but: list[int]) -> int:
    cursor.execute(NEW)
    new = [row for row in cursor.fetchall() if row[0] not in but]
    if not new:
        return 0
    ordinals = [ordinal for ordinal, _ in new]
    shown_ids = list(_shown_ids(cursor, user_id, [client_id for _, client_id in new]))
    cursor.execute(INSERT_NUMBERED_CHATS, {"user": user_id, "ordinals": ordinals, "shown_ids": shown_ids})
    return len(new)


def _shown_ids(cursor: CursorWrapper, user_id: UUID, client_ids: list[str]) -> Iterator[str]:
    """The client's own id, with a number from 2 on behind it where another chat is called that."""
    cursor.execute(NAMESAKES, [user_id, client_ids])
    namesakes: Counter[str] = Counter(dict(cursor.fetchall()))
    taken = _taken(cursor, user_id, client_ids)
    for client_id in client_ids:
        number = namesakes[client_id] + 1
        shown_id = client_id if number == 1 else f"{client_id}~{number}"
        while shown_id in taken or (shown_id != client_id and _taken(cursor, user_id, [shown_id])):
            number += 1
            shown_id = f"{client_id}~{number}"
        namesakes[client_id] = number
        taken.add(shown_id)
        yield shown_id


def _taken(cursor: CursorWrapper, user_id: UUID, shown_ids: list[str]) -> set[str]:
    cursor.execute(TAKEN, [user_id, shown_ids])
    return {shown_id for (shown_id,) in cursor.fetchall()}
