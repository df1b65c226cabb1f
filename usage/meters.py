"""Quotas as the pages show them: a meter for each figure that is limited, and how much of past windows was used."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from usage.breakdowns import percent
from usage.charts import HEIGHT, WIDTH
from usage.models import Period
from usage.quotas import PastWindow, Quota
from usage.standing import NEAR, meters, of_everything
from wavelength.templatetags.figures import count, money

LABELS: dict[str, str | Promise] = {
    "requests": gettext_lazy("Requests"),
    "tokens": gettext_lazy("Tokens"),
    "cost": gettext_lazy("Cost"),
}
GAP: Final = Decimal("0.15")  # of a window's place, on either side of its bar


@dataclass(frozen=True, slots=True)
class ShownMeter:
    """One figure against its limit; `value` is what is used and reserved, `near` where it becomes little."""

    label: str | Promise
    value: Decimal
    near: Decimal
    most: Decimal
    text: str


@dataclass(frozen=True, slots=True)
class ShownWindow:
    """A day or month of a quota: what was used, and how much of the limits of that time it is, the nearest of them.

    `share` is a dash where nothing was limited then.
    `bar` draws it in a chart of 600 by 120 whose upper edge is the limit; `state` is ok, warning or exceeded.
    """

    name: str
    requests: int
    tokens: int
    cost: Decimal
    share: str
    state: str
    bar: str


@dataclass(frozen=True, slots=True)
class ShownQuota:
    """A day's or month's limits of everything, of a provider, or of one of its models; `budget` if one is their own.

    `windows` are past ones and the one now, newest first.
    """

    title: str
    period: str
    provider: str
    model: str
    ends_at: datetime
    budget: bool
    meters: list[ShownMeter]
    windows: list[ShownWindow] = field(default_factory=list)


def shown_quotas(
    quotas: Iterable[Quota], windows: Mapping[UUID, Sequence[PastWindow]] | None = None
) -> list[ShownQuota]:
    """Those that limit anything, without those of single keys, with what `windows` has of each."""
    shown = (_shown(quota, (windows or {}).get(quota.limit_id, [])) for quota in of_everything(quotas))
    return [quota for quota in shown if quota.meters]


def _shown(quota: Quota, windows: Sequence[PastWindow]) -> ShownQuota:
    return ShownQuota(
        title=_("A day") if quota.period == Period.DAILY else _("A month"),
        period=quota.period,
        provider=quota.provider,
        model=quota.model,
        ends_at=quota.ends_at,
        budget=quota.own_token_limit is not None or quota.own_cost_limit is not None,
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
        windows=_windows(quota, windows),
    )


def _text(kind: str, used: Decimal, reserved: Decimal, allowed: Decimal) -> str:
    write = money if kind == "cost" else lambda amount: count(int(amount))
    words = {"used": write(used), "reserved": write(reserved), "allowed": write(allowed)}
    if reserved:
        return _("%(used)s and %(reserved)s reserved of %(allowed)s") % words
    return _("%(used)s of %(allowed)s") % words


def _windows(quota: Quota, windows: Sequence[PastWindow]) -> list[ShownWindow]:
    places = 30 if quota.period == Period.DAILY else 12
    width = Decimal(WIDTH) / places
    shown = []
    for place, window in enumerate(windows[-places:], places - min(places, len(windows))):
        share = _share(quota, window)
        height = min(share or Decimal(0), Decimal(1)) * HEIGHT
        x, bar = (place + GAP) * width, width * (1 - 2 * GAP)
        shown.append(
            ShownWindow(
                name=_name(quota.period, window),
                requests=window.requests,
                tokens=window.tokens,
                cost=window.cost,
                share="–" if share is None else percent(share, 1),
                state=_state(share or Decimal(0)),
                bar=f"M{x:.1f} {HEIGHT}v{-height:.2f}h{bar:.1f}v{height:.2f}z" if height else "",
            )
        )
    return shown[::-1]


def _share(quota: Quota, window: PastWindow) -> Decimal | None:
    """Of the limits at its end, the nearest one: how much of it was used; nothing is left of a limit of 0."""
    limits = window.limits_then or (quota.request_limit, quota.token_limit, quota.cost_limit)
    figures = (Decimal(window.requests), Decimal(window.tokens), window.cost)
    shares = [
        used / limit if limit else Decimal(1) for used, limit in zip(figures, limits, strict=True) if limit is not None
    ]
    return max(shares, default=None)


def _state(share: Decimal) -> str:
    return "exceeded" if share >= 1 else "warning" if share >= NEAR else "ok"


def _name(period: str, window: PastWindow) -> str:
    """A month by its name, unless a change of time zone made it longer or begin within one."""
    zone = timezone.get_current_timezone()
    first, last = (at.astimezone(zone).date() for at in (window.starts_at, window.ends_at - timedelta(microseconds=1)))
    if period == Period.MONTHLY and first.day == 1 and (first.year, first.month) == (last.year, last.month):
        return date_format(first, "YEAR_MONTH_FORMAT")
    if first == last:
        return date_format(first, "DATE_FORMAT")
    return f"{date_format(first, 'DATE_FORMAT')} – {date_format(last, 'DATE_FORMAT')}"
