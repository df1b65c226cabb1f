"""The analytics in the admin: how the whole service is used and how it does, drawn from its hourly figures alone.

Read as the operator's role, a few statements however many people there are. How the figures come about:
wavelength/collecting.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from wavelength.barcharts import Chart, Series, chart_of
from wavelength.collecting import COLLECTED, DAY, HOUR, LARGEST, WEEK, midnight

COHORTS: Final = 12  # weeks
ROUTES: Final = 25
OUTCOMES: Final = {"complete": "good", "partly": "fair", "stopped": "poor", "failed": "bad"}
ANSWERS: Final = {"answered": "1", "failed": "bad"}
SILENT: Final = timedelta(hours=2)  # after which the page says that nobody counts

# Of each name and label, what there is in each slot. A model's figures go to its provider, a route's to all.
SLOTS: Final = """
    SELECT name, CASE WHEN name LIKE 'usage.%%' THEN split_part(label, '/', 1)
                      WHEN name LIKE 'route.%%' THEN '' ELSE label END AS label,
           date_trunc(%(unit)s, hour, 'UTC') AS slot,
           CASE WHEN name = ANY (%(largest)s) THEN max(value) ELSE sum(value) END
      FROM wavelength_systemmetric
     WHERE name = ANY (%(names)s) AND hour >= %(since)s
     GROUP BY 1, 2, 3
"""
TOTALS: Final = """
    SELECT name, label, CASE WHEN name = ANY (%(largest)s) THEN max(value) ELSE sum(value) END
      FROM wavelength_systemmetric
     WHERE name = ANY (%(names)s) AND hour >= %(since)s
     GROUP BY 1, 2
"""
LATEST: Final = """
    SELECT DISTINCT ON (name, label) name, label, value, hour
      FROM wavelength_systemmetric
     WHERE name = ANY (%(names)s) AND hour >= %(since)s
     ORDER BY name, label, hour DESC
"""
WEEKS: Final = """
    SELECT hour, name, label, value FROM wavelength_systemmetric
     WHERE name IN ('cohort.size', 'cohort.active') AND hour >= %(since)s
"""
SLOTTED: Final = [
    "registrations", "active.hour", "active.day", "usage.requests", "usage.cost", "handover", "handover.failed",
    "refusal", "limit", "route.requests", "route.errors",
]  # fmt: skip
SUMMED: Final = [
    "event", "handover.failed", "usage.requests", "usage.tokens", "usage.cost", "route.requests", "route.ms",
    "route.max", "route.errors",
]  # fmt: skip
GAUGES: Final = ["active.day", "active.week", "active.month", "table.bytes", "table.rows", COLLECTED]


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time that ends now, in slots of an hour or a day."""

    name: str
    title: str
    unit: str
    slots: int

    def starts(self, now: datetime) -> list[datetime]:
        """When each slot begins, oldest first; the last one is under way."""
        step, last = DAY, midnight(now)
        if self.unit == "hour":
            step, last = HOUR, now.replace(minute=0, second=0, microsecond=0)
        return [last - step * back for back in reversed(range(self.slots))]


PERIODS: Final = (
    Period("24h", "24 hours", "hour", 24),
    Period("7d", "7 days", "day", 7),
    Period("30d", "30 days", "day", 30),
    Period("90d", "90 days", "day", 90),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure by which the whole is seen at a glance."""

    label: str
    value: Decimal | None
    kind: str = "count"  # or money, percent
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelUse:
    provider: str
    model: str
    requests: Decimal
    tokens: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Route:
    """What a route took in the period; `average` and `longest` in milliseconds, `total` in seconds."""

    route: str
    requests: Decimal
    average: Decimal
    longest: Decimal
    total: Decimal
    errors: Decimal


@dataclass(frozen=True, slots=True)
class Share:
    """In percent, and in tenths, rounded up, by which it is shaded."""

    percent: int

    @property
    def tenths(self) -> int:
        return -(-self.percent // 10)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Who signed up in one week: how many, and what share of them was active in each week after."""

    week: datetime
    size: int
    shares: list[Share | None]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its indexes; `rows` is None where PostgreSQL has not estimated them yet."""

    name: str
    bytes: int
    rows: int | None


@dataclass(frozen=True, slots=True)
class Analytics:
    """All that the page shows of one period. `counted_until` is None before anything was counted."""

    period: Period
    tiles: list[Tile]
    charts: list[Chart]
    features: list[tuple[str, Decimal]]
    failures: list[tuple[str, Decimal]]
    models: list[ModelUse]
    routes: list[Route]
    cohorts: list[Cohort]
    tables: list[Table]
    counted_until: datetime | None
    is_silent: bool


class _Figures:
    """What was read, by name."""

    def __init__(self, period: Period, now: datetime) -> None:
        self.starts = period.starts(now)
        values = {"unit": period.unit, "since": self.starts[0], "largest": LARGEST}
        places = {start: place for place, start in enumerate(self.starts)}
        self._slots: dict[str, dict[tuple[str, int], Decimal]] = defaultdict(dict)
        for name, label, slot, value in _rows(SLOTS, **values, names=SLOTTED):
            if slot in places:
                self._slots[name][label, places[slot]] = value
        self.totals: dict[str, dict[str, Decimal]] = defaultdict(dict)
        for name, label, value in _rows(TOTALS, **values, names=SUMMED):
            self.totals[name][label] = value
        self.latest: dict[str, dict[str, tuple[Decimal, datetime]]] = defaultdict(dict)
        for name, label, value, hour in _rows(LATEST, names=GAUGES, since=midnight(now) - WEEK):
            self.latest[name][label] = value, hour

    def series(self, name: str, label: str | None = None) -> Series:
        """By label and slot; with `label`, all of it under this one."""
        if label is None:
            return self._slots[name]
        return {
            (label, place): sum((value for (_, at), value in self._slots[name].items() if at == place), Decimal(0))
            for place in {place for _, place in self._slots[name]}
        }

    def sum_of(self, name: str, labels: Iterable[str] | None = None) -> Decimal:
        """All of the period, or of some labels."""
        wanted = None if labels is None else set(labels)
        return sum(
            (value for (label, _), value in self._slots[name].items() if wanted is None or label in wanted), Decimal(0)
        )

    def newest(self, name: str) -> Decimal | None:
        """The last that is known of it, in the last week."""
        return self.latest[name][""][0] if "" in self.latest[name] else None


def analytics_of(period: Period, now: datetime) -> Analytics:
    """Everything about this period, in four statements."""
    figures = _Figures(period, now)
    counted = figures.latest[COLLECTED].get("")
    return Analytics(
        period=period,
        tiles=_tiles(figures),
        charts=_charts(figures, period),
        features=_largest_first(figures.totals["event"]),
        failures=_largest_first(figures.totals["handover.failed"]),
        models=_models(figures),
        routes=_routes(figures),
        cohorts=_cohorts(now),
        tables=_tables(figures),
        counted_until=counted[1] if counted else None,
        is_silent=counted is not None and now - counted[1] > SILENT,
    )


@require_safe
def analytics(request: HttpRequest) -> HttpResponse:
    """The page; `period` is one of `PERIODS`, the last 7 days where it is none of them."""
    wanted = {period.name: period for period in PERIODS}
    period = wanted.get(request.GET.get("period", ""), wanted["7d"])
    context = {
        **admin.site.each_context(request),
        "title": "Analytics",
        "periods": PERIODS,
        "shown": analytics_of(period, timezone.now()),
        "weeks": range(COHORTS + 1),
    }
    return TemplateResponse(request, "admin/analytics.html", context)


def _rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connections["operator"].cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _tiles(figures: _Figures) -> list[Tile]:
    whole = figures.sum_of("handover", ["complete"])
    tried = figures.sum_of("handover") + figures.sum_of("handover.failed")
    share = whole * 100 / tried if tried else None
    return [
        Tile("Registrations", figures.sum_of("registrations")),
        Tile("Active on the last whole day", figures.newest("active.day")),
        Tile("Active in 7 days", figures.newest("active.week")),
        Tile("Active in 30 days", figures.newest("active.month")),
        Tile("Requests to models", figures.sum_of("usage.requests")),
        Tile("Cost of models", figures.sum_of("usage.cost"), "money"),
        Tile("Hand-overs that succeeded", share, "percent", f"{whole:.0f} of {tried:.0f} tried"),
        Tile("Refused by quotas", figures.sum_of("refusal")),
    ]


def _charts(figures: _Figures, period: Period) -> list[Chart]:
    hourly = period.unit == "hour"
    slots = [start.strftime("%H:%M" if hourly else "%a %-d %b") for start in figures.starts]
    active = figures.series("active.hour" if hourly else "active.day", "people")
    ended = {**figures.series("handover"), **figures.series("handover.failed", "failed")}
    acts = "who used a model, handed over, synced or changed something"
    return [
        chart_of("Registrations", figures.series("registrations"), slots, note="by the way people came"),
        chart_of(
            "Active people",
            active,
            slots,
            adds_up=False,
            note=acts if hourly else "who was here, also to read alone; a day counts once it is over",
        ),
        chart_of("Requests to models", figures.series("usage.requests"), slots, note="by provider"),
        chart_of("Cost of models", figures.series("usage.cost"), slots, is_money=True, note="US dollars by provider"),
        chart_of("Hand-overs", ended, slots, colours=OUTCOMES, note="by how they ended"),
        chart_of("Refused by quotas", figures.series("refusal"), slots, note="by who asked"),
        chart_of("Refused as too often", figures.series("limit"), slots, note="by the limit of calls that was met"),
        chart_of(
            "Requests served",
            _answers(figures),
            slots,
            colours=ANSWERS,
            note="failed ones are answered with 500 or above",
        ),
    ]


def _answers(figures: _Figures) -> Series:
    failed = figures.series("route.errors", "failed")
    answered = {
        ("answered", place): value - failed.get(("failed", place), Decimal(0))
        for (_, place), value in figures.series("route.requests", "all").items()
    }
    return {**answered, **failed}


def _largest_first(totals: dict[str, Decimal]) -> list[tuple[str, Decimal]]:
    return sorted(totals.items(), key=lambda item: (-item[1], item[0]))


def _models(figures: _Figures) -> list[ModelUse]:
    requests, tokens, cost = (figures.totals[name] for name in ("usage.requests", "usage.tokens", "usage.cost"))
    used = [
        ModelUse(*_named(label), number, tokens.get(label, Decimal(0)), cost.get(label, Decimal(0)))
        for label, number in requests.items()
    ]
    return sorted(used, key=lambda use: (-use.cost, -use.requests, use.provider, use.model))


def _named(label: str) -> tuple[str, str]:
    provider, _, model = label.partition("/")
    return provider, model


def _routes(figures: _Figures) -> list[Route]:
    """The slowest on average."""
    ms, longest, errors = (figures.totals[name] for name in ("route.ms", "route.max", "route.errors"))
    routes = [
        Route(
            route, number, ms.get(route, Decimal(0)) / number, longest.get(route, Decimal(0)),
            ms.get(route, Decimal(0)) / 1000, errors.get(route, Decimal(0)),
        )
        for route, number in figures.totals["route.requests"].items()
    ]  # fmt: skip
    return sorted(routes, key=lambda route: (-route.average, route.route))[:ROUTES]


def _cohorts(now: datetime) -> list[Cohort]:
    """The newest first; the week that it is has no share yet."""
    monday = midnight(now) - timedelta(days=now.weekday())
    sizes: dict[datetime, int] = {}
    active: dict[tuple[datetime, int], int] = {}
    for week, name, label, value in _rows(WEEKS, since=monday - WEEK * COHORTS):
        if name == "cohort.size":
            sizes[week] = int(value)
        else:
            active[week, int(label)] = int(value)
    return [
        Cohort(week, size, [_share(active.get((week, after)), size) for after in range(COHORTS + 1)])
        for week, size in sorted(sizes.items(), reverse=True)
    ]


def _share(active: int | None, size: int) -> Share | None:
    return None if active is None or not size else Share(min(100, round(active * 100 / size)))


def _tables(figures: _Figures) -> list[Table]:
    rows = figures.latest["table.rows"]
    known: Sequence[Table] = [
        Table(name, int(value), int(rows[name][0]) if name in rows else None)
        for name, (value, _) in figures.latest["table.bytes"].items()
    ]
    return sorted(known, key=lambda table: (-table.bytes, table.name))
