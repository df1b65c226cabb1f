"""What pruning takes of reservations, windows and answers, and that nothing is counted twice for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from accounts import pruning
from accounts.models import User
from apikeys.models import ApiKey
from tests.rows import unsaved
from tests.usage.calling import EXAMPLE, daily, post
from usage import ledger, metering, quotas
from usage.keys import limit_key
from usage.metering import Tokens
from usage.models import IdempotentRequest, QuotaWindow, Reservation, UsageRecord
from wavelength.contract import iso
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
URL = "/api/profile/usage"
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


def pruned() -> dict[str, int]:
    """The kinds of which there was something to take, and how much."""
    return {name: rows for name, rows in pruning.prune() if rows}


def counted(person: User) -> int:
    assert ledger.check(user_id=person.pk).differences == []
    with tenant(person.pk):
        return sum(row.request_count for row in UsageRecord.objects.all())


def grow_old(person: User, days: int) -> None:
    """Let days go by for what this person has."""
    ago = timedelta(days=days)
    with tenant(person.pk):
        IdempotentRequest.objects.update(created_at=F("created_at") - ago)
        Reservation.objects.exclude(closed_at=None).update(
            closed_at=F("closed_at") - ago, created_at=F("created_at") - ago, expires_at=F("expires_at") - ago
        )


def test_a_repeat_is_still_not_counted(as_alice: Client, alice: User, bob: User) -> None:
    body = EXAMPLE | {"cost": 0.5}
    for client_key in ("one", "two"):
        assert post(as_alice, URL, body, **{"Idempotency-Key": client_key}).status_code == 200
    grow_old(alice, 91)
    post(as_alice, URL, body, **{"Idempotency-Key": "young"})

    assert pruned() == {"answers kept for repeats": 2}
    again = post(as_alice, URL, body, **{"Idempotency-Key": "one"})
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")
    assert "more than 90 days ago" in again.json()["error"]
    assert post(as_alice, URL, body, **{"Idempotency-Key": "young"}).status_code == 200
    assert counted(alice) == 3
    assert pruned() == {}


def test_a_repeat_from_python_is_still_not_counted(alice: User) -> None:
    metering.record_usage(user_id=alice.pk, provider="openai", model="m", idempotency_key="k")
    grow_old(alice, 91)
    pruned()
    with pytest.raises(metering.IdempotencyError):
        metering.record_usage(user_id=alice.pk, provider="openai", model="m", idempotency_key="k")
    assert counted(alice) == 1


def test_the_id_of_a_record_is_known_for_ever(as_alice: Client, alice: User) -> None:
    """Records may name a time years back, so no id is ever too old to come again."""
    records = {"usageRecords": [EXAMPLE | {"id": "r1"}, EXAMPLE | {"id": "r2", "timestamp": iso(LONG_AGO)}]}
    post(as_alice, "/api/usage/sync", records)
    grow_old(alice, 4000)

    assert pruned() == {}
    assert post(as_alice, "/api/usage/sync", records).json()["success"]
    assert counted(alice) == 2


def test_closed_reservations_go_and_open_ones_stay(as_alice: Client, alice: User) -> None:
    held = [metering.reserve(user_id=alice.pk, provider="openai", model="m", tokens=1) for _ in range(4)]
    figures: dict[str, Any] = {"provider": "openai", "model": "m", "tokens": Tokens(1)}
    metering.settle(user_id=alice.pk, reservation_id=held[0].id, **figures)
    metering.release(user_id=alice.pk, reservation_id=held[1].id)
    grow_old(alice, 91)
    metering.settle(user_id=alice.pk, reservation_id=held[2].id, **figures)

    assert pruned() == {"closed reservations": 2}
    with tenant(alice.pk):
        assert set(Reservation.objects.values_list("pk", flat=True)) == {held[2].id, held[3].id}
    with pytest.raises(metering.UnknownReservationError):
        metering.settle(user_id=alice.pk, reservation_id=held[0].id, **figures)
    assert counted(alice) == 2
    assert daily(alice).reserved_requests == 1


def test_old_windows_go_and_the_ledger_stays(alice: User, bob: User) -> None:
    now = timezone.now()
    for days in (800, 500, 450, 300, 0):
        for person in (alice, bob):
            metering.record_usage(
                user_id=person.pk, provider="openai", model="m", input_tokens=5, at=now - timedelta(days=days)
            )
    before = {person: windows(person) for person in (alice, bob)}
    assert {len(ends) for ends in before.values()} == {10}

    assert pruned() == {"past windows of quotas": 2 * 6}
    for person in (alice, bob):
        assert windows(person) == [end for end in before[person] if end > now - timedelta(days=400)]
        assert counted(person) == 5
        metering.record_usage(
            user_id=person.pk, provider="openai", model="m", happened_at=now - timedelta(days=800, hours=1)
        )
        assert counted(person) == 6
    assert daily(alice).used_requests == 1


def windows(person: User) -> list[datetime]:
    with tenant(person.pk):
        return list(QuotaWindow.objects.order_by("ends_at", "pk").values_list("ends_at", flat=True))


def test_the_last_window_of_each_limit_stays_and_the_last_that_was_used(alice: User) -> None:
    now = timezone.now()
    with tenant(alice.pk):
        key = unsaved(ApiKey, alice)
        key.save(force_insert=True)
        limit_key(user_id=alice.pk, api_key_id=key.pk, daily=None, monthly=None)
    for days in (900, 800):
        metering.record_usage(
            user_id=alice.pk, provider="openai", model="m", api_key_id=key.pk, at=now - timedelta(days=days)
        )
    quotas.catch_up(user_id=alice.pk, at=now - timedelta(days=700))
    with tenant(alice.pk):
        last_use = ApiKey.objects.get().last_used
    pruned()

    with tenant(alice.pk):
        assert ApiKey.objects.get().last_used == last_use is not None
    assert len(windows(alice)) == 8  # of each limit the one of 700 days ago, and of 800


def test_the_ledger_is_kept_whatever_its_age(alice: User) -> None:
    metering.record_usage(user_id=alice.pk, provider="openai", model="m", happened_at=LONG_AGO)
    pruned()
    assert counted(alice) == 1
