"""The hand-over of a browser's chats, beside the fastest way PostgreSQL has of taking the same rows."""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg

from bench.clients import psql
from bench.measuring import Row, Sample, at_most
from bench.payloads import payload
from bench.stage import Person, Stage
from bench.talking import hand_over

CHATS = 200
MESSAGES = 50
TIMES = 3  # by turns within one run, so that what slows the machine down slows both
PLAIN, INDEXED = "bench_message", "bench_message_indexed"


def measure(stage: Stage, *, repeat_text: int) -> Iterator[Sample]:
    """Each time somebody new hands over over HTTP; then psql copies the very rows that this stored."""
    body = payload(chats=CHATS, messages=MESSAGES, repeat_text=repeat_text)
    with stage.serve() as server, tempfile.TemporaryDirectory(prefix="wavelength-bench-") as directory:
        rows = Path(directory) / "rows"
        hand_over(server.url, stage.person(), body)
        while True:
            ours = plain = indexed = 0.0
            for _ in range(TIMES):
                person = stage.person()
                ours += _seconds(partial(_hand_over_all, server.url, person, body))
                _write_rows(stage, person, rows)
                plain += _seconds(partial(_copy, stage, rows, PLAIN))
                indexed += _seconds(partial(_copy, stage, rows, INDEXED))
            figures = {
                "payload MiB": len(body) / 2**20,
                "ratio to \\copy into a table with our indexes": ours / indexed,
            }
            yield Sample(ours / TIMES, plain / TIMES, figures)


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _hand_over_all(url: str, person: Person, body: bytes) -> None:
    figures = hand_over(url, person, body)
    assert (figures["migratedChats"], figures["migratedMessages"]) == (CHATS, CHATS * MESSAGES), figures


def _write_rows(stage: Stage, person: Person, rows: Path) -> None:
    """The person's messages as COPY lines, and empty tables of the same columns."""
    with psycopg.connect(stage.urls["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(f"DROP TABLE IF EXISTS {PLAIN}, {INDEXED}")
        owner.execute(f"CREATE TABLE {PLAIN} (LIKE chats_message)")
        owner.execute(f"CREATE TABLE {INDEXED} (LIKE chats_message INCLUDING INDEXES)")
        select = f"SELECT * FROM chats_message WHERE user_id = '{person.id}'"
        with rows.open("wb") as file, owner.cursor().copy(f"COPY ({select}) TO STDOUT") as lines:
            for line in lines:
                file.write(line)


def _copy(stage: Stage, rows: Path, table: str) -> None:
    psql(stage.urls["DATABASE_OWNER_URL"], f"\\copy {table} FROM '{rows}'")


REFERENCE = "\\copy of the same messages by psql into a logged table of the same columns without indexes"
# Texts six times as long as the sample's: about 1 KB a message, half a page of an answer.
ROW = Row(
    name="hand-over",
    subject=f"hand-over of {CHATS} chats × {MESSAGES} messages over HTTP",
    reference=REFERENCE,
    unit="s",
    measure=partial(measure, repeat_text=6),
    target=at_most(4),
)
SHORT = Row(
    name="hand-over-short",
    subject="the same with the sample's own, short texts",
    reference=REFERENCE,
    unit="s",
    measure=partial(measure, repeat_text=1),
)
