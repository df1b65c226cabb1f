"""Usage over time as bars: which stretches of time a chart shows, and where its bars stand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from django.utils.formats import date_format, time_format
from django.utils.translation import gettext as _

from usage.reports import Report, Span, Sums

WIDTH: Final = 600
HEIGHT: Final = 120
SMALLEST: Final = 3  # what was used can be seen, however little
FEWEST_DAYS: Final = 14
MOST_DAYS: Final = 92  # beyond them, months
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Slot:
    """One hour, day or month; `name` in full, `short` beneath the chart."""

    name: str
    short: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Bar:
    """A slot of a chart, in its own units; the slot begins at `start` and the bar in it at `x`."""

    name: str
    value: Decimal
    start: str
    x: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of one figure; none where nothing was used."""

    bars: list[Bar]
    most: Decimal
    slot: str
    bar: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A period in stretches of one `unit`, oldest first: those without usage are there too."""

    unit: str
    slots: list[Slot]


def timeline_of(report: Report) -> Timeline:
    """Every hour of today, else every day of the period, else, where those are too many, every month."""
    if report.span is Span.TODAY:
        return Timeline(_("Hour"), list(_hours(report)))
    first, last = _days_shown(report)
    if (last - first).days < MOST_DAYS:
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return Timeline(_("Day"), [_day(day, report) for day in days])
    return Timeline(_("Month"), list(_months(report, first, last)))


def chart_of(slots: Sequence[Slot], figure: Callable[[Sums], Decimal | int]) -> Chart:
    """The chart of one figure over these slots."""
    values = [Decimal(figure(slot.sums)) for slot in slots]
    most, width = max(values), WIDTH / len(slots)
    bars = [
        _bar(slot.name, value, float(value / most), index * width, width)
        for index, (slot, value) in enumerate(zip(slots, values, strict=True))
        if most
    ]
    return Chart(bars, most, f"{width:.2f}", f"{width * 0.7:.2f}", slots[0].short, slots[-1].short)


def _bar(name: str, value: Decimal, share: float, start: float, width: float) -> Bar:
    height = max(SMALLEST, share * HEIGHT) if value else 1
    return Bar(name, value, f"{start:.2f}", f"{start + width * 0.15:.2f}", f"{HEIGHT - height:.2f}", f"{height:.2f}")


def _hours(report: Report) -> Iterator[Slot]:
    # A day may have 23 or 25 hours, and after a journey the ledger's do not begin with this zone's.
    at = report.starts
    tomorrow = report.starts.astimezone(report.zone).date() + timedelta(days=1)
    while at.astimezone(report.zone).date() < tomorrow:
        short = time_format(at.astimezone(report.zone).time(), "TIME_FORMAT")
        sums = sum((sums for hour, sums in report.hours.items() if at <= hour < at + HOUR), Sums())
        yield Slot(short, short, sums)
        at += HOUR


def _days_shown(report: Report) -> tuple[date, date]:
    last = report.ends.astimezone(report.zone).date()
    first = report.starts.astimezone(report.zone).date()
    if report.span is Span.MONTH:
        # The whole of it, so that the days keep their places.
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    if report.span is Span.ALL:
        first = min([*report.days, last - timedelta(days=FEWEST_DAYS - 1)])
    return first, last


def _day(day: date, report: Report) -> Slot:
    return Slot(date_format(day, "DATE_FORMAT"), date_format(day, "j M"), report.days.get(day, Sums()))


def _months(report: Report, first: date, last: date) -> Iterator[Slot]:
    months: dict[date, Sums] = {}
    for day, sums in report.days.items():
        month = day.replace(day=1)
        months[month] = months.get(month, Sums()) + sums
    month = first.replace(day=1)
    while month <= last:
        yield Slot(date_format(month, "F Y"), date_format(month, "M Y"), months.get(month, Sums()))
        month = (month + timedelta(days=31)).replace(day=1)
