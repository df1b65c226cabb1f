"""Walks over JSON bytes without building what it does not need, and loads single values tolerantly.

A hand-over answers chat by chat, so one value that no parser takes (NaN, a lone surrogate, a million
digits, a thousand brackets) must not cost the values around it. Streaming parsers give up at the first
of these and cannot go on behind it. Here a regular expression finds where each value ends, and only then
a parser sees that value alone.
"""

import json
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import orjson

Buffer: TypeAlias = bytes | mmap.mmap

MAX_DEPTH = 64
MAX_DIGITS = 40

# Up to a quote is three times as fast as up to a quote or a backslash; where the quote is escaped, once more with care.
_STRING = rb'"(?>[^"]*+(?<!\\)"|[^"\\]*+(?:\\.[^"\\]*+)*+")'
_FLAT = rb'[^\[\]{}"]*+(?:' + _STRING + rb'[^\[\]{}"]*+)*+'


def _nested(depth: int) -> bytes:
    inside = _FLAT
    for _ in range(depth - 1):
        inside = _FLAT + rb"(?:[\[{]" + inside + rb"[\]}]" + _FLAT + rb")*+"
    return rb"[\[{]" + inside + rb"[\]}]"


_SPACE = re.compile(rb"[ \t\n\r]*+")
_VALUE = re.compile(_nested(MAX_DEPTH) + rb"|" + _STRING + rb'|[^\[\]{}",:\s]++', re.DOTALL)
_KEY = re.compile(rb"(" + _STRING + rb")[ \t\n\r]*+:[ \t\n\r]*+", re.DOTALL)
_BRACKETS = re.compile(rb'(?:[^\[\]{}"]++|' + _STRING + rb")*+(\[++|\{++|\]++|\}++)", re.DOTALL)
_ESCAPED_NUL = b"\\u0000"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class NotJsonError(Exception):
    """The bytes are not JSON. `position` counts bytes from the start."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"{reason} at byte {position}")
        self.position = position
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands where a value stood that JSON or this server has no number for."""

    reason: str


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a value begins and ends; `deep` when it nests more than MAX_DEPTH levels and was not looked into."""

    start: int
    end: int
    deep: bool = False

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Loaded:
    """A value, and whether characters in it were replaced by U+FFFD."""

    value: object
    repaired: bool = False


class Scanner:
    """A cursor over JSON bytes.

    `members()` and `elements()` stop in front of each value: the caller moves on with `skip()`, or
    by walking the value itself.
    """

    def __init__(self, buffer: Buffer, position: int = 0) -> None:
        self.buffer = buffer
        self.position = position

    def peek(self) -> bytes:
        """The first byte of what comes next, empty at the end."""
        self._skip_space()
        return bytes(self.buffer[self.position : self.position + 1])

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next."""
        self._take(b"{")
        if self._took(b"}"):
            return
        while True:
            self._skip_space()
            match = _KEY.match(self.buffer, self.position)
            if match is None:
                self._fail("A key was expected")
            key = _load_bytes(match[1], self.position).value
            self.position = match.end()
            yield str(key)
            if self._took(b"}"):
                return
            self._take(b",")

    def elements(self) -> Iterator[int]:
        """The indexes of the array that comes next."""
        self._take(b"[")
        if self._took(b"]"):
            return
        index = 0
        while True:
            self._skip_space()
            yield index
            index += 1
            if self._took(b"]"):
                return
            self._take(b",")

    def skip(self) -> Extent:
        """Moves behind the value that comes next and says where it was."""
        self._skip_space()
        start = self.position
        match = _VALUE.match(self.buffer, start)
        if match is not None:
            self.position = match.end()
            return Extent(start, self.position)
        if self.peek() not in (b"[", b"{"):
            self._fail("A value was expected")
        self.position = self._end_of_brackets(start)
        return Extent(start, self.position, deep=True)

    def finish(self) -> None:
        """Raises NotJsonError when anything but white space follows."""
        if self.peek():
            self._fail("Nothing more was expected")

    def _end_of_brackets(self, start: int) -> int:
        depth = 0
        position = start
        while True:
            match = _BRACKETS.match(self.buffer, position)
            if match is None:
                self._fail("A closing bracket is missing for what opens")
            position = match.end()
            run = len(match[1])
            if match[1][:1] in (b"[", b"{"):
                depth += run
            elif run >= depth:
                return position - (run - depth)
            else:
                depth -= run

    def _skip_space(self) -> None:
        match = _SPACE.match(self.buffer, self.position)
        if match is not None:
            self.position = match.end()

    def _took(self, expected: bytes) -> bool:
        if self.peek() != expected:
            return False
        self.position += 1
        return True

    def _take(self, expected: bytes) -> None:
        if not self._took(expected):
            self._fail(f"{expected.decode()!r} was expected")

    def _fail(self, reason: str) -> NoReturn:
        raise NotJsonError(self.position, reason)


def load(buffer: Buffer, extent: Extent) -> Loaded:
    """The value at `extent`, which must not be deep.

    NaN, Infinity and integers of more than MAX_DIGITS digits become `Unusable`; NUL and lone
    surrogates inside strings become U+FFFD. Raises NotJsonError for anything else that is not JSON.
    """
    return _load_bytes(bytes(buffer[extent.start : extent.end]), extent.start)


def _load_bytes(piece: bytes, position: int) -> Loaded:
    try:
        value = orjson.loads(piece)
    except orjson.JSONDecodeError:
        value = _load_tolerantly(piece, position)
    else:
        if _ESCAPED_NUL not in piece:
            return Loaded(value)
    repaired = _repair(value)
    return Loaded(repaired, repaired is not value)


def _load_tolerantly(piece: bytes, position: int) -> object:
    try:
        return json.loads(piece.decode(), parse_constant=Unusable, parse_int=_whole_number)
    except UnicodeDecodeError as error:
        raise NotJsonError(position + error.start, "Text that is not UTF-8 stands") from None
    except json.JSONDecodeError as error:
        raise NotJsonError(position + error.pos, error.msg) from None


def _whole_number(digits: str) -> int | Unusable:
    if len(digits) > MAX_DIGITS:
        return Unusable(f"a number of {len(digits):,} digits")
    return int(digits)


def _repair(value: object) -> object:
    """The same object when there was nothing to repair, else a copy that PostgreSQL can store."""
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, list):
        elements = [_repair(element) for element in value]
        same = all(new is old for new, old in zip(elements, value, strict=True))
        return value if same else elements
    if isinstance(value, dict):
        members = [(_storable(key), _repair(member)) for key, member in value.items()]
        same = all(
            key is old_key and member is old
            for (key, member), (old_key, old) in zip(members, value.items(), strict=True)
        )
        return value if same else dict(members)
    return value


def _storable(text: str) -> str:
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
