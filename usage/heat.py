"""The busiest hours: requests by weekday and hour of the day, in the person's time zone."""

from dataclasses import dataclass
from datetime import date, time, timedelta
from math import ceil
from typing import Final

from django.utils.formats import date_format, time_format
from django.utils.translation import gettext as _

from usage.reports import Report

LEVELS: Final = 5
MONDAY: Final = date(2024, 1, 1)


@dataclass(frozen=True, slots=True)
class HeatCell:
    """An hour of a weekday; `level` is 0 for none and 5 for the most."""

    requests: int
    level: int
    hour: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A weekday."""

    name: str
    short: str
    cells: list[HeatCell]


@dataclass(frozen=True, slots=True)
class Heat:
    """Seven days of 24 hours; `busiest` is the hour with the most requests."""

    hours: list[str]
    rows: list[HeatRow]
    busiest: str
    requests: int


def heat_of(report: Report) -> Heat | None:
    """None where the range is too short to say anything about weekdays."""
    if not report.heat:
        return None
    most = max(report.heat.values())
    (weekday, hour), requests = max(report.heat.items(), key=lambda item: (item[1], item[0]))
    hours = [time_format(time(hour), "TIME_FORMAT") for hour in range(24)]
    rows = []
    for number in range(7):
        day = MONDAY + timedelta(days=number)
        found = [report.heat.get((number, at), 0) for at in range(24)]
        cells = [
            HeatCell(used, ceil(LEVELS * used / most), name) for used, name in zip(found, hours, strict=True)
        ]  # fmt: skip
        rows.append(HeatRow(date_format(day, "l"), date_format(day, "D"), cells))
    busiest = _("%(weekday)s, %(hour)s") % {"weekday": rows[weekday].name, "hour": hours[hour]}
    return Heat(hours, rows, busiest, requests)
