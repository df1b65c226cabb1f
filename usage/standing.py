"""Where a person stands: what is left of every limit, and which are nearly or wholly used up."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Final, Literal, NamedTuple
from uuid import UUID

from django.db.models import DateTimeField, Exists, OuterRef, Value
from django.db.models.functions import Now

from accounts.models import Tier
from usage import metering, sentences
from usage.metering import Refusal
from usage.models import Period, QuotaLimit, QuotaWindow
from usage.quotas import Quota, apply_tier, hold_usage, quotas_of
from wavelength.tenancy import tenant

NEAR: Final = Decimal("0.8")  # of a limit, from which on it is nearly used up

State = Literal["ok", "warning", "exceeded"]


class Meter(NamedTuple):
    """One figure of a quota against its limit: requests, tokens or US dollars; `taken` with what is reserved."""

    kind: str
    used: Decimal
    taken: Decimal
    allowed: Decimal

    @property
    def share(self) -> Decimal:
        """Of the limit, what is used; nothing is left of a limit of 0."""
        return self.used / self.allowed if self.allowed else Decimal(1)

    @property
    def percent(self) -> float:
        """0 to 100 with two decimals, rounded down: 100 only where all is used."""
        return float(min(Decimal(100), (self.share * 100).quantize(Decimal("0.01"), rounding=ROUND_DOWN)))

    @property
    def state(self) -> State:
        return "exceeded" if self.share >= 1 else "warning" if self.share >= NEAR else "ok"

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.allowed - self.taken)


@dataclass(frozen=True, slots=True)
class Left:
    """The least that any limit leaves, None where none limits it; `resets_at` is when the tightest of them renews."""

    requests: int | None
    tokens: int | None
    cost: Decimal | None
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class Alert:
    """A limit that is nearly used up (`warning`) or wholly (`exceeded`), and a sentence about it."""

    type: Literal["warning", "exceeded"]
    sentence: str
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would happen to one request now, and what is left for it; nothing was set aside."""

    refusals: list[Refusal]
    quotas: list[Quota]
    left: Left


def outlook(
    *,
    user_id: UUID,
    provider: str,
    model: str,
    tokens: int = 0,
    cost: Decimal | None = None,
    api_key_id: UUID | None = None,
    at: datetime | None = None,
) -> Outlook:
    """Whether a request would be let through, as `metering.reserve` would say. Raises UnknownKeyError."""
    refusals = metering.refusals_of(
        user_id=user_id, provider=provider, model=model, tokens=tokens, cost=cost, api_key_id=api_key_id, at=at
    )
    quotas = quotas_of(user_id=user_id, at=at)
    applicable = [
        quota
        for quota in quotas
        if quota.provider in ("", provider) and quota.model in ("", model) and quota.api_key_id in (None, api_key_id)
    ]
    return Outlook(refusals, quotas, left_of(applicable))


def left_of(quotas: Collection[Quota]) -> Left:
    """What these limits leave together."""
    tightest: dict[str, Decimal] = {}
    binding: tuple[Decimal, datetime] | None = None
    for quota in quotas:
        for meter in meters(quota):
            tightest[meter.kind] = min(meter.left, tightest.get(meter.kind, meter.left))
            left = meter.left / meter.allowed if meter.allowed else Decimal(0)
            # Of equal ones, that which renews first.
            binding = min(binding or (left, quota.ends_at), (left, quota.ends_at))
    requests, tokens = tightest.get("requests"), tightest.get("tokens")
    return Left(
        requests=None if requests is None else int(requests),
        tokens=None if tokens is None else int(tokens),
        cost=tightest.get("cost"),
        resets_at=binding[1] if binding else min((quota.ends_at for quota in quotas), default=None),
    )


def meters(quota: Quota) -> Iterator[Meter]:
    """Each figure that this quota limits."""
    for kind, used, reserved, allowed in (
        ("requests", quota.used_requests, quota.reserved_requests, quota.request_limit),
        ("tokens", quota.used_tokens, quota.reserved_tokens, quota.token_limit),
        ("cost", quota.used_cost, quota.reserved_cost, quota.cost_limit),
    ):
        if allowed is not None:
            yield Meter(kind, Decimal(used), Decimal(used) + Decimal(reserved), Decimal(allowed))


def state_of(quota: Quota) -> State:
    """The worst of its figures."""
    return worst(meter.state for meter in meters(quota))


def worst(states: Iterable[State]) -> State:
    order: tuple[State, ...] = ("ok", "warning", "exceeded")
    return max(states, key=order.index, default="ok")


def alerts_of(quotas: Iterable[Quota]) -> list[Alert]:
    """A sentence for every figure that is at 80 % of its limit or more, those used up first."""
    alerts = [
        Alert(state, sentences.reached(quota, meter.kind, meter.used, meter.allowed), quota.ends_at)
        for quota in quotas
        for meter in meters(quota)
        if (state := meter.state) != "ok"
    ]
    return sorted(alerts, key=lambda alert: alert.type != "exceeded")


def of_everything(quotas: Iterable[Quota]) -> list[Quota]:
    """Those that are not of a single key."""
    return [quota for quota in quotas if quota.api_key_id is None]


def overall(quotas: Iterable[Quota]) -> dict[str, Quota]:
    """By period, those over everything that a person does."""
    return {quota.period: quota for quota in of_everything(quotas) if not quota.provider and not quota.model}


def lacks_defaults(quotas: Iterable[Quota]) -> bool:
    """Whether there is a period in which nothing limits what a person does; no account begins so."""
    return set(overall(quotas)) != set(Period)


def initialize(*, user_id: UUID, tier: Tier) -> tuple[list[Quota], bool]:
    """Give a person their tier's limits where they lack them; answer their quotas, and whether any was added."""
    with tenant(user_id):
        quotas = of_everything(quotas_of(user_id=user_id))
        if not lacks_defaults(quotas):
            return quotas, False
        apply_tier(user_id, tier)
        return of_everything(quotas_of(user_id=user_id)), True


def due(*, user_id: UUID, at: datetime | None = None) -> int:
    """How many limits wait for their next window: the last one ended, and nobody has asked since. Changes nothing."""
    with tenant(user_id):
        return len(_due_limits(at))


def open_due(*, user_id: UUID, at: datetime | None = None) -> list[Quota]:
    """Open the windows that are due; answer the quotas whose they are. Windows also open by themselves when needed."""
    with tenant(user_id):
        hold_usage(user_id)  # who comes second finds them open
        waiting = _due_limits(at)
        return [quota for quota in quotas_of(user_id=user_id, at=at) if quota.limit_id in waiting]


def _due_limits(at: datetime | None) -> set[UUID]:
    now = Now() if at is None else Value(at, DateTimeField())
    windows = QuotaWindow.objects.filter(limit_id=OuterRef("pk"))
    ended = windows.filter(ends_at__lte=now)
    running = windows.filter(starts_at__lte=now, ends_at__gt=now)
    limits = QuotaLimit.objects.filter(Exists(ended), ~Exists(running), api_key_id=None)
    return set(limits.values_list("pk", flat=True))
