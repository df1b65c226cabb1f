"""What a person used in a range of days: in all, against the range before, by origin, and over time.

The figures are summed by the functions of usage/migrations/0015_activity.py from one scan of the ledger.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connections

from wavelength.tenancy import tenant

STACKS: Final = 6  # drawn apart; all the others together


class Span(StrEnum):
    """A range up to now on the person's own calendar, today among its days; the last month and custom ones may be
    over."""

    TODAY = "today"
    WEEK = "week"
    RECENT = "30days"
    MONTH = "month"
    LAST_MONTH = "last-month"
    ALL = "all"
    CUSTOM = "custom"


class Unit(StrEnum):
    """In what stretches of time a range is drawn and listed; weeks begin on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class By(StrEnum):
    """What usage over time is told apart by."""

    MODEL = "model"
    PROVIDER = "provider"


class Slot(NamedTuple):
    """One unit of time: the day it begins with, and the hour where the unit is that."""

    day: date
    hour: datetime | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """From `starts` to `ends`, both included, at most up to now; `first` and `last` are its days, also those to come.

    The range before goes from `before_starts` to before `before_ends`, up to the same point of it; None before all.
    """

    span: Span
    unit: Unit
    starts: datetime
    ends: datetime
    before_starts: datetime | None
    before_ends: datetime | None
    zone: ZoneInfo
    first: date
    last: date

    def slot_of(self, day: date) -> Slot:
        """The slot in which a day lies, where the unit is a day or more."""
        match self.unit:
            case Unit.WEEK:
                return Slot(day - timedelta(days=day.weekday()))
            case Unit.MONTH:
                return Slot(day.replace(day=1))
            case Unit.YEAR:
                return Slot(day.replace(month=1, day=1))
        return Slot(day)

    def slots(self) -> Iterator[Slot]:
        """Every unit of it, oldest first, those without usage and those to come too."""
        if self.unit is Unit.HOUR:
            # A day may have 23 or 25 hours.
            at = self.starts
            while (day := at.astimezone(self.zone).date()) <= self.last:
                yield Slot(day, at)
                at += timedelta(hours=1)
            return
        day = self.slot_of(self.first).day
        while day <= self.last:
            yield Slot(day)
            day = self._next(day)

    def _next(self, day: date) -> date:
        match self.unit:
            case Unit.WEEK:
                return day + timedelta(days=7)
            case Unit.MONTH:
                return (day + timedelta(days=31)).replace(day=1)
            case Unit.YEAR:
                return day.replace(year=day.year + 1)
        return day + timedelta(days=1)


class Origin(NamedTuple):
    """Where usage came from; an empty text stands for any."""

    provider: str = ""
    model: str = ""
    source: str = ""

    def named(self) -> dict[str, str]:
        """Each part by its name."""
        return {"provider": self.provider, "model": self.model, "source": self.source}

    def within(self, wider: "Origin") -> "Origin":
        """This one, with what it leaves open as in `wider`."""
        return Origin(*(own or other for own, other in zip(self, wider, strict=True)))


ANYWHERE: Final = Origin()


@dataclass(frozen=True, slots=True)
class Sums:
    """Cached tokens are among the input. `cost` is in US dollars, None where none of the requests has a known one;
    `unpriced` requests have none."""

    requests: int = 0
    unpriced: int = 0
    input: int = 0
    output: int = 0
    reasoning: int = 0
    cached: int = 0
    cost: Decimal | None = None

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.reasoning

    @property
    def known_cost(self) -> Decimal:
        return self.cost or Decimal(0)

    def __add__(self, other: "Sums") -> "Sums":
        """Both together; a cost is known as soon as that of one is."""
        costs = [sums.cost for sums in (self, other) if sums.cost is not None]
        return Sums(
            self.requests + other.requests,
            self.unpriced + other.unpriced,
            self.input + other.input,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.cached + other.cached,
            sum(costs, Decimal(0)) if costs else None,
        )


class Share(NamedTuple):
    """What came from somewhere."""

    origin: Origin
    sums: Sums


@dataclass(frozen=True, slots=True)
class Stack:
    """What one provider or model used over time; `origin` is ANYWHERE for all the others together."""

    origin: Origin
    slots: dict[Slot, Sums]


class Line(NamedTuple):
    """A row of a report's finest table: one slot, provider, model and source."""

    slot: Slot
    origin: Origin
    sums: Sums

    @property
    def order(self) -> tuple[float, float, Origin]:
        """Newest first, then by name."""
        return (-self.slot.day.toordinal(), -self.slot.hour.timestamp() if self.slot.hour else 0, self.origin)


@dataclass(frozen=True, slots=True)
class Report:
    """Shares and stacks are dearest first; days and hours are those with usage, oldest first, hours where that is the
    unit.

    `before` is the range before, None for everything ever. `heat` has requests by weekday (0 is Monday) and hour of the
    day, none where the unit is an hour. `lines` are some of `all_lines`, newest first. `choices` are all origins in
    the range, whatever was asked for.
    """

    range: Range
    totals: Sums
    before: Sums | None
    providers: list[Share]
    models: list[Share]
    sources: list[Share]
    days: dict[date, Sums]
    hours: dict[datetime, Sums]
    stacks: list[Stack]
    heat: dict[tuple[int, int], int]
    lines: list[Line]
    all_lines: int
    choices: list[Origin]

    @property
    def span(self) -> Span:
        return self.range.span

    @property
    def starts(self) -> datetime:
        return self.range.starts

    @property
    def ends(self) -> datetime:
        return self.range.ends

    @property
    def zone(self) -> ZoneInfo:
        return self.range.zone

    @property
    def slots(self) -> dict[Slot, Sums]:
        """What was used in each slot with usage."""
        if self.range.unit is Unit.HOUR:
            return {Slot(hour.astimezone(self.range.zone).date(), hour): sums for hour, sums in self.hours.items()}
        found: dict[Slot, Sums] = {}
        for day, sums in self.days.items():
            slot = self.range.slot_of(day)
            found[slot] = found.get(slot, Sums()) + sums
        return found


def range_of(
    *, user_id: UUID, span: Span, first: date | None = None, last: date | None = None, at: datetime | None = None
) -> Range:
    """One query. `first` and `last` are the days of a custom range, of which the first has begun.

    `at` is the present, for tests that need another; the database's own clock without it.
    """
    return ranges_of(user_id=user_id, spans=[span], first=first, last=last, at=at)[0]


def ranges_of(
    *,
    user_id: UUID,
    spans: Sequence[Span],
    first: date | None = None,
    last: date | None = None,
    at: datetime | None = None,
) -> list[Range]:
    """The same for several spans, in one query, in their order."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT unit, starts, ends, before_starts, before_ends, zone, first_day, last_day"
            "  FROM unnest(%s::text[]) WITH ORDINALITY AS asked (span, place),"
            "       usage_range(%s, span, %s::date, %s::date, coalesce(%s::timestamptz, now())) ORDER BY place",
            [[span.value for span in spans], user_id, first, last, at],
        )
        found = cursor.fetchall()
    return [
        Range(span, Unit(unit), starts, ends, before_starts, before_ends, ZoneInfo(zone), first_day, last_day)
        for span, (unit, starts, ends, before_starts, before_ends, zone, first_day, last_day) in zip(
            spans, found, strict=True
        )
    ]


def report_of(
    *,
    user_id: UUID,
    span: Span,
    first: date | None = None,
    last: date | None = None,
    only: Origin = ANYWHERE,
    by: By = By.MODEL,
    skipped: int = 0,
    listed: int = 0,
    at: datetime | None = None,
) -> Report:
    """Two queries, the range and its figures. `listed` lines are in it, after `skipped` newer ones."""
    with tenant(user_id):
        asked = range_of(user_id=user_id, span=span, first=first, last=last, at=at)
        return report_within(asked, user_id=user_id, only=only, by=by, skipped=skipped, listed=listed)


def report_within(
    asked: Range, *, user_id: UUID, only: Origin = ANYWHERE, by: By = By.MODEL, skipped: int = 0, listed: int = 0
) -> Report:
    """The same of a range that is known: one query."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT * FROM usage_activity(%s, %s, %s, %s::timestamptz, %s::timestamptz, %s, %s, %s, %s, %s, %s,"
            " %s::integer, %s::bigint, %s::integer) ORDER BY day, hour, place",
            [user_id, asked.starts, asked.ends, asked.before_starts, asked.before_ends, asked.zone.key, asked.unit,
             *only, by.value, STACKS, skipped, listed],
        )  # fmt: skip
        rows = cursor.fetchall()
    parts: dict[str, list[_Part]] = {}
    for part, day, hour, place, provider, model, source, *figures in rows:
        origin = Origin(provider or "", model or "", source or "")
        parts.setdefault(part, []).append(_Part(day, hour, place, Share(origin, Sums(*figures))))
    return _report(asked, parts)


class _Part(NamedTuple):
    day: date | None
    hour: datetime | None
    place: int | None
    share: Share


def _report(asked: Range, parts: dict[str, list[_Part]]) -> Report:
    lines = [_line(part) for part in parts.get("line", [])]
    return Report(
        range=asked,
        totals=parts["total"][0].share.sums,
        before=None if asked.before_starts is None else parts["before"][0].share.sums,
        providers=_dearest_first(parts.get("provider", [])),
        models=_dearest_first(parts.get("model", [])),
        sources=_dearest_first(parts.get("source", [])),
        days={part.day: part.share.sums for part in parts.get("day", []) if part.day},
        hours={part.hour: part.share.sums for part in parts.get("hour", []) if part.hour},
        stacks=_stacks(parts.get("stack", [])),
        heat={divmod(part.place or 0, 24): part.share.sums.requests for part in parts.get("heat", [])},
        lines=sorted(lines, key=lambda line: line.order),
        all_lines=(parts["line"][0].place or 0) if lines else 0,
        choices=sorted(part.share.origin for part in parts.get("choice", [])),
    )


def _stacks(parts: list[_Part]) -> list[Stack]:
    stacks: dict[int, Stack] = {}
    for part in parts:
        stack = stacks.setdefault(part.place or 0, Stack(part.share.origin, {}))
        line = _line(part)
        stack.slots[line.slot] = line.sums
    return [stacks[place] for place in sorted(stacks)]


def _line(part: _Part) -> Line:
    assert part.day is not None  # noqa: S101  (lines and stacks have one)
    return Line(Slot(part.day, part.hour), *part.share)


def _dearest_first(parts: list[_Part]) -> list[Share]:
    shares = [part.share for part in parts]
    return sorted(shares, key=lambda share: (-share.sums.known_cost, -share.sums.requests, share.origin))
