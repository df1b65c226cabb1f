"""What the worker does for quotas while nobody asks."""

import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, connection
from procrastinate.contrib.django import app

from accounts.due import people_due
from accounts.models import User
from tests.processes import ROOT, environment
from usage import metering, quotas, tasks
from usage.models import Period, QuotaWindow, Reservation
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)
LAST_SEASON = NOW - timedelta(days=100)


def reserve(person: User, at: datetime | None = None) -> UUID:
    return metering.reserve(user_id=person.pk, provider="openai", model="gpt-4o", tokens=10, seconds=60, at=at).id


def record(person: User, at: datetime | None = None) -> None:
    metering.record_usage(user_id=person.pk, provider="openai", model="gpt-4o", input_tokens=1, at=at)


def states(person: User) -> list[str]:
    with tenant(person.pk):
        return list(Reservation.objects.order_by("created_at").values_list("state", flat=True))


def reserved(person: User) -> int:
    with tenant(person.pk):
        return sum(QuotaWindow.objects.values_list("reserved_requests", flat=True))


def open_windows(person: User) -> int:
    with tenant(person.pk):
        now = datetime.now(UTC)
        return QuotaWindow.objects.filter(starts_at__lte=now, ends_at__gt=now).count()


def test_what_was_reserved_and_not_heard_of_comes_free(alice: User, bob: User, charlie: User) -> None:
    reserve(alice)
    reserve(alice, NOW - timedelta(hours=1))
    reserve(bob)
    settled = reserve(charlie, NOW - timedelta(hours=1))
    metering.release(user_id=charlie.pk, reservation_id=settled)
    assert list(people_due("reservations")) == [alice.pk]

    tasks.expire_reservations(0)

    assert (states(alice), states(bob), states(charlie)) == (["expired", "open"], ["open"], ["released"])
    assert (reserved(alice), reserved(bob)) == (2, 2)  # a day and a month each
    assert list(people_due("reservations")) == []


def test_a_day_that_was_used_is_followed_by_the_next(alice: User, bob: User, charlie: User) -> None:
    record(alice, YESTERDAY)
    quotas.catch_up(user_id=bob.pk, at=YESTERDAY)
    record(charlie)
    assert list(people_due("windows")) == [alice.pk]

    tasks.open_windows(0)

    assert open_windows(alice) == 2
    # Who was away gets theirs with their next request.
    assert open_windows(bob) < 2
    assert list(people_due("windows")) == []


def test_months_are_followed_too(alice: User) -> None:
    record(alice, LAST_SEASON)

    tasks.open_windows(0)

    assert open_windows(alice) == 2


def test_use_through_a_narrower_limit_counts(alice: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="openai", tokens=100)
    record(alice, YESTERDAY)

    tasks.open_windows(0)

    assert open_windows(alice) == 3


def test_pages_of_people_are_all_met(alice: User, bob: User, charlie: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.due.PAGE", 1)
    for person in (alice, bob, charlie):
        reserve(person, YESTERDAY)
        record(person, YESTERDAY)

    tasks.expire_reservations(0)
    tasks.open_windows(0)

    assert [states(person) for person in (alice, bob, charlie)] == [["expired"]] * 3
    assert [open_windows(person) for person in (alice, bob, charlie)] == [2] * 3


def test_one_persons_fault_keeps_nobody_waiting(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for person in (alice, bob):
        reserve(person, YESTERDAY)
    expire = metering.expire

    def failing(*, user_id: UUID) -> int:
        if user_id == alice.pk:
            raise DatabaseError("canceling statement due to lock timeout")
        return expire(user_id=user_id)

    monkeypatch.setattr(metering, "expire", failing)
    with caplog.at_level(logging.ERROR, "usage.tasks"):
        tasks.expire_reservations(0)

    assert (states(alice), states(bob)) == (["open"], ["expired"])
    assert str(alice.pk) in caplog.text


def test_the_worker_does_it_and_forgets_old_jobs(alice: User) -> None:
    reserve(alice, YESTERDAY)
    record(alice, YESTERDAY)
    done = work_off("usage.tasks.expire_reservations", "usage.tasks.open_windows")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '4 days'")

    work_off("accounts.tasks.prune")

    assert (states(alice), open_windows(alice)) == (["expired"], 2)
    assert set(done.values()) == {"succeeded"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM procrastinate_jobs WHERE id = ANY(%s)", [list(done)])
        assert cursor.fetchall() == []


def work_off(*names: str) -> dict[int, str]:
    """Have a worker do these tasks; answers how each job ended."""
    with connection.cursor() as cursor:
        # The flush after other tests leaves jobs: their tables are procrastinate's own.
        cursor.execute("DELETE FROM procrastinate_jobs WHERE status = 'todo'")
    jobs = [app.configure_task(name).defer(timestamp=0) for name in names]
    subprocess.run(
        [sys.executable, "manage.py", "procrastinate", "worker", "--one-shot"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, status::text FROM procrastinate_jobs WHERE id = ANY(%s)", [jobs])
        return dict(cursor.fetchall())
