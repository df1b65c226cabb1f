"""Records with a time of their own: one by one and in batches they are counted alike, at that time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Sum

from accounts.models import User
from tests.usage.test_windows_calendar import TICK, move, open_at, use
from usage import ledger, metering, quotas
from usage.metering import BatchRecord, Tokens
from usage.models import QuotaWindow, Source, UsageRecord
from wavelength.tenancy import tenant

# Midnight in Kathmandu, at a quarter past.
MIDNIGHT = datetime(2026, 6, 30, 18, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Tell = Callable[..., None]


def one_by_one(person: User, happened_at: list[datetime], at: datetime, source: Source = Source.CLIENT) -> None:
    for moment in happened_at:
        metering.record_usage(
            user_id=person.pk, provider="acme", model="one", input_tokens=1, happened_at=moment, at=at, source=source
        )


def in_a_batch(person: User, happened_at: list[datetime], at: datetime, source: Source = Source.CLIENT) -> None:
    records = [BatchRecord("acme", "one", Tokens(1), happened_at=moment) for moment in happened_at]
    assert metering.record_batch(user_id=person.pk, records=records, at=at, source=source) == len(records)


def hours_of(person: User) -> dict[datetime, int]:
    assert ledger.check(user_id=person.pk).differences == []
    with tenant(person.pk):
        rows = UsageRecord.objects.values_list("hour").annotate(Sum("request_count")).order_by("hour")
        return dict(rows)


def used_by_day(person: User) -> dict[datetime, int]:
    with tenant(person.pk):
        windows = QuotaWindow.objects.filter(limit__period="daily").order_by("starts_at")
        return dict(windows.values_list("starts_at", "used_requests"))


@pytest.fixture(params=[one_by_one, in_a_batch])
def tell(request: pytest.FixtureRequest) -> Tell:
    told: Tell = request.param
    return told


def test_each_is_counted_in_the_window_of_its_time(alice: User, tell: Tell) -> None:
    move(alice, "Asia/Kathmandu")
    use(alice, MIDNIGHT - MINUTE)
    use(alice, MIDNIGHT)
    tell(alice, [MIDNIGHT - 5 * MINUTE, MIDNIGHT - TICK, MIDNIGHT, MIDNIGHT + MINUTE], MIDNIGHT + 120 * MINUTE)
    assert used_by_day(alice) == {MIDNIGHT - timedelta(days=1): 3, MIDNIGHT: 3}
    assert hours_of(alice) == {MIDNIGHT - 60 * MINUTE: 3, MIDNIGHT: 3}


def test_where_no_window_is_hours_are_cut_at_midnight(alice: User, tell: Tell) -> None:
    move(alice, "Asia/Kathmandu")
    tell(alice, [MIDNIGHT - TICK, MIDNIGHT], MIDNIGHT + timedelta(days=90))
    assert hours_of(alice) == {MIDNIGHT - 60 * MINUTE: 1, MIDNIGHT: 1}
    assert [quota.used_requests for quota in quotas.quotas_of(user_id=alice.pk, at=MIDNIGHT + timedelta(days=90))] == [
        0,
        0,
    ]


def test_midnights_of_summer_and_winter(alice: User, tell: Tell) -> None:
    """Half an hour apart on Lord Howe: at 13:30 UTC in July, at 13:00 in January."""
    move(alice, "Australia/Lord_Howe")
    july, january = datetime(2025, 7, 1, 13, 30, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=UTC)
    tell(alice, [july - TICK, july, january - TICK, january], datetime(2026, 6, 1, tzinfo=UTC))
    assert hours_of(alice) == {moment - n * 60 * MINUTE: 1 for moment in (july, january) for n in (0, 1)}


def test_what_has_not_happened_yet_is_counted_now(alice: User, tell: Tell) -> None:
    tell(alice, [MIDNIGHT + timedelta(days=3), MIDNIGHT], MIDNIGHT)
    assert hours_of(alice) == {MIDNIGHT - 15 * MINUTE: 2}
    assert [quota.used_requests for quota in quotas.quotas_of(user_id=alice.pk, at=MIDNIGHT)] == [2, 2]


def test_todays_windows_open_before_it_is_counted(alice: User, tell: Tell) -> None:
    """Else the window of the new day would open around an hour that began the day before."""
    move(alice, "Australia/Lord_Howe")
    use(alice, datetime(2026, 10, 2, tzinfo=UTC))
    midnight = datetime(2026, 10, 5, 13, tzinfo=UTC)
    tell(alice, [midnight + 10 * MINUTE], midnight + 20 * MINUTE)
    assert open_at(alice, midnight + 20 * MINUTE)["daily"][0] == midnight
    assert used_by_day(alice)[midnight] == 1
    assert hours_of(alice)[midnight] == 1


def test_history_touches_no_quota(alice: User, tell: Tell) -> None:
    use(alice, MIDNIGHT)
    tell(alice, [MIDNIGHT, MIDNIGHT - timedelta(days=400)], MIDNIGHT, Source.MIGRATION)
    assert sum(hours_of(alice).values()) == 3
    assert [quota.used_requests for quota in quotas.quotas_of(user_id=alice.pk, at=MIDNIGHT)] == [1, 1]
