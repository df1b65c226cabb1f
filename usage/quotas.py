"""What people may use: their tier's defaults, what an operator allowed, and budgets of their own.

Whatever changes a limit holds the person's lock (usage/migrations/0002_windows.py), so it falls between two
requests. Windows hold what was used, limits what is allowed: a change of either leaves the other as it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypedDict, Unpack
from uuid import UUID

from django.db import connections
from django.db.models.functions import Now

from accounts import audit
from accounts.models import Tier, User
from usage.models import NAME_LENGTH, Period, QuotaLimit
from wavelength.tenancy import tenant

MOST_TOKENS: Final = 10**15
MOST_COST: Final = Decimal(10**9)
SMALLEST_COST: Final = Decimal("1e-12")
A_PERIOD: Final = {Period.DAILY: "a day", Period.MONTHLY: "a month"}


class Allowance(NamedTuple):
    """Requests, tokens and US dollars in one period."""

    requests: int
    tokens: int
    cost: Decimal


DEFAULTS: Final[dict[Tier, dict[Period, Allowance]]] = {
    Tier.FREE: {
        Period.DAILY: Allowance(500, 100_000, Decimal(5)),
        Period.MONTHLY: Allowance(5_000, 1_000_000, Decimal(50)),
    },
    Tier.PRO: {
        Period.DAILY: Allowance(5_000, 1_000_000, Decimal(50)),
        Period.MONTHLY: Allowance(50_000, 10_000_000, Decimal(500)),
    },
}


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit and its window now. Of the tier's limit and the person's own budget, the lower one stands here."""

    limit_id: UUID
    period: str
    provider: str
    model: str
    api_key_id: UUID | None
    tier: str
    request_limit: int | None
    token_limit: int | None
    cost_limit: Decimal | None
    own_token_limit: int | None
    own_cost_limit: Decimal | None
    used_requests: int
    used_tokens: int
    used_cost: Decimal
    reserved_requests: int
    reserved_tokens: int
    reserved_cost: Decimal
    starts_at: datetime
    ends_at: datetime


class Numbers(TypedDict, total=False):
    """What a limit allows; None is any amount, and what is not named stays as it is."""

    request_limit: int | None
    token_limit: int | None
    cost_limit: Decimal | None


class QuotaError(ValueError):
    """A limit that cannot be; the message says why."""


class BudgetError(ValueError):
    """A budget that cannot be; the message says why."""


def quotas_of(*, user_id: UUID, at: datetime | None = None) -> list[Quota]:
    """Every limit of a person with what is used of it now, those of single keys last."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute("SELECT * FROM usage_quotas(%s, coalesce(%s::timestamptz, now()))", [user_id, at])
        return [Quota(*row) for row in cursor.fetchall()]


def catch_up(*, user_id: UUID, at: datetime | None = None) -> None:
    """Open the windows that a person's limits lack now, and free what was reserved and not heard of in time."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute("SELECT usage_catch_up(%s, coalesce(%s::timestamptz, now()))", [user_id, at])


def apply_tier(user_id: UUID, tier: Tier) -> None:
    """Give a person the limits of a tier, in the caller's `tenant()`; what an operator set stays."""
    with _changing(user_id):
        for period in Period:
            limit = _limit(user_id, period, "", "")
            if limit is None or limit.tier:
                _give_default(limit, user_id, period, tier)


def set_quota(
    *, user_id: UUID, period: Period, provider: str = "", model: str = "", **numbers: Unpack[Numbers]
) -> QuotaLimit:
    """Let an operator say what a person may use in a period: of everything, of a provider, or of one of its models.

    Numbers are requests, tokens and US dollars. A change of tier leaves this limit alone then. Raises QuotaError.
    """
    _check_numbers(provider, model, numbers)
    with _changing(user_id):
        limit = _limit(user_id, period, provider, model)
        if limit is None:
            limit = QuotaLimit(user_id=user_id, period=period, provider=provider, model=model)
        for name, number in numbers.items():
            setattr(limit, name, number)
        if provider and not _is_set(limit):
            raise QuotaError("A limit that allows any amount of everything is none: remove it instead.")
        limit.tier = ""
        _save(limit)
        audit.record(
            user_id, "quota.set", period=period.value, provider=provider, model=model, **_exact(numbers)
        )  # fmt: skip
    return limit


def set_default_quota(*, user_id: UUID, period: Period) -> QuotaLimit:
    """Give a person's overall limit of a period back to their tier, now and whenever that changes."""
    with _changing(user_id):
        tier = Tier(User.objects.only("tier").get(pk=user_id).tier)
        limit = _give_default(_limit(user_id, period, "", ""), user_id, period, tier)
        audit.record(user_id, "quota.set", period=period.value, tier=tier.value)
    return limit


def remove_quota(*, user_id: UUID, period: Period, provider: str, model: str = "") -> bool:
    """Take an operator's limit of a provider or model away; answer whether there was one. Raises QuotaError."""
    if not provider:
        raise QuotaError("The overall limit cannot be removed: give it back to the tier, or allow any amount.")
    with _changing(user_id):
        limit = _limit(user_id, period, provider, model)
        if limit is None or not _is_set(limit):
            return False
        limit.request_limit = limit.token_limit = limit.cost_limit = None
        _keep_or_delete(limit)
        audit.record(user_id, "quota.removed", period=period.value, provider=provider, model=model)
    return True


def set_budget(
    *,
    user_id: UUID,
    period: Period,
    provider: str | None = None,
    tokens: int | None = None,
    cost: Decimal | None = None,
) -> None:
    """Let a person hold themselves to `tokens`, to `cost` in US dollars, or to both, overall or with one provider.

    Replaces the budget they had there, and counts what they have used of the period already. It cannot be looser than
    what they are allowed. Raises BudgetError.
    """
    cost = _check_budget(provider, tokens, cost)
    with _changing(user_id):
        for narrowed in {"", provider or ""}:
            _check_within(_limit(user_id, period, narrowed, ""), period, tokens, cost)
        limit = _limit(user_id, period, provider or "", "")
        if limit is None:
            limit = QuotaLimit(user_id=user_id, period=period, provider=provider or "")
        limit.own_token_limit, limit.own_cost_limit = tokens, cost
        _save(limit)
        figures = _exact({"tokens": tokens, "cost": cost})
        audit.record(user_id, "budget.set", period=period.value, provider=provider or "", **figures)


def remove_budget(*, user_id: UUID, period: Period, provider: str | None = None) -> bool:
    """Let a person drop their own budget; answer whether there was one."""
    with _changing(user_id):
        limit = _limit(user_id, period, provider or "", "")
        if limit is None or not _has_budget(limit):
            return False
        limit.own_token_limit = limit.own_cost_limit = None
        _keep_or_delete(limit)
        audit.record(user_id, "budget.removed", period=period.value, provider=provider or "")
    return True


def hold_usage(user_id: UUID) -> None:
    """Take a person's usage lock, to the end of the caller's `tenant()`.

    Before any row of the keys is locked: metering takes them in this order.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT usage_lock(%s)", [user_id])


@contextmanager
def _changing(user_id: UUID) -> Iterator[None]:
    with tenant(user_id):
        hold_usage(user_id)
        yield


def _limit(user_id: UUID, period: Period, provider: str, model: str) -> QuotaLimit | None:
    return QuotaLimit.objects.filter(
        user_id=user_id, period=period, provider=provider, model=model, api_key_id=None
    ).first()


def _give_default(limit: QuotaLimit | None, user_id: UUID, period: Period, tier: Tier) -> QuotaLimit:
    limit = limit or QuotaLimit(user_id=user_id, period=period)
    limit.tier = tier
    limit.request_limit, limit.token_limit, limit.cost_limit = DEFAULTS[tier][period]
    _save(limit)
    return limit


def _keep_or_delete(limit: QuotaLimit) -> None:
    """Its windows go with a limit that limits nothing any more; the overall ones always stay."""
    if limit.provider and not _has_budget(limit) and not _is_set(limit):
        limit.delete()
    else:
        _save(limit)


def _save(limit: QuotaLimit) -> None:
    limit.updated_at = Now()
    limit.save()


def _is_set(limit: QuotaLimit) -> bool:
    return any(number is not None for number in (limit.request_limit, limit.token_limit, limit.cost_limit))


def _has_budget(limit: QuotaLimit) -> bool:
    return limit.own_token_limit is not None or limit.own_cost_limit is not None


def _check_numbers(provider: str, model: str, numbers: Numbers) -> None:
    if model and not provider:
        raise QuotaError("A model's limit needs its provider.")
    if max(len(provider), len(model)) > NAME_LENGTH:
        raise QuotaError(f"Names of providers and models have at most {NAME_LENGTH} characters.")
    if not numbers:
        raise QuotaError("Say how many requests, how many tokens or how much cost to allow.")
    for count in (numbers.get("request_limit"), numbers.get("token_limit")):
        if count is not None and not 0 <= count <= MOST_TOKENS:
            raise QuotaError(f"A limit of requests or tokens is a whole number from 0 to {MOST_TOKENS:,}.")
    cost = numbers.get("cost_limit")
    if cost is not None and not (cost.is_finite() and 0 <= cost <= MOST_COST):
        raise QuotaError(f"A limit of cost is from $0 to ${MOST_COST:,}.")


def _check_budget(provider: str | None, tokens: int | None, cost: Decimal | None) -> Decimal | None:
    if provider is not None and not 0 < len(provider) <= NAME_LENGTH:
        raise BudgetError(f"The name of a provider has 1 to {NAME_LENGTH} characters.")
    if tokens is None and cost is None:
        raise BudgetError("Say how many tokens or how much cost your budget allows.")
    if tokens is not None and not 0 < tokens <= MOST_TOKENS:
        raise BudgetError(f"A budget of tokens is a whole number from 1 to {MOST_TOKENS:,}.")
    if cost is None:
        return None
    if not (cost.is_finite() and SMALLEST_COST <= cost <= MOST_COST):
        raise BudgetError(f"A budget of cost is more than $0 and at most ${MOST_COST:,}.")
    return cost.quantize(SMALLEST_COST)


def _check_within(limit: QuotaLimit | None, period: Period, tokens: int | None, cost: Decimal | None) -> None:
    if limit is None:
        return
    of_what = f" of {limit.provider}" if limit.provider else ""
    if tokens is not None and limit.token_limit is not None and tokens > limit.token_limit:
        allowed = f"{limit.token_limit:,} tokens{of_what} {A_PERIOD[period]}"
        raise BudgetError(f"You may use {allowed}. Choose a budget up to that.")
    if cost is not None and limit.cost_limit is not None and cost > limit.cost_limit:
        allowed = f"${limit.cost_limit.normalize():,f}{of_what} {A_PERIOD[period]}"
        raise BudgetError(f"You may spend {allowed}. Choose a budget up to that.")


def _exact(figures: Mapping[str, object]) -> dict[str, object]:
    """Costs as text, which an event keeps to the last digit."""
    return {name: f"{figure:f}" if isinstance(figure, Decimal) else figure for name, figure in figures.items()}
