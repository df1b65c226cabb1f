"""The hand-over of a browser's chats, beside the fastest way PostgreSQL has of taking the same rows."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.measuring import Row, Sample, at_most
from bench.payloads import payload
from bench.stage import Person, Stage
from bench.talking import hand_over
from wavelength.embedded import programs

CHATS = 200
MESSAGES = 50
TABLE = "bench_message"


def measure(stage: Stage) -> Iterator[Sample]:
    """In each run somebody new hands over over HTTP; then psql copies the very rows that this stored."""
    body = payload(chats=CHATS, messages=MESSAGES)
    with stage.serve() as server, tempfile.TemporaryDirectory(prefix="wavelength-bench-") as directory:
        rows = Path(directory) / "rows"
        hand_over(server.url, stage.person(), body)
        while True:
            person = stage.person()
            began = time.perf_counter()
            figures = hand_over(server.url, person, body)
            ours = time.perf_counter() - began
            assert (figures["migratedChats"], figures["migratedMessages"]) == (CHATS, CHATS * MESSAGES), figures
            _write_rows(stage, person, rows)
            yield Sample(ours, _copy_seconds(stage, rows))


def _write_rows(stage: Stage, person: Person, rows: Path) -> None:
    """The person's messages as COPY lines, and an empty table of the same columns without any index."""
    with psycopg.connect(stage.urls["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(f"DROP TABLE IF EXISTS {TABLE}")
        owner.execute(f"CREATE TABLE {TABLE} (LIKE chats_message)")
        select = f"SELECT * FROM chats_message WHERE user_id = '{person.id}'"
        with rows.open("wb") as file, owner.cursor().copy(f"COPY ({select}) TO STDOUT") as lines:
            for line in lines:
                file.write(line)


def _copy_seconds(stage: Stage, rows: Path) -> float:
    """The time of the whole psql command, as `time psql …` would tell it."""
    parts = conninfo_to_dict(stage.urls["DATABASE_OWNER_URL"])
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    environment = os.environ | {names[name]: str(value) for name, value in parts.items()}
    command = [str(programs() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", f"\\copy {TABLE} FROM '{rows}'"]
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True)
    return time.perf_counter() - began


ROW = Row(
    name="hand-over",
    subject=f"hand-over of {CHATS} chats × {MESSAGES} messages over HTTP",
    reference="\\copy of the same messages by psql into a logged table of the same columns without indexes",
    unit="s",
    measure=measure,
    target=at_most(4),
)
