"""Reads chats for the API in the contract's JSON, a little at a time.

A person may have more text than fits into memory: headers come in keyset pages and messages in batches
bounded by count and by bytes, each in a short transaction of its own, and are given away outside it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connections
from django.db.models import Q

from chats.models import Chat
from wavelength.contract import iso
from wavelength.tenancy import tenant

PAGE_CHATS = 100
BATCH_MESSAGES = 500
BATCH_BYTES = 4 * 1024 * 1024

MESSAGES = """
    SELECT n, position, client_id, role, content, sent_at, cost, duration, reasoning, model,
           input_tokens, reasoning_tokens, output_tokens, batch_size
      FROM (SELECT asked.n, m.*, count(*) OVER () AS batch_size,
                   sum(octet_length(m.content) + coalesce(octet_length(m.reasoning), 0)) OVER (
                       ORDER BY asked.n, m.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
              FROM unnest(%(chats)s::uuid[]) WITH ORDINALITY AS asked (chat_id, n)
             CROSS JOIN LATERAL (
                   SELECT * FROM chats_message
                    WHERE user_id = %(user)s AND chat_id = asked.chat_id
                      AND (asked.n > %(after_chat)s OR position > %(after_position)s)
                    ORDER BY position LIMIT %(limit)s
                   ) AS m
             WHERE asked.n >= %(after_chat)s) AS batch
     WHERE coalesce(bytes_before, 0) < %(bytes)s
     ORDER BY n, position
"""


class BadCursorError(ValueError):
    """The cursor is none that `next_cursor` made."""


@dataclass(frozen=True, slots=True)
class Page:
    """Chats without messages, newest first; `next_cursor` leads to older ones, None at the end."""

    chats: list[Chat]
    next_cursor: str | None


def page_of_chats(
    *, user_id: UUID, updated_since: datetime | None = None, cursor: str | None = None, limit: int = PAGE_CHATS
) -> Page:
    """The person's chats below `cursor`, those updated at `updated_since` or later. Raises BadCursorError."""
    chats = Chat.objects.present().newest_first()
    if updated_since is not None:
        chats = chats.filter(updated_at__gte=updated_since)
    if cursor:
        updated_at, chat_id = _read_cursor(cursor)
        chats = chats.filter(updated_at__lte=updated_at).filter(Q(updated_at__lt=updated_at) | Q(id__lt=chat_id))
    with tenant(user_id):
        found = list(chats[: limit + 1])
    more = len(found) > limit
    return Page(found[:limit], _make_cursor(found[limit - 1]) if more else None)


def chat_shown_as(*, user_id: UUID, shown_id: str) -> Chat:
    """One of the person's chats by the id the API shows. Raises Chat.DoesNotExist."""
    if "\0" in shown_id:
        raise Chat.DoesNotExist
    with tenant(user_id):
        return Chat.objects.present().get(shown_id=shown_id)


def pages_from(page: Page, *, user_id: UUID, updated_since: datetime | None = None) -> Iterator[list[Chat]]:
    """The chats of this page, and page by page of all that follow."""
    yield page.chats
    while page.next_cursor is not None:
        page = page_of_chats(user_id=user_id, updated_since=updated_since, cursor=page.next_cursor)
        yield page.chats


def chats_as_json(pages: Iterable[list[Chat]], *, user_id: UUID) -> Iterator[bytes]:
    """The chats with their messages as JSON objects, commas between them."""
    first = True
    for chats in pages:
        for group in _groups(chats):
            writer = _Writer(group, first=first)
            first = False
            for batch in message_batches(user_id, [chat.pk for chat in group]):
                yield writer.write(batch)
            yield writer.end()


class _Writer:
    """Puts the messages of some chats, in the chats' order, between the chats' own fields."""

    def __init__(self, chats: list[Chat], *, first: bool) -> None:
        self._chats = chats
        self._opened = 0
        self._first = first
        self._in_messages = False
        self._pieces: list[bytes] = []

    def write(self, rows: Iterable[tuple[Any, ...]]) -> bytes:
        for row in rows:
            self._open_until(row[0])
            if self._in_messages:
                self._pieces.append(b",")
            self._in_messages = True
            self._pieces.append(orjson.dumps(_message(row)))
        return self._taken()

    def end(self) -> bytes:
        self._open_until(len(self._chats))
        if self._opened:
            self._pieces.append(b"]}")
        return self._taken()

    def _open_until(self, place: int) -> None:
        while self._opened < place:
            if self._opened:
                self._pieces.append(b"]}")
            if self._opened or not self._first:
                self._pieces.append(b",")
            self._pieces.append(orjson.dumps(_header(self._chats[self._opened]))[:-1] + b',"messages":[')
            self._opened += 1
            self._in_messages = False

    def _taken(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _groups(chats: list[Chat]) -> Iterator[list[Chat]]:
    """Chats that have about one batch of messages together; a longer one stands alone."""
    group: list[Chat] = []
    messages = 0
    for chat in chats:
        if group and messages + chat.message_count > BATCH_MESSAGES:
            yield group
            group, messages = [], 0
        group.append(chat)
        messages += chat.message_count
    if group:
        yield group


def message_batches(user_id: UUID, chat_ids: list[UUID]) -> Iterator[list[tuple[Any, ...]]]:
    """The columns of MESSAGES for all messages of these chats, in order, a bounded number at a time."""
    place, position = 1, -1
    while True:
        parameters: dict[str, Any] = {
            "user": user_id,
            "chats": chat_ids,
            "after_chat": place,
            "after_position": position,
            "limit": BATCH_MESSAGES,
            "bytes": BATCH_BYTES,
        }
        with tenant(user_id), connections["default"].cursor() as cursor:
            cursor.execute(MESSAGES, parameters)
            rows = cursor.fetchall()
        if rows:
            yield rows
        if not rows or (len(rows) == rows[0][-1] and len(rows) < BATCH_MESSAGES):
            return
        place, position = rows[-1][:2]


def _header(chat: Chat) -> dict[str, Any]:
    return {
        "id": chat.shown_id,
        "title": chat.title,
        "model": chat.model,
        "createdAt": iso(chat.client_created_at),
        "updatedAt": iso(chat.updated_at),
        "totalCost": float(chat.total_cost),
        "totalTokens": chat.total_tokens,
        "status": chat.status or None,
        "userId": str(chat.user_id),
        "anonymousId": None,
        "isAnonymous": False,
    }


def _message(row: tuple[Any, ...]) -> dict[str, Any]:
    (_, _, client_id, role, content, sent_at, cost, duration, reasoning, model, *tokens, _) = row
    return {
        "id": client_id,
        "role": role,
        "content": content,
        "timestamp": iso(sent_at),
        "cost": None if cost is None else float(cost),
        "duration": int(duration) if duration is not None and duration.is_integer() else duration,
        "reasoning": reasoning,
        "model": model,
        "tokens": None
        if tokens == [None, None, None]
        else {"input": tokens[0], "reasoning": tokens[1], "output": tokens[2]},
    }


def _make_cursor(chat: Chat) -> str:
    return urlsafe_b64encode(f"{chat.updated_at.astimezone(UTC).isoformat()} {chat.pk.hex}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        updated_at, chat_id = urlsafe_b64decode(cursor.encode()).decode().split(" ")
        moment = datetime.fromisoformat(updated_at)
        if moment.tzinfo is None:
            raise BadCursorError(cursor)
        return moment, UUID(chat_id)
    except ValueError:
        raise BadCursorError(cursor) from None
