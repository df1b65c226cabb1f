"""What a payload would bring, told before anything is stored.

It is read and checked by what reads a hand-over, so that its faults are those a hand-over would have. Of its valid
chats only what they are compared by is kept: ids and times, in temporary tables that go with the transaction.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.backends.utils import CursorWrapper

from chats import browser_config
from chats.browser_config import TakenKeys
from chats.loading import KNOWN
from chats.payload import Fault, Payload
from chats.scanning import Buffer
from chats.staging import PREPARE, TIDY
from chats.sync import TWICE
from chats.validation import ChatHeader, message_rows
from wavelength.tenancy import tenant

COPY_CHATS = "COPY incoming_chat FROM STDIN"
COPY_MESSAGES = "COPY incoming_message (ordinal, client_id) FROM STDIN"
ANALYZE = "ANALYZE merging, incoming_message (ordinal, client_id)"

# How many messages each known chat would get that it has not.
MISSING = """
    SELECT ordinal, count(*)
      FROM merging g JOIN incoming_message i USING (ordinal)
     WHERE NOT g.deleted
       AND NOT EXISTS (SELECT FROM chats_message m
                        WHERE m.user_id = %(user)s AND m.chat_id = g.chat_id AND m.client_id = i.client_id)
     GROUP BY ordinal
"""


@dataclass(slots=True)
class Preview:
    """What a payload holds and what of it is here. Chats: each is one of the five kinds.

    `changed_chats` are here, and would get newer text or more messages; `deleted_chats` were deleted here and stay
    away. `settings` are the names of those that would change, `left_out` of those that cannot be kept.
    """

    size: int
    new_chats: int = 0
    changed_chats: int = 0
    same_chats: int = 0
    deleted_chats: int = 0
    rejected_chats: int = 0
    new_messages: int = 0
    known_messages: int = 0
    keys: TakenKeys = field(default_factory=TakenKeys)
    settings: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def received_chats(self) -> int:
        """All that stand in the payload."""
        kinds = (self.new_chats, self.changed_chats, self.same_chats, self.deleted_chats, self.rejected_chats)
        return sum(kinds)

    @property
    def brings_anything(self) -> bool:
        """Whether a hand-over would change something."""
        return bool(self.new_chats or self.changed_chats or self.new_messages or self.keys.new or self.settings)


def preview(*, user_id: UUID, body: Buffer) -> Preview:
    """Says what `take_over` would make of a payload, and stores nothing; call it outside any transaction.

    A raw store is taken as well as the API's body. Raises NotJsonError, ShapeError or TooLargeError.
    """
    outline = _Outline()
    with Payload(body, user_id=user_id, sink=outline, store=True) as payload:
        found = Preview(
            size=len(body),
            rejected_chats=payload.rejected_chats,
            faults=payload.faults,
            warnings=payload.warnings,
        )
        with tenant(user_id):
            with connections["default"].cursor() as cursor:
                _compare(cursor, user_id, outline, found)
            found.keys = browser_config.foresee_keys(user_id, payload.config)
            found.settings, found.left_out = browser_config.foresee_preferences(user_id, payload.config)
    return found


class _Outline:
    """Takes valid chats as what they are compared by."""

    def __init__(self) -> None:
        self.chat_lines: list[bytes] = []
        self.message_lines: list[bytes] = []
        self.messages: dict[int, int] = {}

    def add(self, header: ChatHeader, messages: Iterable[object], index: int) -> None:
        # The columns before the texts: ordinal, position, id, client id (escaped as COPY reads it).
        lines = [
            b"%d\t%b\n" % (index, row.split(b"\t", 4)[3])
            for row in message_rows(messages, ordinal=index, chat_id=header.id)
        ]
        self.messages[index] = len(lines)
        self.message_lines.append(b"".join(lines))
        self.chat_lines.append(header.as_row(index, len(lines)))

    def close(self) -> None:
        """Nothing is held but memory."""


def _compare(cursor: CursorWrapper, user_id: UUID, outline: _Outline, found: Preview) -> None:
    user: dict[str, Any] = {"user": user_id}
    cursor.cursor.execute(PREPARE, prepare=False)
    _copy(cursor, COPY_CHATS, outline.chat_lines)
    _copy(cursor, COPY_MESSAGES, outline.message_lines)
    cursor.execute(KNOWN, user)
    rows = sorted(cursor.fetchall())
    cursor.execute(ANALYZE)
    cursor.execute(MISSING, user)
    missing = Counter(dict(cursor.fetchall()))
    cursor.execute(TIDY)
    messages, seen = dict(outline.messages), set()
    for ordinal, chat_id, newer, deleted in rows:
        count = messages.pop(ordinal)
        if chat_id in seen:
            found.rejected_chats += 1
            found.faults.append(Fault(("chats", ordinal), f"Chat {ordinal + 1}", TWICE))
            continue
        seen.add(chat_id)
        if deleted:
            found.deleted_chats += 1
            continue
        found.new_messages += missing[ordinal]
        found.known_messages += count - missing[ordinal]
        if newer or missing[ordinal]:
            found.changed_chats += 1
        else:
            found.same_chats += 1
    found.new_chats += len(messages)
    found.new_messages += sum(messages.values())


def _copy(cursor: CursorWrapper, statement: str, pieces: list[bytes]) -> None:
    with cursor.cursor.copy(statement) as copy:
        for piece in pieces:
            copy.write(piece)
