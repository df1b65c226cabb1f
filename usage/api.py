"""The calls that count usage, and those that set room aside for a request under way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts.sessions import ask_as_session
from usage import metering, pricing
from usage.shapes import Record, Usage
from wavelength.contract import Answer, ApiError, reply, written
from wavelength.ids import uuid7

router = Router(tags=["Usage"])

IDEMPOTENCY_LENGTH: Final = 255
IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_LENGTH},
            "description": "A name for this request: sent again under it, the request adds nothing.",
        }
    ]
}


def shows_session(request: HttpRequest) -> bool:
    """Whether there is anything to ask the database about: who it is, the operation asks with its own question."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES


@router.post("/profile/usage", response=Answer[Record], auth=shows_session, openapi_extra=IDEMPOTENCY_KEY)
def add_usage(request: HttpRequest, body: Usage) -> HttpResponse:
    """Count requests in the ledger and in every quota that applies; the answer is the hour's record after it."""
    key = _idempotency_key(request)
    tokens = body.tokens
    computed = pricing.computed_cost(body.provider, body.model, tokens, body.request_count, None)
    with _refusals():
        (record,) = ask_as_session(
            request, "usage_record_of_session",
            str(uuid7()), body.provider, body.model, str(body.request_count),
            str(tokens.input), str(tokens.output), str(tokens.reasoning), str(tokens.cached),
            _text(body.cost), _text(computed), _text(body.api_key_id),
            key, "" if key is None else body.digest(),
        )  # fmt: skip
    return reply(written(record))


def _idempotency_key(request: HttpRequest) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None or (0 < len(key) <= IDEMPOTENCY_LENGTH and key.isascii() and key.isprintable()):
        return key
    sentence = f"This must be 1 to {IDEMPOTENCY_LENGTH} printable ASCII characters."
    details = [{"path": ["Idempotency-Key"], "message": sentence}]
    raise ApiError(400, "invalid_request", f"Idempotency-Key: {sentence}", details=details)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        try:
            yield
        except Error as error:
            metering.raise_told(error)
            raise
    except LookupError:
        raise ApiError(404, "not_found", "There is nothing here.") from None
    except metering.IdempotencyError:
        sentence = "Another request came under this Idempotency-Key. Send this one under a new key."
        raise ApiError(422, "idempotency_key_reused", sentence) from None
