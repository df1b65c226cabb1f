"""The clock of the web process an hour off: time comes from the database."""

import os
import urllib.request
from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from drill.client import Client, Told
from drill.load import Person, load
from drill.outcome import Drill, Outcome
from drill.stage import ROOT, Stage
from drill.stored import compared

HOUR = timedelta(hours=1)
ANSWERS = 60
COLUMNS = """
    SELECT c.table_name::text, c.column_name::text
      FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
     WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type = 'timestamp with time zone'
     ORDER BY 1, 2
"""
# A window may begin or end at a full hour, and be meant so.
DATED = "SELECT count(*) FROM {} WHERE {column} BETWEEN %s AND %s AND {column} <> date_trunc('hour', {column})"
HOURS = """
    SELECT count(*) FROM usage_usagerecord
     WHERE (user_id = ANY (%s) OR model = %s) AND hour NOT BETWEEN date_trunc('hour', %s::timestamptz) AND now()
"""


def run(stage: Stage, times: int) -> Outcome:
    """An hour fast and an hour slow by turns; nothing that is written is dated by that clock."""
    everybody: list[Person] = []
    told, outcome = Told(may_hang_up=False), Outcome(times)
    with psycopg.connect(stage.database.urls["DATABASE_OWNER_URL"], autocommit=True) as database:
        for number in range(times):
            off = HOUR if number % 2 == 0 else -HOUR
            people = stage.people()
            everybody += people
            began = _now(database)
            path = f"{ROOT / 'drill' / 'skewed'}:{os.environ.get('PYTHONPATH', '')}"
            with stage.web(DRILL_CLOCK_SECONDS=str(int(off.total_seconds())), PYTHONPATH=path) as web:
                outcome.wrong += _clock_that_is_right(web.url, off, began)
                [writer] = stage.people(1)
                _write_a_little_of_everything(Client(web.url, writer.headers, told), f"synced-{number}")
                with load(web.url, people, told, seed=stage.seed + number):
                    told.wait_for_more(ANSWERS)
            outcome.wrong += _dated_by_it(database, off, began)
            parameters = [[person.id for person in people], f"synced-{number}", began]
            [misplaced] = database.execute(HOURS, parameters).fetchone() or (0,)
            if misplaced:
                outcome.wrong.append(f"{misplaced} records are in another hour than they were sent in.")
    return compared(told, everybody, outcome)


def _now(database: "psycopg.Connection[TupleRow]") -> datetime:
    [now] = database.execute("SELECT now()").fetchone() or ()
    assert isinstance(now, datetime)
    return now


def _clock_that_is_right(url: str, off: timedelta, began: datetime) -> Sequence[str]:
    from django.utils.http import parse_http_date

    with urllib.request.urlopen(f"{url}/healthz") as response:
        shown = parse_http_date(response.headers["Date"])
    if abs(shown - (began + off).timestamp()) > 600:
        return ["The web process's clock is not off: the drill tells nothing."]
    return []


def _write_a_little_of_everything(client: Client, model: str) -> None:
    from tests import samples

    client.ask("PUT", "/api/profile", {"name": "Somebody else"})
    client.ask("POST", "/api/profile/api-keys", {"provider": "openai", "apiKey": "sk-of-the-drill-0123456789abcdef"})
    client.ask("POST", "/api/migration", samples.payload("small"))
    client.ask("POST", "/api/usage/sync", {"usageRecords": [{"provider": "openai", "model": model}]})


def _dated_by_it(database: "psycopg.Connection[TupleRow]", off: timedelta, began: datetime) -> Sequence[str]:
    found = []
    for table, column in database.execute(COLUMNS).fetchall():
        question = sql.SQL(DATED).format(sql.Identifier(table), column=sql.Identifier(column))
        [rows] = database.execute(question, [began + off, _now(database) + off]).fetchone() or (0,)
        if rows:
            found.append(f"{rows} rows are dated by the web process's clock in {table}.{column}.")
    return found


DRILL = Drill("clock-off", "the web process's clock an hour fast, then slow", run, times=4, short=2)
