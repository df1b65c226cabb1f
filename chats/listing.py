"""The list of a person's chats: what a search or filters leave of it, in any order, a page at a time.

A page, its excerpts and how many there are in all come in one statement; `models_of` tells what one can narrow the list
to. Both cost what the person's own chats weigh, whatever others have.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from chats.models import Chat
from chats.reading import BadCursorError
from chats.search import INDEXED_CHARACTERS
from wavelength.tenancy import tenant

CHATS_A_PAGE = 30
COUNTED = 1_000  # chats; of more it is only said that there are more
SEARCHED = 5_000  # chats: of those that a search finds, the newest
MODELS = 300
# Delimiters for ts_headline that end words and are in no text: where one is, it is taken out before. "<" is disguised
# too, because the parser takes <tags> away.
OPEN, CLOSE, LESS = "\x01", "\x02", "\x03"


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the list: a column, what it holds, and where it begins."""

    column: str
    reads: Callable[[str], datetime | Decimal | int]
    descending: bool = True


ORDERS: Final[Mapping[str, Order]] = {
    "updated": Order("updated_at", datetime.fromisoformat),
    "created": Order("client_created_at", datetime.fromisoformat),
    "oldest": Order("client_created_at", datetime.fromisoformat, descending=False),
    "cost": Order("total_cost", Decimal),
    "messages": Order("message_count", int),
    "tokens": Order("total_tokens", int),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which chats, in which of `ORDERS`, after or before a cursor.

    `query` is what people type into search engines (`"a phrase"`, `-without`, `this or that`); its last word also finds
    its continuations. `models` None is any. They were updated at `since` or later and before `until`.
    """

    query: str = ""
    models: list[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: str = "updated"
    after: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A chat; where a search found it by a message, the first of them and a line of it. Both texts are safe."""

    chat: Chat
    title: SafeString
    message_id: UUID | None = None
    excerpt: SafeString = field(default_factory=lambda: mark_safe(""))


@dataclass(frozen=True, slots=True)
class Listing:
    """One page; `previous` and `next` are cursors, empty where there is nothing. `total` ends at COUNTED + 1.

    `limited`: the search found more than it goes through; only the newest SEARCHED are among these.
    """

    rows: list[Found]
    previous: str
    next: str
    total: int
    limited: bool = False


def list_chats(*, user_id: UUID, wanted: Wanted, limit: int = CHATS_A_PAGE) -> Listing:
    """The page of the person's chats that is wanted. Raises BadCursorError where nothing stands at its cursor."""
    order = ORDERS[wanted.order]
    backwards = bool(wanted.before)
    cursor = wanted.before or wanted.after
    parameters: dict[str, Any] = {"user": user_id, "limit": limit + 1, "counted": COUNTED + 1}
    if cursor:
        parameters["at"], parameters["from"] = _read_cursor(cursor, wanted.order)
    statement = _statement(wanted, order, parameters, backwards=backwards)
    with tenant(user_id):
        chats: list[Any] = list(Chat.objects.raw(statement, parameters))
    if cursor and not chats:
        raise BadCursorError(cursor)
    more = len(chats) > limit
    chats = chats[:limit]
    if backwards:
        chats.reverse()
    return Listing(
        rows=[_found(chat) for chat in chats],
        previous=_make_cursor(chats[0], wanted.order) if wanted.after or (backwards and more) else "",
        next=_make_cursor(chats[-1], wanted.order) if backwards or more else "",
        total=chats[0].total if chats else 0,
        limited=bool(chats and getattr(chats[0], "matched", 0) >= SEARCHED),
    )


def models_of(*, user_id: UUID) -> list[str]:
    """The models of the person's chats, in order of their names; one look-up in an index for each."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute(THEIR_MODELS, {"user": user_id, "models": MODELS})
        return [model for (model,) in cursor.fetchall()]


THEIR_MODELS = """
    WITH RECURSIVE known (model) AS (
        (SELECT model FROM chats_chat WHERE user_id = %(user)s AND deleted_at IS NULL ORDER BY model LIMIT 1)
        UNION ALL
        SELECT (SELECT c.model FROM chats_chat c
                 WHERE c.user_id = %(user)s AND c.deleted_at IS NULL AND c.model > known.model
                 ORDER BY c.model LIMIT 1)
          FROM known WHERE known.model IS NOT NULL
    )
    SELECT model FROM known WHERE model <> '' LIMIT %(models)s
"""
# `kept` is read twice: for the page, which an index gives in its order, and to count.
PAGE = """
    WITH {matched} kept AS NOT MATERIALIZED (
        SELECT c.id, c.{column} AS sorted{message}
          FROM chats_chat c {found}
         WHERE c.user_id = %(user)s AND c.deleted_at IS NULL {narrowed}
    ), page AS (
        SELECT * FROM kept {place} ORDER BY sorted {direction}, id {direction} LIMIT %(limit)s
    )
    SELECT c.id, c.user_id, c.shown_id, c.title, c.model, c.client_created_at, c.updated_at, c.total_cost,
           c.total_tokens, c.message_count,
           (SELECT count(*) FROM (SELECT FROM kept LIMIT %(counted)s) AS first_ones) AS total{shown}
      FROM page JOIN chats_chat c ON c.user_id = %(user)s AND c.id = page.id {lines}
     ORDER BY page.sorted {direction}, page.id {direction}
"""
MATCHED = "matched AS MATERIALIZED (SELECT * FROM search_chats(%(query)s, %(searched)s)),"
SHOWN = """,
           page.message_id, (SELECT count(*) FROM matched) AS matched,
           ts_headline('simple', translate(c.title, %(marks)s, %(blanks)s), search_words(%(query)s),
                       %(whole)s) AS marked_title,
           ts_headline('simple', translate(substring(line.text FROM greatest(line.at - 400, 1) FOR 4000),
                                           %(marks)s, %(blanks)s),
                       search_words(%(query)s), %(piece)s) AS excerpt"""
# Only of the page's rows, and around where a word first stands: ts_headline parses all it is given.
LINES = """
      LEFT JOIN LATERAL (
           SELECT cut.text, (SELECT min(nullif(strpos(lower(cut.text), word), 0))::integer
                               FROM unnest(%(words)s::text[]) AS word) AS at
             FROM (SELECT left(m.content, %(characters)s::integer) AS text
                     FROM chats_message m WHERE m.user_id = %(user)s AND m.id = page.message_id) AS cut
           ) AS line ON true"""


def _statement(wanted: Wanted, order: Order, parameters: dict[str, Any], *, backwards: bool) -> str:
    descending = order.descending != backwards
    parts = dict.fromkeys(("matched", "message", "found", "narrowed", "place", "shown", "lines"), "")
    parts |= {"column": order.column, "direction": "DESC" if descending else "ASC"}
    for condition, name, value in (
        ("c.model = ANY(%(models)s)", "models", wanted.models),
        ("c.updated_at >= %(since)s", "since", wanted.since),
        ("c.updated_at < %(until)s", "until", wanted.until),
    ):
        if value is not None:
            parts["narrowed"] += f" AND {condition}"
            parameters[name] = value
    if "at" in parameters:
        parts["place"] = f"WHERE (sorted, id) {'<' if descending else '>'} (%(at)s, %(from)s)"
    query = wanted.query.replace("\0", "").strip()
    if query:
        parts |= {"matched": MATCHED, "message": ", m.message_id", "shown": SHOWN, "lines": LINES}
        parts["found"] = "JOIN matched m ON m.chat_id = c.id"
        parameters |= _search_parameters(query)
    return PAGE.format(**parts)


def _search_parameters(query: str) -> dict[str, Any]:
    marks = f"StartSel={OPEN}, StopSel={CLOSE}"
    return {
        "query": query,
        "searched": SEARCHED,
        "characters": INDEXED_CHARACTERS,
        "words": [stripped for word in query.lower().split() if (stripped := word.strip('"-'))],
        "marks": f"<{OPEN}{CLOSE}{LESS}",
        "blanks": f"{LESS}   ",
        "whole": f"{marks}, HighlightAll=true",
        "piece": f'{marks}, MaxFragments=2, MinWords=8, MaxWords=22, FragmentDelimiter=" … "',
    }


def _found(chat: Any) -> Found:
    if not hasattr(chat, "marked_title"):
        return Found(chat, conditional_escape(chat.title))
    return Found(chat, _marked(chat.marked_title), chat.message_id, _marked(" ".join((chat.excerpt or "").split())))


def _marked(line: str) -> SafeString:
    """What ts_headline answered as HTML: all of it is escaped, then its delimiters become the one element."""
    escaped = str(conditional_escape(line.replace(LESS, "<")))
    return mark_safe(escaped.replace(OPEN, "<mark>").replace(CLOSE, "</mark>"))  # noqa: S308  (just escaped)


def _make_cursor(chat: Any, name: str) -> str:
    value = getattr(chat, ORDERS[name].column)
    text = value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
    return urlsafe_b64encode(f"{name} {text} {chat.pk.hex}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str, name: str) -> tuple[datetime | Decimal | int, UUID]:
    try:
        made_for, text, chat_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        value = ORDERS[name].reads(text)
        if made_for != name or not _stands_in_a_column(value):
            raise BadCursorError(cursor)
        return value, UUID(chat_id)
    except (ValueError, InvalidOperation):
        raise BadCursorError(cursor) from None


def _stands_in_a_column(value: datetime | Decimal | int) -> bool:
    if isinstance(value, datetime):
        return value.tzinfo is not None
    if isinstance(value, Decimal):
        return value.is_finite() and abs(value) < Decimal(10**12)
    return abs(value) < 2**62


def models_by_provider(models: Iterable[str]) -> dict[str, list[str]]:
    """The models by whose they are: what stands before the slash, else OpenRouter, as in the ledger."""
    found: dict[str, list[str]] = {}
    for model in models:
        maker, slash, _ = model.partition("/")
        found.setdefault({"x-ai": "xai"}.get(maker, maker) if slash else "openrouter", []).append(model)
    return found
