"""Days and months by brute force: looking at the wall clock of a place every quarter of an hour."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)


@cache
def first_instant(day: date, zone: str) -> datetime:
    """When the clocks of a zone first show this date or a later one. Zones change their clocks at quarters only."""
    place = ZoneInfo(zone)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=30)
    while moment.astimezone(place).date() < day:
        moment += QUARTER
    return moment


def day_of(at: datetime, zone: str) -> date:
    """The day that an instant belongs to: the latest that has begun."""
    day = at.astimezone(ZoneInfo(zone)).date() + 2 * DAY
    while first_instant(day, zone) > at:
        day -= DAY
    return day


def bounds(at: datetime, zone: str, period: str) -> tuple[datetime, datetime]:
    """The calendar day or month that holds an instant."""
    first = day_of(at, zone)
    following = first + DAY
    if period == "monthly":
        first = first.replace(day=1)
        following = (first + 31 * DAY).replace(day=1)
    return first_instant(first, zone), first_instant(following, zone)
