"""Reserve and settle for one person from many threads: all of it waits in one line, as quotas demand."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import psycopg

from bench.clients import transactions_per_second
from bench.measuring import Row, Sample, at_least, by_turns
from bench.stage import Stage

THREADS = 16
SECONDS = 3.0
TABLE = "bench_pair"
TWO_UPDATES = f"""UPDATE {TABLE} SET figure = figure + 1 WHERE id = 1;
UPDATE {TABLE} SET figure = figure + 1 WHERE id = 2;"""


def measure(stage: Stage) -> Iterator[Sample]:
    """Both sides commit twice, and wait for the same rows."""
    person = stage.person()
    with psycopg.connect(stage.urls["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("UPDATE usage_quotalimit SET request_limit = NULL, token_limit = NULL, cost_limit = NULL"
                      " WHERE user_id = %s", [person.id])  # fmt: skip
        owner.execute(f"CREATE TABLE {TABLE} (id integer PRIMARY KEY, figure bigint) WITH (fillfactor = 50)")
        owner.execute(f"INSERT INTO {TABLE} VALUES (1, 0), (2, 0)")
        owner.execute(f"GRANT SELECT, UPDATE ON {TABLE} TO wl_app")
    url = stage.urls["DATABASE_URL"]
    with ThreadPoolExecutor(THREADS) as pool:
        ours = partial(_pairs_per_second, pool, UUID(person.id))
        reference = partial(transactions_per_second, url, [TWO_UPDATES], clients=THREADS, seconds=SECONDS)
        ours()
        while True:
            yield by_turns(ours, reference)


def _pairs_per_second(pool: ThreadPoolExecutor, user_id: UUID) -> float:
    together = threading.Barrier(THREADS)
    counts = pool.map(lambda _: _pairs(user_id, together), range(THREADS))
    return sum(counts) / SECONDS


def _pairs(user_id: UUID, together: threading.Barrier) -> int:
    from usage import metering
    from usage.metering import Tokens

    together.wait()
    deadline = time.perf_counter() + SECONDS
    pairs = 0
    while time.perf_counter() < deadline:
        held = metering.reserve(user_id=user_id, provider="openai", model="gpt-4o", tokens=1000)
        metering.settle(
            user_id=user_id, reservation_id=held.id, provider="openai", model="gpt-4o", tokens=Tokens(150, 300)
        )
        pairs += 1
    return pairs


ROW = Row(
    name="reserve",
    subject=f"reserve and settle by {THREADS} threads for one person",
    reference=f"pgbench of two updates of a row each with {THREADS} clients, on the same two rows",
    unit="pairs/s",
    measure=measure,
    target=at_least(0.3),
)
