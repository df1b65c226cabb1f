"""Quotas as the pages show them: a meter for each figure that is limited."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from usage.models import Period
from usage.quotas import Quota
from usage.standing import NEAR, meters, of_everything
from wavelength.templatetags.figures import count, money

LABELS: dict[str, str | Promise] = {
    "requests": gettext_lazy("Requests"),
    "tokens": gettext_lazy("Tokens"),
    "cost": gettext_lazy("Cost"),
}


@dataclass(frozen=True, slots=True)
class ShownMeter:
    """One figure against its limit; `value` is what is used and reserved, `near` where it becomes little."""

    label: str | Promise
    value: Decimal
    near: Decimal
    most: Decimal
    text: str


@dataclass(frozen=True, slots=True)
class ShownQuota:
    """A day's or month's limits of everything, of a provider, or of one of its models; `budget` if one is their own."""

    title: str
    provider: str
    model: str
    ends_at: datetime
    budget: bool
    meters: list[ShownMeter]


def shown_quotas(quotas: Iterable[Quota]) -> list[ShownQuota]:
    """Those that limit anything, without those of single keys."""
    return [shown for shown in map(_shown, of_everything(quotas)) if shown.meters]


def _shown(quota: Quota) -> ShownQuota:
    return ShownQuota(
        title=_("A day") if quota.period == Period.DAILY else _("A month"),
        provider=quota.provider,
        model=quota.model,
        ends_at=quota.ends_at,
        budget=_is_own(quota.own_token_limit, quota.token_limit) or _is_own(quota.own_cost_limit, quota.cost_limit),
        meters=[
            ShownMeter(
                LABELS[meter.kind],
                min(meter.taken, meter.allowed),
                meter.allowed * NEAR,
                meter.allowed,
                _text(meter.kind, meter.used, meter.taken - meter.used, meter.allowed),
            )
            for meter in meters(quota)
        ],
    )


def _is_own(own: Decimal | int | None, effective: Decimal | int | None) -> bool:
    return own is not None and own == effective


def _text(kind: str, used: Decimal, reserved: Decimal, allowed: Decimal) -> str:
    write = money if kind == "cost" else lambda amount: count(int(amount))
    words = {"used": write(used), "reserved": write(reserved), "allowed": write(allowed)}
    if reserved:
        return _("%(used)s and %(reserved)s reserved of %(allowed)s") % words
    return _("%(used)s of %(allowed)s") % words
