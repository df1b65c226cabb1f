"""Where the valid chats of a payload wait, as lines that COPY loads, until the whole payload was read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile

from chats.validation import ChatHeader, RejectedError, message_rows

IN_MEMORY_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 16 * 1024 * 1024
CHUNK_CHATS = 2_000
PIECE_BYTES = 256 * 1024


@dataclass(slots=True)
class Chunk:
    """Rows that are loaded in one transaction: byte ranges of the spool."""

    chat_rows: list[str] = field(default_factory=list)
    start: int = 0
    end: int = 0
    messages: int = 0

    def is_full(self, messages: int) -> bool:
        """Whether the next chat goes into a chunk of its own."""
        return self.messages >= messages or len(self.chat_rows) >= CHUNK_CHATS or self.end - self.start >= CHUNK_BYTES


@dataclass(slots=True)
class Spool:
    """The valid chats of a payload as COPY lines, in chunks that never split a chat."""

    file: SpooledTemporaryFile[bytes] = field(
        default_factory=lambda: SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115  # Payload closes it
    )
    chunks: list[Chunk] = field(default_factory=list)
    chats: int = 0
    messages: int = 0

    def add(self, header: ChatHeader, messages: Iterable[object], chunk_messages: int) -> None:
        """Appends one chat. Raises RejectedError and keeps nothing of it when one of its messages is bad."""
        start = self.file.tell()
        count = 0
        lines: list[str] = []
        size = 0
        try:
            for line in message_rows(messages, ordinal=self.chats, chat_id=header.id):
                lines.append(line)
                size += len(line)
                count += 1
                if size > PIECE_BYTES:
                    self.file.write("".join(lines).encode())
                    lines.clear()
                    size = 0
        except RejectedError:
            self.file.seek(start)
            self.file.truncate()
            raise
        self.file.write("".join(lines).encode())
        chunk = self.chunks[-1] if self.chunks else None
        if chunk is None or chunk.is_full(chunk_messages):
            chunk = Chunk(start=start, end=start)
            self.chunks.append(chunk)
        chunk.chat_rows.append(header.as_row(self.chats))
        chunk.messages += count
        chunk.end = self.file.tell()
        self.chats += 1
        self.messages += count

    def pieces(self, chunk: Chunk) -> Iterator[bytes]:
        """The message rows of one chunk, in pieces of bounded size."""
        self.file.seek(chunk.start)
        left = chunk.end - chunk.start
        while left > 0:
            piece = self.file.read(min(left, PIECE_BYTES))
            left -= len(piece)
            yield piece
