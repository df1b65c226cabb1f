"""Where the valid chats of a payload wait, as lines that COPY loads, until the whole payload was read.

In memory while they are few, then in temporary files without a name. Keys never come here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO

from chats.validation import ChatHeader, RejectedError, message_rows

IN_MEMORY_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 16 * 1024 * 1024
CHUNK_CHATS = 2_000
PIECE_BYTES = 256 * 1024


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

    def is_full(self, messages: int) -> bool:
        """Whether the next chat goes into a chunk of its own."""
        size = self.messages_end - self.messages_start
        return self.messages >= messages or self.chats >= CHUNK_CHATS or size >= CHUNK_BYTES


@dataclass(slots=True)
class Spool:
    """The valid chats of a payload in chunks that never split a chat."""

    chat_lines: Lines = field(default_factory=Lines)
    message_lines: Lines = field(default_factory=Lines)
    chunks: list[Chunk] = field(default_factory=list)
    chats: int = 0
    messages: int = 0

    def add(self, header: ChatHeader, messages: Iterable[object], *, index: int, chunk_messages: int) -> None:
        """Appends the chat at `index` of the payload.

        Raises RejectedError and keeps nothing of it when one of its messages is bad.
        """
        chats_start, messages_start = self.chat_lines.end, self.message_lines.end
        try:
            count = self._add_messages(messages, header, index)
        except RejectedError:
            self.message_lines.take_back(messages_start)
            raise
        self.chat_lines.add(header.as_row(index))
        chunk = self.chunks[-1] if self.chunks else None
        if chunk is None or chunk.is_full(chunk_messages):
            chunk = Chunk(chats_start, messages_start)
            self.chunks.append(chunk)
        chunk.chats += 1
        chunk.messages += count
        chunk.chats_end, chunk.messages_end = self.chat_lines.end, self.message_lines.end
        self.chats += 1
        self.messages += count

    def close(self) -> None:
        """Frees what it holds, on disk too."""
        self.chat_lines.file.close()
        self.message_lines.file.close()

    def _add_messages(self, messages: Iterable[object], header: ChatHeader, index: int) -> int:
        count = size = 0
        lines: list[bytes] = []
        for line in message_rows(messages, ordinal=index, chat_id=header.id):
            lines.append(line)
            size += len(line)
            count += 1
            if size > PIECE_BYTES:
                self.message_lines.add(b"".join(lines))
                lines.clear()
                size = 0
        self.message_lines.add(b"".join(lines))
        return count
