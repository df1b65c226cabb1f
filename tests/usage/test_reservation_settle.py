"""PUT /api/usage/reservations/<id>: the real figures in the place of the estimate, once."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from accounts.models import User
from tests.usage.calling import (
    EXAMPLE,
    NO_COSTS,
    NO_COUNTS,
    NOT_FOUND,
    NOT_SIGNED_IN,
    counted_key,
    daily,
    post,
    send,
)
from usage import metering
from usage.models import Reservation, UsageRecord
from usage.quotas import quotas_of
from wavelength.tenancy import tenant

URL = "/api/usage/reservations"


def hold(client: Client, **more: Any) -> str:
    wish = {"provider": "openai", "model": "made-up", "estimatedTokens": 1000, "estimatedCost": 1} | more
    address: str = f"{URL}/{post(client, URL, wish).json()['data']['id']}"
    return address


def state(person: User) -> str:
    with tenant(person.pk):
        return Reservation.objects.get().state


def counted(person: User) -> int:
    with tenant(person.pk):
        return sum(row.request_count for row in UsageRecord.objects.all())


def test_it_works(as_alice: Client, alice: User) -> None:
    address = hold(as_alice)
    answer = send(as_alice, "PUT", address, EXAMPLE | {"cost": 1e-9, "reasoningTokens": 5})
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["requestCount"], data["totalTokens"], data["totalCost"]) == (1, 455, 1e-9)
    assert set(data) == {
        "id", "userId", "provider", "model", "requestCount", "totalTokens", "inputTokens", "outputTokens",
        "reasoningTokens", "totalCost", "date", "hour", "createdAt", "updatedAt",
    }  # fmt: skip
    quota = daily(alice)
    assert (quota.used_requests, quota.used_tokens, quota.used_cost) == (1, 455, Decimal("1e-9"))
    assert (quota.reserved_requests, quota.reserved_tokens, quota.reserved_cost) == (0, 0, Decimal(0))
    assert state(alice) == "settled"


def test_a_repeat_answers_as_the_first_and_other_figures_are_refused(as_alice: Client, alice: User) -> None:
    address = hold(as_alice)
    first = send(as_alice, "PUT", address, EXAMPLE | {"cost": 0.5})
    post(as_alice, "/api/profile/usage", EXAMPLE)
    again = send(as_alice, "PUT", address, EXAMPLE | {"cost": 0.50, "cachedTokens": 0, "unknown": 1})
    assert (again.status_code, again.json()) == (200, first.json())
    other = send(as_alice, "PUT", address, EXAMPLE | {"cost": 0.51})
    assert (other.status_code, other.json()["code"]) == (409, "reservation_settled")
    assert counted(alice) == 2


def test_late_figures_are_added(as_alice: Client, alice: User) -> None:
    address = hold(as_alice)
    assert send(as_alice, "DELETE", address).status_code == 200
    assert send(as_alice, "PUT", address, EXAMPLE).status_code == 200
    assert (daily(alice).used_requests, daily(alice).reserved_requests) == (1, 0)


def test_the_key_of_the_reservation_is_counted(as_alice: Client, alice: User) -> None:
    key = counted_key(alice, request_limit=5)
    send(as_alice, "PUT", hold(as_alice, apiKeyId=key), EXAMPLE)
    (of_key,) = [quota for quota in quotas_of(user_id=alice.pk) if quota.api_key_id == UUID(key)]
    assert (of_key.used_requests, of_key.reserved_requests) == (1, 0)


def test_anothers_is_nobodys(as_alice: Client, as_bob: Client, alice: User, bob: User) -> None:
    address = hold(as_alice)
    for unknown in (address, f"{URL}/{uuid4()}", f"{URL}/x", f"{URL}/", f"{URL}/{uuid4()}x"):
        refused = send(as_bob, "PUT", unknown, EXAMPLE)
        assert (refused.status_code, refused.json()) == (404, NOT_FOUND), unknown
    assert (state(alice), counted(alice), counted(bob)) == ("open", 0, 0)


@pytest.mark.parametrize(
    ("field", "values"),
    [("provider", ["", 5]), ("model", [None, "p" * 201]), ("requestCount", [0, *NO_COUNTS]),
     ("inputTokens", NO_COUNTS), ("cachedTokens", [151]), ("cost", NO_COSTS), ("apiKeyId", ["x"])],
)  # fmt: skip
def test_bad_input_settles_nothing(as_alice: Client, alice: User, field: str, values: list[Any]) -> None:
    address = hold(as_alice)
    for value in values:
        refused = send(as_alice, "PUT", address, EXAMPLE | {field: value})
        assert (refused.status_code, refused.json()["details"][0]["path"]) == (400, [field]), value
    assert (state(alice), counted(alice), daily(alice).reserved_requests) == ("open", 0, 1)


def test_who_and_how_else(as_alice: Client, anonymous: Client, alice: User) -> None:
    address = hold(as_alice)
    signed_out = send(anonymous, "PUT", address, EXAMPLE)
    assert (signed_out.status_code, signed_out.json()) == (401, NOT_SIGNED_IN)
    for method in ("GET", "POST", "PATCH"):
        assert send(as_alice, method, address, None if method == "GET" else EXAMPLE).status_code == 405
    assert send(as_alice, "PUT", address, EXAMPLE, Origin="https://evil.example.com").status_code == 403
    assert (state(alice), counted(alice)) == ("open", 0)
    assert metering.expire(user_id=alice.pk) == 0
