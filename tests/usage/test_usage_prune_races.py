"""Pruning beside serving: what is recorded meanwhile is counted once, and the ledger agrees with every quota."""

import time
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts import pruning
from accounts.models import User
from tests.usage.crowds import at_once
from usage import ledger, metering
from usage.metering import BatchRecord
from usage.models import QuotaWindow, Reservation, UsageRecord
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def counted(person: User) -> int:
    assert ledger.check(user_id=person.pk).differences == []
    with tenant(person.pk):
        return sum(row.request_count for row in UsageRecord.objects.all())


def test_it_prunes_while_people_record(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is counted once and the ledger agrees; what was old is gone."""
    monkeypatch.setattr(pruning, "PAGES", 1)
    now = timezone.now()
    for person in (alice, bob):
        for n in range(60):
            old: dict[str, Any] = {"provider": "openai", "model": "m", "at": now - timedelta(days=500 + n % 20)}
            metering.record_usage(user_id=person.pk, idempotency_key=f"old{n}", digest="d", **old)
            held = metering.reserve(user_id=person.pk, tokens=1, **old)
            metering.release(user_id=person.pk, reservation_id=held.id, at=old["at"])
    until = time.monotonic() + 3

    def work(number: int) -> int:
        person, done = (alice, bob)[number % 2], 0
        while time.monotonic() < until:
            done += 1
            if number == 0:
                list(pruning.prune())
                continue
            name = f"{number}-{done}"
            metering.record_usage(user_id=person.pk, provider="openai", model="m", idempotency_key=name, digest="d")
            metering.record_usage(
                user_id=person.pk, provider="openai", model="m", happened_at=now - timedelta(days=510, minutes=done)
            )
            records = [BatchRecord("openai", "m", name=name, cost=Decimal(1), happened_at=now - timedelta(days=505))]
            metering.record_batch(user_id=person.pk, records=records * 2)
        return done

    done = at_once([partial(work, number) for number in range(5)], threads=5)
    assert done[0] > 1
    assert counted(alice) == 60 + 3 * (done[2] + done[4])
    assert counted(bob) == 60 + 3 * (done[1] + done[3])
    list(pruning.prune())
    assert {rows for _, rows in pruning.count()} == {0}
    with tenant(alice.pk):
        assert Reservation.objects.count() == 0
        assert max(QuotaWindow.objects.values_list("ends_at", flat=True)) > now
