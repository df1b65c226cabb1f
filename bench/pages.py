"""Every page of somebody with 5,000 chats: in a database full of others, beside the same person's in a small one."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache, partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.history import ROWS, keep_ledger
from bench.measuring import Row, Sample, at_most, by_turns
from bench.payloads import payload
from bench.stage import Person, Stage

CHATS, MESSAGES_EACH = 5_000, 10  # of the person whose pages are asked for
OTHERS = 1_500
CHATS_OF_EACH = 130  # of the others: 195,000 chats and 1,950,000 messages
LEDGER = 3_000_000  # rows, of everybody
TIMES = 10
WORD = "query"  # stands in everybody's messages
PAGES = {
    "overview": "/",
    "usage": "/usage/",
    "usage-all": "/usage/?period=all",
    "chats": "/chats/",
    "chats-search": f"/chats/?q={WORD}",
    "chats-narrowed": "/chats/?provider=openai&sort=cost",
    "chats-oldest": "/chats/?sort=oldest&since=2020-01-01",
    "chat": "/chats/{chat}/",
    "keys": "/keys/",
    "import": "/import/",
    "profile-page": "/profile/",
    "security": "/security/",
    "privacy": "/privacy/",
}
SMALL, BIG = "bench_small", "bench_big"

# The one person's first chats again for each of the others; ids follow from both, so that a message finds its chat.
COPIES = (
    ("chats_chat", "source.id IN (SELECT id FROM few)"),
    ("chats_message", "source.chat_id IN (SELECT id FROM few)"),
    ("chats_searchentry", "source.chat_id IN (SELECT id FROM few)"),
)
COPY = """
    WITH few AS (SELECT id FROM chats_chat WHERE user_id = %(person)s ORDER BY id LIMIT {chats})
    INSERT INTO {table} ({columns})
    SELECT {values}
      FROM unnest(%(others)s::uuid[]) AS other, {table} AS source
     WHERE source.user_id = %(person)s AND {which}
"""
ANOTHERS = {
    "id": "md5(other::text || source.id)::uuid",
    "user_id": "other",
    "chat_id": "md5(other::text || source.chat_id)::uuid",
}


def measure(stage: Stage, *, path: str) -> Iterator[Sample]:
    """Server time of one page in both, asked by turns on a kept-alive connection."""
    person, chat = _databases(stage)
    path = path.format(chat=chat)
    with ExitStack() as stack:
        asks = []
        for database in (BIG, SMALL):
            server = stack.enter_context(stage.serve(**_urls(stage, database)))
            ask = partial(_milliseconds, server.url, person, path)
            ask()
            asks.append(ask)
        big, small = asks
        while True:
            yield by_turns(big, small)


@cache
def _databases(stage: Stage) -> tuple[Person, str]:
    """Two databases with the same person, one with everybody else's rows too. The person, and a chat of theirs."""
    from django.db import connections

    person = stage.person()
    _bring_chats(person)
    connections.close_all()
    owner = stage.urls["DATABASE_OWNER_URL"]
    keep_ledger(owner, [person])
    template = conninfo_to_dict(owner)["dbname"]
    with psycopg.connect(_on(owner, "postgres"), autocommit=True) as server:
        for database in (SMALL, BIG):
            server.execute(f"CREATE DATABASE {database} TEMPLATE {template}")
    with psycopg.connect(_on(owner, SMALL), autocommit=True) as small:
        small.execute("VACUUM ANALYZE")
    others = keep_ledger(_on(owner, BIG), [], others=LEDGER // ROWS - 1)
    return person, _fill(_on(owner, BIG), person, others[:OTHERS])


def _bring_chats(person: Person) -> None:
    from chats.models import Source
    from chats.search import index_chats
    from chats.sync import take_over

    user_id = UUID(person.id)
    body = payload(chats=CHATS, messages=MESSAGES_EACH)
    take_over(user_id=user_id, body=body, source=Source.COMMAND)
    index_chats(user_id=user_id)


def _fill(url: str, person: Person, others: list[str]) -> str:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")  # everybody is known to exist
        for table, which in COPIES:
            columns = [
                name
                for (name,) in owner.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
                    " AND attgenerated = ''",
                    [table],
                )
            ]
            statement = COPY.format(
                chats=CHATS_OF_EACH,
                table=table,
                which=which,
                columns=", ".join(columns),
                values=", ".join(ANOTHERS.get(name, f"source.{name}") for name in columns),
            )
            owner.execute(statement, {"person": person.id, "others": others})
        owner.execute("VACUUM ANALYZE")
        (messages,) = owner.execute("SELECT count(*) FROM chats_message").fetchone() or (0,)
        assert messages == MESSAGES_EACH * (CHATS + OTHERS * CHATS_OF_EACH), messages
        row = owner.execute(
            "SELECT id FROM chats_chat WHERE user_id = %s ORDER BY updated_at DESC, id LIMIT 1", [person.id]
        ).fetchone()
    assert row is not None
    return str(row[0])


def _urls(stage: Stage, database: str) -> dict[str, Any]:
    return {name: _on(url, database) for name, url in stage.urls.items()}


def _on(url: str, database: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))


def _milliseconds(url: str, person: Person, path: str) -> float:
    """For one request, on average of several in a row."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        took = 0.0
        for _ in range(TIMES):
            began = time.perf_counter()
            connection.request("GET", path, headers={"Cookie": person.cookie})
            response = connection.getresponse()
            response.read()
            took += time.perf_counter() - began
            if response.status != 200:
                raise RuntimeError(f"{path} answered {response.status}.")
        return took / TIMES * 1000
    finally:
        connection.close()


ROWS_OF_PAGES = tuple(
    Row(
        name=f"page-{name}",
        subject=f"page {path} among everybody's rows",
        reference="the same page of the same person (5,000 chats) without 195,000 chats, 1,950,000 messages"
        " and 3 million ledger rows of others",
        unit="ms",
        measure=partial(measure, path=path),
        target=at_most(1.5),
    )
    for name, path in PAGES.items()
)
