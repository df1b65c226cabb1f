"""Days that are over are summed once; whatever is told late of them, the report of everything stays the ledger's."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from accounts.models import Profile, User
from usage import metering
from usage.history import recording
from usage.metering import BatchRecord, Tokens
from usage.models import ClosedDay, UsageRecord
from wavelength.tenancy import tenant

NOW = datetime.now(UTC)
DAYS = 40
SENT = """
    SELECT 'openai/gpt-4o' AS model, now() - interval '30 days' AS sent_at, 0.5::numeric AS cost, 1 AS input_tokens,
           2 AS output_tokens, 3 AS reasoning_tokens
"""


@pytest.fixture
def used(alice: User) -> User:
    """Alice with a record of each of the last days, and some more of one of them."""
    add(alice, *range(DAYS + 1))
    add(alice, 20, model="other", cost=None)
    # In another hour of the same day.
    add(alice, 20, hours=1 if NOW.hour else -1, tokens=Tokens(1, 1, 1))
    return alice


def add(person: User, *days_ago: int, hours: int = 0, **more: Any) -> None:
    given = {"provider": "openai", "model": "gpt-4o", "tokens": Tokens(10, 20, 5), "cost": Decimal("0.01"), **more}
    metering.record_batch(
        user_id=person.pk,
        records=[BatchRecord(happened_at=NOW - timedelta(days=days, hours=hours), **given) for days in days_ago],
    )


def report(person: User, *, at: datetime | None = None) -> Any:
    """What GET /api/profile/usage answers of everything, but for the moment it was asked at."""
    with tenant(person.pk), connections["default"].cursor() as cursor:
        cursor.execute("SELECT usage_report(%s, 'all', '', '', coalesce(%s, now()))::text", [person.pk, at])
        found = json.loads(cursor.fetchone()[0], parse_float=Decimal)
    return {name: part for name, part in found.items() if name != "dateRange"}


def from_the_ledger(person: User, *, at: datetime | None = None) -> Any:
    """The same without any closed day: none is made where nothing can be written."""
    with tenant(person.pk), transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM usage_closedday")
        cursor.execute("SET LOCAL transaction_read_only TO on")
        found = report(person, at=at)
        assert days(person) == []
        transaction.set_rollback(True)
    return found


def days(person: User) -> list[date]:
    with tenant(person.pk):
        return sorted(set(ClosedDay.objects.values_list("day", flat=True)))


def ago(count: int) -> date:
    return NOW.date() - timedelta(days=count)


def test_days_that_are_over_are_closed_by_the_first_look(used: User, bob: User) -> None:
    assert days(used) == []
    first = report(used)
    assert days(used) == [ago(count) for count in range(DAYS, 3, -1)]
    assert report(used) == first
    assert first["totals"]["requests"] == DAYS + 3
    with tenant(used.pk):
        closed = ClosedDay.objects.filter(day=ago(20), model="gpt-4o").get()
        assert (closed.zone, closed.request_count, closed.input_tokens, closed.total_cost) == (
            "UTC", 2, 11, Decimal("0.02"),
        )  # fmt: skip
        assert ClosedDay.objects.get(day=ago(20), model="other").total_cost is None
    assert days(bob) == []
    assert report(bob)["totals"]["requests"] == 0


def test_closed_days_stand_for_the_ledger(used: User) -> None:
    report(used)
    expected = from_the_ledger(used)
    with tenant(used.pk):
        UsageRecord.objects.filter(hour__date=ago(20)).update(request_count=1000)
    assert report(used) == expected


@pytest.mark.parametrize("late", ["record", "batch", "hand-over"])
def test_what_is_told_late_is_in_the_report(used: User, late: str) -> None:
    before = report(used)["totals"]
    at = NOW - timedelta(days=30)
    match late:
        case "record":
            metering.record_usage(
                user_id=used.pk, provider="openai", model="gpt-4o", input_tokens=1, output_tokens=2,
                reasoning_tokens=3, cost=Decimal("0.5"), happened_at=at,
            )  # fmt: skip
        case "batch":
            add(used, 30, 2, tokens=Tokens(1, 2, 3), cost=Decimal("0.25"))
        case "hand-over":
            with tenant(used.pk), connections["default"].cursor() as cursor:
                cursor.execute(recording(SENT), {"user": used.pk})
    assert ago(33) in days(used)
    assert ago(30) not in days(used)
    told = report(used)
    assert told == from_the_ledger(used)
    assert told["totals"]["requests"] - before["requests"] in (1, 2)
    assert told["totals"]["cost"] - before["cost"] == Decimal("0.5")
    assert days(used)[-1] == ago(4)


def test_what_is_told_in_time_leaves_closed_days_alone(used: User) -> None:
    report(used)
    closed = days(used)
    add(used, 0)
    metering.record_usage(user_id=used.pk, provider="openai", model="gpt-4o")
    assert days(used) == closed
    assert report(used) == from_the_ledger(used)


def test_another_zone_has_other_days(used: User) -> None:
    report(used)
    with tenant(used.pk):
        Profile.objects.update(timezone="Pacific/Kiritimati")
    moved = report(used)
    assert moved == from_the_ledger(used)
    with tenant(used.pk):
        assert set(ClosedDay.objects.values_list("zone", flat=True)) == {"Pacific/Kiritimati"}
        first = UsageRecord.objects.earliest("hour").hour.astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    assert days(used)[0] == first


def test_a_report_of_the_past_shows_nothing_later(used: User) -> None:
    report(used)
    then = NOW - timedelta(days=20, hours=-2)
    past = report(used, at=then)
    assert past == from_the_ledger(used, at=then)
    assert past["dailyUsage"][-1]["date"] == ago(20).isoformat()


def test_a_few_days_are_not_worth_closing(alice: User) -> None:
    add(alice, 0, 1, 5, 9)
    report(alice)
    assert days(alice) == []


def test_check_ledger_names_each_closed_day_that_differs(used: User) -> None:
    report(used)
    with tenant(used.pk):
        day = ClosedDay.objects.get(day=ago(10))
        ClosedDay.objects.filter(day=ago(12)).delete()
        ClosedDay.objects.filter(day=ago(10)).delete()
        day.request_count = 7
        day.total_cost = None
        day.save(force_insert=True)
    output = StringIO()
    with pytest.raises(CommandError, match="2 differ"):
        call_command("check_ledger", stdout=output)
    assert output.getvalue().splitlines() == [
        (
            f"alice@example.com closed day {ago(12)} openai gpt-4o (client): requests are unknown and should be 1,"
            " requests without a price are unknown and should be 0, input tokens are unknown and should be 10,"
            " output tokens are unknown and should be 20, reasoning tokens are unknown and should be 5,"
            " cached tokens are unknown and should be 0, dollars are unknown and should be 0.01"
        ),
        (
            f"alice@example.com closed day {ago(10)} openai gpt-4o (client): requests are 7 and should be 1,"
            " dollars are unknown and should be 0.01"
        ),
    ]
    with tenant(used.pk):
        ClosedDay.objects.all().delete()
    report(used)
    call_command("check_ledger", stdout=output)


def meanwhile(person: User, what: Callable[[], object]) -> None:
    """Run on a connection of its own."""

    def work() -> None:
        try:
            with tenant(person.pk):
                what()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result(timeout=60)


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_no_day_is_closed_while_something_is_told_of_it(used: User) -> None:
    with tenant(used.pk), transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute(recording(SENT), {"user": used.pk})
        meanwhile(used, lambda: report(used))
        assert days(used) == []
    told = report(used)
    assert ago(30) in days(used)
    assert told == from_the_ledger(used)
    assert told["totals"]["requests"] == DAYS + 4


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_what_was_told_before_the_days_were_closed_and_stored_after_reopens_them(used: User) -> None:
    """The row is written, then others close the days without it, then the lock is asked for."""
    insert, reopen = recording(SENT).rsplit("SELECT usage_reopen_days", 1)
    with tenant(used.pk), transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute(f"{insert} SELECT count(*) FROM added", {"user": used.pk})
        meanwhile(used, lambda: report(used))
        assert ago(30) in days(used)
        cursor.execute("SELECT usage_reopen_days(%s, now() - interval '30 days')", [used.pk])
    assert reopen
    assert report(used) == from_the_ledger(used)
    assert report(used)["totals"]["requests"] == DAYS + 4
