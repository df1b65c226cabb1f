"""The calls under /api/chats and /api/migration."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, BinaryIO, Final, cast

import orjson
from django.http import HttpResponse, StreamingHttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from ninja import Query, Router
from pydantic import AfterValidator, Field, StringConstraints

from chats import sync
from chats.changes import delete_chat, rename_chat
from chats.models import Chat, Source
from chats.payload import ShapeError, TooLargeError
from chats.reading import BadCursorError, chat_shown_as, chats_as_json, page_of_chats, pages_from
from chats.scanning import NotJsonError
from chats.sync import BodyTooLargeError, Report
from chats.validation import MAX_TITLE
from wavelength.contract import Answer, ApiError, Dollars, Failure, Moment, Request, Shape, failure, reply
from wavelength.limits import spend

router = Router(tags=["Chats"], by_alias=True)

# Read as a stream by chats/payload.py, which takes far more than a schema could say; docs/web-client.md has it all.
PAYLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "chats": {"type": "array", "items": {"type": "object"}},
                        "config": {"type": "object"},
                        "anonymousId": {"type": "string"},
                    },
                }
            }
        },
    }
}


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("This holds a character that cannot be stored.")
    return text


Since = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE), AfterValidator(_storable)
]


class Wanted(Shape):
    """Which chats: those updated at `updatedSince` or later, `limit` of them below `cursor`."""

    updated_since: Since | None = None
    cursor: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] | None = None


class Tokens(Shape):
    input: int | None
    reasoning: int | None
    output: int | None


class MessageOut(Shape):
    id: str
    role: str
    content: str
    timestamp: Moment
    cost: Dollars | None
    duration: float | None
    reasoning: str | None
    model: str | None
    tokens: Tokens | None


class ChatOut(Shape):
    id: str
    title: str
    model: str
    messages: list[MessageOut]
    created_at: Moment
    updated_at: Moment
    total_cost: Dollars
    total_tokens: int
    status: str | None
    user_id: str
    anonymous_id: None
    is_anonymous: bool


class ChatsOut(Answer[list[ChatOut]]):
    next_cursor: str | None = None


class Renamed(Shape):
    title: Title


class Figures(Shape):
    """What a payload brought that was new, and what of it could not be taken."""

    success: bool
    migrated_chats: int
    migrated_messages: int
    migrated_api_keys: int
    skipped_chats: int
    errors: list[str]
    warnings: list[str]


class PartlyTaken(Failure):
    """What could be taken was; `details` names the rest."""

    data: Figures


class AccountTotals(Shape):
    total_chats: int
    total_messages: int
    total_api_keys: int


class StatusOut(Shape):
    has_migrated: bool
    migrated_at: Moment | None
    anonymous_ids: list[str]
    stats: AccountTotals


@router.get("/chats", response=ChatsOut)
def list_chats(request: Request, wanted: Query[Wanted]) -> HttpResponseBase:
    """The person's chats, the latest updated first; all of them, streamed, when no `limit` is given."""
    user_id, since = request.user.pk, wanted.updated_since
    chosen = {"limit": wanted.limit} if wanted.limit else {}
    try:
        page = page_of_chats(user_id=user_id, updated_since=since, cursor=wanted.cursor, **chosen)
    except BadCursorError:
        details = [{"path": ["cursor"], "message": "This is no cursor of ours."}]
        raise ApiError(400, "invalid_request", "cursor: This is no cursor of ours.", details=details) from None
    pages = iter([page.chats]) if wanted.limit else pages_from(page, user_id=user_id, updated_since=since)
    ending = b',"nextCursor":' + orjson.dumps(page.next_cursor) if wanted.limit and page.next_cursor else b""
    return _streamed(b"[", chats_as_json(pages, user_id=user_id), b"]" + ending)


@router.get("/chats/{path:chat_id}", response={200: Answer[ChatOut], 404: Failure})
def show_chat(request: Request, chat_id: str) -> HttpResponseBase:
    """One chat with its messages."""
    with _missing():
        return _one(chat_shown_as(user_id=request.user.pk, shown_id=chat_id))


@router.put("/chats/{path:chat_id}", response={200: Answer[ChatOut], 404: Failure})
def change_chat(request: Request, chat_id: str, body: Renamed) -> HttpResponseBase:
    """Rename a chat."""
    with _missing():
        return _one(rename_chat(user_id=request.user.pk, chat=chat_id, title=body.title))


@router.delete("/chats/{path:chat_id}", response={200: Answer[None], 404: Failure})
def remove_chat(request: Request, chat_id: str) -> HttpResponse:
    """Delete a chat; no sync brings it back."""
    with _missing():
        delete_chat(user_id=request.user.pk, shown_id=chat_id)
    return reply(None, message="The chat was deleted.")


@router.post("/migration", response={200: Answer[Figures], 206: PartlyTaken}, openapi_extra=PAYLOAD)
def hand_over(request: Request) -> HttpResponse:
    """Take over what a browser kept: the body is `{chats, config, anonymousId}`."""
    return _take(request, Source.MIGRATION)


@router.put("/migration/sync", response={200: Answer[Figures], 206: PartlyTaken}, openapi_extra=PAYLOAD)
def synchronise(request: Request) -> HttpResponse:
    """Take over what a browser has that we have not: the body is `{chats, config}`."""
    return _take(request, Source.SYNC)


@router.put("/migration", response={200: Answer[Figures], 206: PartlyTaken}, openapi_extra=PAYLOAD)
def synchronise_too(request: Request) -> HttpResponse:
    """The same as PUT /api/migration/sync."""
    return _take(request, Source.SYNC)


@router.get("/migration/status", response=Answer[StatusOut])
def show_status(request: Request) -> HttpResponse:
    """Whether anything was taken over, since when, and what stands in the account."""
    status = sync.status_of(request.user.pk)
    return reply(
        StatusOut(
            has_migrated=status.first is not None,
            migrated_at=status.first.finished_at if status.first else None,
            anonymous_ids=status.anonymous_ids,
            stats=AccountTotals(
                total_chats=status.total_chats,
                total_messages=status.total_messages,
                total_api_keys=status.total_keys,
            ),
        )
    )


@router.get("/migration", response=Answer[StatusOut])
def show_status_too(request: Request) -> HttpResponse:
    """The same as GET /api/migration/status."""
    return show_status(request)


def _take(request: Request, source: Source) -> HttpResponse:
    spend("handover", request.user.pk)
    try:
        with _body(request) as body:
            report = sync.take_over(user_id=request.user.pk, body=body, source=source)
    except (BodyTooLargeError, TooLargeError) as error:
        sentence = str(error) or "One payload may have 100 MiB"
        raise ApiError(413, "body_too_large", f"{sentence}. Send less at once.") from None
    except NotJsonError as error:
        raise ApiError(400, "malformed_json", f"The payload is not JSON: {error}.") from None
    except ShapeError as error:
        details = [{"path": list(error.path), "message": f"{error.reason}."}]
        raise ApiError(400, "invalid_request", f"{error.reason}.", details=details) from None
    except UnreadablePostError:
        raise ApiError(400, "malformed_json", "The payload did not arrive whole.") from None
    return _told(report)


@contextmanager
def _body(request: Request) -> Iterator[Any]:
    length: int | None = int(request.META.get("CONTENT_LENGTH") or 0)
    stream = cast("BinaryIO", request)
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
        # Django reads nothing of a body whose length was not announced; gunicorn ends it.
        if request.content_type != "application/json":
            raise ApiError(415, "unsupported_media_type", "Send the body as application/json.")
        length, stream = None, request.META["wsgi.input"]
    with sync.read_body(stream, length) as body:
        yield body


def _told(report: Report) -> HttpResponse:
    figures = Figures(
        success=report.success,
        migrated_chats=report.migrated_chats,
        migrated_messages=report.migrated_messages,
        migrated_api_keys=report.migrated_keys,
        skipped_chats=report.skipped_chats,
        errors=[fault.sentence() for fault in report.faults],
        warnings=report.warnings,
    )
    chats, messages = _counted(report.migrated_chats, "chat"), _counted(report.migrated_messages, "message")
    arrived = f"{chats}, {messages} and {_counted(report.migrated_keys, 'key')} arrived"
    if report.success:
        return reply(figures, message=f"{arrived}.")
    return failure(
        206,
        "partly_taken",
        f"{arrived}; {len(report.faults):,} could not be taken.",
        details=[{"path": list(fault.path), "message": fault.reason} for fault in report.faults],
        data=figures,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _one(chat: Chat) -> StreamingHttpResponse:
    return _streamed(b"", chats_as_json([[chat]], user_id=chat.user_id), b"")


def _streamed(before: bytes, pieces: Iterator[bytes], after: bytes) -> StreamingHttpResponse:
    def whole() -> Iterator[bytes]:
        yield b'{"success":true,"data":' + before
        yield from pieces
        yield after + b"}"

    return StreamingHttpResponse(whole(), content_type="application/json")


@contextmanager
def _missing() -> Iterator[None]:
    try:
        yield
    except Chat.DoesNotExist:
        raise ApiError(404, "not_found", "There is nothing here.") from None
