"""A report as the pages show it: words, charts, tables and the addresses of other reports."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from usage.asking import Asked
from usage.breakdowns import Breakdown, breakdowns_of, percent
from usage.charts import WIDTH, Chart, ShownSlot, chart_of, shown_slot, timeline_of
from usage.comparing import change
from usage.forms import SPANS
from usage.heat import Heat, heat_of
from usage.models import Source
from usage.reports import STACKS, By, Origin, Range, Report, Sums
from usage.stacks import Series, StackedChart, colour_of, series_of, stacked_charts
from wavelength.names import provider_label

LINES_SHOWN: Final = 25


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to switch to."""

    label: str | Promise
    url: str
    here: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: in all, against the range before, and over time. A cost is None where none is known."""

    total: Decimal | int | None
    change: str
    chart: Chart


@dataclass(frozen=True, slots=True)
class ShownReport:
    """`slots` are those with usage, newest first; `head` names their table's columns."""

    totals: Sums
    cost: Figure
    requests: Figure
    tokens: Figure
    head: list[str]
    slots: list[ShownSlot]


class Kind(NamedTuple):
    """A kind of tokens."""

    label: str
    amount: int
    change: str


class ShownLine(NamedTuple):
    """A row of the finest table."""

    slot: ShownSlot
    origin: Origin
    source: str
    sums: Sums


class Part(NamedTuple):
    """A provider's part of everything, drawn from `x` on, of 600."""

    name: str
    percent: str
    colour: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Pages:
    """Which of the lines are shown, of how many; addresses of newer and older ones, where there are any."""

    first: int
    last: int
    of: int
    newer: str
    older: str


@dataclass(frozen=True, slots=True)
class ShownUsage:
    """Everything that the usage page says of a range."""

    report: ShownReport
    range: str
    kinds: list[Kind]
    by: list[Choice]
    series: list[Series]
    charts: list[StackedChart]
    parts: list[Part]
    by_model: Breakdown
    by_provider: Breakdown
    by_source: Breakdown
    by_time: Breakdown
    heat: Heat | None
    unit: str
    lines: list[ShownLine]
    pages: Pages
    csv_url: str
    json_url: str


def shown_report(report: Report) -> ShownReport:
    """Totals, changes and bars."""
    timeline = timeline_of(report)
    slots = timeline.slots
    now, before = report.totals, report.before or Sums()
    cost = now.cost if now.requests else Decimal(0)
    return ShownReport(
        totals=now,
        cost=Figure(cost, change(cost, before.cost, report.range), chart_of(slots, lambda sums: sums.known_cost)),
        requests=Figure(
            now.requests,
            change(now.requests, before.requests, report.range),
            chart_of(slots, lambda sums: sums.requests),
        ),
        tokens=Figure(
            now.tokens, change(now.tokens, before.tokens, report.range), chart_of(slots, lambda sums: sums.tokens)
        ),
        head=[timeline.unit, _("Requests"), _("Tokens"), _("Cost")],
        slots=[slot for slot in reversed(slots) if slot.sums.requests],
    )


def shown_usage(report: Report, asked: Asked) -> ShownUsage:
    """The usage page of what was asked."""
    timeline = timeline_of(report)
    series = series_of(report.stacks, asked)
    by_model, by_provider, by_source, by_time = breakdowns_of(report, timeline, asked)
    return ShownUsage(
        report=shown_report(report),
        range=range_in_words(report.range),
        kinds=_kinds(report),
        by=[
            Choice(_("By model"), asked.but(by=By.MODEL).address(), asked.by is By.MODEL),
            Choice(_("By provider"), asked.but(by=By.PROVIDER).address(), asked.by is By.PROVIDER),
        ],
        series=series,
        charts=stacked_charts(report.stacks, series, timeline.slots) if report.totals.requests else [],
        parts=_parts(report),
        by_model=by_model,
        by_provider=by_provider,
        by_source=by_source,
        by_time=by_time,
        heat=heat_of(report),
        unit=timeline.unit,
        lines=[
            ShownLine(
                shown_slot(line.slot, report.range, line.sums),
                line.origin,
                str(Source(line.origin.source).label),
                line.sums,
            )
            for line in report.lines
        ],
        pages=_pages(report, asked),
        csv_url=asked.export("csv"),
        json_url=asked.export("json"),
    )


def periods(asked: Asked) -> list[Choice]:
    """Every range but a custom one, with the same filters."""
    return [
        Choice(label, asked.but(span=span, first=None, last=None).address(), asked.span is span)
        for span, label in SPANS.items()
    ]


def range_in_words(shown: Range) -> str:
    """Such as ``November 1, 2026 – November 23, 2026``, up to now."""
    last = min(shown.last, shown.ends.astimezone(shown.zone).date())
    days = [date_format(day, "DATE_FORMAT") for day in (shown.first, last)]
    return days[0] if shown.first == last else " – ".join(days)


def _kinds(report: Report) -> list[Kind]:
    now, before = report.totals, report.before or Sums()
    return [
        Kind(label, amount, change(amount, past, report.range))
        for label, amount, past in (
            (_("Input"), now.input, before.input),
            (_("of which cached"), now.cached, before.cached),
            (_("Output"), now.output, before.output),
            (_("Reasoning"), now.reasoning, before.reasoning),
        )
    ]


def _parts(report: Report) -> list[Part]:
    """Of the cost, or of the requests where no cost is known; providers beyond the dearest together."""
    by_cost = bool(report.totals.cost)
    amounts = [share.sums.known_cost if by_cost else Decimal(share.sums.requests) for share in report.providers]
    layers = [
        (provider_label(share.origin.provider), colour_of(share.origin.provider, place), amount)
        for place, (share, amount) in enumerate(zip(report.providers[:STACKS], amounts, strict=False), 1)
    ]
    if rest := amounts[STACKS:]:
        layers.append((_("Others"), "other", sum(rest, Decimal(0))))
    whole = sum(amounts, Decimal(0))
    at, parts = Decimal(0), []
    for name, colour, amount in layers if whole else []:
        width = amount / whole * WIDTH
        parts.append(Part(name, percent(amount, whole), colour, f"{at:.2f}", f"{width:.2f}"))
        at += width
    return parts


def _pages(report: Report, asked: Asked) -> Pages:
    before = (asked.page - 1) * LINES_SHOWN
    last = before + len(report.lines)
    return Pages(
        first=before + 1,
        last=last,
        of=report.all_lines,
        newer=asked.but(page=asked.page - 1).address() if asked.page > 1 else "",
        older=asked.but(page=asked.page + 1).address() if last < report.all_lines else "",
    )
