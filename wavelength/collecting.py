"""The hourly figures about the whole service (SystemMetric), kept up to date by a job.

What stands in people's tables is counted by the definer function `collect_metrics`, which answers a number of rows and
nothing else; what only the serving processes see comes from wavelength/tallies.py. May be stopped at any moment and run
again, also twice at once: an hour that is counted again has the same figures.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
FIRST: Final = timedelta(days=90)  # that the first run looks back
LATE: Final = timedelta(hours=48)  # in which what clients tell late still counts
HOURLY: Final = timedelta(days=8)  # kept hour by hour; before that, a day is one row
COLLECTED: Final = "collected"  # says that an hour is counted, and all before it
# Of a day's hours the largest stays; the others are added up.
LARGEST: Final = ["route.max", "active.hour"]
# What is a day's or a week's anyway.
WHOLE: Final = [
    "active.day",
    "active.week",
    "active.month",
    "cohort.size",
    "cohort.active",
    "table.bytes",
    "table.rows",
]
DAYS_INSTEAD_OF_HOURS: Final = (
    """
    INSERT INTO wavelength_systemmetric AS m (name, hour, label, value)
    SELECT name, date_trunc('day', hour, 'UTC'), label,
           CASE WHEN name = ANY (%(largest)s) THEN max(value) ELSE sum(value) END
      FROM wavelength_systemmetric
     WHERE hour < %(before)s AND hour <> date_trunc('day', hour, 'UTC')
       AND name <> ALL (%(whole)s) AND name <> 'collected'
     GROUP BY 1, 2, 3
    ON CONFLICT (name, hour, label) DO UPDATE
       SET value = CASE WHEN m.name = ANY (%(largest)s) THEN greatest(m.value, EXCLUDED.value)
                        ELSE m.value + EXCLUDED.value END
    """,
    """
    DELETE FROM wavelength_systemmetric
     WHERE hour < %(before)s AND name <> ALL (%(whole)s)
       AND (name = 'collected' OR hour <> date_trunc('day', hour, 'UTC'))
    """,
)
MARK: Final = """
    INSERT INTO wavelength_systemmetric (name, hour, label, value) VALUES ('collected', %s, '', 1)
    ON CONFLICT DO NOTHING
"""
TABLES: Final = """
    INSERT INTO wavelength_systemmetric AS m (name, hour, label, value)
    SELECT figure.name, date_trunc('day', statement_timestamp(), 'UTC'), c.relname, figure.value
      FROM pg_class c, LATERAL (VALUES ('table.bytes', pg_total_relation_size(c.oid)::numeric),
                                       ('table.rows', c.reltuples::numeric)) AS figure (name, value)
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
       AND figure.value >= 0  -- rows are -1 until PostgreSQL has looked
    ON CONFLICT (name, hour, label) DO UPDATE SET value = EXCLUDED.value WHERE m.value <> EXCLUDED.value
"""


def collect() -> int:
    """Count every hour and day that is not counted yet, the last two days once more each hour, and the hour that it is.

    Answers how many figures changed. Call it outside any transaction.
    """
    now = _now()
    changed = sum(_count("hours", since, until, mark=min(until, now)) for since, until in _hours(now))
    changed += sum(_count("days", since, until) for since, until in _days(now))
    with _patiently() as cursor:
        cursor.execute(TABLES)
    _tidy(now)
    return changed


def collected_until() -> datetime | None:
    """The end of the last hour that is counted for good."""
    with connections["default"].cursor() as cursor:
        return _last(cursor, COLLECTED)


def _hours(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Stretches of at most a day, oldest first, the last one with the hour that it is."""
    last = collected_until()
    since = now if last is None else min(last, now)
    if last is None:
        since = midnight(now - FIRST)
    elif since < now:
        since = max(min(since, now - LATE), midnight(now - FIRST))
    while since <= now:
        until = min(midnight(since) + DAY, now + HOUR)
        yield since, until
        since = until


def _days(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Stretches of at most a week of whole days that are over; the last one counted is counted once more."""
    today = midnight(now)
    with connections["default"].cursor() as cursor:
        last = _last(cursor, "active.day")
    if last is not None and last >= today - DAY:
        return
    since = today - FIRST if last is None else max(last, today - FIRST)
    while since < today:
        until = min(since + WEEK, today)
        yield since, until
        since = until


def _count(part: str, since: datetime, until: datetime, mark: datetime | None = None) -> int:
    with _patiently() as cursor:
        cursor.execute("SELECT collect_metrics(%s, %s, %s)", [part, since, until])
        [changed] = cursor.fetchone()
        if mark:
            cursor.execute(MARK, [mark])
    return int(changed)


def _tidy(now: datetime) -> None:
    """Days instead of hours after a week, and nothing after `ANALYTICS_RETENTION_DAYS`."""
    values: dict[str, datetime | list[str]] = {"before": midnight(now - HOURLY), "largest": LARGEST, "whole": WHOLE}
    with _patiently() as cursor:
        for statement in DAYS_INSTEAD_OF_HOURS:
            cursor.execute(statement, values)
        kept = midnight(now - timedelta(days=settings.ANALYTICS_RETENTION_DAYS))
        cursor.execute("DELETE FROM wavelength_systemmetric WHERE hour < %s", [kept])


@contextmanager
def _patiently() -> Iterator[CursorWrapper]:
    """One transaction; whatever holds pages to seconds does not hold here."""
    with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '15min'")
        # As the function does: nobody counts while another tidies up.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('collect_metrics'))")
        yield cursor


def _now() -> datetime:
    """When the hour began that it is, by the database's clock."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT date_trunc('hour', statement_timestamp(), 'UTC')")
        [hour] = cursor.fetchone()
    moment: datetime = hour
    return moment


def _last(cursor: CursorWrapper, name: str) -> datetime | None:
    cursor.execute("SELECT max(hour) FROM wavelength_systemmetric WHERE name = %s", [name])
    [hour] = cursor.fetchone()
    moment: datetime | None = hour
    return moment


def midnight(moment: datetime) -> datetime:
    """When its day began, in UTC."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
