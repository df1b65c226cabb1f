"""`GET /api/profile/usage`: one person's three months among everybody's."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

import psycopg

from bench.clients import transactions_per_second
from bench.history import ROWS, keep_ledger
from bench.load import Answered, Question, load
from bench.measuring import Row, Sample, at_least, at_most, by_turns
from bench.recording import stamp
from bench.stage import Person, Stage
from wavelength.tenancy.operations import IS_TENANT

CONNECTIONS = 8
SECONDS = 2.0
TIMES = 20
MANY, FEW = 3_000_000, 30_000  # rows in the ledger
SMALL = "bench_few"  # a schema with a ledger of its own
PATH = "/api/profile/usage?period=all"
STATEMENT = "SELECT usage_report_of_session('{session}', '{stamp}', 'all', '', '');"


def among_many(stage: Stage) -> Iterator[Sample]:
    """The function that answers the report, asked on two ledgers of one database, each under its policy."""
    person = _people(stage)[0]
    _keep_few(stage, person)
    url = stage.urls["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as many, psycopg.connect(url, autocommit=True) as few:
        few.execute(f"SET search_path = {SMALL}, public")
        for connection in (many, few):
            connection.execute("SELECT set_config('app.user_id', %s, false)", [person.id])
        while True:
            yield by_turns(_milliseconds(many, person), _milliseconds(few, person))


def over_http(stage: Stage) -> Iterator[Sample]:
    """Eight people at once."""
    people = _people(stage)
    scripts = [STATEMENT.format(session=person.session, stamp=stamp()) for person in people]
    reference = partial(
        transactions_per_second, stage.urls["DATABASE_URL"], scripts, clients=CONNECTIONS, seconds=SECONDS
    )
    with stage.serve() as server:
        while True:
            yield by_turns(lambda: _answered(server.url, people).a_second, reference)


def tail(stage: Stage) -> Iterator[Sample]:
    """How long one in a hundred waits, beside how long one in two does, in the same run."""
    people = _people(stage)
    with stage.serve() as server:
        while True:
            answered = _answered(server.url, people)
            yield Sample(answered.percentile(0.99) * 1000, answered.percentile(0.5) * 1000)


def _answered(url: str, people: Sequence[Person]) -> Answered:
    return load(url, [Question(PATH, person.cookie) for person in people], connections=CONNECTIONS, seconds=SECONDS)


def _milliseconds(connection: "psycopg.Connection[tuple[object, ...]]", person: Person) -> Callable[[], float]:
    def one_call() -> float:
        began = time.perf_counter()
        for _ in range(TIMES):
            connection.execute("SELECT usage_report(%s, 'all', '', '', now())", [person.id]).fetchone()
        return (time.perf_counter() - began) / TIMES * 1000

    return one_call


@cache
def _people(stage: Stage) -> list[Person]:
    """Eight people in a ledger of three million rows."""
    people = [stage.person() for _ in range(CONNECTIONS)]
    keep_ledger(stage.urls["DATABASE_OWNER_URL"], people, others=MANY // ROWS - CONNECTIONS)
    return people


def _keep_few(stage: Stage, person: Person) -> None:
    """The person's rows again, in a ledger of the same shape with fewer people, and room for their closed days."""
    ledger, closed = (f"{SMALL}.{name}" for name in ("usage_usagerecord", "usage_closedday"))
    with psycopg.connect(stage.urls["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(f"CREATE SCHEMA {SMALL}")
        owner.execute(f"GRANT USAGE ON SCHEMA {SMALL} TO wl_app")
        for table in (ledger, closed):
            owner.execute(f"CREATE TABLE {table} (LIKE public.{table.split('.')[1]} INCLUDING ALL)")
            owner.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            owner.execute(f"CREATE POLICY tenant ON {table} TO wl_app USING ({IS_TENANT})")
            owner.execute(f"GRANT SELECT, INSERT, DELETE ON {table} TO wl_app")
    keep_ledger(stage.urls["DATABASE_OWNER_URL"], [person], others=FEW // ROWS - 1, table=ledger)


ROW = Row(
    name="report",
    subject=f"usage report of 90 days ({ROWS:,} rows) in a ledger of 3 million rows",
    reference="the same person's in a ledger of 30,000 rows",
    unit="ms",
    measure=among_many,
    target=at_most(1.3),
)
HTTP = Row(
    name="report-http",
    subject=f"GET /api/profile/usage of 90 days in 3 million rows at {CONNECTIONS} connections",
    reference=f"pgbench -M prepared of the same statement with {CONNECTIONS} clients",
    unit="requests/s",
    measure=over_http,
    target=at_least(0.5),
)
TAIL = Row(
    name="report-tail",
    subject="the same: 99 of 100 answered within",
    reference="half of them answered within",
    unit="ms",
    measure=tail,
    target=at_most(8),
)
