"""The calls that tell whether a request would be let through, signed in or not, and count anonymous messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from accounts.bearer import person_of_token
from accounts.middleware import person_of
from accounts.models import User
from usage import anonymous, sentences, standing
from usage.anonymous import AnonymousAllowance, AnonymousIdError, AnonymousLimitError
from usage.metering import UnknownKeyError
from usage.models import Period
from usage.quotas import Quota, quotas_of
from usage.shapes import Cost, Count, Name, QuotaOut
from usage.standing import Left
from wavelength.addresses import client_address
from wavelength.contract import Answer, ApiError, Body, Dollars, Failure, Moment, Shape, reply
from wavelength.middleware import is_bearer

router = Router(tags=["Usage"], by_alias=True)

FEW_LEFT: Final = 10  # messages, from which on the client speaks of an account
ANONYMOUS_ID: Final[dict[str, Any]] = {
    "security": [{}, {"session": []}, {"token": []}],
    "parameters": [
        {
            "in": "header",
            "name": "x-anonymous-id",
            "required": False,
            "schema": {"type": "string", "maxLength": anonymous.ID_LENGTH},
            "description": "The browser's own id, for whoever is not signed in; without one, a new one is made.",
        }
    ],
}


class Intent(Body):
    """One request to come."""

    provider: Name
    model: Name
    estimated_tokens: Count = 0
    estimated_cost: Cost | None = None
    api_key_id: UUID | None = None


class Browser(Shape):
    """The browser's own id, for whoever is not signed in."""

    anonymous_id: Annotated[str, Field(max_length=anonymous.ID_LENGTH)] | None = None


class Remaining(Shape):
    """The least that any limit leaves, null where there is none; the tightest of them renews at `resetTime`."""

    remaining_requests: int | None
    remaining_tokens: int | None
    remaining_cost: Dollars | None
    reset_time: Moment | None


class CurrentUsage(Shape):
    daily_requests: int
    monthly_requests: int
    daily_cost: Dollars
    monthly_cost: Dollars


class AnonymousLimits(Shape):
    """What a browser without an account may still send today."""

    daily_limit: int
    used_messages: int
    remaining_messages: int
    reset_time: Moment
    time_until_reset: Annotated[str, Field(examples=["5h 12m"])]
    should_show_upgrade_prompt: bool


class Standing(Shape):
    quota_status: Remaining
    current_usage: CurrentUsage
    quota_limits: list[QuotaOut]
    user_type: Literal["authenticated", "anonymous"]
    user_tier: Literal["free", "pro", "anonymous"]
    anonymous_id: str | None = None


class Decision(Standing):
    can_proceed: bool
    reasons: list[str]


class Overview(Standing, CurrentUsage):
    """The figures of `currentUsage` stand directly here too."""

    anonymous_limits: AnonymousLimits | None = None


class AnonymousOut(AnonymousLimits):
    anonymous_id: str


def anyone(request: HttpRequest) -> bool:
    """Lets in whoever is signed in or shows a token that works, and whoever shows nothing; `request.user` says which.

    Raises ApiError 401 for another token.
    """
    request.user = person_of_token(request) if is_bearer(request) else person_of(request)
    return True


@router.post("/usage/check", response={200: Answer[Decision], 404: Failure}, auth=anyone, openapi_extra=ANONYMOUS_ID)
def check(request: HttpRequest, body: Intent) -> HttpResponse:
    """Whether a request would be let through, and what is left for it; takes nothing."""
    user = request.user
    if not isinstance(user, User):
        allowance = _allowance(request)
        refused = [] if allowance.remaining else [anonymous.ENOUGH]
        return _told(Decision(can_proceed=not refused, reasons=refused, **_of_browser(allowance)))
    try:
        outlook = standing.outlook(
            user_id=user.pk,
            provider=body.provider,
            model=body.model,
            tokens=body.estimated_tokens,
            cost=body.estimated_cost,
            api_key_id=body.api_key_id,
        )
    except UnknownKeyError:
        raise ApiError(404, "not_found", "There is nothing here.") from None
    refused = sentences.refused_together(outlook.refusals)
    return _told(Decision(can_proceed=not refused, reasons=refused, **_of_person(user, outlook.quotas, outlook.left)))


@router.get("/usage/check", response=Answer[Overview], auth=anyone, openapi_extra=ANONYMOUS_ID)
def show_standing(request: HttpRequest, browser: Query[Browser]) -> HttpResponse:
    """What is left of everything; signed out, what a browser may still send today."""
    user = request.user
    if isinstance(user, User):
        quotas = quotas_of(user_id=user.pk)
        found = _of_person(user, quotas, standing.left_of(standing.overall(quotas).values()))
        return _told(Overview(**found, **dict(found["current_usage"])))
    allowance = _allowance(request, browser.anonymous_id)
    found = _of_browser(allowance)
    limits = AnonymousLimits(**_limits(allowance))
    return _told(Overview(**found, **dict(found["current_usage"]), anonymous_limits=limits))


@router.post(
    "/usage/anonymous", response={200: Answer[AnonymousOut], 429: Failure}, auth=None, openapi_extra=ANONYMOUS_ID
)
def count_anonymous_message(request: HttpRequest) -> HttpResponse:
    """Count one message of a browser without an account; past its day's limit, or its network's, it is refused."""
    with _bad_ids():
        try:
            allowance = anonymous.count_message(
                anonymous_id=request.headers.get("x-anonymous-id"), address=client_address(request)
            )
        except AnonymousLimitError as limit:
            raise ApiError(
                429,
                "quota_exceeded",
                limit.sentence,
                data=_counted(limit.allowance),
                headers={"Retry-After": str(max(1, ceil(_until(limit.resets_at).total_seconds())))},
            ) from None
    return reply(_counted(allowance))


def _allowance(request: HttpRequest, anonymous_id: str | None = None) -> AnonymousAllowance:
    with _bad_ids():
        return anonymous.allowance_of(anonymous_id or request.headers.get("x-anonymous-id"))


@contextmanager
def _bad_ids() -> Iterator[None]:
    try:
        yield
    except AnonymousIdError as error:
        details = [{"path": ["x-anonymous-id"], "message": str(error)}]
        raise ApiError(400, "invalid_request", str(error), details=details) from None


def _told(answer: Standing) -> HttpResponse:
    # What does not apply is left out: nobody signed in has an anonymous id.
    return reply(answer.model_dump(by_alias=True, exclude_unset=True))


def _of_person(user: User, quotas: list[Quota], left: Left) -> dict[str, Any]:
    overall = standing.overall(quotas)
    day, month = overall.get(Period.DAILY), overall.get(Period.MONTHLY)
    return {
        "quota_status": Remaining(
            remaining_requests=left.requests,
            remaining_tokens=left.tokens,
            remaining_cost=left.cost,
            reset_time=left.resets_at,
        ),
        "current_usage": CurrentUsage(
            daily_requests=day.used_requests if day else 0,
            monthly_requests=month.used_requests if month else 0,
            daily_cost=day.used_cost if day else Decimal(0),
            monthly_cost=month.used_cost if month else Decimal(0),
        ),
        "quota_limits": [QuotaOut.of(quota) for quota in standing.of_everything(quotas)],
        "user_type": "authenticated",
        "user_tier": user.tier,
    }


def _of_browser(allowance: AnonymousAllowance) -> dict[str, Any]:
    """A browser's messages in the form of a person's requests; nothing before today is known of it."""
    free = Decimal(0)
    return {
        "quota_status": Remaining(
            remaining_requests=allowance.remaining,
            remaining_tokens=None,
            remaining_cost=None,
            reset_time=allowance.resets_at,
        ),
        "current_usage": CurrentUsage(
            daily_requests=allowance.used, monthly_requests=allowance.used, daily_cost=free, monthly_cost=free
        ),
        "quota_limits": [
            QuotaOut(
                type=Period.DAILY,
                provider=None,
                model=None,
                request_limit=allowance.daily_limit,
                token_limit=None,
                cost_limit=None,
                used_requests=allowance.used,
                used_tokens=0,
                used_cost=free,
                reset_at=allowance.resets_at,
            )
        ],
        "user_type": "anonymous",
        "user_tier": "anonymous",
        "anonymous_id": allowance.anonymous_id,
    }


def _counted(allowance: AnonymousAllowance) -> AnonymousOut:
    return AnonymousOut(anonymous_id=allowance.anonymous_id, **_limits(allowance))


def _limits(allowance: AnonymousAllowance) -> dict[str, Any]:
    hours, minutes = divmod(ceil(_until(allowance.resets_at).total_seconds() / 60), 60)
    return {
        "daily_limit": allowance.daily_limit,
        "used_messages": allowance.used,
        "remaining_messages": allowance.remaining,
        "reset_time": allowance.resets_at,
        "time_until_reset": f"{hours}h {minutes}m",
        "should_show_upgrade_prompt": allowance.remaining <= FEW_LEFT,
    }


def _until(moment: datetime) -> timedelta:
    return max(moment - datetime.now(UTC), timedelta())
