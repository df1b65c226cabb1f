"""Brings rows to PostgreSQL while the rest of a payload is still being read, in one transaction.

COPY is refused under row-level security, so rows are copied into temporary tables and go on from there. Batch by batch:
chats whose ids are new here go on at once, and the server works on them while the next batch is read. From the first
batch on that has another chat, what is left waits until all of it can be merged (chats/loading.py).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connections
from django.db.backends.utils import CursorWrapper

from chats import conversation
from chats.conversation import Conversation
from chats.loading import (
    INSERT_CHATS_OF_NEW_IDS,
    INSERT_MESSAGES_OF_NEW_CHATS,
    LOCK,
    RECORD_HISTORY,
    Loaded,
    merge,
)

BATCH_BYTES = 2 * 1024 * 1024  # of lines
WAITING_BYTES = 8 * 1024 * 1024

# The hand-over's last transaction waits for the disk, and thereby for these; a crash before it is retried.
PREPARE = """
    SET LOCAL synchronous_commit TO off;
    CREATE TEMPORARY TABLE incoming_chat (
        ordinal integer, id uuid, client_id text, client_created_at timestamptz, updated_at timestamptz,
        title text, model text, status text, total_cost numeric, total_tokens bigint,
        message_count integer
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE incoming_message (
        ordinal integer, position integer, id uuid, client_id text, role text, sent_at timestamptz,
        cost numeric(20, 12), duration double precision, model text,
        input_tokens bigint, reasoning_tokens bigint, output_tokens bigint, metadata jsonb,
        content text, reasoning text
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE merging (
        ordinal integer, chat_id uuid, newer boolean, deleted boolean
    ) ON COMMIT DROP
"""
EMPTY = "TRUNCATE incoming_chat, incoming_message, merging"
COPY = "COPY incoming_message FROM STDIN; COPY incoming_chat FROM STDIN"
GO_ON = f"{LOCK};{INSERT_CHATS_OF_NEW_IDS};ANALYZE merging;{RECORD_HISTORY};{INSERT_MESSAGES_OF_NEW_CHATS}"
LEAVE_THE_REST = """
    DELETE FROM incoming_chat WHERE ordinal IN (SELECT ordinal FROM merging);
    DELETE FROM incoming_message WHERE ordinal IN (SELECT ordinal FROM merging);
    TRUNCATE merging
"""
TIDY = "DROP TABLE incoming_chat, incoming_message, merging"


@dataclass(slots=True)
class _Batch:
    """Lines of chats that are whole once it is closed."""

    messages: deque[bytes] = field(default_factory=deque)
    chats: list[bytes] = field(default_factory=list)
    size: int = 0
    sent: int = 0
    closed: bool = False

    def message_lines(self) -> Iterator[bytes | None]:
        """None where the next lines are not there yet."""
        while self.messages or not self.closed:
            if self.messages:
                lines = self.messages.popleft()
                self.sent += len(lines)
                yield lines
            else:
                yield None

    def chat_lines(self) -> Iterator[bytes]:
        yield b"".join(self.chats)


class Staging:
    """Where the rows of one chunk arrive, inside the caller's `tenant()`."""

    def __init__(self, cursor: CursorWrapper, user_id: UUID) -> None:
        self._cursor = cursor
        self._user_id = user_id
        self._server = cursor.connection.pgconn
        self._batches = deque([_Batch()])
        self._all_new = True
        self._loaded = Loaded()
        self._loading = self._load()

    def messages(self, lines: bytes) -> None:
        """Takes message lines of a chat; waits only when the server is far behind."""
        batch = self._batches[-1]
        batch.messages.append(lines)
        batch.size += len(lines)
        with self._cursor.db.wrap_database_errors:
            events = next(self._loading)
            while sum(batch.size - batch.sent for batch in self._batches) > WAITING_BYTES:
                conversation.wait(self._server, events)
                events = next(self._loading)

    def chat(self, line: bytes) -> None:
        """Takes the line of a chat whose messages were all given. Messages of a chat without a line do not count."""
        batch = self._batches[-1]
        batch.chats.append(line)
        # While the server works on the batch before, this one may grow.
        if batch.size >= BATCH_BYTES and len(self._batches) == 1:
            batch.closed = True
            self._batches.append(_Batch())

    def merge(self, chat_lines: Iterable[bytes] = ()) -> Loaded:
        """Merges all that was given, and the chats whose lines these are; repeating it changes nothing."""
        batch = self._batches[-1]
        batch.chats.extend(chat_lines)
        batch.closed = True
        with self._cursor.db.wrap_database_errors:
            for events in self._loading:
                conversation.wait(self._server, events)
        if not self._all_new:
            self._cursor.cursor.execute(LEAVE_THE_REST, prepare=False)
            merge(self._cursor, self._user_id, self._loaded)
        return self._loaded

    def _load(self) -> Conversation[None]:
        script = f"{PREPARE};{COPY};{GO_ON}"
        while self._batches:
            batch = self._batches[0]
            # As a literal, because a script takes no parameters; nothing a person wrote is in it.
            script = script.replace("%(user)s", f"'{self._user_id}'::uuid")
            answers = yield from conversation.run(
                self._server, script.encode(), batch.message_lines(), batch.chat_lines()
            )
            self._batches.popleft()
            if not self._all_new:
                continue
            *_, received, _, chats, _, _, messages = (answer.command_tuples or 0 for answer in answers)
            self._loaded.new_chats += chats
            self._loaded.new_messages += messages
            self._all_new = chats == received
            script = f"{EMPTY};{COPY};{GO_ON}" if self._all_new else COPY


@contextmanager
def staging(user_id: UUID) -> Iterator[Staging]:
    """Temporary tables for one chunk, gone at the end."""
    with connections["default"].cursor() as cursor:
        try:
            yield Staging(cursor, user_id)
        except BaseException:
            conversation.abandon(cursor.connection.pgconn)
            raise
        cursor.execute(TIDY)
