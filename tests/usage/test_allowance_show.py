"""GET /api/usage/check: what is left of everything, signed in and signed out."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from accounts.models import User
from tests.usage.calling import EXAMPLE, counted_key, narrow, post
from usage.models import AnonymousDay
from usage.quotas import quotas_of
from wavelength.contract import iso

URL = "/api/usage/check"


def show(client: Client, query: dict[str, str] | None = None, **headers: str) -> Any:
    answer = client.get(URL, query or {}, headers=headers)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def test_it_works(as_alice: Client, alice: User) -> None:
    narrow(alice, "openai", request_limit=1)
    counted_key(alice, request_limit=1)
    post(as_alice, "/api/profile/usage", EXAMPLE | {"cost": 1e-9})
    data = show(as_alice, {"anonymousId": "somebody's"})
    figures = {"dailyRequests": 1, "monthlyRequests": 1, "dailyCost": 1e-9, "monthlyCost": 1e-9}
    limits = data.pop("quotaLimits")
    assert data == figures | {
        "currentUsage": figures,
        # Of everything: the limit of one provider is used up, and others go on.
        "quotaStatus": {
            "remainingRequests": 499, "remainingTokens": 99_550, "remainingCost": 4.999999999,
            "resetTime": iso(quotas_of(user_id=alice.pk)[0].ends_at),
        },
        "userType": "authenticated",
        "userTier": "free",
    }  # fmt: skip
    assert [(limit["type"], limit["provider"], limit["usedRequests"]) for limit in limits] == [
        ("daily", None, 1), ("monthly", None, 1), ("daily", "openai", 1),
    ]  # fmt: skip


def test_everybody_sees_their_own(as_alice: Client, as_bob: Client) -> None:
    post(as_alice, "/api/profile/usage", EXAMPLE)
    assert [show(client)["dailyRequests"] for client in (as_alice, as_bob)] == [1, 0]


@pytest.mark.django_db
@pytest.mark.parametrize("used", [0, 39, 40, 50])
def test_signed_out(anonymous: Client, used: int) -> None:
    now = datetime.now(UTC)
    AnonymousDay.objects.create(day=now.date(), scope=AnonymousDay.Scope.SESSION, name="a browser", messages=used)
    data = show(anonymous, {"anonymousId": "a browser"}, **{"x-anonymous-id": "another"})
    limits = data["anonymousLimits"]
    hours, minutes = limits.pop("timeUntilReset").removesuffix("m").split("h ")
    passed = now.hour * 60 + now.minute
    assert abs(int(hours) * 60 + int(minutes) - (24 * 60 - passed)) <= 1
    assert limits == {
        "dailyLimit": 50, "usedMessages": used, "remainingMessages": 50 - used,
        "resetTime": data["quotaStatus"]["resetTime"], "shouldShowUpgradePrompt": used >= 40,
    }  # fmt: skip
    assert (data["userType"], data["userTier"], data["anonymousId"]) == ("anonymous", "anonymous", "a browser")
    assert data["dailyRequests"] == data["currentUsage"]["dailyRequests"] == used
    assert (data["dailyCost"], data["monthlyCost"], data["quotaStatus"]["remainingRequests"]) == (0, 0, 50 - used)
    assert not {"canProceed", "reasons"} & set(data)


@pytest.mark.django_db
def test_signed_out_by_the_header_or_a_new_id(anonymous: Client) -> None:
    assert show(anonymous, {"anonymousId": ""}, **{"x-anonymous-id": "a browser"})["anonymousId"] == "a browser"
    assert UUID(show(anonymous)["anonymousId"]) != UUID(show(anonymous)["anonymousId"])


@pytest.mark.django_db
def test_what_is_refused(anonymous: Client, as_alice: Client) -> None:
    for name in ("x" * 201, "a\0b"):
        refused = anonymous.get(URL, {"anonymousId": name})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    token = as_alice.get(URL, headers={"Authorization": "Bearer something"})
    assert (token.status_code, token.json()["code"]) == (401, "invalid_token")
