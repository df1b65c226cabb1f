"""The vocabulary of the JSON API (shared by every app's ``api.py``): envelope, errors, types."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Schema
from pydantic import BaseModel, ConfigDict, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from accounts.models import User

T = TypeVar("T")


class Request(HttpRequest):
    """A request inside an API operation: somebody is signed in."""

    user: "User"


class ApiError(Exception):
    """Answered as the failure envelope; ``error`` is one plain sentence for a person."""

    def __init__(
        self,
        status: int,
        code: str,
        error: str,
        *,
        details: Iterable[Mapping[str, Any]] | None = None,
        data: Any = None,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.code = code
        self.error = error
        self.details = list(details) if details is not None else None
        self.data = data
        self.url = url
        self.headers = dict(headers or {})


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


Moment = Annotated[datetime, PlainSerializer(iso, return_type=str)]
# US dollars; a JSON number, never a string.
Dollars = Annotated[Decimal, PlainSerializer(float, return_type=float)]


class Shape(Schema):
    """A JSON object of the contract: camelCase outside, snake_case inside, unknown fields ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", from_attributes=True)


class Body(BaseModel):
    """A JSON object that a caller sends, read in a quarter of the time that ``Shape`` takes. Null and "" are absent."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_cleared(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None and value != ""}


class Answer(Shape, Generic[T]):
    success: Literal[True] = True
    data: T
    message: str | None = None


class Fault(Shape):
    path: list[str | int]
    message: str


class Failure(Shape):
    success: Literal[False] = False
    error: str
    code: str
    details: list[Fault] | None = None
    url: str | None = None


def reply(data: Any, *, message: str | None = None, status: int = 200, **beside: Any) -> HttpResponse:
    """The success envelope; ``beside`` are fields next to ``data`` (``nextCursor``)."""
    body: dict[str, Any] = {"success": True, "data": data}
    if message is not None:
        body["message"] = message
    body.update(beside)
    return _json(body, status)


def written(json: str | None) -> Any:
    """JSON that the database wrote, for a place in ``reply``: passed on unread."""
    return orjson.Fragment(json or "null")


def failure(
    status: int,
    code: str,
    error: str,
    *,
    details: Iterable[Mapping[str, Any]] | None = None,
    data: Any = None,
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The failure envelope; ``url`` is the page where a person can mend it."""
    body: dict[str, Any] = {"success": False, "error": error, "code": code}
    if details is not None:
        body["details"] = list(details)
    if data is not None:
        body["data"] = data
    if url is not None:
        body["url"] = url
    response = _json(body, status)
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def _json(body: Mapping[str, Any], status: int) -> HttpResponse:
    content = orjson.dumps(body, default=_encode, option=orjson.OPT_PASSTHROUGH_DATETIME)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Cache-Control": "no-store"}
    return HttpResponse(content, headers=headers, status=status)


def _encode(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"{type(value).__name__} has no JSON form here")
