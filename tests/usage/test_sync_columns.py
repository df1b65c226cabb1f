"""Reading a batch by its columns takes what reading each record takes, and nothing else; prices come out alike."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accounts.models import User
from tests.usage.calling import EXAMPLE, daily, post
from usage import batches, columns, ledger, pricing
from usage.bulk import Batch, moment_of
from usage.metering import Tokens
from usage.models import UsageRecord
from wavelength.contract import iso
from wavelength.tenancy import tenant

OWN = pricing.rates_of(Decimal("0.123456789"), Decimal(2), None, None, Decimal("0.5"))
LATEST = datetime(2030, 1, 1, tzinfo=UTC)
AROUND = datetime(1999, 12, 30), datetime(2030, 1, 2)  # noqa: DTZ001
counts = st.none() | st.integers(0, 2**31)
COLUMNS: dict[str, list[st.SearchStrategy[Any]]] = {
    "provider": [
        st.sampled_from(["openai", " openai ", "a\u00e9"]),
        st.sampled_from(["p", "", "p" * 201, 5, None, "\0"]),
    ],
    "model": [st.sampled_from(["gpt-4o", "gpt-4o\t"]), st.sampled_from(["m", "  ", "m" * 200, [], "a\0"])],
    "requestCount": [st.none() | st.integers(1, 2**31), st.sampled_from([0, 1, True, 1.0, "1", ""])],
    "inputTokens": [counts, st.sampled_from([-1, 2**31 + 1, 2**64, False, "", 1])],
    "outputTokens": [counts, st.sampled_from([-1, None, 1.5, ""])],
    "reasoningTokens": [st.none(), counts, st.sampled_from(["", 1])],
    "cachedTokens": [st.just(0), st.none(), counts],
    "cost": [
        st.none() | st.floats(0, 10**9) | st.integers(0, 10**9),
        st.sampled_from([-0.0, -1, -1e-9, 10**9 + 1, 1e300, float("inf"), True, "1", "", None, 0]),
    ],
    "timestamp": [
        st.none(),
        st.datetimes(*AROUND, timezones=st.just(UTC)).map(datetime.isoformat),
        st.integers(946_684_700_000, 1_893_456_000_100),
        st.sampled_from(["2026-03-01T23:30:00.123Z", "2026-03-01T23:30:00+05:30", "2026-03-01",
                         "2026-03-01T23:30:00", "", "yesterday", 1772407800000.5, None, True, 10**18,
                         "0001-01-01T00:00:00+14:00"]),
    ],
    "id": [st.none(), st.text(min_size=1, max_size=5), st.sampled_from(["x" * 256, "", "\0", 5, 1.5, True, None, "7"])],
}  # fmt: skip


@st.composite
def batches_of_records(draw: st.DrawFn) -> list[Any]:
    """A few records that are alike in each column, as a client's are, and something odd in one or two of them."""
    odd = draw(st.sets(st.sampled_from(sorted(COLUMNS)), max_size=2))
    left_out = draw(st.sets(st.sampled_from(sorted(COLUMNS)), max_size=4)) - {"provider", "model"} - odd
    shape = {
        name: draw(st.sampled_from(kinds[:-1])) | kinds[-1] if name in odd else draw(st.sampled_from(kinds[:-1]))
        for name, kinds in COLUMNS.items()
        if name not in left_out
    }
    return draw(st.lists(st.fixed_dictionaries(shape), min_size=1, max_size=6))


# Each alone among usual records: beside another oddity it might be taken unseen.
ALONE: dict[str, list[Any]] = {
    "provider": ["", "p" * 201, 5, None, [], "\0"],
    "model": ["  ", "m" * 201, {}, "a\0"],
    "requestCount": [0, True, 1.0, "1", "", 2**31 + 1],
    "inputTokens": [-1, 2**31 + 1, 2**64, False, True, ""],
    "outputTokens": [-1, 1.5, True],
    "reasoningTokens": [-1, "", 2**31 + 1],
    "cachedTokens": [151, -1, True],
    "cost": [-1, -1e-9, 10**9 + 1, 1e300, float("inf"), True, "1", ""],
    "timestamp": [-1, "", "yesterday", True, 10**18, "1999-12-31T23:59:59Z", "2030-01-01T00:00:01Z", 1.5],
    "id": ["x" * 256, "", "\0", "a\0", True, []],
}


def told(batch: Batch) -> list[tuple[Any, ...]]:
    models = list(batch.models)
    costs = [None if cost is None else Decimal(cost) for cost in batch.costs]
    rest = (batch.requests, batch.inputs, batch.outputs, batch.reasonings, batch.caches, batch.moments, batch.names)
    return list(zip([models[number] for number in batch.of], costs, *rest, strict=True))


@settings(max_examples=200, deadline=None)
@given(batches_of_records())
@example([EXAMPLE, 5])
@example([EXAMPLE | {"inputTokens": 1, "cachedTokens": 2}])
@example([EXAMPLE | {"cost": 1e-9, "timestamp": "2026-03-01T23:30:00.123456Z", "id": "a"}])
def test_a_column_takes_what_each_of_its_records_may_be(records: list[Any]) -> None:
    by_one, errors = Batch(), dict[int, str]()
    batches._read_one_by_one(records, 0, by_one, LATEST, errors)
    by_column = Batch()
    try:
        columns.read(records, by_column, latest=moment_of(LATEST))
    except columns.DoubtError:
        assert told(by_column) == []
    else:
        assert errors == {}
        assert told(by_column) == told(by_one)


@pytest.mark.parametrize("field", ALONE)
def test_nothing_odd_is_taken_unseen(field: str) -> None:
    for value in ALONE[field]:
        moment = 1772407800000 if type(value) is int else "2026-03-01T23:30:00Z"
        usual = EXAMPLE | {"cost": 1, "id": "a", "timestamp": moment}
        columns.read([usual, usual], Batch(), latest=moment_of(LATEST))
        with pytest.raises(columns.DoubtError):
            columns.read([usual, usual | {field: value}], Batch(), latest=moment_of(LATEST))


def test_usual_records_are_in_no_doubt() -> None:
    usual = EXAMPLE | {"cost": 0.004, "reasoningTokens": 5, "cachedTokens": None, "totalTokens": 455, "id": "a"}
    moments: list[Any] = ["2026-03-01T23:30:00.123Z", 1772407800000, None]
    for moment in moments:
        batch = Batch()
        columns.read([usual | {"timestamp": moment}] * 3, batch, latest=moment_of(LATEST))
        assert len(batch.of) == 3


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o"),
        ("google", "gemini-2.5-pro"),  # by size
        ("deepseek", "deepseek-chat"),  # by the time of day
        ("openai", "text-embedding-3-small"),  # answers nothing
        ("anthropic", "claude-sonnet-4"),
        ("openrouter", "deepseek/deepseek-r1:free"),
        ("openai", "made-up"),
    ],
)
@pytest.mark.parametrize(
    "own", [None, pricing.rates_of(Decimal("0.123456789"), Decimal(2), None, None, Decimal("0.5"))]
)
def test_many_cost_what_each_costs(provider: str, model: str, own: pricing.Rates | None) -> None:
    at = datetime(2026, 3, 1, 20, tzinfo=UTC)
    used = [(1, 150, 300, 0, 0), (7, 10**6, 1, 0, 999), (1, 300_000, 0, 0, 300_000), (2, 0, 0, 5, 0), (1, 0, 0, 0, 0)]
    expected = []
    for requests, given_, answered, thought, cached in used:
        tokens = Tokens(given_, answered, thought, cached)
        one = pricing.computed_cost(provider, model, tokens, requests, at)
        expected.append(one if own is None else pricing.cost_at(own, tokens, requests))

    costs = pricing.computed_costs(
        [(provider, model)],
        [(0, *one) for one in used],
        own={} if own is None else {0: own},
        at=lambda place: at + timedelta(seconds=place),
    )

    assert [None if cost is None else pricing.rounded(Decimal(cost)) for cost in costs] == expected


def test_hours_that_are_there_already_are_added_to(as_alice: Client, alice: User) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    old, new = ([EXAMPLE | {"timestamp": iso(hour - timedelta(hours=back)), "cost": 1e-9} for back in hours]
                for hours in ((1, 2, 3), (2, 3, 4, 40, 3)))  # fmt: skip
    for records in (old, new):
        assert post(as_alice, "/api/usage/sync", {"usageRecords": records}).json()["success"] is True
    with tenant(alice.pk):
        rows = UsageRecord.objects.order_by("-hour")
        assert [row.request_count for row in rows] == [1, 2, 3, 1, 1]
        assert all(row.total_cost == row.request_count * Decimal("1e-9") for row in rows)
    assert daily(alice).used_requests <= 7
    assert ledger.check(user_id=alice.pk).differences == []
