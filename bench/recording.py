"""`POST /api/profile/usage`: what counting a request costs over HTTP, beside the very statement that counts it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from bench.clients import transactions_per_second
from bench.history import keep_ledger, keep_windows
from bench.load import Question, load
from bench.measuring import Row, Sample, at_least, by_turns
from bench.stage import Person, Stage

SECONDS = 2.0
OTHERS = 100  # in the ledger
BODY = json.dumps(
    {"provider": "openai", "model": "gpt-4o", "inputTokens": 150, "outputTokens": 300, "cost": 0.004}
).encode()
STATEMENT = (
    "SELECT usage_record_of_session('{key}', '{stamp}', gen_random_uuid(), 'openai', 'gpt-4o', 1, 150, 300, 0, 0,"
    " 0.004, 0.003375, NULL, NULL, '');"
)

Reference = Callable[[Stage, Sequence[Person]], AbstractContextManager[Callable[[], float]]]


def measure(stage: Stage, *, connections: int, reference: Reference) -> Iterator[Sample]:
    """Each connection is another person's; both sides record for the same people."""
    people = [stage.person() for _ in range(connections)]
    keep_windows(stage, people)
    keep_ledger(stage.urls["DATABASE_OWNER_URL"], people, others=OTHERS)
    with stage.serve() as server, reference(stage, people) as reference_rate:
        ours = partial(_requests_per_second, server.url, people)
        while True:
            yield by_turns(ours, reference_rate)


@contextmanager
def bare_view(stage: Stage, people: Sequence[Person]) -> Iterator[Callable[[], float]]:
    """Requests a second that a WSGI function answers which does nothing but run the statement."""
    with stage.serve("bench.bare:recording", BENCH_STAMP=stamp()) as server:
        yield partial(_requests_per_second, server.url, people)


@contextmanager
def pgbench(stage: Stage, people: Sequence[Person]) -> Iterator[Callable[[], float]]:
    """Transactions a second at the database's own socket."""
    scripts = [STATEMENT.format(key=person.session, stamp=stamp()) for person in people]
    url = stage.urls["DATABASE_URL"]
    yield partial(transactions_per_second, url, scripts, clients=len(people), seconds=SECONDS)


def _requests_per_second(url: str, people: Sequence[Person]) -> float:
    questions = [Question("/api/profile/usage", person.cookie, BODY) for person in people]
    return load(url, questions, connections=len(people), seconds=SECONDS).a_second


def stamp() -> str:
    """What goes with a session's key into `enter`."""
    from accounts.models import session_stamp

    return session_stamp()


BARE = "a bare WSGI function under the same gunicorn that runs the same prepared statement for the same people"
FEW = Row(
    name="record",
    subject="POST /api/profile/usage at 8 connections",
    reference=BARE,
    unit="requests/s",
    measure=partial(measure, connections=8, reference=bare_view),
    target=at_least(0.6),
)
MANY = Row(
    name="record-32",
    subject="the same at 32 connections",
    reference=BARE,
    unit="requests/s",
    measure=partial(measure, connections=32, reference=bare_view),
    target=at_least(0.6),
)
DATABASE = Row(
    name="record-database",
    subject="the same at 8 connections",
    reference="pgbench -M prepared of the same statement with 8 clients",
    unit="requests/s",
    measure=partial(measure, connections=8, reference=pgbench),
    target=at_least(0.25),
)
