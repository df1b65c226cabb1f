"""The calls about a person's quotas: whether they are there, and how far each is used up."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from django.http import HttpResponse
from ninja import Router

from accounts.models import Tier
from usage import standing
from usage.models import Period
from usage.quotas import Quota, quotas_of
from usage.shapes import QuotaOut
from usage.standing import State
from wavelength.contract import Answer, Dollars, Moment, Request, Shape, reply

router = Router(tags=["Usage"], by_alias=True)

Health = Literal["healthy", "warning", "critical"]
HEALTH: Final[dict[State, Health]] = {"ok": "healthy", "warning": "warning", "exceeded": "critical"}


class Initialization(Shape):
    needs_initialization: bool
    current_quota_count: int
    user_tier: Tier
    user_id: UUID


class Initialized(Shape):
    quota_limits: list[QuotaOut]
    tier: Tier


class Used(Shape):
    requests: int
    tokens: int
    cost: Dollars


class UsedOfPeriods(Shape):
    today: Used
    month: Used


class QuotaStatus(QuotaOut):
    """Percentages are of the limit, 0 to 100 with two decimals at most, null where there is no limit."""

    request_percent: float | None
    token_percent: float | None
    cost_percent: float | None
    is_near_limit: bool
    is_over_limit: bool
    status: State


class AlertOut(Shape):
    type: Literal["warning", "exceeded"]
    message: str
    reset_at: Moment


class Status(Shape):
    user_id: UUID
    user_tier: Tier
    timestamp: Moment
    overall_status: Health
    usage: UsedOfPeriods
    quotas: list[QuotaStatus]
    alerts: list[AlertOut]


@router.get("/usage/init", response=Answer[Initialization])
def show_initialization(request: Request) -> HttpResponse:
    """Whether the account lacks its tier's quotas, which every account has from its creation."""
    user = request.user
    mine = standing.of_everything(quotas_of(user_id=user.pk))
    return reply(
        Initialization(
            needs_initialization=standing.lacks_defaults(mine),
            current_quota_count=len(mine),
            user_tier=Tier(user.tier),
            user_id=user.pk,
        )
    )


@router.post("/usage/init", response=Answer[Initialized])
def initialize(request: Request) -> HttpResponse:
    """Give the account its tier's quotas where it lacks them. The tier is the account's own, whatever a body says."""
    tier = Tier(request.user.tier)
    mine, added = standing.initialize(user_id=request.user.pk, tier=tier)
    message = "Your quotas are set." if added else "Your quotas were there already."
    return reply(Initialized(quota_limits=[QuotaOut.of(quota) for quota in mine], tier=tier), message=message)


@router.get("/usage/status", response=Answer[Status])
def show_status(request: Request) -> HttpResponse:
    """What was used today and this month, how far every quota is used up, and what to know about it."""
    user = request.user
    mine = standing.of_everything(quotas_of(user_id=user.pk))
    overall = standing.overall(mine)
    status = Status(
        user_id=user.pk,
        user_tier=Tier(user.tier),
        timestamp=datetime.now(UTC),
        overall_status=HEALTH[standing.worst(standing.state_of(quota) for quota in mine)],
        usage=UsedOfPeriods(today=_used(overall.get(Period.DAILY)), month=_used(overall.get(Period.MONTHLY))),
        quotas=[_quota_status(quota) for quota in mine],
        alerts=[
            AlertOut(type=alert.type, message=alert.sentence, reset_at=alert.resets_at)
            for alert in standing.alerts_of(mine)
        ],
    )
    return reply(status)


def _used(quota: Quota | None) -> Used:
    if quota is None:
        return Used(requests=0, tokens=0, cost=Decimal(0))
    return Used(requests=quota.used_requests, tokens=quota.used_tokens, cost=quota.used_cost)


def _quota_status(quota: Quota) -> QuotaStatus:
    percent = {meter.kind: meter.percent for meter in standing.meters(quota)}
    state = standing.state_of(quota)
    return QuotaStatus(
        **dict(QuotaOut.of(quota)),
        request_percent=percent.get("requests"),
        token_percent=percent.get("tokens"),
        cost_percent=percent.get("cost"),
        is_near_limit=state != "ok",
        is_over_limit=state == "exceeded",
        status=state,
    )
