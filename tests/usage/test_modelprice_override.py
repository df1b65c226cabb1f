"""An administrator's price stands before the listed one, at once and wherever a cost is computed."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from tests.conftest import make_person
from usage import metering, pricing, quotas
from usage.metering import BatchRecord, QuotaExceededError, Tokens
from usage.models import ModelPrice, QuotaLimit, UsageRecord
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

TOKENS = Tokens(input=1000, output=200, reasoning=30, cached=400)


@pytest.fixture
def alice() -> User:
    return make_person("alice@example.com", "Alice")


def own_price(**prices: str) -> ModelPrice:
    price = ModelPrice(provider="openai", model="gpt-4o", input_price=Decimal(7), output_price=Decimal(11))
    for name, number in prices.items():
        setattr(price, name, Decimal(number))
    price.save(using="operator")
    price.refresh_from_db(using="operator")
    return price


def record(alice: User, tokens: Tokens = TOKENS, requests: int = 1, cost: Decimal | None = None) -> None:
    metering.record_usage(
        user_id=alice.pk,
        provider="openai",
        model="gpt-4o",
        requests=requests,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        cached_tokens=tokens.cached,
        cost=cost,
    )


def ledger(alice: User) -> UsageRecord:
    with tenant(alice.pk):
        return UsageRecord.objects.get()


def test_it_works(alice: User) -> None:
    own_price()
    record(alice)
    assert ledger(alice).computed_cost == ledger(alice).total_cost == Decimal("0.00953")
    assert quotas.quotas_of(user_id=alice.pk)[0].used_cost == Decimal("0.00953")


@pytest.mark.parametrize(
    "prices",
    [
        {},
        {"reasoning_price": "13", "cached_price": "0.5"},
        {"cached_price": "0", "reasoning_price": "0"},
        {"request_price": "0.0025"},
        {"input_price": "0.000000001", "output_price": "0"},
    ],
)
@pytest.mark.parametrize("requests", [1, 7])
def test_a_record_a_batch_and_a_recount_agree(alice: User, prices: dict[str, str], requests: int) -> None:
    rates = pricing.own_rates(own_price(**prices))
    cost = pricing.cost_at(rates, TOKENS, requests)
    assert cost
    record(alice, requests=requests)
    assert ledger(alice).computed_cost == cost
    batch = [BatchRecord("openai", "gpt-4o", TOKENS, requests)]
    metering.record_batch(user_id=alice.pk, records=batch)
    assert ledger(alice).computed_cost == 2 * cost


def test_a_price_stands_before_an_unknown_one(alice: User) -> None:
    metering.record_usage(user_id=alice.pk, provider="ours", model="local", input_tokens=10)
    assert (ledger(alice).computed_cost, ledger(alice).unpriced_requests) == (None, 1)
    ModelPrice(provider="ours", model="local", input_price=1, output_price=1).save(using="operator")
    metering.record_usage(user_id=alice.pk, provider="ours", model="local", input_tokens=10)
    assert (ledger(alice).computed_cost, ledger(alice).unpriced_requests) == (Decimal("0.00001"), 1)


def test_what_was_reported_still_counts(alice: User) -> None:
    own_price()
    record(alice, cost=Decimal("0.004"))
    assert (ledger(alice).total_cost, ledger(alice).computed_cost) == (Decimal("0.004"), Decimal("0.00953"))


def test_another_model_keeps_its_price(alice: User) -> None:
    own_price()
    metering.record_usage(user_id=alice.pk, provider="openai", model="gpt-4o-mini", input_tokens=1_000_000)
    assert ledger(alice).computed_cost == Decimal("0.15")


@pytest.mark.parametrize("prices", [{}, {"reasoning_price": "13"}, {"request_price": "0.5"}, {"input_price": "20"}])
def test_an_estimate_is_made_at_it(alice: User, prices: dict[str, str]) -> None:
    most = pricing.most_at(pricing.own_rates(own_price(**prices)), 1000)
    metering.reserve(user_id=alice.pk, provider="openai", model="gpt-4o", tokens=1000)
    assert quotas.quotas_of(user_id=alice.pk)[0].reserved_cost == most


def test_an_estimate_without_it(alice: User) -> None:
    metering.reserve(user_id=alice.pk, provider="openai", model="gpt-4o", tokens=1000)
    assert quotas.quotas_of(user_id=alice.pk)[0].reserved_cost == Decimal("0.01")
    metering.reserve(user_id=alice.pk, provider="nobody", model="nothing", tokens=1000)
    assert quotas.quotas_of(user_id=alice.pk)[0].reserved_cost == Decimal("0.01")
    metering.reserve(user_id=alice.pk, provider="openai", model="gpt-4o", tokens=1000, cost=Decimal("1e-12"))
    assert quotas.quotas_of(user_id=alice.pk)[0].reserved_cost == Decimal("0.010000000001")


def test_an_estimate_at_it_is_refused_where_it_passes_a_limit(alice: User) -> None:
    own_price(output_price="600")
    request: dict[str, Any] = {"user_id": alice.pk, "provider": "openai", "model": "gpt-4o", "tokens": 10_000}
    assert [refusal.kind for refusal in metering.refusals_of(**request)] == ["cost"]
    with pytest.raises(QuotaExceededError) as caught:
        metering.reserve(**request)
    assert [refusal.kind for refusal in caught.value.refusals] == ["cost"]
    assert not metering.refusals_of(**request, cost=Decimal(1))
    with tenant(alice.pk):
        assert QuotaLimit.objects.filter(cost_limit=5).exists()


def test_more_cached_tokens_than_input_are_all_of_it(alice: User) -> None:
    own_price(cached_price="1")
    record(alice, replace(TOKENS, cached=5000))
    assert ledger(alice).cached_tokens == 1000
    assert ledger(alice).computed_cost == Decimal("0.00353")
