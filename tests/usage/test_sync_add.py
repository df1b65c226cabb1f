"""POST /api/usage/sync: many records at once, of which a bad one spoils no other."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error
from django.test import Client

from accounts.models import User
from tests.usage.calling import EXAMPLE, NO_COSTS, NO_COUNTS, NOT_SIGNED_IN, daily, post, send
from usage.batches import AT_ONCE
from usage.metering import BatchRecord, Tokens, record_batch
from usage.models import UsageRecord
from wavelength.contract import iso
from wavelength.tenancy import tenant

URL = "/api/usage/sync"


def sync(client: Client, *records: Any) -> Any:
    answer = post(client, URL, {"usageRecords": list(records)})
    assert answer.status_code == 200, answer.content
    return answer.json()


def ledger(person: User) -> list[UsageRecord]:
    with tenant(person.pk):
        return list(UsageRecord.objects.order_by("hour", "model"))


def test_it_works(as_alice: Client, alice: User) -> None:
    earlier = datetime.now(UTC) - timedelta(days=40, hours=3)
    answer = sync(
        as_alice,
        EXAMPLE | {"cost": 0.004, "reasoningTokens": 5, "totalTokens": 455, "timestamp": iso(earlier), "id": "a"},
        EXAMPLE | {"cost": 1e-9, "model": "other"},
    )
    success = {"provider": "openai", "status": "success"}
    assert answer == {
        "success": True,
        "data": {
            "totalRecords": 2, "successCount": 2, "errorCount": 0,
            "results": [success | {"model": "made-up"}, success | {"model": "other"}],
        },
        "message": "All records are counted.",
    }  # fmt: skip
    first, second = ledger(alice)
    assert first.hour == earlier.replace(minute=0, second=0, microsecond=0)
    assert (first.input_tokens, first.output_tokens, first.reasoning_tokens) == (150, 300, 5)
    assert (first.total_cost, second.total_cost, first.source) == (Decimal("0.004"), Decimal("1e-9"), "client")
    # What was used forty days ago is of no window of today.
    assert (daily(alice).used_requests, daily(alice).used_tokens, daily(alice).used_cost) == (1, 450, Decimal("1e-9"))


def test_a_bad_record_spoils_no_other(as_alice: Client, alice: User) -> None:
    answer = sync(as_alice, EXAMPLE, EXAMPLE | {"inputTokens": -1}, 5, EXAMPLE | {"cost": 1})
    assert (answer["success"], answer["code"]) == (False, "some_records_failed")
    assert answer["error"] == "2 of 4 records could not be counted; the results say why."
    data = answer["data"]
    assert (data["totalRecords"], data["successCount"], data["errorCount"]) == (4, 2, 2)
    assert [result["status"] for result in data["results"]] == ["success", "error", "error", "success"]
    assert data["results"][1] == {
        "provider": "openai", "model": "made-up", "status": "error", "error": "inputTokens: This must be at least 0.",
    }  # fmt: skip
    assert data["results"][2] == {
        "provider": None, "model": None, "status": "error", "error": "This must be an object.",
    }  # fmt: skip
    assert [row.request_count for row in ledger(alice)] == [2]


def test_a_known_id_adds_nothing(as_alice: Client, as_bob: Client, alice: User, bob: User) -> None:
    one, two, number = EXAMPLE | {"id": "one"}, EXAMPLE | {"id": "two"}, EXAMPLE | {"id": 7}
    assert sync(as_alice, one, one, number)["data"]["successCount"] == 3
    assert sync(as_alice, two, one, number)["data"]["successCount"] == 3
    sync(as_bob, one)
    assert [row.request_count for row in ledger(alice)] == [3]
    assert [row.request_count for row in ledger(bob)] == [1]
    assert daily(alice).used_requests == 3


def test_a_refused_id_may_come_again(as_alice: Client, alice: User) -> None:
    assert sync(as_alice, EXAMPLE | {"id": "one", "cost": -1})["data"]["errorCount"] == 1
    assert sync(as_alice, EXAMPLE | {"id": "one"})["success"] is True
    assert [row.request_count for row in ledger(alice)] == [1]


def test_what_is_not_said_has_its_default(as_alice: Client, alice: User) -> None:
    bare = {"provider": " p ", "model": "m"}
    blank = dict.fromkeys(
        ("requestCount", "inputTokens", "outputTokens", "reasoningTokens", "cachedTokens", "cost", "timestamp", "id")
    )
    assert sync(as_alice, bare, bare | blank, bare | dict.fromkeys(blank, ""))["success"] is True
    (row,) = ledger(alice)
    assert (row.provider, row.request_count, row.input_tokens, row.total_cost) == ("p", 3, 0, None)
    assert daily(alice).used_requests == 3


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        ("2026-03-01T23:30:00.123Z", "2026-03-01T23:00:00Z"),
        ("2026-03-01T23:30:00+05:30", "2026-03-01T18:00:00Z"),
        ("2026-03-01T23:30:00", "2026-03-01T23:00:00Z"),
        ("2026-03-01", "2026-03-01T00:00:00Z"),
        (1772407800000, "2026-03-01T23:00:00Z"),
        (1772407800000.5, "2026-03-01T23:00:00Z"),
        ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z"),
    ],
)
def test_times(as_alice: Client, alice: User, timestamp: Any, moment: str) -> None:
    assert sync(as_alice, EXAMPLE | {"timestamp": timestamp})["success"] is True
    assert ledger(alice)[0].hour == datetime.fromisoformat(moment)


def test_a_clock_ahead_of_ours(as_alice: Client, alice: User) -> None:
    ahead, far = (iso(datetime.now(UTC) + timedelta(minutes=minutes)) for minutes in (4, 6))
    assert sync(as_alice, EXAMPLE | {"timestamp": ahead})["success"] is True
    refused = sync(as_alice, EXAMPLE | {"timestamp": far})
    assert refused["data"]["results"][0]["error"] == "timestamp: This is in the future."
    (row,) = ledger(alice)
    assert row.hour <= datetime.now(UTC)
    assert daily(alice).used_requests == 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("provider", [None, "", "  ", "p" * 201, 5, [], "a\0b"]),
        ("model", [None, "", "p" * 201, {}, "\0"]),
        ("requestCount", [0, *NO_COUNTS]),
        ("inputTokens", NO_COUNTS),
        ("outputTokens", NO_COUNTS),
        ("reasoningTokens", NO_COUNTS),
        ("cachedTokens", [151, *NO_COUNTS]),
        ("cost", NO_COSTS),
        ("timestamp", ["yesterday", "1999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31", -1, 1e300,
                       10**18, True, [], {}]),
        ("id", ["x" * 256, "a\0b", True, [], {}]),
    ],
)  # fmt: skip
def test_bad_records_are_told_apart(as_alice: Client, alice: User, field: str, values: list[Any]) -> None:
    answer = sync(as_alice, *[EXAMPLE | {field: value} for value in values])
    results = answer["data"]["results"]
    assert answer["data"]["successCount"] == 0
    for value, result in zip(values, results, strict=True):
        assert result["error"].startswith(f"{field}: "), value
        assert "not allowed" not in result["error"], value
    assert ledger(alice) == []


def test_nothing_is_a_success(as_alice: Client, alice: User) -> None:
    assert sync(as_alice)["data"] == {"totalRecords": 0, "successCount": 0, "errorCount": 0, "results": []}
    assert ledger(alice) == []


def test_ten_thousand_are_taken_and_no_more(as_alice: Client, alice: User) -> None:
    record = EXAMPLE | {"cost": 0.001, "provider": "p" * 200, "padding": "x" * 100}
    records = [record | {"id": f"record {number}"} for number in range(10_001)]
    assert len(json.dumps(records)) > 4 * 1024 * 1024
    refused = post(as_alice, URL, {"usageRecords": records})
    assert (refused.status_code, refused.json()["code"]) == (400, "too_many_records")
    assert ledger(alice) == []
    assert sync(as_alice, *records[1:])["data"]["successCount"] == 10_000
    (row,) = ledger(alice)
    assert (row.request_count, row.total_cost) == (10_000, Decimal(10))


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", "{}", '{"usageRecords": null}', '{"usageRecords": {"0": {}}}',
             '{"usageRecords": [{"provider": "p", "model": "m", "cost": NaN}]}', '{"usageRecords": "x"}',
             '{"usageRecords": [{"provider": "\\ud800", "model": "m"}]}', "[" * 100_000]
)  # fmt: skip
def test_what_is_no_batch(as_alice: Client, alice: User, body: str) -> None:
    refused = post(as_alice, URL, body)
    assert refused.status_code == 400
    assert refused.json()["success"] is False
    assert ledger(alice) == []


def test_too_large_a_body(as_alice: Client, alice: User) -> None:
    refused = post(as_alice, URL, '{"usageRecords": []}' + " " * 8 * 1024 * 1024)
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")


def test_who_and_how_else(as_alice: Client, anonymous: Client, alice: User) -> None:
    body = {"usageRecords": [EXAMPLE]}
    signed_out = post(anonymous, URL, body)
    assert (signed_out.status_code, signed_out.json()) == (401, NOT_SIGNED_IN)
    for method in ("PATCH", "DELETE"):
        assert send(as_alice, method, URL, body).status_code == 405
    assert post(as_alice, URL, body, Origin="https://evil.example.com").status_code == 403
    assert ledger(alice) == []


def test_faults_and_repeats_are_told_by_their_place_however_far_behind(as_alice: Client, alice: User) -> None:
    # Records are counted in several parts, one after the other.
    records: list[Any] = [EXAMPLE | {"id": f"record {number}"} for number in range(2 * AT_ONCE + 10)]
    wrong = {7: -1, AT_ONCE + 3: 1.5, 2 * AT_ONCE + 5: "3"}
    for place, tokens in wrong.items():
        records[place] = records[place] | {"inputTokens": tokens}
    records[-1] = EXAMPLE | {"id": "record 0"}

    results = sync(as_alice, *records)["data"]["results"]

    assert {place for place, result in enumerate(results) if result["status"] == "error"} == wrong.keys()
    (row,) = ledger(alice)
    assert row.request_count == daily(alice).used_requests == len(records) - len(wrong) - 1


def test_a_fault_in_a_later_part_takes_the_earlier_ones_back(alice: User) -> None:
    good = BatchRecord("openai", "made-up", Tokens(1, 2))
    broken = [good] * AT_ONCE + [good._replace(provider="\0")]
    with pytest.raises(Error):
        record_batch(user_id=alice.pk, records=broken)
    assert ledger(alice) == []
