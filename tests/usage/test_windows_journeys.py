"""A change of time zone takes effect when the open window ends, so that no journey refills a quota."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from tests.conftest import make_person
from tests.usage.calendars import bounds
from tests.usage.test_windows_calendar import ZONES, move, open_at, use
from usage import ledger, metering, quotas
from usage.metering import BatchRecord, Tokens
from usage.models import Period, QuotaWindow
from wavelength.ids import uuid7
from wavelength.tenancy import tenant

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 6, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHORTEST = {Period.DAILY: timedelta(hours=23), Period.MONTHLY: timedelta(days=27)}


def has_room(person: User, at: datetime) -> bool:
    return not metering.refusals_of(user_id=person.pk, provider="acme", model="one", tokens=1, at=at)


def test_nothing_is_refilled_around_the_world(alice: User) -> None:
    """UTC to Kolkata to Kiritimati once gave three full days in one."""
    use(alice, NOON, tokens=100_000)
    for hours, zone in ((0, "Asia/Kolkata"), (7, "Pacific/Kiritimati"), (11, "America/Havana"), (11.9, "Asia/Kolkata")):
        move(alice, zone)
        assert not has_room(alice, NOON + hours * HOUR)
        assert open_at(alice, NOON + hours * HOUR)["daily"] == (NOON - 12 * HOUR, MIDNIGHT)
    # Kolkata's day ends at 18:30, too soon after midnight in UTC: the next one is taken in.
    assert open_at(alice, MIDNIGHT)["daily"] == (MIDNIGHT, MIDNIGHT + timedelta(days=1, hours=18.5))
    use(alice, MIDNIGHT, tokens=100_000)
    assert not has_room(alice, MIDNIGHT + 42 * HOUR)
    assert has_room(alice, MIDNIGHT + 42.5 * HOUR)


def test_a_month_ends_where_it_was_to_end(alice: User) -> None:
    use(alice, NOON)
    move(alice, "Pacific/Kiritimati")
    july = datetime(2026, 7, 1, tzinfo=UTC)
    assert open_at(alice, july - HOUR)["monthly"] == (datetime(2026, 6, 1, tzinfo=UTC), july)
    # July began in Kiritimati fourteen hours before; what is left of it is a month.
    assert open_at(alice, july)["monthly"] == (july, datetime(2026, 7, 31, 10, tzinfo=UTC))


def test_after_a_pause_the_calendar_is_the_new_zones(alice: User) -> None:
    use(alice, NOON)
    move(alice, "Asia/Kolkata")
    later = NOON + timedelta(days=60)
    assert open_at(alice, later) == {period: bounds(later, "Asia/Kolkata", period) for period in ("daily", "monthly")}


def test_a_new_limit_joins_the_open_window(alice: User) -> None:
    use(alice, NOON - 11 * HOUR, tokens=400)
    move(alice, "Asia/Kathmandu")
    use(alice, NOON, tokens=300)
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="acme", tokens=1_000)
    (budget,) = [quota for quota in quotas.quotas_of(user_id=alice.pk, at=NOON) if quota.provider]
    assert (budget.starts_at, budget.ends_at, budget.used_tokens) == (NOON - 12 * HOUR, MIDNIGHT, 700)


def test_an_hour_in_which_a_window_ends_is_two_rows(alice: User) -> None:
    """Told of later, on a day of its own zone that nothing else happened on."""
    move(alice, "Australia/Lord_Howe")
    start = datetime(2026, 10, 3, 13, 30, tzinfo=UTC)
    use(alice, start)
    assert open_at(alice, start)["daily"][1] == datetime(2026, 10, 4, 13, tzinfo=UTC)
    told = datetime(2026, 10, 20, tzinfo=UTC)
    for minutes in (-1, 10, 40):
        happened_at = datetime(2026, 10, 4, 13, tzinfo=UTC) + timedelta(minutes=minutes)
        metering.record_usage(user_id=alice.pk, provider="acme", model="one", happened_at=happened_at, at=told)
        records = [BatchRecord("acme", "two", Tokens(1), happened_at=happened_at)]
        metering.record_batch(user_id=alice.pk, records=records, at=told)
    with tenant(alice.pk):
        assert QuotaWindow.objects.get(starts_at=start).used_requests == 3
    assert ledger.check(user_id=alice.pk).differences == []


def test_so_is_one_in_which_a_window_of_the_zone_before_ended(alice: User) -> None:
    """In Kathmandu hours begin at a quarter past; the day of UTC that was open ended at the full hour."""
    use(alice, NOON)
    move(alice, "Asia/Kathmandu")
    told = NOON + timedelta(days=5)
    for minutes in (-10, 10, 20):
        happened_at = MIDNIGHT + timedelta(minutes=minutes)
        metering.record_usage(user_id=alice.pk, provider="acme", model="one", happened_at=happened_at, at=told)
        records = [BatchRecord("acme", "two", Tokens(1), happened_at=happened_at)]
        metering.record_batch(user_id=alice.pk, records=records, at=told)
    with tenant(alice.pk):
        assert QuotaWindow.objects.get(starts_at=NOON - 12 * HOUR, limit__period="daily").used_requests == 3
    assert ledger.check(user_id=alice.pk).differences == []


@given(
    steps=st.lists(st.tuples(st.sampled_from(ZONES), st.integers(0, 40 * 60), st.booleans()), min_size=2, max_size=20),
    start=st.datetimes(datetime(2011, 12, 20), datetime(2012, 1, 5), timezones=st.just(UTC))  # noqa: DTZ001
    | st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_journey_makes_a_short_window(db: None, steps: list[tuple[str, int, bool]], start: datetime) -> None:
    person = make_person(f"{uuid7().hex}@example.com", "Alice")
    at = start
    for zone, minutes, to_the_end in steps:
        move(person, zone)
        use(person, at)
        ends_at = open_at(person, at)["daily"][1]
        at = max(at, ends_at) if to_the_end else at + timedelta(minutes=minutes)
    with tenant(person.pk):
        windows = list(QuotaWindow.objects.order_by("starts_at").select_related("limit"))
    for period in Period:
        mine = [window for window in windows if window.limit.period == period]
        assert all(before.ends_at <= after.starts_at for before, after in pairwise(mine))
        for window in mine:
            # But where the calendar itself is shorter: three hours are skipped at Casey.
            assert window.ends_at - window.starts_at >= SHORTEST[period] or any(
                bounds(window.starts_at, zone, period) == (window.starts_at, window.ends_at) for zone, *_ in steps
            )
    assert ledger.check(user_id=person.pk).differences == []
