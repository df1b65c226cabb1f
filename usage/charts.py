"""Usage over time: which stretches of time are shown, and where a chart's bars stand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.utils.formats import date_format, time_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from usage.reports import Range, Report, Slot, Sums, Unit

WIDTH: Final = 600
HEIGHT: Final = 120
SMALLEST: Final = 3  # what was used can be seen, however little
UNITS: Final[dict[Unit, str | Promise]] = {
    Unit.HOUR: gettext_lazy("Hour"),
    Unit.DAY: gettext_lazy("Day"),
    Unit.WEEK: gettext_lazy("Week"),
    Unit.MONTH: gettext_lazy("Month"),
    Unit.YEAR: gettext_lazy("Year"),
}


@dataclass(frozen=True, slots=True)
class ShownSlot:
    """One slot; `name` in full, `short` beneath a chart, `iso` for machines (ISO 8601; a week by its Monday)."""

    slot: Slot
    name: str
    short: str
    iso: str
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
    """A range in slots of one `unit`, oldest first: those without usage are there too."""

    unit: str
    slots: list[ShownSlot]


def timeline_of(report: Report) -> Timeline:
    """Every slot of the range with what was used in it."""
    used = report.slots
    slots = [shown_slot(slot, report.range, used.get(slot, Sums())) for slot in report.range.slots()]
    return Timeline(str(UNITS[report.range.unit]), slots)


def shown_slot(slot: Slot, of: Range, sums: Sums) -> ShownSlot:
    """A slot in the person's language and zone."""
    name, short = _names(slot, of)
    return ShownSlot(slot, name, short, iso_of(slot, of), sums)


def iso_of(slot: Slot, of: Range) -> str:
    """Such as 2026-11-23T14:00:00+01:00, 2026-11-23, 2026-11 or 2026; a week is named by its Monday."""
    if slot.hour:
        return slot.hour.astimezone(of.zone).isoformat()
    return slot.day.isoformat()[: {Unit.MONTH: 7, Unit.YEAR: 4}.get(of.unit, 10)]


def _names(slot: Slot, of: Range) -> tuple[str, str]:
    day = slot.day
    if slot.hour:
        hour = time_format(slot.hour.astimezone(of.zone).time(), "TIME_FORMAT")
        return (hour, hour) if of.first == of.last else (f"{date_format(day, 'SHORT_DAY_FORMAT')}, {hour}", hour)
    match of.unit:
        case Unit.WEEK:
            return _("Week of %(day)s") % {"day": date_format(day, "DATE_FORMAT")}, date_format(day, "SHORT_DAY_FORMAT")
        case Unit.MONTH:
            return date_format(day, "YEAR_MONTH_FORMAT"), date_format(day, "SHORT_MONTH_FORMAT")
        case Unit.YEAR:
            return str(day.year), str(day.year)
    return date_format(day, "DATE_FORMAT"), date_format(day, "SHORT_DAY_FORMAT")


def chart_of(slots: Sequence[ShownSlot], figure: Callable[[Sums], Decimal | int]) -> Chart:
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
