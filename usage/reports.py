"""What a person used in a period: in all, against the period before, and by provider, model, source, day and hour.

The figures are summed by the functions of usage/migrations/0008_report.py from one scan of the ledger.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connections

from wavelength.tenancy import tenant


class Span(StrEnum):
    """A period up to now, on the person's own calendar: a week is 7 × 24 hours, `recent` the last 30 days."""

    TODAY = "today"
    WEEK = "week"
    RECENT = "recent"
    MONTH = "month"
    ALL = "all"


class Origin(NamedTuple):
    """Where usage came from; an empty text stands for any."""

    provider: str = ""
    model: str = ""
    source: str = ""

    def named(self) -> dict[str, str]:
        """Each part by its name."""
        return {"provider": self.provider, "model": self.model, "source": self.source}


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
class Report:
    """Shares are dearest first; days and hours are those with usage, oldest first, hours for today alone.

    `before` is the period before up to the same point of it, None for everything ever. `choices` are all origins in the
    period, whatever was asked for.
    """

    span: Span
    starts: datetime
    ends: datetime
    zone: ZoneInfo
    totals: Sums
    before: Sums | None
    providers: list[Share]
    models: list[Share]
    sources: list[Share]
    days: dict[date, Sums]
    hours: dict[datetime, Sums]
    choices: list[Origin]


def report_of(*, user_id: UUID, span: Span, only: Origin = ANYWHERE, at: datetime | None = None) -> Report:
    """One query. `at` is the present, for tests that need another; the database's own clock without it."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT s.starts, s.ends, z, f.* FROM coalesce(%s::timestamptz, now()) AS at, usage_zone_of(%s) AS z,"
            " usage_span(%s, z, at) AS s, usage_figures(%s, s.starts, s.ends, s.before_starts, s.before_ends, z,"
            " %s, %s, %s, %s) AS f WHERE f.part <> 'record'"
            " ORDER BY f.day, f.hour",
            [at, user_id, span.value, user_id, only.provider, only.model, only.source, span is Span.TODAY],
        )
        rows = cursor.fetchall()
    starts, ends, zone = rows[0][:3]
    parts: dict[str, list[_Part]] = {}
    for row in rows:
        part, day, hour, provider, model, source = row[3:9]
        origin = Origin(provider or "", model or "", source or "")
        parts.setdefault(part, []).append(_Part(day, hour, Share(origin, Sums(*row[9:]))))
    return Report(
        span=span,
        starts=starts,
        ends=ends,
        zone=ZoneInfo(zone),
        totals=parts["total"][0].share.sums,
        before=None if span is Span.ALL else parts["before"][0].share.sums,
        providers=_dearest_first(parts.get("provider", [])),
        models=_dearest_first(parts.get("model", [])),
        sources=_dearest_first(parts.get("source", [])),
        days={part.day: part.share.sums for part in parts.get("day", []) if part.day},
        hours={part.hour: part.share.sums for part in parts.get("hour", []) if part.hour},
        choices=sorted(part.share.origin for part in parts.get("choice", [])),
    )


class _Part(NamedTuple):
    day: date | None
    hour: datetime | None
    share: Share


def _dearest_first(parts: list[_Part]) -> list[Share]:
    shares = [part.share for part in parts]
    return sorted(shares, key=lambda share: (-share.sums.known_cost, -share.sums.requests, share.origin))
