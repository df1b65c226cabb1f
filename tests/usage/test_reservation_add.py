"""POST /api/usage/reservations: room for one request in every limit, or in none and the reasons why."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import Tier, User
from tests.usage.calling import (
    NO_COSTS,
    NO_COUNTS,
    NOT_FOUND,
    NOT_SIGNED_IN,
    allow,
    counted_key,
    daily,
    narrow,
    post,
    send,
)
from usage import metering
from usage.models import ModelAccess, Period, Reservation
from usage.quotas import quotas_of
from wavelength.contract import iso
from wavelength.tenancy import tenant

URL = "/api/usage/reservations"
WISH = {"provider": "openai", "model": "made-up", "estimatedTokens": 1000}


def reservations(person: User) -> list[Reservation]:
    with tenant(person.pk):
        return list(Reservation.objects.order_by("created_at"))


def test_it_works(as_alice: Client, alice: User) -> None:
    answer = post(as_alice, URL, WISH | {"estimatedCost": 0.25})
    assert answer.status_code == 200
    (held,) = reservations(alice)
    assert answer.json() == {"success": True, "data": {"id": str(held.pk), "expiresAt": iso(held.expires_at)}}
    assert (held.state, held.tokens, held.cost) == ("open", 1000, Decimal("0.25"))
    assert held.expires_at - held.created_at == timedelta(seconds=metering.RESERVATION_SECONDS)
    quota = daily(alice)
    assert (quota.reserved_requests, quota.reserved_tokens, quota.reserved_cost) == (1, 1000, Decimal("0.25"))
    assert quota.used_requests == 0


def test_for_a_time_of_ones_own(as_alice: Client, alice: User) -> None:
    for seconds in (1, 3600):
        assert post(as_alice, URL, WISH | {"ttlSeconds": seconds, "estimatedTokens": 0}).status_code == 200
    assert [held.expires_at - held.created_at for held in reservations(alice)] == [
        timedelta(seconds=1), timedelta(hours=1),
    ]  # fmt: skip


def test_past_a_limit_it_is_refused_and_sets_nothing_aside(as_alice: Client, alice: User) -> None:
    allow(alice, request_limit=2)
    for _ in range(2):
        assert post(as_alice, URL, WISH).status_code == 200
    refused = post(as_alice, URL, WISH)
    ends_at = daily(alice).ends_at
    sentence = f"You have used 2 of 2 requests for today. It renews at {ends_at:%Y-%m-%d %H:%M} UTC."
    assert refused.status_code == 429
    assert refused.json() == {
        "success": False, "error": sentence, "code": "quota_exceeded", "details": [{"path": [], "message": sentence}],
        "data": {"reasons": [sentence]},
    }  # fmt: skip
    left = (ends_at - datetime.now(UTC)).total_seconds()
    assert left < int(refused["Retry-After"]) < left + 10
    assert len(reservations(alice)) == daily(alice).reserved_requests == 2


def test_every_reason_is_told_and_the_last_renewal_counts(as_alice: Client, alice: User) -> None:
    allow(alice, Period.MONTHLY, token_limit=100_900)
    narrow(alice, "openai", cost_limit=Decimal("0.5"))
    narrow(alice, "openai", "made-up", request_limit=0)
    narrow(alice, "openai", "other", request_limit=0)
    key = counted_key(alice, request_limit=0)
    metering.record_usage(user_id=alice.pk, provider="openai", model="x", input_tokens=100_000, cost=Decimal("0.4"))
    refused = post(as_alice, URL, WISH | {"estimatedCost": 0.2, "apiKeyId": key}).json()
    assert [reason.partition(" It renews")[0] for reason in refused["data"]["reasons"]] == [
        "You have spent $0.40 of $0.50 to OpenAI for today. This request could pass that.",
        "You have used 0 of 0 requests through this key for today.",
        "You have used 0 of 0 requests to made-up (OpenAI) for today.",
        "You have used 100,000 of 100,000 tokens for today.",
        "You have used 100,000 of 100,900 tokens for this month. This request could pass that.",
    ]
    assert refused["error"] == refused["data"]["reasons"][0]
    month = quotas_of(user_id=alice.pk)[1]
    assert month.period == "monthly"
    left = (month.ends_at - datetime.now(UTC)).total_seconds()
    waited = post(as_alice, URL, WISH | {"estimatedCost": 0.2, "apiKeyId": key})["Retry-After"]
    assert left < int(waited) < left + 10


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_a_model_that_the_tier_lacks(as_alice: Client, alice: User) -> None:
    for provider, model in (("openai", "gpt-5"), ("anthropic", "")):
        ModelAccess.objects.using("operator").create(provider=provider, model=model, tier=Tier.PRO)
    refused = post(as_alice, URL, WISH | {"model": "gpt-5"})
    assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")
    assert refused.json()["error"] == "gpt-5 needs the Pro plan."
    assert "Retry-After" not in refused
    assert post(as_alice, URL, WISH | {"provider": "anthropic"}).json()["error"] == "Anthropic needs the Pro plan."
    assert post(as_alice, URL, WISH).status_code == 200
    allow(alice, request_limit=0)
    both = post(as_alice, URL, WISH | {"model": "gpt-5"})
    assert both.status_code == 429
    assert len(both.json()["data"]["reasons"]) == 2


def test_another_persons_limits_and_keys(as_alice: Client, as_bob: Client, alice: User, bob: User) -> None:
    allow(alice, request_limit=0)
    assert post(as_alice, URL, WISH).status_code == 429
    assert post(as_bob, URL, WISH).status_code == 200
    for key in (counted_key(alice), str(uuid4())):
        refused = post(as_bob, URL, WISH | {"apiKeyId": key})
        assert (refused.status_code, refused.json()) == (404, NOT_FOUND)
    assert len(reservations(bob)) == 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("provider", [None, "", " ", "p" * 201, 5]),
        ("model", [None, "", "p" * 201, []]),
        ("estimatedTokens", [None, "", *NO_COUNTS]),
        ("estimatedCost", NO_COSTS),
        ("apiKeyId", ["x", 5]),
        ("ttlSeconds", [0, 3601, -1, 1.5, 60.0, True, "60", []]),
    ],
)
def test_bad_input_sets_nothing_aside(as_alice: Client, alice: User, field: str, values: list[Any]) -> None:
    for value in values:
        refused = post(as_alice, URL, WISH | {field: value})
        assert (refused.status_code, refused.json()["details"][0]["path"]) == (400, [field]), value
    assert reservations(alice) == []
    assert daily(alice).reserved_requests == 0


def test_who_and_how_else(as_alice: Client, anonymous: Client, alice: User) -> None:
    signed_out = post(anonymous, URL, WISH)
    assert (signed_out.status_code, signed_out.json()) == (401, NOT_SIGNED_IN)
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert send(as_alice, method, URL, None if method == "GET" else WISH).status_code == 405
    assert post(as_alice, URL, WISH, Origin="https://evil.example.com").status_code == 403
    assert reservations(alice) == []
