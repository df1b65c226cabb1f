"""Budgets that people set themselves."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.activity import latest_activity
from accounts.models import Tier, User
from accounts.people import set_tier
from usage import ledger, metering, quotas
from usage.models import Period, QuotaLimit, QuotaWindow
from usage.quotas import BudgetError, Quota
from wavelength.tenancy import tenant


def quota_of(person: User, period: Period = Period.DAILY, provider: str = "", model: str = "") -> Quota:
    found = [
        quota
        for quota in quotas.quotas_of(user_id=person.pk)
        if (quota.period, quota.provider, quota.model) == (period, provider, model)
    ]
    assert len(found) == 1
    return found[0]


def use(person: User, *, provider: str = "openai", tokens: int = 0, cost: str = "0") -> None:
    metering.record_usage(
        user_id=person.pk, provider=provider, model="m", input_tokens=tokens, cost=Decimal(cost), requests=1
    )


def refused(person: User, *, provider: str = "openai", tokens: int = 1, cost: str = "0") -> list[tuple[str, str]]:
    """Which limits, by kind and provider, stand in the way of one more request; it is released again."""
    try:
        held = metering.reserve(user_id=person.pk, provider=provider, model="m", tokens=tokens, cost=Decimal(cost))
    except metering.QuotaExceededError as error:
        return [(refusal.kind, refusal.provider) for refusal in error.refusals]
    metering.release(user_id=person.pk, reservation_id=held.id)
    return []


def test_it_works(alice: User) -> None:
    use(alice, tokens=900, cost="0.5")
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, tokens=1000, cost=Decimal("0.75"))
    daily = quota_of(alice)
    assert (daily.token_limit, daily.cost_limit, daily.request_limit) == (1000, Decimal("0.75"), 500)
    assert (daily.used_tokens, daily.used_cost) == (900, Decimal("0.5"))
    assert refused(alice, tokens=100, cost="0.25") == []
    assert refused(alice, tokens=101, cost="0.250000000001") == [("cost", ""), ("tokens", "")]


def test_with_a_provider_it_counts_what_was_used_before(alice: User) -> None:
    use(alice, tokens=700)
    use(alice, provider="google", tokens=5000)
    under_way = metering.reserve(user_id=alice.pk, provider="openai", model="m", tokens=200)
    quotas.set_budget(user_id=alice.pk, period=Period.MONTHLY, provider="openai", tokens=1000)
    monthly = quota_of(alice, Period.MONTHLY, "openai")
    assert (monthly.used_tokens, monthly.reserved_tokens, monthly.reserved_requests) == (700, 200, 1)
    assert refused(alice, tokens=101) == [("tokens", "openai")]
    assert refused(alice, provider="google", tokens=101) == []
    metering.release(user_id=alice.pk, reservation_id=under_way.id)
    assert quota_of(alice, Period.MONTHLY, "openai").reserved_tokens == 0
    assert refused(alice, tokens=300) == []
    assert ledger.check(user_id=alice.pk).differences == []


def test_it_replaces_the_budget_before(alice: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, tokens=1000)
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, cost=Decimal(1))
    daily = quota_of(alice)
    assert (daily.own_token_limit, daily.token_limit, daily.cost_limit) == (None, 100_000, Decimal(1))


def test_a_budget_is_not_looser_than_the_plan(alice: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, tokens=100_000, cost=Decimal(5))
    with pytest.raises(BudgetError, match=r"You may use 100,000 tokens a day\. Choose a budget up to that\."):
        quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="openai", tokens=100_001)
    with pytest.raises(BudgetError, match=r"You may spend \$50 a month\."):
        quotas.set_budget(user_id=alice.pk, period=Period.MONTHLY, cost=Decimal("50.000000000001"))
    quotas.set_quota(user_id=alice.pk, period=Period.DAILY, provider="openai", token_limit=10)
    with pytest.raises(BudgetError, match="10 tokens of OpenAI a day"):
        quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="openai", tokens=11)
    with tenant(alice.pk):
        assert not QuotaLimit.objects.filter(period=Period.MONTHLY, own_cost_limit__isnull=False).exists()


@pytest.mark.parametrize(
    ("provider", "tokens", "cost"),
    [
        (None, None, None),
        ("", 1, None),
        ("p" * 201, 1, None),
        (None, 0, None),
        (None, -1, None),
        (None, 2**63, None),
        (None, None, Decimal(0)),
        (None, None, Decimal(-1)),
        (None, None, Decimal("1e-13")),
        (None, None, Decimal("NaN")),
        (None, None, Decimal("Infinity")),
        (None, None, Decimal("1e30")),
    ],
)
def test_bad_figures_change_nothing(
    alice: User, provider: str | None, tokens: int | None, cost: Decimal | None
) -> None:
    before = quotas.quotas_of(user_id=alice.pk)
    with pytest.raises(BudgetError):
        quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider=provider, tokens=tokens, cost=cost)
    assert quotas.quotas_of(user_id=alice.pk) == before


def test_removing_it(alice: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, tokens=1000)
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="openai", tokens=500)
    use(alice, tokens=500)
    assert quota_of(alice, provider="openai").used_tokens == 500
    assert quotas.remove_budget(user_id=alice.pk, period=Period.DAILY, provider="openai")
    assert quotas.remove_budget(user_id=alice.pk, period=Period.DAILY)
    assert not quotas.remove_budget(user_id=alice.pk, period=Period.DAILY)
    assert not quotas.remove_budget(user_id=alice.pk, period=Period.DAILY, provider="openai")
    with tenant(alice.pk):
        assert QuotaLimit.objects.count() == QuotaWindow.objects.count() == 2
    assert (quota_of(alice).token_limit, quota_of(alice).used_tokens) == (100_000, 500)


def test_a_limit_outlives_the_budget_and_a_budget_the_limit(alice: User) -> None:
    limit: dict[str, Any] = {"user_id": alice.pk, "period": Period.DAILY, "provider": "openai"}
    quotas.set_quota(**limit, token_limit=900)
    quotas.set_budget(**limit, tokens=800)
    quotas.remove_budget(**limit)
    assert quota_of(alice, provider="openai").token_limit == 900
    quotas.set_budget(**limit, tokens=800)
    quotas.remove_quota(**limit)
    assert quota_of(alice, provider="openai").token_limit == 800


def test_the_tier_holds_where_it_is_lower_now(alice: User) -> None:
    set_tier(user_id=alice.pk, tier=Tier.PRO)
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, tokens=500_000, cost=Decimal(1))
    set_tier(user_id=alice.pk, tier=Tier.FREE)
    daily = quota_of(alice)
    assert (daily.token_limit, daily.own_token_limit, daily.cost_limit) == (100_000, 500_000, Decimal(1))


def test_an_open_reservation_ends_well_without_the_budget(alice: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="openai", tokens=1000)
    held = metering.reserve(user_id=alice.pk, provider="openai", model="m", tokens=200)
    quotas.remove_budget(user_id=alice.pk, period=Period.DAILY, provider="openai")
    metering.settle(user_id=alice.pk, reservation_id=held.id, provider="openai", model="m", tokens=metering.Tokens(150))
    assert (quota_of(alice).used_tokens, quota_of(alice).reserved_tokens) == (150, 0)


def test_another_persons_is_theirs(alice: User, bob: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, tokens=1000)
    assert quota_of(bob).token_limit == 100_000
    assert not quotas.remove_budget(user_id=bob.pk, period=Period.DAILY)


def test_the_trail_remembers_it(alice: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="openai", tokens=1000)
    quotas.remove_budget(user_id=alice.pk, period=Period.DAILY, provider="openai")
    with tenant(alice.pk):
        lines = [(str(line.sentence), line.detail) for line in latest_activity(2)]
    assert lines == [("Own budget removed", "OpenAI · a day"), ("Own budget set", "OpenAI · a day")]
