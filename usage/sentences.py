"""What a limit says to the person who meets it: the same words in the API, in alerts and in the portal.

Figures are in English notation, amounts of money to their last digit, times in UTC.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from usage.metering import Refusal
from usage.quotas import Quota
from wavelength.names import provider_label

_PERIODS: Final = {"daily": "today", "monthly": "this month"}


def refused(refusal: Refusal) -> str:
    """Why a request is not let through.

    Such as ``You have used 500 of 500 requests for today. It renews at 2026-11-24 00:00 UTC.``
    """
    if refusal.allowed is None or refusal.taken is None or refusal.period is None or refusal.ends_at is None:
        return f"{refusal.model or provider_label(refusal.provider)} needs the Pro plan."
    scope = _scope(refusal.provider, refusal.model, through_key=refusal.api_key_id is not None)
    used = _used(refusal.kind, refusal.taken, refusal.allowed, refusal.period, scope)
    if refusal.taken < refusal.allowed:
        return f"{used} This request could pass that. {_renewal(refusal.ends_at)}"
    return f"{used} {_renewal(refusal.ends_at)}"


def refused_together(refusals: Iterable[Refusal]) -> list[str]:
    """A sentence for each refusal, none of them twice."""
    return list(dict.fromkeys(refused(refusal) for refusal in refusals))


def reached(quota: Quota, kind: str, used: Decimal, allowed: Decimal) -> str:
    """How far a limit is used up, and until when. `kind` is requests, tokens or cost."""
    scope = _scope(quota.provider, quota.model)
    return f"{_used(kind, used, allowed, quota.period, scope)} {_renewal(quota.ends_at)}"


def moment(at: datetime) -> str:
    """``2026-11-24 00:00 UTC``"""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def dollars(amount: Decimal) -> str:
    """To the last digit, and to the cent at least: ``$5.00``, ``$0.000000001``."""
    exact = f"{amount.normalize():,f}"
    whole, _, fraction = exact.partition(".")
    return f"${whole}.{fraction:0<2}"


def _used(kind: str, taken: Decimal, allowed: Decimal, period: str, scope: str) -> str:
    when = _PERIODS[period]
    if kind == "cost":
        return f"You have spent {dollars(taken)} of {dollars(allowed)}{scope} for {when}."
    return f"You have used {int(taken):,} of {int(allowed):,} {kind}{scope} for {when}."


def _scope(provider: str, model: str, *, through_key: bool = False) -> str:
    label = provider_label(provider)
    to = f" to {model} ({label})" if model else f" to {label}" if provider else ""
    return to + (" through this key" if through_key else "")


def _renewal(ends_at: datetime) -> str:
    return f"It renews at {moment(ends_at)}."
