"""Checks one chat of a hand-over and turns it into what the database loads.

Written by hand and without a model per message: 10,000 messages take about a tenth of a second.
The rules are those of API.md, "Migration and sync".
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TypeAlias
from uuid import UUID

from chats.scanning import Unusable

Path: TypeAlias = tuple[str | int, ...]

ROLES = frozenset({"user", "assistant", "system", "tool"})
MAX_TEXT_BYTES = 8 * 1024 * 1024
MAX_ID = 200
MAX_TITLE = 1_000
MAX_MODEL = 200
MAX_STATUS = 50
MAX_METADATA_BYTES = 256 * 1024
MAX_DOLLARS = 1_000_000
MAX_TOKENS = 2**31 - 1
MAX_CHAT_TOKENS = 10**12
MAX_MILLISECONDS = 366 * 24 * 3600 * 1000
FIRST_DATE = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DATE = datetime(2100, 1, 1, tzinfo=UTC)
_FIRST_YEAR, _END_YEAR = str(FIRST_DATE.year), str(LAST_DATE.year)

_NULL = "\\N"
_NO_TOKENS = f"{_NULL}\t{_NULL}\t{_NULL}"
_MISSING = Unusable("missing")
_ID_BYTES = 10
# As JavaScript writes a date, PostgreSQL reads it.
_JAVASCRIPT_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z").fullmatch
_KINDS: dict[type, str] = {
    type(None): "nothing",
    bool: "true or false",
    str: "text",
    int: "a number",
    float: "a fraction",
    list: "a list",
}


class RejectedError(Exception):
    """A chat cannot be taken. `path` starts inside the chat."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


@dataclass(slots=True)
class ChatHeader:
    """A valid chat without its messages. Times are UTC in whole milliseconds."""

    id: UUID
    client_id: str
    client_created_at: datetime
    updated_at: datetime
    title: str
    model: str
    status: str
    total_cost: str | None
    total_tokens: int | None
    warnings: list[str] = field(default_factory=list)

    def as_row(self, ordinal: int, message_count: int) -> bytes:
        """The line that COPY loads (text format), for `loading.INCOMING`."""
        columns = (
            str(ordinal),
            self.id.hex,
            _escape(self.client_id),
            self.client_created_at.isoformat(),
            self.updated_at.isoformat(),
            _escape(self.title),
            _escape(self.model),
            _escape(self.status),
            _NULL if self.total_cost is None else self.total_cost,
            _NULL if self.total_tokens is None else str(self.total_tokens),
            str(message_count),
        )
        return ("\t".join(columns) + "\n").encode()


def read_header(chat: dict[str, object], *, user_id: UUID) -> ChatHeader:
    """The chat's own fields. Raises RejectedError for the first that cannot be taken."""
    client_id = _identifier(chat, "id")
    created = _moment(chat, "createdAt")
    if created is None:
        raise RejectedError(("createdAt",), "has no creation time")
    title = _text(chat, "title", limit=None)
    header = ChatHeader(
        id=_chat_id(user_id, client_id, created),
        client_id=client_id,
        client_created_at=created,
        updated_at=_moment(chat, "updatedAt") or created,
        title=title[:MAX_TITLE],
        model=_text(chat, "model", limit=MAX_MODEL),
        status=_text(chat, "status", limit=MAX_STATUS),
        total_cost=_dollars(chat, "totalCost"),
        total_tokens=_count(chat, "totalTokens", limit=MAX_CHAT_TOKENS),
    )
    if len(title) > MAX_TITLE:
        header.warnings.append(f"its title was cut to {MAX_TITLE:,} characters")
    return header


def message_rows(messages: Iterable[object], *, ordinal: int, chat_id: UUID) -> Iterator[bytes]:
    """A COPY line (text format, for `loading.INCOMING`) per message, in the client's order.

    Raises RejectedError, its path starting with "messages" and the position, at the first that cannot be taken.
    """
    seen: set[str] = set()
    message_id = _message_ids(chat_id)
    for position, message in enumerate(messages):
        try:
            if type(message) is not dict:
                raise RejectedError((), f"must be an object, not {_kind(message)}")
            client_id = _identifier(message, "id")
            if client_id in seen:
                raise RejectedError(("id",), "is the id of an earlier message of this chat too")
            seen.add(client_id)
            figures = f"{ordinal}\t{position}\t{message_id(client_id)}\t{_escape(client_id)}\t{_figures(message)}"
            yield b"%b\t%b\n" % (figures.encode(), _texts(message))
        except RejectedError as fault:
            raise RejectedError(("messages", position, *fault.path), fault.reason) from None


def _figures(message: dict[str, object]) -> str:
    """The columns between ids and texts. Most of a hand-over's reading is spent here and in the two around it."""
    get = message.get
    role = get("role")
    if type(role) is not str or role not in ROLES:
        raise RejectedError(("role",), f"is not one of {', '.join(sorted(ROLES))}")
    sent_at = _instant(message, "timestamp")
    cost = _NULL if get("cost") is None else _dollars(message, "cost")
    duration = get("duration")
    model = _NULL if get("model") is None else _escape(_text(message, "model", limit=MAX_MODEL)) or _NULL
    tokens = get("tokens")
    metadata = get("metadata")
    return (
        f"{role}\t{sent_at}\t{cost}\t"
        f"{_NULL if duration is None else _milliseconds(duration)}\t{model}\t"
        f"{_NO_TOKENS if tokens is None else _token_columns(tokens)}\t"
        f"{_NULL if metadata is None else _metadata(metadata)}"
    )


def _texts(message: dict[str, object]) -> bytes:
    content, reasoning = message.get("content", _MISSING), message.get("reasoning")
    text = b"" if content is None else _long_text(content, "content")
    return b"%b\t%b" % (text, b"\\N" if reasoning is None else _long_text(reasoning, "reasoning"))


def _token_columns(tokens: object) -> str:
    if type(tokens) is not dict:
        raise RejectedError(("tokens",), f"must be an object, not {_kind(tokens)}")
    get = tokens.get
    sent, reasoned, received = get("input"), get("reasoning"), get("output")
    if (
        type(sent) is type(reasoned) is type(received) is int
        and 0 <= sent <= MAX_TOKENS
        and 0 <= reasoned <= MAX_TOKENS
        and 0 <= received <= MAX_TOKENS
    ):
        return f"{sent}\t{reasoned}\t{received}"
    try:
        counts = [_count(tokens, name, limit=MAX_TOKENS) for name in ("input", "reasoning", "output")]
    except RejectedError as fault:
        raise RejectedError(("tokens", *fault.path), fault.reason) from None
    return "\t".join(_NULL if count is None else str(count) for count in counts)


def _identifier(owner: dict[str, object], name: str) -> str:
    value = owner.get(name)
    if type(value) is not str:
        raise RejectedError((name,), f"must be text, not {_kind(value)}")
    if not value.strip():
        raise RejectedError((name,), "is empty")
    if len(value) > MAX_ID:
        raise RejectedError((name,), f"is longer than {MAX_ID} characters")
    return value


def _text(owner: dict[str, object], name: str, *, limit: int | None) -> str:
    value = owner.get(name)
    if value is None:
        return ""
    if type(value) is not str:
        raise RejectedError((name,), f"must be text, not {_kind(value)}")
    if limit is not None and len(value) > limit:
        raise RejectedError((name,), f"is longer than {limit} characters")
    return value


def _long_text(value: object, name: str) -> bytes:
    if type(value) is not str:
        raise RejectedError((name,), f"must be text, not {_kind(value)}")
    text = value.encode()
    if len(text) > MAX_TEXT_BYTES:
        raise RejectedError((name,), "is larger than 8 MiB")
    # All four at once would take longer: most texts have none of them, and this is seen at the speed of memory.
    return text.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r").replace(b"\t", b"\\t")


def _instant(owner: dict[str, object], name: str) -> str:
    """A required date as PostgreSQL reads it."""
    value = owner.get(name)
    if type(value) is str and _JAVASCRIPT_DATE(value) and _FIRST_YEAR <= value < _END_YEAR:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            pass  # No such day or hour: named below.
        else:
            return value
    moment = _moment(owner, name)
    if moment is None:
        raise RejectedError((name,), "has no time")
    return moment.isoformat()


def _moment(owner: dict[str, object], name: str) -> datetime | None:
    value = owner.get(name)
    if value is None:
        return None
    if type(value) is not str:
        raise RejectedError((name,), f"must be a date as ISO text, not {_kind(value)}")
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RejectedError((name,), "is not a date this server can keep") from None
    if not FIRST_DATE <= moment < LAST_DATE:
        raise RejectedError((name,), f"is a date outside {FIRST_DATE.year} to {LAST_DATE.year}")
    rest = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - rest) if rest else moment


def _dollars(owner: dict[str, object], name: str) -> str | None:
    value = owner.get(name)
    if value is None:
        return None
    if type(value) is not float and type(value) is not int:
        raise RejectedError((name,), f"must be a number, not {_kind(value)}")
    if not 0 <= value <= MAX_DOLLARS:
        raise RejectedError((name,), "is negative" if value < 0 else "is an absurd figure")
    return repr(value)


def _count(owner: dict[str, object], name: str, *, limit: int) -> int | None:
    value = owner.get(name)
    if value is None:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise RejectedError((name,), f"must be a whole number, not {_kind(value)}")
    if not 0 <= value <= limit:
        raise RejectedError((name,), "is negative" if value < 0 else "is an absurd figure")
    return value


def _milliseconds(value: object) -> str:
    if type(value) is not int and type(value) is not float:
        raise RejectedError(("duration",), f"must be a number, not {_kind(value)}")
    if not 0 <= value <= MAX_MILLISECONDS:
        raise RejectedError(("duration",), "is negative" if value < 0 else "is an absurd figure")
    return repr(value)


def _metadata(value: object) -> str:
    if type(value) is not dict:
        raise RejectedError(("metadata",), f"must be an object, not {_kind(value)}")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise RejectedError(("metadata",), "holds a value that is no JSON") from None
    if len(text) > MAX_METADATA_BYTES:
        raise RejectedError(("metadata",), "is larger than 256 KiB")
    return _escape(text)


def _kind(value: object) -> str:
    if isinstance(value, Unusable):
        return value.reason
    return _KINDS.get(type(value), "an object")


def _escape(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if "\r" in text:
        text = text.replace("\r", "\\r")
    if "\t" in text:
        text = text.replace("\t", "\\t")
    return text


def _chat_id(user_id: UUID, client_id: str, created: datetime) -> UUID:
    """A version 7 UUID (RFC 9562 §5.7) whose random bits are a keyed hash.

    The same chat of the same person gets the same id, so that a repeated hand-over leaves identical rows.
    """
    hashed = blake2b(client_id.encode(), key=user_id.bytes, digest_size=_ID_BYTES).digest()
    value = round(created.timestamp() * 1000) << 80 | int.from_bytes(hashed)
    return UUID(int=value & ~(0xF << 76 | 0b11 << 62) | 0x7 << 76 | 0b10 << 62)


def _message_ids(chat_id: UUID) -> Callable[[str], str]:
    """Ids as hexadecimal digits, from the client's: the chat's own first half, so that its messages stand together."""
    start = f"{chat_id.hex[:16]}8"
    hasher = blake2b(key=chat_id.bytes, digest_size=8)

    def message_id(client_id: str) -> str:
        hashed = hasher.copy()
        hashed.update(client_id.encode())
        return start + hashed.hexdigest()[1:]

    return message_id
