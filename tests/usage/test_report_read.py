"""GET /api/profile/usage."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Profile, User
from tests.usage.calling import NOT_SIGNED_IN, counted_key, narrow, post
from usage import metering
from usage.metering import BatchRecord, Tokens
from usage.models import Source
from wavelength.tenancy import tenant

URL = "/api/profile/usage"
EXAMPLE: dict[str, Any] = {
    "provider": "openai", "model": "gpt-4o", "input_tokens": 150, "output_tokens": 300, "cost": Decimal("0.004"),
}  # fmt: skip
NOW = datetime.now(UTC)


def read(client: Client, **query: str) -> Any:
    response = client.get(URL, query)
    assert response.status_code == 200, response.content
    assert response.json()["success"] is True
    return response.json()["data"]


def used(person: User, *, hours_ago: float = 0, source: Source = Source.CLIENT, **more: Any) -> None:
    given = {"provider": "openai", "model": "gpt-4o", "tokens": Tokens(10, 20, 5), "cost": Decimal("0.01"), **more}
    record = BatchRecord(happened_at=NOW - timedelta(hours=hours_ago), **given)
    metering.record_batch(user_id=person.pk, records=[record], source=source)


def test_it_answers_every_figure_of_one_request(as_alice: Client, alice: User) -> None:
    metering.record_usage(user_id=alice.pk, **EXAMPLE)
    report = read(as_alice, period="today")
    tokens = {"total": 450, "input": 150, "output": 300, "reasoning": 0}
    sums = {"requests": 1, "tokens": 450, "cost": 0.004}
    today = report["dailyUsage"][0]["date"]
    quotas = report.pop("quotaLimits")
    start, end = report.pop("dateRange").values()
    assert report == {
        "period": "today",
        "totals": {"requests": 1, "tokens": tokens, "cost": 0.004},
        "breakdown": {
            "providers": [{"provider": "openai", **sums}],
            "models": [{"model": "gpt-4o", **sums}],
        },
        "dailyUsage": [{"date": today, **sums}],
        "rawData": [
            {"provider": "openai", "model": "gpt-4o", "date": today, "requests": 1, "tokens": tokens, "cost": 0.004}
        ],
    }
    assert [(quota["type"], quota["usedRequests"], quota["usedTokens"], quota["usedCost"]) for quota in quotas] == [
        ("daily", 1, 450, 0.004),
        ("monthly", 1, 450, 0.004),
    ]
    assert start == f"{today}T00:00:00.000Z"
    assert start <= end <= start.replace("T00:00:00.000", "T23:59:59.999")


@pytest.mark.parametrize("cost", ["0.000000001", "0.000000000001", "0.1", "123456.789012345678"])
def test_costs_are_exact_to_the_last_digit(as_alice: Client, alice: User, cost: str) -> None:
    metering.record_usage(user_id=alice.pk, **(EXAMPLE | {"cost": Decimal(cost)}))
    body = as_alice.get(URL).content.decode().replace(" ", "")
    assert re.findall(r'"cost":([^,}]+)', body) == [cost] * 5
    assert re.findall(r'"usedCost":([^,}]+)', body) == [cost] * 2


def test_an_empty_account_has_zeros_and_its_quotas(as_alice: Client) -> None:
    report = read(as_alice)
    assert report["period"] == "month"
    assert report["totals"] == {
        "requests": 0, "tokens": {"total": 0, "input": 0, "output": 0, "reasoning": 0}, "cost": 0,
    }  # fmt: skip
    assert report["breakdown"] == {"providers": [], "models": []}
    assert report["dailyUsage"] == report["rawData"] == []
    assert [quota.pop("resetAt")[-5:] for quota in report["quotaLimits"]] == [".000Z"] * 2
    assert report["quotaLimits"][0] == {
        "type": "daily", "provider": None, "model": None, "requestLimit": 500, "tokenLimit": 100_000, "costLimit": 5,
        "usedRequests": 0, "usedTokens": 0, "usedCost": 0,
    }  # fmt: skip


def test_an_unknown_cost_is_null_in_a_record_and_nothing_in_a_sum(as_alice: Client, alice: User) -> None:
    used(alice, model="made-up", cost=None)
    report = read(as_alice, period="all")
    assert report["rawData"][0]["cost"] is None
    assert report["totals"]["cost"] == 0
    assert report["breakdown"]["models"][0]["cost"] == 0
    assert report["dailyUsage"][0]["cost"] == 0
    used(alice, model="made-up", cost=Decimal("0.5"))
    assert read(as_alice, period="all")["rawData"][0]["cost"] == 0.5


def test_a_period_has_what_lies_in_it(as_alice: Client, alice: User) -> None:
    used(alice)
    used(alice, hours_ago=7 * 24 - 2)
    used(alice, hours_ago=7 * 24 + 2, source=Source.MIGRATION)
    used(alice, hours_ago=24 * 365 * 9, source=Source.MIGRATION)
    requests = {period: read(as_alice, period=period)["totals"]["requests"] for period in ("today", "week", "all")}
    assert requests == {"today": 1, "week": 2, "all": 4}
    week = read(as_alice, period="week")["dateRange"]
    length = datetime.fromisoformat(week["end"]) - datetime.fromisoformat(week["start"])
    assert length == timedelta(days=7)
    assert read(as_alice, period="all")["dateRange"]["start"] == "1970-01-01T00:00:00.000Z"


def test_filters_apply_to_every_figure_but_the_quotas(as_alice: Client, alice: User) -> None:
    used(alice)
    used(alice, model="gpt-4o-mini")
    used(alice, provider="openrouter")
    whole, of_openai = read(as_alice, period="all"), read(as_alice, period="all", provider="openai")
    assert whole["totals"]["requests"] == 3
    # The same model of two providers is one model here.
    assert [(row["model"], row["requests"]) for row in whole["breakdown"]["models"]] == [
        ("gpt-4o", 2),
        ("gpt-4o-mini", 1),
    ]
    assert of_openai["totals"]["requests"] == of_openai["dailyUsage"][0]["requests"] == 2
    assert [row["provider"] for row in of_openai["breakdown"]["providers"]] == ["openai"]
    assert {row["provider"] for row in of_openai["rawData"]} == {"openai"}
    both = read(as_alice, period="all", provider=" openai ", model="gpt-4o")
    assert (both["totals"]["requests"], len(both["rawData"])) == (1, 1)
    assert read(as_alice, period="all", provider="nobody")["totals"]["requests"] == 0
    assert both["quotaLimits"] == whole["quotaLimits"]
    assert read(as_alice, period="all", provider="", model="") == whole | {"dateRange": ANY}


def test_the_ten_dearest_models_are_named(as_alice: Client, alice: User) -> None:
    for number in range(12):
        used(alice, model=f"m{number}", cost=Decimal(number))
    report = read(as_alice, period="all")
    assert [row["model"] for row in report["breakdown"]["models"]] == [f"m{number}" for number in range(11, 1, -1)]
    assert report["totals"]["requests"] == len(report["rawData"]) == 12


def test_days_are_the_persons_own(as_alice: Client, alice: User) -> None:
    """15:00 in UTC is the next day on the Line Islands."""
    with tenant(alice.pk):
        Profile.objects.update(timezone="Pacific/Kiritimati")
    afternoon = datetime(2026, 3, 10, 15, tzinfo=UTC)
    metering.record_usage(user_id=alice.pk, **EXAMPLE, happened_at=afternoon)
    metering.record_usage(user_id=alice.pk, **EXAMPLE, happened_at=afternoon - timedelta(hours=6))
    assert [day["date"] for day in read(as_alice, period="all")["dailyUsage"]] == ["2026-03-10", "2026-03-11"]
    assert read(as_alice, period="today")["dateRange"]["start"].endswith("T10:00:00.000Z")


def test_quotas_are_named_by_provider_and_model_and_those_of_keys_left_out(as_alice: Client, alice: User) -> None:
    narrow(alice, "openai", "gpt-4o", cost_limit=Decimal("1.5"))
    counted_key(alice, request_limit=5)
    quotas = read(as_alice)["quotaLimits"]
    assert len(quotas) == 3
    assert (quotas[2]["provider"], quotas[2]["model"], quotas[2]["costLimit"]) == ("openai", "gpt-4o", 1.5)
    assert (quotas[2]["requestLimit"], quotas[2]["tokenLimit"]) == (None, None)


def test_quotas_are_those_of_the_other_calls(as_alice: Client, alice: User) -> None:
    narrow(alice, "openai", "gpt-4o", token_limit=10, own_cost_limit=Decimal("1.5"))
    counted_key(alice, request_limit=5)
    metering.record_usage(user_id=alice.pk, **EXAMPLE)
    assert read(as_alice)["quotaLimits"] == as_alice.get("/api/usage/check").json()["data"]["quotaLimits"]


def test_another_persons_usage_never_counts(as_bob: Client, alice: User) -> None:
    used(alice)
    assert read(as_bob, period="all")["totals"]["requests"] == 0


def test_it_asks_the_database_once(as_alice: Client, alice: User) -> None:
    used(alice)
    read(as_alice)
    with CaptureQueriesContext(connections["default"]) as asked:
        read(as_alice)
    assert len([query for query in asked if "SAVEPOINT" not in query["sql"]]) == 1


def test_it_is_for_somebody_signed_in(anonymous: Client) -> None:
    response = anonymous.get(URL, {"period": "never"})
    assert response.status_code == 401
    assert response.json() == NOT_SIGNED_IN


def test_another_method_is_refused(as_alice: Client) -> None:
    assert as_alice.delete(URL).status_code == 405
    assert post(as_alice, URL, {}).status_code == 400


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"period": "year"}, "This must be one of 'today', 'week', 'month' or 'all'."),
        ({"period": "recent"}, "This must be one of 'today', 'week', 'month' or 'all'."),
        ({"provider": "x" * 201}, "This is too long: at most 200 characters."),
        ({"model": "a\0b"}, "This holds a character that cannot be stored."),
    ],
)
def test_bad_input_is_told(as_alice: Client, query: dict[str, str], sentence: str) -> None:
    response = as_alice.get(URL, query)
    assert response.status_code == 400
    assert response.json()["details"] == [{"path": list(query), "message": sentence}]
