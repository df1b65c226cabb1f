"""Limits by tier and by operators: `manage.py set_quota`."""

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.activity import latest_activity
from accounts.models import Tier, User
from accounts.people import set_tier
from tests.usage.calling import counted_key
from tests.usage.test_budget_set import quota_of, refused, use
from usage import quotas
from usage.models import Period, QuotaLimit
from wavelength.tenancy import tenant


def allowed(person: User, period: Period = Period.DAILY, **of: str) -> tuple[int | None, int | None, Decimal | None]:
    quota = quota_of(person, period, **of)
    return quota.request_limit, quota.token_limit, quota.cost_limit


def set_quota(*arguments: Any) -> str:
    output = StringIO()
    call_command("set_quota", *arguments, stdout=output)
    return output.getvalue().strip()


def test_it_works(alice: User) -> None:
    use(alice, tokens=70)
    assert (
        set_quota("Alice@example.com", "--requests", "2", "--cost", "none")
        == "daily limit of alice@example.com: 2 requests, 100,000 tokens, any cost."
    )
    assert allowed(alice) == (2, 100_000, None)
    assert allowed(alice, Period.MONTHLY) == (5_000, 1_000_000, Decimal(50))
    assert quota_of(alice).used_tokens == 70
    use(alice)
    assert refused(alice) == [("requests", "")]


def test_every_tier_has_its_defaults(alice: User) -> None:
    assert allowed(alice) == (500, 100_000, Decimal(5))
    assert allowed(alice, Period.MONTHLY) == (5_000, 1_000_000, Decimal(50))
    use(alice, tokens=70, cost="1e-9")
    assert set_tier(user_id=alice.pk, tier=Tier.PRO)
    assert allowed(alice) == (5_000, 1_000_000, Decimal(50))
    assert allowed(alice, Period.MONTHLY) == (50_000, 10_000_000, Decimal(500))
    assert (quota_of(alice).used_tokens, quota_of(alice).used_cost) == (70, Decimal("1e-9"))


def test_a_change_of_tier_frees_or_closes_the_open_window(alice: User) -> None:
    use(alice, tokens=100_000)
    assert refused(alice) == [("tokens", "")]
    set_tier(user_id=alice.pk, tier=Tier.PRO)
    assert refused(alice) == []
    set_tier(user_id=alice.pk, tier=Tier.FREE)
    assert refused(alice) == [("tokens", "")]


def test_a_change_of_tier_leaves_it_alone_until_it_is_given_back(alice: User) -> None:
    set_quota(alice.email, "--tokens", "7")
    set_tier(user_id=alice.pk, tier=Tier.PRO)
    assert allowed(alice) == (500, 7, Decimal(5))
    assert allowed(alice, Period.MONTHLY) == (50_000, 10_000_000, Decimal(500))
    assert set_quota(alice.email, "--default").endswith("5,000 requests, 1,000,000 tokens, $50.")
    set_tier(user_id=alice.pk, tier=Tier.FREE)
    assert allowed(alice) == (500, 100_000, Decimal(5))


def test_of_a_provider_and_of_one_of_its_models(alice: User) -> None:
    use(alice, tokens=70)
    set_quota(alice.email, "--period", "monthly", "--provider", "openai", "--tokens", "100")
    said = set_quota(alice.email, "--provider", "openai", "--model", "m", "--tokens", "80")
    assert said == "daily limit of alice@example.com, openai, m: any requests, 80 tokens, any cost."
    assert refused(alice, tokens=11) == [("tokens", "openai")]
    assert refused(alice, tokens=31) == [("tokens", "openai"), ("tokens", "openai")]
    assert refused(alice, provider="google", tokens=31) == []
    assert set_quota(alice.email, "--provider", "openai", "--model", "m", "--remove").startswith("Removed: daily limit")
    assert set_quota(alice.email, "--provider", "openai", "--model", "m", "--remove").startswith("There is no: daily")
    assert refused(alice, tokens=11) == []


def test_none_at_all(alice: User) -> None:
    set_quota(alice.email, "--requests", "0")
    assert refused(alice) == [("requests", "")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody@example.com", "--requests", "1"], "There is no account"),
        (["alice@example.com"], "Say how many"),
        (["alice@example.com", "--remove"], "cannot be removed"),
        (["alice@example.com", "--provider", "openai", "--default"], "Only the overall"),
        (["alice@example.com", "--default", "--requests", "1"], "either numbers"),
        (["alice@example.com", "--model", "m", "--requests", "1"], "needs its provider"),
        (["alice@example.com", "--provider", "openai", "--requests", "none"], "remove it instead"),
        (["alice@example.com", "--requests", "-1"], "whole number"),
        (["alice@example.com", "--requests", "1.5"], "invalid"),
        (["alice@example.com", "--cost", "NaN"], "from \\$0"),
        (["alice@example.com", "--cost", "much"], "not an amount"),
        (["alice@example.com", "--period", "weekly", "--requests", "1"], "invalid choice"),
    ],
)
def test_bad_input_changes_nothing(alice: User, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        set_quota(*arguments)
    assert allowed(alice) == (500, 100_000, Decimal(5))
    with tenant(alice.pk):
        assert QuotaLimit.objects.count() == 2


def test_limits_of_keys_are_not_touched(alice: User, bob: User) -> None:
    key = counted_key(alice, request_limit=3)
    set_quota(alice.email, "--requests", "2")
    set_tier(user_id=alice.pk, tier=Tier.PRO)
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, tokens=1)
    with tenant(alice.pk):
        kept = QuotaLimit.objects.get(api_key_id=key)
    assert (kept.request_limit, kept.token_limit, kept.own_token_limit) == (3, None, None)
    assert allowed(bob) == (500, 100_000, Decimal(5))


def test_the_trail_remembers_it(alice: User) -> None:
    set_quota(alice.email, "--provider", "openai", "--tokens", "80")
    set_quota(alice.email, "--provider", "openai", "--remove")
    with tenant(alice.pk):
        lines = [str(line.sentence) for line in latest_activity(2)]
    assert lines == ["Usage limit removed by an administrator", "Usage limit set by an administrator"]
