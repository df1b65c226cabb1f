"""POST /api/profile/usage: what was used is counted once, to the last digit."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from tests.conftest import signed_in
from tests.usage.calling import EXAMPLE, NO_COSTS, NO_COUNTS, NOT_FOUND, NOT_SIGNED_IN, counted_key, send
from usage import quotas
from usage.models import UsageRecord
from wavelength.tenancy import tenant

URL = "/api/profile/usage"


def post(client: Client, body: Any, **headers: str) -> Any:
    return send(client, "POST", URL, body, **headers)


def ledger(person: User) -> list[UsageRecord]:
    with tenant(person.pk):
        return list(UsageRecord.objects.order_by("provider", "model"))


def test_it_works(as_alice: Client, alice: User) -> None:
    answer = post(as_alice, EXAMPLE | {"cost": 0.004})
    assert answer.status_code == 200
    body = answer.json()
    data = body.pop("data")
    assert body == {"success": True}
    (row,) = ledger(alice)
    told = {name: data.pop(name) for name in ("id", "userId", "createdAt", "updatedAt", "date", "hour")}
    assert (told["id"], told["userId"]) == (str(row.pk), str(alice.pk))
    assert told["createdAt"] == told["updatedAt"] == row.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    assert (told["date"], told["hour"]) == (row.hour.date().isoformat(), row.hour.hour)
    assert data == {
        "provider": "openai", "model": "made-up", "requestCount": 1, "totalTokens": 450, "inputTokens": 150,
        "outputTokens": 300, "reasoningTokens": 0, "totalCost": 0.004,
    }  # fmt: skip
    assert (row.total_cost, row.source) == (Decimal("0.004"), "client")


def test_the_hour_adds_up(as_alice: Client, alice: User) -> None:
    first = post(as_alice, EXAMPLE | {"cost": 0.1, "reasoningTokens": 7, "cachedTokens": 100}).json()["data"]
    second = post(as_alice, EXAMPLE | {"cost": 0.2, "requestCount": 3}).json()["data"]
    assert second["id"] == first["id"]
    assert (second["requestCount"], second["totalTokens"], second["totalCost"]) == (4, 907, 0.3)
    (row,) = ledger(alice)
    assert (row.cached_tokens, row.reasoning_tokens, row.total_cost) == (100, 7, Decimal("0.3"))
    for quota in quotas.quotas_of(user_id=alice.pk):
        assert (quota.used_requests, quota.used_tokens, quota.used_cost) == (4, 907, Decimal("0.3"))


@pytest.mark.parametrize("cost", ["0.004", "1e-9", "0.000000000001", "0.1", "1000000000", "0", "-0.0", "123456.789"])
def test_a_cost_arrives_to_the_last_digit(as_alice: Client, alice: User, cost: str) -> None:
    answer = post(as_alice, '{"provider": "p", "model": "m", "cost": ' + cost + "}")
    assert answer.json()["data"]["totalCost"] == abs(float(cost))
    assert ledger(alice)[0].total_cost == Decimal(cost)
    assert quotas.quotas_of(user_id=alice.pk)[0].used_cost == Decimal(cost)


def test_what_is_not_said_has_its_default(as_alice: Client, alice: User) -> None:
    blank = {"requestCount": None, "inputTokens": "", "cost": "", "apiKeyId": "", "unknown": {"field": 1}}
    for body in ({"provider": "p", "model": "m"}, {"provider": " p ", "model": "m\t"} | blank):
        data = post(as_alice, body).json()["data"]
    assert (data["requestCount"], data["totalTokens"], data["totalCost"]) == (2, 0, None)
    assert ledger(alice)[0].unpriced_requests == 2


def test_the_largest_figures_fit(as_alice: Client, alice: User) -> None:
    most = dict.fromkeys(("requestCount", "inputTokens", "outputTokens", "reasoningTokens", "cachedTokens"), 2**31)
    for _ in range(2):
        answer = post(as_alice, {"provider": "p" * 200, "model": "ü" * 200, "cost": 1e9} | most)
    assert answer.json()["data"]["totalTokens"] == 6 * 2**31
    with tenant(alice.pk):
        UsageRecord.objects.update(total_cost=Decimal(10**12))
    assert post(as_alice, {"provider": "p" * 200, "model": "ü" * 200, "cost": 1e9}).json()["data"]["totalCost"] == (
        10**12 + 10**9
    )


def test_nothing_is_refused_that_was_used(as_alice: Client, alice: User) -> None:
    assert post(as_alice, EXAMPLE | {"requestCount": 501}).status_code == 200
    assert post(as_alice, EXAMPLE).json()["data"]["requestCount"] == 502


def test_through_a_key(as_alice: Client, alice: User, bob: User) -> None:
    key, bobs = counted_key(alice), counted_key(bob)
    assert post(as_alice, EXAMPLE | {"apiKeyId": key}).status_code == 200
    by_key = {str(quota.api_key_id): quota.used_requests for quota in quotas.quotas_of(user_id=alice.pk)}
    assert by_key == {"None": 1, key: 1}
    unknown = post(as_alice, EXAMPLE | {"apiKeyId": str(uuid4())})
    anothers = post(as_alice, EXAMPLE | {"apiKeyId": bobs})
    assert unknown.status_code == anothers.status_code == 404
    assert unknown.json() == anothers.json() == NOT_FOUND
    assert [row.request_count for row in ledger(alice)] == [1]
    assert ledger(bob) == []
    assert {quota.used_requests for quota in quotas.quotas_of(user_id=bob.pk)} == {0}


def test_a_repeat_adds_nothing_and_answers_as_the_first_did(as_alice: Client, as_bob: Client, alice: User) -> None:
    first = post(as_alice, EXAMPLE | {"cost": 0.5}, **{"Idempotency-Key": "one"})
    post(as_alice, EXAMPLE)
    again = post(as_alice, '{"cost":5e-1,"model":" made-up","outputTokens":300, "x":1,"inputTokens":150,'
                           '"provider":"openai","requestCount":1,"cachedTokens":0,"apiKeyId":""}',
                 **{"Idempotency-Key": "one"})  # fmt: skip
    assert again.status_code == 200
    assert again.content == first.content
    assert post(as_bob, EXAMPLE, **{"Idempotency-Key": "one"}).status_code == 200
    assert [row.request_count for row in ledger(alice)] == [2]


@pytest.mark.parametrize(
    "other", [{"cost": 0.6}, {"cost": None}, {"inputTokens": 151}, {"model": "other"}, {"cachedTokens": 1}]
)
def test_another_body_under_the_same_key_is_refused(as_alice: Client, alice: User, other: dict[str, Any]) -> None:
    post(as_alice, EXAMPLE | {"cost": 0.5}, **{"Idempotency-Key": "one"})
    refused = post(as_alice, EXAMPLE | {"cost": 0.5} | other, **{"Idempotency-Key": "one"})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert [row.request_count for row in ledger(alice)] == [1]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\x7f", "ä"])
def test_a_bad_idempotency_key_is_refused(as_alice: Client, alice: User, key: str) -> None:
    refused = post(as_alice, EXAMPLE, **{"Idempotency-Key": key})
    assert refused.status_code == 400
    assert refused.json()["details"][0]["path"] == ["Idempotency-Key"]
    assert ledger(alice) == []
    assert post(as_alice, EXAMPLE, **{"Idempotency-Key": "x" * 255}).status_code == 200


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("provider", [None, "", "  ", "p" * 201, 5, True, [], "a\0b"]),
        ("model", [None, "", "\n", "p" * 201, 5, {"a": 1}]),
        ("requestCount", [0, *NO_COUNTS]),
        ("inputTokens", NO_COUNTS),
        ("outputTokens", NO_COUNTS),
        ("reasoningTokens", NO_COUNTS),
        ("cachedTokens", [151, *NO_COUNTS]),
        ("cost", NO_COSTS),
        ("apiKeyId", ["x", 5, True, [], "00000000-0000-0000-0000"]),
    ],
)
def test_bad_input_counts_nothing(as_alice: Client, alice: User, field: str, values: list[Any]) -> None:
    for value in values:
        refused = post(as_alice, EXAMPLE | {field: value})
        assert refused.status_code == 400, value
        assert refused.json()["code"] in ("invalid_request", "malformed_json")
        if refused.json()["code"] == "invalid_request":
            assert refused.json()["details"][0]["path"] == [field]
            assert refused.json()["details"][0]["message"] != "This value is not allowed.", value
    assert ledger(alice) == []


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "null", '{"provider": "p", "model": "m", "cost": NaN}', '{"provider": "p", "model": "\\ud800"}',
     '{"provider": "p", "model": "m", "cost": 1e999}', '{"provider": "p", "model": "m", "inputTokens": Infinity}'],
)  # fmt: skip
def test_what_is_no_json_object_counts_nothing(as_alice: Client, alice: User, body: str) -> None:
    refused = post(as_alice, body)
    assert refused.status_code == 400
    assert refused.json()["success"] is False
    assert ledger(alice) == []


def test_whoever_is_not_signed_in(anonymous: Client, as_alice: Client, alice: User) -> None:
    stale = signed_in(alice)
    stale.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    for refused in (
        post(anonymous, EXAMPLE),
        post(anonymous, {"bad": "body"}),
        post(stale, EXAMPLE),
    ):
        assert refused.status_code == 401
        assert refused.json() == NOT_SIGNED_IN
    token = post(as_alice, EXAMPLE, Authorization="Bearer something")
    assert (token.status_code, token.json()["code"]) == (401, "invalid_token")
    assert ledger(alice) == []


def test_other_methods_and_sites_are_refused(as_alice: Client, alice: User) -> None:
    for method in (as_alice.put, as_alice.patch, as_alice.delete):
        assert method(URL).status_code == 405
    assert post(as_alice, EXAMPLE, Origin="https://evil.example.com").status_code == 403
    assert as_alice.post(URL, EXAMPLE).status_code == 415
    assert ledger(alice) == []


def test_it_is_one_round_trip(
    as_alice: Client, alice: User, django_assert_num_queries: Callable[[int], DjangoAssertNumQueries]
) -> None:
    post(as_alice, EXAMPLE)
    with django_assert_num_queries(3) as asked:  # type: ignore[attr-defined]  # it answers one
        assert post(as_alice, EXAMPLE | {"cost": 1}).status_code == 200
    # The test's own transaction makes a savepoint of it.
    assert sum("SAVEPOINT" not in query["sql"] for query in asked.captured_queries) == 1
