"""Days and months of a person's own time zone, as the database computes them, against brute force."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Profile, User
from tests.usage.calendars import DAY, bounds, day_of, first_instant
from usage import ledger, metering, quotas
from usage.models import QuotaWindow
from wavelength.tenancy import tenant

ZONES = [
    "Europe/Berlin", "Africa/Cairo", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana", "UTC",
    "Pacific/Kiritimati", "America/St_Johns", "Antarctica/Casey", "America/Sao_Paulo",
]  # fmt: skip
ANY_DATABASE = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TICK = timedelta(microseconds=1)


def midnights(days: list[date], zone: str) -> list[datetime]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT usage_midnight(day, %s) FROM unnest(%s::date[]) WITH ORDINALITY AS d (day, n) ORDER BY n",
            [zone, days],
        )
        return [moment for (moment,) in cursor.fetchall()]


def days_of(moments: list[datetime], zone: str) -> list[date]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT usage_day_of(at, %s) FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS m (at, n) ORDER BY n",
            [zone, moments],
        )
        return [day for (day,) in cursor.fetchall()]


def move(person: User, zone: str) -> None:
    with tenant(person.pk):
        Profile.objects.update(timezone=zone)


def use(person: User, at: datetime, *, tokens: int = 1) -> None:
    metering.record_usage(user_id=person.pk, provider="acme", model="one", input_tokens=tokens, at=at)


def open_at(person: User, at: datetime) -> dict[str, tuple[datetime, datetime]]:
    return {quota.period: (quota.starts_at, quota.ends_at) for quota in quotas.quotas_of(user_id=person.pk, at=at)}


@given(day=st.dates(date(1995, 1, 3), date(2035, 12, 30)), zone=st.sampled_from(ZONES))
@ANY_DATABASE
def test_any_day_begins_when_the_clocks_first_show_it(db: None, day: date, zone: str) -> None:
    assert midnights([day], zone) == [first_instant(day, zone)]


@given(
    at=st.datetimes(datetime(1995, 1, 3), datetime(2035, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.sampled_from(ZONES),
)
@ANY_DATABASE
def test_any_instant_belongs_to_one_day(db: None, at: datetime, zone: str) -> None:
    (day,) = days_of([at], zone)
    assert day == day_of(at, zone)
    starts_at, ends_at = midnights([day, day + DAY], zone)
    assert starts_at <= at < ends_at


@pytest.mark.parametrize(
    ("zone", "around", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2024, 2, 29), 24),
        ("Africa/Cairo", date(2023, 4, 28), 23),
        ("Africa/Cairo", date(2026, 10, 29), 25),
        ("Pacific/Apia", date(2011, 12, 29), 24),
        ("Pacific/Apia", date(2011, 12, 30), 0),
        ("Pacific/Apia", date(2011, 12, 31), 24),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Kathmandu", date(2026, 7, 1), 24),
        ("America/Havana", date(2026, 3, 8), 23),
        ("America/Havana", date(2026, 11, 1), 25),
        ("America/St_Johns", date(2005, 10, 30), 25),
        ("Pacific/Kiritimati", date(2026, 1, 1), 24),
        ("Antarctica/Casey", date(2010, 3, 5), 27),
    ],
)
def test_days_of_every_length(db: None, zone: str, around: date, hours: float) -> None:
    days = [around + n * DAY for n in range(-3, 5)]
    assert midnights(days, zone) == [first_instant(day, zone) for day in days]
    starts_at, ends_at = midnights([around, around + DAY], zone)
    assert ends_at - starts_at == timedelta(hours=hours)
    if hours:
        assert days_of([starts_at - TICK, starts_at, ends_at - TICK, ends_at], zone) == [
            day_of(starts_at - TICK, zone), around, around, day_of(ends_at, zone),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "first", "days"),
    [
        ("Europe/Berlin", "2026-03-27T09:00", 4),
        ("Europe/Berlin", "2026-10-23T21:59:59.999999", 4),
        ("Africa/Cairo", "2023-04-26T12:00", 4),
        ("Africa/Cairo", "2026-10-28T12:00", 3),
        ("Pacific/Apia", "2011-12-28T10:00", 5),
        ("Australia/Lord_Howe", "2026-10-02T13:30", 4),
        ("Australia/Lord_Howe", "2026-04-03T13:00", 4),
        ("Asia/Kathmandu", "2026-06-29T18:15", 4),
        ("America/Havana", "2026-10-30T15:00", 4),
        ("America/Havana", "2026-03-06T15:00", 4),
        ("Pacific/Kiritimati", "2025-12-30T10:00", 4),
        ("America/St_Johns", "2005-10-28T02:30", 4),
        ("UTC", "2024-02-27T00:00", 4),
    ],
)
def test_windows_follow_the_calendar(alice: User, zone: str, first: str, days: int) -> None:
    """Used every hour, and a microsecond before and at each boundary, windows are the calendar's and follow on."""
    move(alice, zone)
    start = datetime.fromisoformat(first).replace(tzinfo=UTC)
    moments = {start + timedelta(hours=hour) for hour in range(days * 24)}
    cuts = {bound for moment in moments for period in ("daily", "monthly") for bound in bounds(moment, zone, period)}
    moments |= {at for cut in cuts if start < cut < start + days * DAY for at in (cut - TICK, cut, cut + TICK)}
    for at in sorted(moments):
        use(alice, at)
        assert open_at(alice, at) == {period: bounds(at, zone, period) for period in ("daily", "monthly")}
    with tenant(alice.pk):
        windows = list(QuotaWindow.objects.order_by("starts_at").select_related("limit"))
    for period in ("daily", "monthly"):
        mine = [window for window in windows if window.limit.period == period]
        assert all(before.ends_at == after.starts_at for before, after in pairwise(mine))
        for window in mine:
            assert window.used_requests == sum(window.starts_at <= at < window.ends_at for at in moments)
    assert ledger.check(user_id=alice.pk).differences == []


@pytest.mark.parametrize("zone", ["", "Not/AZone", "not a zone'; --", "UTC"])
def test_without_a_zone_that_is_known_days_are_those_of_utc(alice: User, zone: str) -> None:
    move(alice, zone)
    at = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
    use(alice, at)
    assert open_at(alice, at) == {
        "daily": (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        "monthly": (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
    }


def test_a_window_begins_empty(alice: User) -> None:
    move(alice, "Asia/Kathmandu")
    midnight = datetime(2026, 6, 30, 18, 15, tzinfo=UTC)
    use(alice, midnight - TICK, tokens=100_000)
    assert metering.refusals_of(user_id=alice.pk, provider="acme", model="one", at=midnight - TICK)
    assert not metering.refusals_of(user_id=alice.pk, provider="acme", model="one", at=midnight)
    use(alice, midnight, tokens=7)
    daily, monthly = quotas.quotas_of(user_id=alice.pk, at=midnight)
    assert (daily.used_tokens, monthly.used_tokens) == (7, 7)
