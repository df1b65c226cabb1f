"""Work that nobody waits for: two workers at the same jobs, and workers that are killed."""

import json
import subprocess
import time
import zipfile
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from drill.load import Person
from drill.outcome import Drill, Outcome
from drill.stage import Stage, kill_all, wait_until

PEOPLE = 12  # each with an index to make and an archive
RECOVER_SECONDS = 240  # a worker that was killed is missed after half a minute, and its jobs are looked for each minute
TASKS = ["chats.tasks.index_chats_of", "accounts.tasks.make_archive_of"]
LEFT = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = ANY (%s) AND status IN ('todo', 'doing')"
DOING = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = ANY (%s) AND status = 'doing'"
ENDED = """
    SELECT count(*), count(*) FILTER (WHERE status = 'succeeded'), count(DISTINCT worker_id)
      FROM procrastinate_jobs WHERE id > %s AND task_name = ANY (%s)
"""
BEGUN_AGAIN = """
    SELECT count(*)
      FROM (SELECT e.job_id FROM procrastinate_events e JOIN procrastinate_jobs j ON j.id = e.job_id
             WHERE e.type = 'started' AND j.id > %s AND j.task_name = ANY (%s)
             GROUP BY e.job_id HAVING count(*) > 1) again
"""
Connection = psycopg.Connection[TupleRow]


def shared(stage: Stage, times: int) -> Outcome:
    """Two workers at work, so often new jobs for them: each is done once, by one of them."""
    outcome = Outcome(times)
    with _owner(stage) as database, stage.worker(), stage.worker():
        last = _last_job(database)
        for _ in range(times):
            people = stage.people(PEOPLE)
            _give_work(people)
            _wait_for_the_end(database)
            _check_what_was_made(people, outcome)
        [jobs, done, workers] = database.execute(ENDED, [last, TASKS]).fetchone() or (0, 0, 0)
        [outcome.doubled] = database.execute(BEGUN_AGAIN, [last, TASKS]).fetchone() or (0,)
    outcome.acknowledged, outcome.lost = jobs, jobs - done
    if workers < 2:
        outcome.wrong.append("One worker did everything: the drill tells nothing.")
    return outcome


def killed(stage: Stage, times: int) -> Outcome:
    """SIGKILL while a job is being done, so often; then one worker is left alone, and finds what was begun."""
    outcome = Outcome()
    people = []
    with _owner(stage) as database:
        last = _last_job(database)
        while outcome.times < times:
            new = stage.people(PEOPLE)
            people += new
            _give_work(new)
            outcome.times += _kill_in_the_middle(stage, database)
        began = time.monotonic()
        with stage.worker():
            _wait_for_the_end(database)
        outcome.recovered = time.monotonic() - began
        _check_what_was_made(people, outcome)
        [jobs, done, _] = database.execute(ENDED, [last, TASKS]).fetchone() or (0, 0, 0)
        [again] = database.execute(BEGUN_AGAIN, [last, TASKS]).fetchone() or (0,)
    outcome.acknowledged, outcome.lost = jobs, jobs - done
    outcome.note = f"{again} jobs were begun again"
    return outcome


def wait_until_at_work(stage: Stage) -> None:
    """Return once a worker says that it lives."""
    with _owner(stage) as database:
        alive = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '15 seconds'"
        wait_until(lambda: database.execute(alive).fetchone() != (0,), "No worker says that it lives.")


def can_work(stage: Stage) -> bool:
    """Whether a worker that runs does what it is given."""
    from django.db import connections

    # What was open may be of a server that is gone.
    connections.close_all()
    outcome, people = Outcome(), stage.people(1)
    _give_work(people)
    with _owner(stage) as database:
        _wait_for_the_end(database)
    _check_what_was_made(people, outcome)
    return not outcome.wrong


def _owner(stage: Stage) -> Connection:
    return psycopg.connect(stage.database.urls["DATABASE_OWNER_URL"], autocommit=True)


def _last_job(database: Connection) -> int:
    [last] = database.execute("SELECT coalesce(max(id), 0) FROM procrastinate_jobs").fetchone() or (0,)
    return int(last)


def _give_work(people: Sequence[Person]) -> None:
    from accounts import archives
    from accounts.tasks import make_later
    from chats.models import Source
    from chats.sync import take_over
    from tests import samples

    body = json.dumps(samples.payload("small") | {"anonymousId": ""}).encode()
    for person in people:
        take_over(user_id=person.id, body=body, source=Source.MIGRATION)
        archives.ask(user_id=person.id)
        make_later(person.id)


def _kill_in_the_middle(stage: Stage, database: Connection) -> int:
    """One where a job was under way, and none where it was done sooner."""
    before, deadline = _count(database, DOING), time.monotonic() + 60
    worker: subprocess.Popen[Any] = stage.start_worker()
    try:
        while _count(database, DOING) == before:
            assert time.monotonic() < deadline, f"The worker does not begin: {stage.words_of_workers[-500:]}"
        time.sleep(stage.random.uniform(0, 0.02))
    finally:
        kill_all(worker)
    return _count(database, DOING) - before


def _wait_for_the_end(database: Connection) -> None:
    wait_until(lambda: not _count(database, LEFT), "Jobs stay undone.", RECOVER_SECONDS)


def _count(database: Connection, question: str) -> int:
    [rows] = database.execute(question, [TASKS]).fetchone() or (0,)
    return int(rows)


def _check_what_was_made(people: Sequence[Person], outcome: Outcome) -> None:
    from django.core.files.storage import default_storage

    from accounts import archives
    from chats.models import Chat, Message, SearchEntry
    from tests.samples import SMALL
    from wavelength.tenancy import tenant

    for person in people:
        with tenant(person.id):
            found = SearchEntry.objects.count()
            expected = Message.objects.count() + Chat.objects.count()
        if found != expected or expected != SMALL.messages + SMALL.chats:
            outcome.wrong.append(f"The index of one person has {found} entries for {expected} texts.")
        archive = archives.ready(user_id=person.id)
        if archive is None:
            outcome.wrong.append("An archive was never made.")
            continue
        with default_storage.open(archive.file) as file, zipfile.ZipFile(file) as opened:
            if opened.testzip() is not None:
                outcome.wrong.append("An archive is broken.")


SHARED = Drill("workers-two", "two workers at the same jobs", shared, times=10, short=1)
KILLED = Drill("worker-killed", "SIGKILL of the worker in the middle of a job", killed, times=10, short=0)
