"""What people may use: their tier's defaults, what an operator allowed, and budgets of their own."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connections

from accounts.models import Tier
from usage.models import Period, QuotaLimit
from wavelength.tenancy import tenant


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


def apply_tier(user_id: UUID, tier: Tier) -> None:
    """Give a person the limits of a tier, in the caller's `tenant()`; what was used in open windows stays."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT usage_lock(%s)", [user_id])
    for period, allowed in DEFAULTS[tier].items():
        numbers = {
            "tier": tier, "request_limit": allowed.requests, "token_limit": allowed.tokens, "cost_limit": allowed.cost,
        }  # fmt: skip
        QuotaLimit.objects.update_or_create(
            user_id=user_id, period=period, provider="", model="", api_key_id=None, defaults=numbers
        )


def quotas_of(*, user_id: UUID, at: datetime | None = None) -> list[Quota]:
    """Every limit of a person with what is used of it now, those of single keys last."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute("SELECT * FROM usage_quotas(%s, coalesce(%s::timestamptz, now()))", [user_id, at])
        return [Quota(*row) for row in cursor.fetchall()]
