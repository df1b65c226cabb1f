"""Reads the payload of a hand-over or a sync once, into rows that are ready to load.

Where the valid chats go is not decided here: a hand-over puts them into a spool (chats/spool.py), a preview keeps only
what they are compared by. The body itself stays in memory (it carries provider keys, which are written nowhere but
into the vault); beside it there is never more than one message, or one chat below `LARGE` bytes, as Python objects.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from chats.scanning import Buffer, Extent, Scanner, Unusable, load
from chats.validation import MAX_ID, MAX_TEXT_BYTES, ChatHeader, Path, RejectedError, read_header

MAX_BYTES = 100 * 1024 * 1024
MAX_MESSAGES = 200_000
MAX_CHATS = 200_000
MAX_ANONYMOUS_ID = 200
# Faults named one by one, and warnings; what a person can still look through, and memory can bear.
MAX_NAMED = 10_000

LARGE = 2 * 1024 * 1024

_UTF8_BOM = b"\xef\xbb\xbf"
_LONGEST_ESCAPE = 6


class ShapeError(Exception):
    """The payload as a whole is not what a hand-over looks like; nothing of it can be taken."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


class TooLargeError(Exception):
    """More chats or messages than one payload may carry."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something was not taken: `path` into the payload, `subject` a name that a person recognises."""

    path: Path
    subject: str
    reason: str

    def sentence(self) -> str:
        """What the person reads, such as `Chat 3 “Trip” (c1): messages.4.role is not one of …`."""
        return f"{self.subject}: {self.reason}"

    def as_kept(self) -> dict[str, object]:
        """How the record of a hand-over keeps it, as JSON."""
        return {"path": list(self.path), "subject": self.subject, "reason": self.reason}


class Sink(Protocol):
    """Where valid chats go, each once, in their order."""

    def add(self, header: ChatHeader, messages: Iterable[object], index: int) -> None:
        """Takes the chat at `index` of the payload. Raises RejectedError, and then keeps nothing of it."""

    def close(self) -> None:
        """Frees what it holds."""


class Payload:
    """What one body holds. A context manager: leaving it closes the sink.

    Valid chats go to `sink` while the payload is read; nothing that is done with them may last when reading raises.
    `store` accepts the raw value that zustand's `persist` writes (`{"state": {…}, "version": 0}`) beside the body of
    `POST /api/migration`. Raises NotJsonError, ShapeError or TooLargeError.
    """

    def __init__(
        self,
        buffer: Buffer,
        *,
        user_id: UUID,
        sink: Sink,
        store: bool = False,
    ) -> None:
        self.config: dict[str, object] = {}
        self.anonymous_id = ""
        self.faults: list[Fault] = []
        self.warnings: list[str] = []
        self.rejected_chats = 0
        self.received_chats = 0
        self.received_messages = 0
        self._sink = sink
        self._user_id = user_id
        self._store = store
        self._seen: set[int] = set()
        self._has_chats = False
        self._unnamed = 0
        self._scanner = Scanner(buffer, len(_UTF8_BOM) if buffer[:3] == _UTF8_BOM else 0)
        try:
            self._read()
        except BaseException:
            sink.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sink.close()

    def _read(self) -> None:
        scanner = self._scanner
        if scanner.peek() != b"{":
            _load_next(scanner)
            scanner.finish()
            raise ShapeError((), "The payload must be an object")
        for key in scanner.members():
            if self._store and key == "state" and scanner.peek() == b"{":
                for inner in scanner.members():
                    self._take_member(inner)
            else:
                self._take_member(key)
        scanner.finish()
        if not self._has_chats:
            raise ShapeError(("chats",), "The payload has no list of chats")
        if self._unnamed:
            self.faults.append(Fault(("chats",), f"{self._unnamed:,} more chats", "could not be taken either."))

    def _take_member(self, key: str) -> None:
        scanner = self._scanner
        if key == "chats":
            if scanner.peek() != b"[":
                raise ShapeError(("chats",), "chats must be a list")
            self._take_chats()
            return
        value = _load_next(scanner)
        if key == "config":
            self._take_config(value)
        elif key == "anonymousId" and value is not None:
            if not isinstance(value, str) or len(value) > MAX_ANONYMOUS_ID:
                raise ShapeError(("anonymousId",), f"anonymousId must be text of at most {MAX_ANONYMOUS_ID} characters")
            self.anonymous_id = value

    def _take_config(self, value: object) -> None:
        if value is not None and not isinstance(value, dict):
            raise ShapeError(("config",), "config must be an object of at most 2 MiB")
        self.config = value or {}

    def _take_chats(self) -> None:
        if self._has_chats:
            raise ShapeError(("chats",), "chats stands in the payload twice")
        self._has_chats = True
        for index in self._scanner.elements():
            self.received_chats = index + 1
            if self.received_chats > MAX_CHATS:
                raise TooLargeError(f"One payload may carry {MAX_CHATS:,} chats")
            self._take_chat(index, self._scanner.skip())

    def _take_chat(self, index: int, extent: Extent) -> None:
        chat, repaired = self._open_chat(extent)
        try:
            if not isinstance(chat, dict):
                raise RejectedError((), "is not an object")
            header = read_header(chat, user_id=self._user_id)
            if header.id.int in self._seen:
                raise RejectedError((), "stands in the payload twice; the first was taken")
            messages = chat.get("messages")
            if not isinstance(messages, (list, _Messages)):
                raise RejectedError(("messages",), "must be a list")
            self._count_messages(len(messages) if isinstance(messages, list) else 0)
            self._sink.add(header, messages, index)
            self._seen.add(header.id.int)
        except RejectedError as fault:
            inside = ".".join(str(part) for part in fault.path)
            reason = f"{inside} {fault.reason}." if inside else f"{fault.reason}."
            self._reject(Fault(("chats", index, *fault.path), _name_chat(index, chat), reason))
            return
        if isinstance(messages, _Messages):
            repaired = repaired or messages.repaired
        if repaired:
            header.warnings.append("characters that cannot be stored were replaced by U+FFFD")
        if len(self.warnings) < MAX_NAMED:
            self.warnings += [f"{_name_chat(index, chat)}: {warning}." for warning in header.warnings]

    def _reject(self, fault: Fault) -> None:
        self.rejected_chats += 1
        if len(self.faults) < MAX_NAMED:
            self.faults.append(fault)
        else:
            self._unnamed += 1

    def _open_chat(self, extent: Extent) -> tuple[object, bool]:
        buffer = self._scanner.buffer
        if extent.size <= LARGE and not extent.deep:
            loaded = load(buffer, extent)
            return loaded.value, loaded.repaired
        if buffer[extent.start : extent.start + 1] != b"{":
            return Unusable("too large or nested too deeply"), False
        opened = _open_object(buffer, extent, unloaded="messages")
        messages = opened.members.get("messages")
        if isinstance(messages, Extent):
            opened.members["messages"] = _Messages(buffer, messages, self._count_messages)
        return opened.members, opened.repaired

    def _count_messages(self, more: int) -> None:
        self.received_messages += more
        if self.received_messages > MAX_MESSAGES:
            raise TooLargeError(f"One payload may carry {MAX_MESSAGES:,} messages")


class _Messages:
    """The messages of a large chat, loaded one by one."""

    def __init__(self, buffer: Buffer, extent: Extent, count: Callable[[int], None]) -> None:
        self._buffer = buffer
        self._extent = extent
        self._count = count
        self.repaired = False

    def __iter__(self) -> Iterator[object]:
        scanner = Scanner(self._buffer, self._extent.start)
        for _ in scanner.elements():
            self._count(1)
            extent = scanner.skip()
            if extent.size <= LARGE and not extent.deep:
                loaded = load(self._buffer, extent)
                self.repaired = self.repaired or loaded.repaired
                yield loaded.value
            elif self._buffer[extent.start : extent.start + 1] == b"{":
                opened = _open_object(self._buffer, extent)
                self.repaired = self.repaired or opened.repaired
                yield opened.members
            else:
                yield Unusable("something too large or nested too deeply")


@dataclass(slots=True)
class _Opened:
    members: dict[str, object]
    repaired: bool = False


def _open_object(buffer: Buffer, extent: Extent, *, unloaded: str | None = None) -> _Opened:
    """A large object with its small members loaded, member by member.

    What is too large or too deep becomes Unusable; the list in the member `unloaded` stays an Extent.
    """
    opened = _Opened({})
    scanner = Scanner(buffer, extent.start)
    for key in scanner.members():
        starts_list = scanner.peek() == b"["
        member = scanner.skip()
        if key == unloaded and starts_list:
            opened.members[key] = member
            continue
        opened.members[key], repaired = _load_bounded(buffer, member)
        opened.repaired = opened.repaired or repaired
    return opened


def _load_next(scanner: Scanner) -> object:
    return _load_bounded(scanner.buffer, scanner.skip())[0]


def _load_bounded(buffer: Buffer, extent: Extent) -> tuple[object, bool]:
    if extent.deep:
        return Unusable("something nested too deeply"), False
    if extent.size > LARGE:
        if buffer[extent.start : extent.start + 1] != b'"':
            return Unusable("something too large"), False
        if _shortest_text(buffer, extent) > MAX_TEXT_BYTES:
            return Unusable("text larger than 8 MiB"), False
    loaded = load(buffer, extent)
    return loaded.value, loaded.repaired


def _shortest_text(buffer: Buffer, extent: Extent) -> int:
    """The least number of bytes that the string at `extent` can have once its escapes are read."""
    if extent.size > MAX_TEXT_BYTES * _LONGEST_ESCAPE + 2:
        return extent.size
    escapes = bytes(buffer[extent.start : extent.end]).count(b"\\")
    return extent.size - 2 - escapes * (_LONGEST_ESCAPE - 1)


def _name_chat(index: int, chat: object) -> str:
    """How a sentence names the chat: its place, and title and id where it has them."""
    name = f"Chat {index + 1}"
    if isinstance(chat, dict):
        title, client_id = chat.get("title"), chat.get("id")
        if isinstance(title, str) and title.strip():
            name += f" “{_shortened(title)}”"
        if isinstance(client_id, str) and client_id.strip():
            name += f" ({_shortened(client_id, MAX_ID)})"
    return name


def _shortened(text: str, limit: int = 60) -> str:
    line = " ".join(text[: 2 * limit].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
