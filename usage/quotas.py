"""What people may use: their tier's defaults, what an operator allowed, and budgets of their own.

Whatever changes a limit holds the person's lock (usage/migrations/0002_windows.py), so it falls between two
requests. Windows hold what was used, limits what is allowed: a change of either leaves the other as it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, TypedDict, Unpack
from uuid import UUID

from django.db import connections
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Tier, User
from usage.models import NAME_LENGTH, Period, QuotaLimit, QuotaWindow
from wavelength.names import provider_label
from wavelength.templatetags.figures import exact_money
from wavelength.tenancy import tenant

MOST_TOKENS: Final = 10**15
MOST_COST: Final = Decimal(10**9)
SMALLEST_COST: Final = Decimal("1e-12")

# Once for each window: one that ended before an earlier change has its own already.
KEEP_LIMITS: Final = """
    UPDATE usage_quotawindow w
       SET limits_then = ARRAY[l.request_limit::numeric, least(l.token_limit, l.own_token_limit)::numeric,
                               least(l.cost_limit, l.own_cost_limit)]
      FROM usage_quotalimit l
     WHERE l.user_id = w.user_id AND l.id = w.limit_id
       AND w.user_id = %s AND w.limit_id = %s AND w.ends_at <= now() AND w.limits_then IS NULL
"""


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


class PastWindow(NamedTuple):
    """What was used of a limit in one of its windows, and what it allowed then where that is another thing now."""

    starts_at: datetime
    ends_at: datetime
    requests: int
    tokens: int
    cost: Decimal
    limits_then: tuple[Decimal | None, ...] | None = None
    """Of requests, tokens and cost; None where the limit is still what it was."""


class Numbers(TypedDict, total=False):
    """What a limit allows; None is any amount, and what is not named stays as it is."""

    request_limit: int | None
    token_limit: int | None
    cost_limit: Decimal | None


class QuotaError(ValueError):
    """A limit that cannot be; the message says why."""


class BudgetError(ValueError):
    """A budget that cannot be; the message says why, and `field` whether its cost or its tokens are at fault."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def quotas_of(*, user_id: UUID, at: datetime | None = None) -> list[Quota]:
    """Every limit of a person with what is used of it now, those of single keys last."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute("SELECT * FROM usage_quotas(%s, coalesce(%s::timestamptz, now()))", [user_id, at])
        return [Quota(*row) for row in cursor.fetchall()]


def windows_of(*, user_id: UUID) -> dict[UUID, list[PastWindow]]:
    """By limit, the windows of the last 30 days or of the last year and the one now, oldest first; none of keys."""
    days = Q(limit__period=Period.DAILY, ends_at__gt=Now() - timedelta(days=30))
    months = Q(limit__period=Period.MONTHLY, ends_at__gt=Now() - timedelta(days=366))
    found: dict[UUID, list[PastWindow]] = {}
    with tenant(user_id):
        for window in QuotaWindow.objects.filter(days | months, limit__api_key_id=None).order_by("ends_at"):
            past = PastWindow(
                window.starts_at,
                window.ends_at,
                window.used_requests,
                window.used_tokens,
                window.used_cost,
                None if window.limits_then is None else tuple(window.limits_then),
            )
            found.setdefault(window.limit_id, []).append(past)
    return found


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
    """Windows that have ended keep what they allowed, so that a change is no other view of the past."""
    with connections["default"].cursor() as cursor:
        cursor.execute(KEEP_LIMITS, [limit.user_id, limit.pk])
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
        raise BudgetError(_("The name of a provider has 1 to %(most)s characters.") % {"most": NAME_LENGTH})
    if tokens is None and cost is None:
        raise BudgetError(_("Say how many tokens or how much cost your budget allows."), "cost")
    if tokens is not None and not 0 < tokens <= MOST_TOKENS:
        most = number_format(MOST_TOKENS, force_grouping=True)
        raise BudgetError(_("A budget of tokens is a whole number from 1 to %(most)s.") % {"most": most}, "tokens")
    if cost is None:
        return None
    if not (cost.is_finite() and SMALLEST_COST <= cost <= MOST_COST):
        most = exact_money(MOST_COST)
        raise BudgetError(_("A budget of cost is more than $0 and at most %(most)s.") % {"most": most}, "cost")
    return cost.quantize(SMALLEST_COST)


def _check_within(limit: QuotaLimit | None, period: Period, tokens: int | None, cost: Decimal | None) -> None:
    if limit is None:
        return
    if tokens is not None and limit.token_limit is not None and tokens > limit.token_limit:
        words = {
            "allowed": number_format(limit.token_limit, force_grouping=True),
            "scope": _scope(limit.provider, period),
        }
        sentence = _("You may use %(allowed)s tokens%(scope)s. Choose a budget up to that.")
        raise BudgetError(sentence % words, "tokens")
    if cost is not None and limit.cost_limit is not None and cost > limit.cost_limit:
        words = {"allowed": exact_money(limit.cost_limit), "scope": _scope(limit.provider, period)}
        raise BudgetError(_("You may spend %(allowed)s%(scope)s. Choose a budget up to that.") % words, "cost")


def _scope(provider: str, period: Period) -> str:
    """Such as `` a day`` or `` of OpenAI a day``."""
    when = _("a day") if period == Period.DAILY else _("a month")
    if not provider:
        return f" {when}"
    return " " + _("of %(provider)s %(period)s") % {"provider": provider_label(provider), "period": when}


def _exact(figures: Mapping[str, object]) -> dict[str, object]:
    """Costs as text, which an event keeps to the last digit."""
    return {name: f"{figure:f}" if isinstance(figure, Decimal) else figure for name, figure in figures.items()}
