"""Recording through the Python entry point."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from usage import metering, quotas
from usage.metering import BatchRecord, Tokens
from usage.models import UsageRecord
from wavelength.tenancy import tenant

ROW: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4o",
    "input_tokens": 150,
    "output_tokens": 300,
    "cost": Decimal("0.004"),
}


def test_it_works(alice: User) -> None:
    metering.record_usage(user_id=alice.pk, **ROW)
    record = metering.record_usage(user_id=alice.pk, **ROW)
    assert record["requestCount"] == 2
    assert record["totalCost"] == 0.008
    with tenant(alice.pk):
        assert UsageRecord.objects.get().total_cost == Decimal("0.008")
    daily, monthly = quotas.quotas_of(user_id=alice.pk)
    assert (daily.period, daily.used_requests, daily.used_tokens, daily.used_cost) == (
        "daily",
        2,
        900,
        Decimal("0.008"),
    )
    assert (monthly.period, monthly.used_requests) == ("monthly", 2)


def test_a_reservation_is_settled(alice: User) -> None:
    held = metering.reserve(user_id=alice.pk, provider="openai", model="gpt-4o", tokens=1000)
    assert quotas.quotas_of(user_id=alice.pk)[0].reserved_tokens == 1000
    metering.settle(user_id=alice.pk, reservation_id=held.id, provider="openai", model="gpt-4o", tokens=Tokens(10, 20))
    daily = quotas.quotas_of(user_id=alice.pk)[0]
    assert (daily.reserved_tokens, daily.used_tokens, daily.used_requests) == (0, 30, 1)
    with pytest.raises(metering.QuotaExceededError) as caught:
        metering.reserve(user_id=alice.pk, provider="openai", model="gpt-4o", tokens=100_000)
    assert [refusal.kind for refusal in caught.value.refusals] == ["tokens"]


def test_a_batch_counts_each_id_once(alice: User) -> None:
    records = [
        BatchRecord("openai", "gpt-4o", Tokens(10, 20), cost=Decimal("1e-9"), name=f"r{n % 3}") for n in range(9)
    ]
    assert metering.record_batch(user_id=alice.pk, records=records) == 3
    assert metering.record_batch(user_id=alice.pk, records=records) == 0
    assert quotas.quotas_of(user_id=alice.pk)[0].used_cost == Decimal("3e-9")
