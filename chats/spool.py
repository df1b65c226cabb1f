"""Where the valid chats of a payload wait, as lines that COPY loads, until the whole payload was read.

In memory while they are few, then in temporary files without a name. Keys never come here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Protocol

from chats.validation import ChatHeader, RejectedError, message_rows

IN_MEMORY_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 16 * 1024 * 1024
CHUNK_CHATS = 2_000
CHUNK_MESSAGES = 10_000
PIECE_BYTES = 256 * 1024


class Tap(Protocol):
    """Takes lines of the first chunk while the payload is still being read."""

    def messages(self, lines: bytes) -> None:
        """Message lines of a chat; they count only when the chat's own line follows."""

    def chat(self, line: bytes) -> None:
        """The line of a chat whose messages were all given."""


@dataclass(slots=True)
class Lines:
    """Lines that are only added to, and the newest of them taken back."""

    file: IO[bytes] = field(
        default_factory=lambda: SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115  # Payload closes it
    )
    end: int = 0

    def add(self, lines: bytes) -> None:
        self.end += self.file.write(lines)

    def take_back(self, end: int) -> None:
        """Forgets all behind `end`."""
        self.end = self.file.seek(end)
        self.file.truncate()

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """What stands between two places, in pieces of bounded size; nothing is added after."""
        self.file.seek(start)
        while start < end:
            piece = self.file.read(min(end - start, PIECE_BYTES))
            start += len(piece)
            yield piece


@dataclass(slots=True)
class Chunk:
    """Chats that are loaded in one transaction: where their lines begin and end."""

    chats_start: int
    messages_start: int
    chats_end: int = 0
    messages_end: int = 0
    chats: int = 0
    messages: int = 0


@dataclass(slots=True)
class Spool:
    """The valid chats of a payload in chunks that never split a chat.

    The first chunk goes to `tap`, so that the database can take it while the rest is still being read.
    """

    tap: Tap
    chunk_messages: int = CHUNK_MESSAGES
    chat_lines: Lines = field(default_factory=Lines)
    message_lines: Lines = field(default_factory=Lines)
    chunks: list[Chunk] = field(default_factory=lambda: [Chunk(0, 0)])
    messages: int = 0
    _tapped: int = 0

    def add(self, header: ChatHeader, messages: Iterable[object], index: int) -> None:
        """Appends the chat at `index` of the payload.

        Raises RejectedError and keeps nothing of it when one of its messages is bad.
        """
        chunk = self._chunk()
        start = self.message_lines.end
        try:
            count = self._add_messages(message_rows(messages, ordinal=index, chat_id=header.id))
        except RejectedError:
            self.message_lines.take_back(start)
            raise
        if len(self.chunks) == 1:
            self.tap.chat(header.as_row(index, count))
        else:
            self.chat_lines.add(header.as_row(index, count))
        chunk.chats += 1
        chunk.messages += count
        chunk.chats_end, chunk.messages_end = self.chat_lines.end, self.message_lines.end
        self.messages += count

    def close(self) -> None:
        """Frees what it holds, on disk too."""
        self.chat_lines.file.close()
        self.message_lines.file.close()

    def _chunk(self) -> Chunk:
        last = self.chunks[-1]
        size = self._tapped if len(self.chunks) == 1 else self.message_lines.end - last.messages_start
        if last.messages >= self.chunk_messages or last.chats >= CHUNK_CHATS or size >= CHUNK_BYTES:
            last = Chunk(self.chat_lines.end, self.message_lines.end)
            self.chunks.append(last)
        return last

    def _add_messages(self, lines: Iterable[bytes]) -> int:
        count = size = 0
        pending: list[bytes] = []
        for line in lines:
            pending.append(line)
            size += len(line)
            count += 1
            if size > PIECE_BYTES:
                self._write(b"".join(pending))
                pending.clear()
                size = 0
        self._write(b"".join(pending))
        return count

    def _write(self, lines: bytes) -> None:
        if len(self.chunks) == 1:
            self._tapped += len(lines)
            self.tap.messages(lines)
        else:
            self.message_lines.add(lines)
