"""Jobs are done, whatever happens to the workers, and none is done by two."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from procrastinate import RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from accounts.models import User
from tests.conftest import administering, signed_in
from tests.processes import ROOT, environment
from wavelength.jobs import LONGEST, PATIENTLY, TRIES, Jobs, take_over

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
PAGE = "/admin/wavelength/deadjob/"


@pytest.fixture(autouse=True)
def _counting(db: None) -> Iterator[None]:
    """An empty queue, and the table in which tests/working.py counts."""
    _forget_jobs()
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS counted")
        cursor.execute("CREATE TABLE counted (job bigint, process integer, what text)")
        cursor.execute("GRANT SELECT, INSERT ON counted TO wl_app")
    yield
    _forget_jobs()
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP TABLE counted")


def _forget_jobs() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_periodic_defers")
        cursor.execute("DELETE FROM procrastinate_jobs")
        cursor.execute("DELETE FROM procrastinate_workers")


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.working"], cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ask(question: str, *values: Any) -> Any:
    with connections["default"].cursor() as cursor:
        cursor.execute(question, values)
        return cursor.fetchall() if cursor.description else None


def wait_until(holds: Callable[[], Any], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "It did not happen in time."
        time.sleep(0.05)


def taken_over() -> int:
    """How many jobs were; in a thread of its own, for a browser's tests leave an event loop running in this one."""

    def work() -> int:
        try:
            return async_to_sync(take_over)(app.job_manager)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(timeout=60)


def defer(**seconds: float) -> int:
    return app.configure_task("tests.count").defer(**{"first": 0.0, "again": 0.0} | seconds)


def rows(job: int) -> list[str]:
    return [what for (what,) in ask("SELECT what FROM counted WHERE job = %s ORDER BY ctid", job)]


def status(job: int) -> str:
    [(found,)] = ask("SELECT status::text FROM procrastinate_jobs WHERE id = %s", job)
    return str(found)


def put(state: str = "todo", *, name: str = "tests.nothing", args: str = "{}", **more: Any) -> int:
    """A job in this state; one that is being done has no worker any more."""
    [(job,)] = ask(
        """INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts, queueing_lock)
           VALUES ('default', %s, %s::jsonb, %s::procrastinate_job_status, %s, %s) RETURNING id""",
        name,
        args,
        state,
        more.get("attempts", 0),
        more.get("queueing_lock"),
    )
    return int(job)


def test_two_workers_never_take_the_same_job() -> None:
    jobs = [defer(first=0.02) for _ in range(100)]
    with worker(), worker():
        wait_until(lambda: ask("SELECT count(*) FROM counted WHERE what = 'ended'") == [(len(jobs),)])

    assert ask("SELECT job FROM counted WHERE what = 'begun' ORDER BY job") == [(job,) for job in sorted(jobs)]
    assert len(ask("SELECT DISTINCT process FROM counted")) == 2


def test_a_killed_workers_job_is_done_by_the_next() -> None:
    job = defer(first=600)
    with worker() as first:
        wait_until(lambda: rows(job) == ["begun"])
        first.kill()
        first.wait()
    assert status(job) == "doing"
    # As if its last word was long ago, so that the test need not wait for it.
    ask("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'")

    with worker():
        wait_until(lambda: status(job) == "succeeded")
    assert rows(job) == ["begun", "begun", "ended"]


def test_a_worker_that_lives_keeps_its_job() -> None:
    job = defer(first=600)
    with worker():
        wait_until(lambda: rows(job) == ["begun"])
        assert taken_over() == 0
        assert status(job) == "doing"


def test_a_job_that_ends_its_workers_is_dead_in_the_end() -> None:
    again, dead = put("doing"), put("doing", attempts=TRIES - 1)
    assert taken_over() == 2
    assert (status(again), status(dead)) == ("todo", "failed")


def test_jobs_left_behind_are_looked_for_each_minute() -> None:
    crons = {name: task.cron for (name, _), task in app.periodic_registry.periodic_tasks.items()}
    assert crons["wavelength.tasks.take_over_jobs"] == "* * * * *"


def test_every_task_is_tried_again() -> None:
    ours = {
        name: task for name, task in app.tasks.items() if not name.startswith(("builtin", "procrastinate.", "tests."))
    }
    assert len(ours) > 10
    assert {name for name, task in ours.items() if task.retry_strategy is not PATIENTLY} == set()


def test_pauses_grow_and_end() -> None:
    pauses = []
    for attempts in range(TRIES):
        decision = PATIENTLY.get_retry_decision(exception=OSError(), job=_job(attempts))
        if isinstance(decision, RetryDecision) and decision.retry_at:
            pauses.append(round((decision.retry_at - datetime.now(UTC)).total_seconds()))
    assert pauses == [10, 40, 160, LONGEST, LONGEST, LONGEST, LONGEST]


def _job(attempts: int) -> Job:
    return Job(id=1, queue="default", task_name="a", lock=None, queueing_lock=None, attempts=attempts, status="doing")


def test_a_job_that_cannot_wait_again_goes() -> None:
    failing = put("doing", queueing_lock="the same")
    waiting = put("todo", queueing_lock="the same")
    assert isinstance(app.job_manager, Jobs)

    taken_over()

    assert ask("SELECT id FROM procrastinate_jobs") == [(waiting,)]
    assert failing != waiting


@pytest.fixture
def staff(alice: User) -> Client:
    return administering(alice)


def test_dead_jobs_are_shown_without_what_they_were_given(staff: Client) -> None:
    person = uuid4()
    dead = put("failed", args=f'{{"user_id": "{person}", "timestamp": 5, "title": "My diary"}}', attempts=8)
    put("todo", name="tests.waiting")

    for page in (staff.get(PAGE), staff.get(f"{PAGE}{dead}/change/")):
        assert page.status_code == 200
        text = page.content.decode()
        for shown in (f"user_id: {person}", "timestamp: 5", "title: [hidden]"):
            assert shown in text
        assert "diary" not in text
        assert "tests.waiting" not in text


def test_many_dead_jobs_ask_no_more_than_one(staff: Client) -> None:
    counts = []
    for jobs in (1, 9):
        for _ in range(jobs):
            put("failed")
        with CaptureQueriesContext(connections["operator"]) as asked:
            staff.get(PAGE)
        counts.append(len(asked))
    assert counts[0] == counts[1] < 12


def test_a_dead_job_is_tried_again(staff: Client) -> None:
    dead, locked = put("failed"), put("failed", queueing_lock="the same")
    put("todo", queueing_lock="the same")

    page = staff.post(PAGE, {"action": "try_again", "_selected_action": [dead, locked]}, follow=True)

    assert (status(dead), status(locked)) == ("todo", "failed")
    text = page.content.decode()
    assert f"Job {locked}: one for the same waits already." in text
    assert "1 of the selected jobs are queued again." in text


def test_only_administrators_see_and_try(alice: User) -> None:
    dead = put("failed")
    client = signed_in(alice)
    assert client.get(PAGE).status_code != 200
    assert client.post(PAGE, {"action": "try_again", "_selected_action": [dead]}).status_code != 200
    assert status(dead) == "failed"
