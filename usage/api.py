"""The calls that count usage, and those that set room aside for a request under way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil
from typing import Annotated, Any, Final
from uuid import UUID

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from accounts.sessions import ask_as_session
from usage import metering, pricing, sentences
from usage.metering import Refusal
from usage.shapes import Cost, Count, Name, Record, Report, ReportQuery, Usage
from wavelength.contract import Answer, ApiError, Body, Failure, Moment, Request, Shape, reply, written
from wavelength.ids import uuid7
from wavelength.metrics import USAGE_RECORDED
from wavelength.middleware import is_bearer

router = Router(tags=["Usage"], by_alias=True)

IDEMPOTENCY_LENGTH: Final = 255
LONGEST_SECONDS: Final = 3600  # of a reservation
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


class Wish(Body):
    """One request to come. Without `estimatedCost`, that of as many of the dearest tokens is taken, where known."""

    provider: Name
    model: Name
    estimated_tokens: Count
    estimated_cost: Cost | None = None
    api_key_id: UUID | None = None
    ttl_seconds: Annotated[int, Field(strict=True, ge=1, le=LONGEST_SECONDS)] = metering.RESERVATION_SECONDS


class Reserved(Shape):
    """Room set aside until `expiresAt`."""

    id: UUID
    expires_at: Moment


class Reasons(Shape):
    """A sentence for each limit that stands in the way."""

    reasons: list[str]


class Refused(Failure):
    """No room; `Retry-After` says in how many seconds the last of the limits in the way renews."""

    data: Reasons


def shows_session(request: HttpRequest) -> bool:
    """Whether there is anything to ask the database about: who it is, the operation asks with its own question."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES or is_bearer(request)


@router.get("/profile/usage", response=Answer[Report], auth=shows_session)
def get_report(request: HttpRequest, query: Query[ReportQuery]) -> HttpResponse:
    """What was used in a period, by provider, model and day. The filters apply to every figure but `quotaLimits`."""
    (report,) = ask_as_session(request, "usage_report_of_session", query.period, query.provider, query.model)
    return reply(written(report))


@router.post(
    "/profile/usage",
    response={200: Answer[Record], 404: Failure, 422: Failure},
    auth=shows_session,
    openapi_extra=IDEMPOTENCY_KEY,
)
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
    USAGE_RECORDED.labels("client").inc()
    return reply(written(record))


@router.post("/usage/reservations", response={200: Answer[Reserved], 403: Failure, 404: Failure, 429: Refused})
def reserve(request: Request, body: Wish) -> HttpResponse:
    """Set room aside in every limit for one request, before a provider is asked; or say which limits it would pass."""
    with _refusals():
        reservation = metering.reserve(
            user_id=request.user.pk,
            provider=body.provider,
            model=body.model,
            tokens=body.estimated_tokens,
            cost=body.estimated_cost,
            api_key_id=body.api_key_id,
            seconds=body.ttl_seconds,
        )
    return reply(Reserved(id=reservation.id, expires_at=reservation.expires_at))


@router.put("/usage/reservations/{uuid:reservation_id}", response={200: Answer[Record], 404: Failure, 409: Failure})
def settle(request: Request, reservation_id: UUID, body: Usage) -> HttpResponse:
    """Put the real figures in the place of the estimate, once; late ones are still added."""
    with _refusals():
        record = metering.settle(
            user_id=request.user.pk,
            reservation_id=reservation_id,
            provider=body.provider,
            model=body.model,
            requests=body.request_count,
            tokens=body.tokens,
            cost=body.cost,
            api_key_id=body.api_key_id,
            digest=body.digest(),
        )
    return reply(record)


@router.delete("/usage/reservations/{uuid:reservation_id}", response={200: Answer[None], 404: Failure, 409: Failure})
def release(request: Request, reservation_id: UUID) -> HttpResponse:
    """Give an unused reservation back."""
    with _refusals():
        metering.release(user_id=request.user.pk, reservation_id=reservation_id)
    return reply(None, message="The reservation was released.")


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
        sentence = (
            "Something was counted under this Idempotency-Key already: another request, or this one more than"
            f" {settings.ANSWER_RETENTION_DAYS} days ago. Send what is new under a new key."
        )
        raise ApiError(422, "idempotency_key_reused", sentence) from None
    except metering.ReservationClosedError:
        sentence = "This reservation was settled with other figures. Record further usage without it."
        raise ApiError(409, "reservation_settled", sentence) from None
    except metering.QuotaExceededError as exceeded:
        raise _exceeded(exceeded.refusals) from None


def _exceeded(refusals: Sequence[Refusal]) -> ApiError:
    reasons = sentences.refused_together(refusals)
    ends = [refusal.ends_at for refusal in refusals if refusal.ends_at is not None]
    more: dict[str, Any] = {
        "details": [{"path": [], "message": reason} for reason in reasons],
        "data": {"reasons": reasons},
    }
    if not ends:
        return ApiError(403, "model_not_allowed", reasons[0], **more)
    wait = max(1, ceil((max(ends) - datetime.now(UTC)).total_seconds()))
    return ApiError(429, "quota_exceeded", reasons[0], headers={"Retry-After": str(wait)}, **more)
