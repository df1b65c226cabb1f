"""GET /api/usage/status: how far every quota is used up, exact before it is rounded."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.usage.calling import EXAMPLE, NOT_SIGNED_IN, allow, counted_key, daily, narrow, post, send
from usage import metering
from usage.models import Period
from usage.quotas import quotas_of
from wavelength.contract import iso

URL = "/api/usage/status"


def status(client: Client) -> Any:
    answer = client.get(URL)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def use(person: User, **figures: Any) -> None:
    metering.record_usage(user_id=person.pk, provider="openai", model="made-up", **figures)


def test_it_works(as_alice: Client, alice: User) -> None:
    post(as_alice, "/api/profile/usage", EXAMPLE | {"cost": 0.004})
    counted_key(alice, request_limit=1)
    data = status(as_alice)
    day, month = quotas_of(user_id=alice.pk)[:2]
    assert datetime.now(UTC) - datetime.fromisoformat(data.pop("timestamp")) < timedelta(seconds=10)
    used = {"provider": None, "model": None, "usedRequests": 1, "usedTokens": 450, "usedCost": 0.004}
    fine = {"isNearLimit": False, "isOverLimit": False, "status": "ok"}
    assert data == {
        "userId": str(alice.pk),
        "userTier": "free",
        "overallStatus": "healthy",
        "usage": {
            "today": {"requests": 1, "tokens": 450, "cost": 0.004},
            "month": {"requests": 1, "tokens": 450, "cost": 0.004},
        },
        "quotas": [
            {"type": "daily", "requestLimit": 500, "tokenLimit": 100_000, "costLimit": 5, "resetAt": iso(day.ends_at),
             "requestPercent": 0.2, "tokenPercent": 0.45, "costPercent": 0.08} | used | fine,
            {"type": "monthly", "requestLimit": 5000, "tokenLimit": 1_000_000, "costLimit": 50,
             "resetAt": iso(month.ends_at), "requestPercent": 0.02, "tokenPercent": 0.04, "costPercent": 0} | used
            | fine,
        ],
        "alerts": [],
    }  # fmt: skip


def test_a_billionth_of_a_dollar(as_alice: Client) -> None:
    post(as_alice, "/api/profile/usage", EXAMPLE | {"cost": 1e-9})
    data = status(as_alice)
    assert data["usage"]["today"] == {"requests": 1, "tokens": 450, "cost": 1e-9}
    assert [quota["usedCost"] for quota in data["quotas"]] == [1e-9, 1e-9]


@pytest.mark.parametrize(
    ("used", "percent", "near", "over"),
    [("3.999999999999", 79.99, False, False), ("4", 80, True, False), ("4.999999999999", 99.99, True, False),
     ("5", 100, True, True), ("7", 100, True, True)],
)  # fmt: skip
def test_near_and_over(as_alice: Client, alice: User, used: str, percent: float, near: bool, over: bool) -> None:
    use(alice, cost=Decimal(used))
    data = status(as_alice)
    quota = data["quotas"][0]
    told = "exceeded" if over else "warning" if near else "ok"
    assert quota["costPercent"] == percent
    assert (quota["isNearLimit"], quota["isOverLimit"], quota["status"]) == (near, over, told)
    assert data["overallStatus"] == {"ok": "healthy", "warning": "warning", "exceeded": "critical"}[told]
    amount = f"{Decimal(used)}" if "." in used else f"{used}.00"
    renews = f"It renews at {daily(alice).ends_at:%Y-%m-%d %H:%M} UTC."
    expected = {
        "type": told, "message": f"You have spent ${amount} of $5.00 for today. {renews}", "resetAt": quota["resetAt"],
    }  # fmt: skip
    assert data["alerts"] == ([expected] if near else [])


def test_every_limit_has_its_own_alert_the_exceeded_first(as_alice: Client, alice: User) -> None:
    allow(alice, Period.DAILY, request_limit=10, token_limit=None, cost_limit=None)
    narrow(alice, "openai", "made-up", token_limit=0, cost_limit=Decimal(1), own_cost_limit=Decimal("0.5"))
    use(alice, requests=8, cost=Decimal("0.4"))
    data = status(as_alice)
    assert data["overallStatus"] == "critical"
    assert [(alert["type"], alert["message"].partition(" It ")[0]) for alert in data["alerts"]] == [
        ("exceeded", "You have used 0 of 0 tokens to made-up (OpenAI) for today."),
        ("warning", "You have used 8 of 10 requests for today."),
        ("warning", "You have spent $0.40 of $0.50 to made-up (OpenAI) for today."),
    ]
    day, _, of_model = data["quotas"]
    assert (day["requestPercent"], day["tokenPercent"], day["costPercent"], day["status"]) == (
        80,
        None,
        None,
        "warning",
    )
    assert (of_model["tokenPercent"], of_model["costLimit"], of_model["costPercent"]) == (100, 0.5, 80)


def test_everybody_sees_their_own(as_alice: Client, as_bob: Client, alice: User) -> None:
    use(alice, requests=500)
    assert [status(client)["overallStatus"] for client in (as_alice, as_bob)] == ["critical", "healthy"]


def test_who_and_how_else(as_alice: Client, anonymous: Client) -> None:
    signed_out = anonymous.get(URL)
    assert (signed_out.status_code, signed_out.json()) == (401, NOT_SIGNED_IN)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert send(as_alice, method, URL, {}).status_code == 405
