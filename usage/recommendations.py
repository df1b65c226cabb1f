"""Advice from one's own usage: sentences with a figure that one can check, and the figures that led to them.

Nothing is said without enough data: the thresholds stand here. What stands above this app makes its own `Advice`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from statistics import median
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounts.models import Tier
from usage import pricing
from usage.families import kin_of
from usage.metering import Tokens
from usage.models import AdviceDismissal, AdviceKind, ModelPrice, Period
from usage.quotas import Quota
from usage.reports import Origin, Report, Share, Sums
from usage.standing import Meter, meters, of_everything
from wavelength.names import provider_label
from wavelength.templatetags.figures import count, exact_money, money
from wavelength.templatetags.portal import model_name
from wavelength.tenancy import tenant

REMEMBERED: Final = timedelta(days=30)  # how long a dismissal holds where nothing else ends it
# A cheaper model: what must have been used of the dear one, and what must have been saved.
FEWEST_REQUESTS: Final = 20
LEAST_SAVED: Final = Decimal("0.50")  # US dollars
LEAST_SHARE_SAVED: Final = Decimal("0.3")
MOST_MODELS: Final = 2
# A quota's pace: how much of its time must have gone by, and how much of it.
LEAST_ELAPSED: Final = {Period.DAILY: timedelta(hours=3), Period.MONTHLY: timedelta(days=3)}
LEAST_USED: Final = Decimal("0.25")
# An unusual day: compared with the days with usage of four weeks, by their median and median deviation.
WEEKS: Final = timedelta(days=28)
FRESH: Final = timedelta(days=2)  # today and two days before
FEWEST_DAYS: Final = 7
DEVIATIONS: Final = 6
LEAST_EXCESS: Final = Decimal(1)  # US dollars above the median


@dataclass(frozen=True, slots=True)
class Advice:
    """A sentence, why it is said (`figures`: what and how much), and where to act on it.

    `subject` names what it is about, and changes when that changes materially: a dismissal holds for kind and subject,
    until `until`. `urgent` is what should not wait.
    """

    kind: AdviceKind
    subject: str
    until: datetime
    sentence: str
    figures: list[tuple[str, str]]
    note: str = ""
    action: str = ""
    url: str = ""
    urgent: bool = field(default=False)


def advice_of(*, tier: str, report: Report, quotas: Iterable[Quota]) -> list[Advice]:
    """What a report of the last 30 days and the quotas give reason to say, in the order of its weight.

    Asks for prices and access where a model has kin, in one query, as the report's person.
    """
    return [*_ending_quotas(quotas, report.ends), *_unusual_day(report), *_cheaper_models(report, tier)]


def subject_of(*parts: object) -> str:
    """A short name for what advice is about."""
    return sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def dismiss(*, user_id: UUID, advice: Advice) -> None:
    """Say this no more, until it changes or its time is over."""
    with tenant(user_id):
        AdviceDismissal.objects.filter(until__lte=Now()).delete()
        AdviceDismissal.objects.update_or_create(
            user_id=user_id, kind=advice.kind, subject=advice.subject, defaults={"until": advice.until}
        )


def take_back(*, user_id: UUID, kind: str, subject: str) -> bool:
    """Undo a dismissal; answer whether there was one."""
    if kind not in AdviceKind.values or not subject.isalnum():
        return False
    with tenant(user_id):
        return AdviceDismissal.objects.filter(kind=kind, subject=subject).delete()[0] > 0


def dismissed(*, user_id: UUID, at: datetime) -> set[tuple[str, str]]:
    """Kind and subject of what a person does not want to read at `at`."""
    with tenant(user_id):
        return set(AdviceDismissal.objects.filter(until__gt=at).values_list("kind", "subject"))


def _cheaper_models(report: Report, tier: str) -> Iterator[Advice]:
    asked = {
        share.origin: kin_of(share.origin.provider, share.origin.model)
        for share in report.models
        if share.sums.requests >= FEWEST_REQUESTS and not share.sums.unpriced and share.sums.known_cost >= LEAST_SAVED
    }
    others = {Origin(origin.provider, name) for origin, names in asked.items() for name in names}
    if not others:
        return
    costs = _Costs(others, tier)
    found = []
    for share in report.models:
        for name in asked.get(share.origin, ()):
            cost = costs.of(Origin(share.origin.provider, name), share.sums)
            if cost is not None and _is_worthwhile(share.sums.known_cost, cost):
                found.append((share.sums.known_cost - cost, share, name, cost))
                break
    found.sort(key=lambda each: each[0], reverse=True)
    for _saved, share, name, cost in found[:MOST_MODELS]:
        yield _cheaper(share, name, cost, costs.price(Origin(share.origin.provider, name)), report.ends)


def _is_worthwhile(paid: Decimal, other: Decimal) -> bool:
    return paid - other >= max(LEAST_SAVED, paid * LEAST_SHARE_SAVED)


# For each of these models an administrator's own price, and the tier that is needed: a model's own row goes before its
# provider's.
OFFERS: Final = """
    SELECT o.provider, o.model, p.id, p.input_price, p.output_price, p.reasoning_price, p.cached_price, p.request_price,
           (SELECT a.tier FROM usage_modelaccess a
             WHERE a.provider = o.provider AND a.model IN ('', o.model)
             ORDER BY a.model DESC LIMIT 1)
      FROM unnest(%s::text[], %s::text[]) AS o (provider, model)
      LEFT JOIN usage_modelprice p ON p.provider = o.provider AND p.model = o.model
     WHERE p.id IS NOT NULL OR EXISTS (SELECT FROM usage_modelaccess a WHERE a.provider = o.provider)
"""


class _Costs:
    """What other models would have cost now, of those that a tier may use: an administrator's price goes first."""

    def __init__(self, others: set[Origin], tier: str) -> None:
        self._own: dict[Origin, ModelPrice] = {}
        self._barred: set[Origin] = set()
        with connections["default"].cursor() as cursor:
            cursor.execute(OFFERS, [[other.provider for other in others], [other.model for other in others]])
            for provider, model, price, *prices, needed in cursor.fetchall():
                other = Origin(provider, model)
                if price is not None:
                    self._own[other] = ModelPrice(price, provider, model, *prices)
                if needed == Tier.PRO and tier != Tier.PRO:
                    self._barred.add(other)

    def of(self, other: Origin, sums: Sums) -> Decimal | None:
        """The same tokens of as many requests; None where no price is known, or the model is not to be had."""
        if other in self._barred:
            return None
        tokens = Tokens(sums.input, sums.output, sums.reasoning, sums.cached)
        if own := self._own.get(other):
            return pricing.cost_at(pricing.own_rates(own), tokens, sums.requests)
        return pricing.computed_cost(other.provider, other.model, tokens, sums.requests, None)

    def price(self, other: Origin) -> str:
        own = self._own.get(other)
        rates = pricing.own_rates(own) if own else pricing.listed_rates(other.provider, other.model)
        if rates is None or rates.output is None:
            return ""
        prices = {"input": money(rates.input.scaleb(6)), "output": money(rates.output.scaleb(6))}
        return _("%(input)s in, %(output)s out") % prices


def _cheaper(share: Share, name: str, cost: Decimal, price: str, at: datetime) -> Advice:
    origin, sums = share
    paid, model, other = sums.known_cost, model_name(origin.model), model_name(name)
    sentence = format_html(
        _("With {other}, the last 30 days of {model} would have cost {less} instead of {paid}."),
        other=format_html("<bdi>{}</bdi>", other),
        model=format_html("<bdi>{}</bdi>", model),
        less=money(cost),
        paid=money(paid),
    )
    figures = [
        (_("Requests to %(model)s") % {"model": model}, count(sums.requests)),
        (_("Input tokens, of which cached"), f"{count(sums.input)}, {count(sums.cached)}"),
        (_("Output tokens"), count(sums.output)),
        *([(_("Reasoning tokens"), count(sums.reasoning))] if sums.reasoning else []),
        (_("What they cost"), exact_money(paid)),
        (_("%(model)s, a million tokens") % {"model": other}, price),
        (_("The same at its price"), exact_money(cost)),
        (_("Less by"), exact_money(paid - cost)),
    ]
    return Advice(
        kind=AdviceKind.CHEAPER,
        subject=subject_of(origin.provider, origin.model, name),
        until=at + REMEMBERED,
        sentence=sentence,
        figures=figures,
        note=_("Another model may answer differently and use more or fewer tokens: try it on a few chats first."),
    )


def _ending_quotas(quotas: Iterable[Quota], at: datetime) -> Iterator[Advice]:
    for quota in of_everything(quotas):
        ends = sorted(
            (used_up, meter) for meter in meters(quota) if (used_up := _used_up_at(quota, meter, at)) is not None
        )
        for used_up, meter in ends[:1]:
            yield _ending(quota, meter, used_up, at)


def _used_up_at(quota: Quota, meter: Meter, at: datetime) -> datetime | None:
    """When nothing is left of it at the pace since it began, where that is before it renews."""
    elapsed = at - quota.starts_at
    if elapsed < LEAST_ELAPSED[Period(quota.period)] or meter.share < LEAST_USED or meter.share >= 1:
        return None
    used_up = quota.starts_at + timedelta(seconds=float(_seconds(elapsed) / meter.share))
    return used_up if used_up < quota.ends_at else None


def _ending(quota: Quota, meter: Meter, used_up: datetime, at: datetime) -> Advice:
    daily = quota.period == Period.DAILY
    what = _amount(meter.kind, meter.allowed)
    scope = quota.model or provider_label(quota.provider)
    words = {"what": what, "scope": format_html("<bdi>{}</bdi>", scope)}
    words |= {"when": _moment(used_up, at), "renewal": _moment(quota.ends_at, at)}
    if scope and daily:
        said = _("At this pace you reach today's limit of {what} for {scope} {when}. It renews {renewal}.")
    elif scope:
        said = _("At this pace you reach this month's limit of {what} for {scope} {when}. It renews {renewal}.")
    elif daily:
        said = _("At this pace you reach today's limit of {what} {when}. It renews {renewal}.")
    else:
        said = _("At this pace you reach this month's limit of {what} {when}. It renews {renewal}.")
    unit = timedelta(hours=1) if daily else timedelta(days=1)
    pace = meter.used * _seconds(unit) / _seconds(at - quota.starts_at)
    figures = [
        (_("Used since %(moment)s") % {"moment": _stamp(quota.starts_at)}, _amount(meter.kind, meter.used)),
        (_("Pace, an hour") if daily else _("Pace, a day"), _amount(meter.kind, pace)),
        (_("Allowed"), what),
        (_("Reached at this pace"), _stamp(used_up)),
        (_("Renews"), _stamp(quota.ends_at)),
    ]
    return Advice(
        kind=AdviceKind.QUOTA,
        subject=subject_of(quota.limit_id, meter.kind, meter.allowed.normalize(), quota.ends_at.isoformat()),
        until=quota.ends_at,
        sentence=format_html(said, **words),
        figures=figures,
        action=_("Look at your usage"),
        url=reverse("usage:report"),
        urgent=True,
    )


def _seconds(span: timedelta) -> Decimal:
    return Decimal(str(span.total_seconds()))


def _amount(kind: str, amount: Decimal) -> str:
    if kind == "cost":
        return money(amount)
    number = count(int(amount))
    if kind == "tokens":
        return _("%(number)s tokens") % {"number": number}
    return _("%(number)s requests") % {"number": number}


class _Usual(NamedTuple):
    """Days' costs in the middle: what most of them are near to, and from where on one is unusual."""

    days: int
    median: Decimal
    deviation: Decimal

    @property
    def most(self) -> Decimal:
        return self.median + max(DEVIATIONS * self.deviation, self.median, LEAST_EXCESS)


def _usual(costs: Sequence[Decimal]) -> _Usual:
    middle = median(costs)
    return _Usual(len(costs), middle, median([abs(cost - middle) for cost in costs]))


def _unusual_day(report: Report) -> Iterator[Advice]:
    today = report.ends.astimezone(report.zone).date()
    costs = {day: sums.known_cost for day, sums in report.days.items() if day >= today - WEEKS and sums.known_cost}
    for day in sorted((day for day in costs if day >= today - FRESH), reverse=True):
        others = [cost for other, cost in costs.items() if other != day]
        if len(others) < FEWEST_DAYS:
            return
        usual = _usual(others)
        if costs[day] > usual.most:
            yield _unusual(day, report.days[day], usual, report.ends)
            return


def _unusual(day: date, sums: Sums, usual: _Usual, at: datetime) -> Advice:
    words = {"day": date_format(day, "LONG_DAY_FORMAT"), "cost": money(sums.cost), "usual": money(usual.median)}
    return Advice(
        kind=AdviceKind.DAY,
        subject=subject_of(day.isoformat()),
        until=at + REMEMBERED,
        sentence=_("%(day)s cost %(cost)s. A usual day of yours costs %(usual)s.") % words,
        figures=[
            (_("Requests that day"), count(sums.requests)),
            (_("Tokens that day"), count(sums.tokens)),
            (_("Cost that day"), exact_money(sums.known_cost)),
            (
                _("Median of the %(count)s other days with a cost in four weeks") % {"count": usual.days},
                exact_money(usual.median),
            ),
            (_("Median distance from it"), exact_money(usual.deviation)),
            (_("Unusual above"), exact_money(usual.most)),
        ],
        note=_("If that was not you, check your keys: one may be in other hands."),
        action=_("Look at your usage"),
        url=reverse("usage:report"),
    )


def _stamp(moment: datetime) -> str:
    return date_format(localtime(moment), "SHORT_MOMENT_FORMAT")


def _moment(moment: datetime, at: datetime) -> str:
    """Today's by the hour, any other by the day too."""
    if localtime(moment).date() == localtime(at).date():
        return _("at %(time)s") % {"time": date_format(localtime(moment), "H:i")}
    return _("on %(moment)s") % {"moment": _stamp(moment)}
