"""POST /api/usage/check: whether a request would be let through; nothing is taken."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import Tier, User
from tests.usage.calling import (
    EXAMPLE,
    NO_COSTS,
    NO_COUNTS,
    NOT_FOUND,
    allow,
    counted_key,
    daily,
    narrow,
    post,
    send,
)
from usage import metering
from usage.models import AnonymousDay, ModelAccess, Period, Reservation
from usage.quotas import quotas_of
from wavelength.contract import iso
from wavelength.tenancy import tenant

URL = "/api/usage/check"
WISH = {"provider": "openai", "model": "made-up"}


def check(client: Client, body: dict[str, Any], **headers: str) -> Any:
    answer = post(client, URL, body, **headers)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def test_it_works(as_alice: Client, alice: User) -> None:
    post(as_alice, "/api/profile/usage", EXAMPLE | {"cost": 0.004})
    data = check(as_alice, WISH | {"estimatedTokens": 100, "estimatedCost": 0.01})
    day, month = quotas_of(user_id=alice.pk)
    of_all = {"provider": None, "model": None, "usedRequests": 1, "usedTokens": 450, "usedCost": 0.004}
    assert data == {
        "canProceed": True,
        "reasons": [],
        "quotaStatus": {
            "remainingRequests": 499, "remainingTokens": 99_550, "remainingCost": 4.996, "resetTime": iso(day.ends_at),
        },
        "currentUsage": {"dailyRequests": 1, "monthlyRequests": 1, "dailyCost": 0.004, "monthlyCost": 0.004},
        "quotaLimits": [
            {"type": "daily", "requestLimit": 500, "tokenLimit": 100_000, "costLimit": 5, "resetAt": iso(day.ends_at)}
            | of_all,
            {"type": "monthly", "requestLimit": 5000, "tokenLimit": 1_000_000, "costLimit": 50,
             "resetAt": iso(month.ends_at)} | of_all,
        ],
        "userType": "authenticated",
        "userTier": "free",
    }  # fmt: skip


def test_it_takes_nothing(as_alice: Client, alice: User) -> None:
    for _ in range(3):
        check(as_alice, WISH | {"estimatedTokens": 90_000})
    assert (daily(alice).reserved_requests, daily(alice).used_requests) == (0, 0)
    with tenant(alice.pk):
        assert not Reservation.objects.exists()


def test_what_is_in_the_way_is_told(as_alice: Client, alice: User) -> None:
    narrow(alice, "openai", "made-up", cost_limit=Decimal("0.000000002"))
    metering.record_usage(user_id=alice.pk, provider="openai", model="made-up", cost=Decimal("1e-9"))
    rest = f"This request could pass that. It renews at {daily(alice).ends_at:%Y-%m-%d %H:%M} UTC."
    data = check(as_alice, WISH | {"estimatedTokens": 100_001, "estimatedCost": 2e-9})
    assert data["canProceed"] is False
    assert data["reasons"] == [
        f"You have spent $0.000000001 of $0.000000002 to made-up (OpenAI) for today. {rest}",
        f"You have used 0 of 100,000 tokens for today. {rest}",
    ]
    assert data["quotaStatus"]["remainingCost"] == 1e-9
    assert check(as_alice, {"provider": "openai", "model": "other", "estimatedTokens": 100_000})["canProceed"]


def test_the_tightest_limit_is_what_is_left(as_alice: Client, alice: User) -> None:
    allow(alice, Period.MONTHLY, token_limit=1000)
    narrow(alice, "openai", request_limit=7)
    narrow(alice, "anthropic", request_limit=3)
    metering.reserve(user_id=alice.pk, provider="openai", model="made-up", tokens=900, cost=Decimal("0.5"))
    day, month = quotas_of(user_id=alice.pk)[:2]
    assert check(as_alice, WISH)["quotaStatus"] == {
        "remainingRequests": 6, "remainingTokens": 100, "remainingCost": 4.5, "resetTime": iso(month.ends_at),
    }  # fmt: skip
    assert check(as_alice, {"provider": "xai", "model": "x"})["quotaStatus"]["remainingRequests"] == 499
    metering.record_usage(user_id=alice.pk, provider="anthropic", model="x", requests=4)
    spent = check(as_alice, {"provider": "anthropic", "model": "x"})
    assert (spent["canProceed"], spent["quotaStatus"]["remainingRequests"]) == (False, 0)
    assert spent["quotaStatus"]["resetTime"] == iso(day.ends_at)


def test_where_nothing_limits(as_alice: Client, alice: User) -> None:
    for period in Period:
        allow(alice, period, request_limit=None, token_limit=None, cost_limit=None)
    data = check(as_alice, WISH | {"estimatedTokens": 2**31, "estimatedCost": 1e9})
    assert data["canProceed"] is True
    assert data["quotaStatus"] == {
        "remainingRequests": None, "remainingTokens": None, "remainingCost": None,
        "resetTime": iso(daily(alice).ends_at),
    }  # fmt: skip


def test_limits_of_keys_are_used_but_not_listed(as_alice: Client, as_bob: Client, alice: User, bob: User) -> None:
    key = counted_key(alice, request_limit=0)
    assert check(as_alice, WISH)["canProceed"] is True
    refused = check(as_alice, WISH | {"apiKeyId": key})
    assert refused["canProceed"] is False
    assert refused["quotaStatus"]["remainingRequests"] == 0
    assert len(refused["quotaLimits"]) == 2
    for unknown in (key, str(uuid4())):
        answer = post(as_bob, URL, WISH | {"apiKeyId": unknown})
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_a_model_that_the_tier_lacks(as_alice: Client, alice: User) -> None:
    ModelAccess.objects.using("operator").create(provider="openai", model="gpt-5", tier=Tier.PRO)
    assert check(as_alice, WISH | {"model": "gpt-5"})["reasons"] == ["gpt-5 needs the Pro plan."]
    User.objects.filter(pk=alice.pk).update(tier=Tier.PRO)
    data = check(as_alice, WISH | {"model": "gpt-5"})
    assert (data["canProceed"], data["userTier"]) == (True, "pro")


@pytest.mark.django_db
def test_signed_out(anonymous: Client) -> None:
    data = check(anonymous, WISH | {"estimatedTokens": 10**9}, **{"x-anonymous-id": "a browser"})
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert data == {
        "canProceed": True,
        "reasons": [],
        "quotaStatus": {
            "remainingRequests": 50, "remainingTokens": None, "remainingCost": None, "resetTime": iso(midnight),
        },
        "currentUsage": {"dailyRequests": 0, "monthlyRequests": 0, "dailyCost": 0, "monthlyCost": 0},
        "quotaLimits": [
            {"type": "daily", "provider": None, "model": None, "requestLimit": 50, "tokenLimit": None,
             "costLimit": None, "usedRequests": 0, "usedTokens": 0, "usedCost": 0, "resetAt": iso(midnight)},
        ],
        "userType": "anonymous",
        "userTier": "anonymous",
        "anonymousId": "a browser",
    }  # fmt: skip


@pytest.mark.django_db
def test_signed_out_without_an_id_gets_a_new_one(anonymous: Client) -> None:
    ids = {check(anonymous, WISH, **headers)["anonymousId"] for headers in ({}, {"x-anonymous-id": ""})}
    assert len({UUID(name) for name in ids}) == 2
    assert not AnonymousDay.objects.exists()


@pytest.mark.django_db
def test_signed_out_with_nothing_left(anonymous: Client) -> None:
    today = datetime.now(UTC).date()
    AnonymousDay.objects.create(day=today, scope=AnonymousDay.Scope.SESSION, name="full", messages=50)
    data = check(anonymous, WISH, **{"x-anonymous-id": "full"})
    assert (data["canProceed"], data["quotaStatus"]["remainingRequests"]) == (False, 0)
    assert data["reasons"] == ["You have sent today's 50 messages. Sign in to go on, or come back tomorrow."]
    assert data["currentUsage"]["dailyRequests"] == 50


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["x" * 201])
def test_no_id_of_a_browser(anonymous: Client, name: str) -> None:
    refused = post(anonymous, URL, WISH, **{"x-anonymous-id": name})
    assert refused.status_code == 400
    assert refused.json()["details"][0]["path"] == ["x-anonymous-id"]


@pytest.mark.parametrize(
    ("field", "values"),
    [("provider", [None, "", 5, "p" * 201]), ("model", [None, " ", []]), ("estimatedTokens", NO_COUNTS),
     ("estimatedCost", NO_COSTS), ("apiKeyId", ["x"])],
)  # fmt: skip
def test_bad_input(as_alice: Client, anonymous: Client, field: str, values: list[Any]) -> None:
    for value in values:
        for client in (as_alice, anonymous):
            refused = post(client, URL, WISH | {field: value})
            assert (refused.status_code, refused.json()["details"][0]["path"]) == (400, [field]), value


def test_who_and_how_else(as_alice: Client, alice: User) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        assert send(as_alice, method, URL, WISH).status_code == 405
    assert post(as_alice, URL, WISH, Origin="https://evil.example.com").status_code == 403
    token = post(as_alice, URL, WISH, Authorization="Bearer something")
    assert (token.status_code, token.json()["code"]) == (401, "invalid_token")
    as_alice.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    assert check(as_alice, WISH)["userType"] == "anonymous"
