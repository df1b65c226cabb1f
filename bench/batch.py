"""`POST /api/usage/sync`: a browser's records of three months at once, beside PostgreSQL's own way of taking them."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg

from bench.clients import psql
from bench.history import MODELS
from bench.measuring import Row, Sample, at_most, by_turns
from bench.stage import Person, Stage
from bench.talking import post

RECORDS = 10_000
TABLE, STAGING = "bench_ledger", "bench_staging"
ADD = f"""
    INSERT INTO {TABLE} AS r SELECT * FROM {STAGING}
    ON CONFLICT (user_id, hour, provider, model, source) DO UPDATE
       SET request_count = r.request_count + excluded.request_count,
           unpriced_requests = r.unpriced_requests + excluded.unpriced_requests,
           input_tokens = r.input_tokens + excluded.input_tokens,
           output_tokens = r.output_tokens + excluded.output_tokens,
           reasoning_tokens = r.reasoning_tokens + excluded.reasoning_tokens,
           cached_tokens = r.cached_tokens + excluded.cached_tokens,
           total_cost = coalesce(r.total_cost + excluded.total_cost, r.total_cost, excluded.total_cost),
           computed_cost = coalesce(r.computed_cost + excluded.computed_cost, r.computed_cost, excluded.computed_cost),
           updated_at = excluded.updated_at
"""


def measure(stage: Stage, *, named: bool) -> Iterator[Sample]:
    """Each time somebody new sends a batch; then psql adds the very rows that this made to an empty ledger."""
    body = json.dumps({"usageRecords": _records(named=named)}).encode()
    with stage.serve() as server:
        latest = stage.person()
        _send_all(server.url, latest, body)

        def ours() -> float:
            nonlocal latest
            latest = stage.person()
            return _seconds(partial(_send_all, server.url, latest, body))

        def reference() -> float:
            _stage_rows(stage, latest)
            return _seconds(partial(psql, stage.urls["DATABASE_OWNER_URL"], ADD))

        while True:
            yield by_turns(ours, reference)


def _records(*, named: bool) -> list[dict[str, Any]]:
    """A record for each model and hour, back from the last hour, so that each makes a row of its own."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return [
        {
            "provider": MODELS[number % len(MODELS)][0],
            "model": MODELS[number % len(MODELS)][1],
            "requestCount": 1,
            "inputTokens": 150,
            "outputTokens": 300,
            "reasoningTokens": 0,
            "cost": 0.004,
            "timestamp": (hour - timedelta(hours=1 + number // len(MODELS))).isoformat(),
        }
        | ({"id": f"record-{number}"} if named else {})
        for number in range(RECORDS)
    ]


def _send_all(url: str, person: Person, body: bytes) -> None:
    figures = post(url, person, "/api/usage/sync", body)["data"]
    assert (figures["totalRecords"], figures["successCount"]) == (RECORDS, RECORDS), figures


def _stage_rows(stage: Stage, person: Person) -> None:
    """The rows of the person's ledger, and an empty ledger with its columns and unique key."""
    with psycopg.connect(stage.urls["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(f"DROP TABLE IF EXISTS {TABLE}, {STAGING}")
        owner.execute(f"CREATE TABLE {TABLE} (LIKE usage_usagerecord)")
        owner.execute(f"ALTER TABLE {TABLE} ADD UNIQUE (user_id, hour, provider, model, source)")
        owner.execute(f"CREATE TABLE {STAGING} AS SELECT * FROM usage_usagerecord WHERE user_id = %s", [person.id])
        owner.execute(f"ANALYZE {STAGING}")


def _seconds(work: partial[None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


REFERENCE = "INSERT … SELECT … ON CONFLICT of the same rows by psql into a logged table with the ledger's unique key"
ROW = Row(
    name="sync",
    subject=f"POST /api/usage/sync of {RECORDS:,} records",
    reference=REFERENCE,
    unit="s",
    measure=partial(measure, named=False),
    target=at_most(3),
)
NAMED = Row(
    name="sync-named",
    subject="the same, each record with an id of its own",
    reference=REFERENCE,
    unit="s",
    measure=partial(measure, named=True),
)
