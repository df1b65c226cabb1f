"""Errors reach Sentry with the request's id and without anything that is somebody's; nobody waits for it."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.db import connection
from procrastinate.contrib.django import app

from accounts.models import User
from accounts.tokens import make_token
from tests.conftest import signed_in
from tests.failing.faults import EMAIL, IN_BODY, IN_HEADER, IN_QUERY, PROVIDER_KEY, SECRETS
from tests.processes import ROOT, Running, environment, free_port, serve
from tests.servers.sentry import SentryServer
from wavelength.logs import HIDDEN
from wavelength.sentry import TOLD

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
FAILING = "tests.failing.settings"
WHERE = {"transaction", "tags"}


@pytest.fixture
def sentry() -> Iterator[SentryServer]:
    with SentryServer() as server:
        yield server


def fail(running: Running, path: str = "/failing/", cookie: str = "", token: str = IN_HEADER) -> str:
    """Provoke a 500; answers the request's id."""
    request = Request(
        f"{running.url}{path}?code={IN_QUERY}&q={IN_QUERY}",
        json.dumps({"key": PROVIDER_KEY, "email": EMAIL, "text": IN_BODY}).encode(),
        {
            "Authorization": f"Bearer {token}", "Cookie": cookie, "Content-Type": "application/json",
            "Referer": f"{running.url}/{IN_HEADER}", "User-Agent": IN_HEADER, "X-Forwarded-For": IN_HEADER,
            "baggage": f"sentry-public_key={IN_HEADER}", "Sec-Fetch-Site": "same-origin",
        },
    )  # fmt: skip
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=20)
    with refused.value as answer:
        assert answer.code == 500
        return str(answer.headers["X-Request-ID"])


@contextmanager
def worker(dsn: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with one job that fails."""
    forget_jobs()
    app.configure_task("tests.fail", allow_unknown=True).defer()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.failing.worker"],
            cwd=ROOT,
            env=environment(SENTRY_DSN=dsn),
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            forget_jobs()


def forget_jobs() -> None:
    """The flush after tests leaves them: their tables are procrastinate's own."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_periodic_defers")
        cursor.execute("DELETE FROM procrastinate_jobs")
        cursor.execute("DELETE FROM procrastinate_workers")


def wait_until_it_failed() -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'tests.fail' AND status = 'failed'"
            )
            if cursor.fetchone() == (1,):
                return
        time.sleep(0.1)
    raise TimeoutError("The job has not failed.")


def end(process: subprocess.Popen[bytes]) -> float:
    """The seconds that it takes to end when told to."""
    began = time.monotonic()
    process.terminate()
    process.wait(timeout=30)
    return time.monotonic() - began


def check_nothing_leaks(sentry: SentryServer, *more: str) -> None:
    sent = sentry.everything
    assert [secret for secret in (*SECRETS, *more) if secret.encode() in sent] == []
    assert {kind for kind, _ in sentry.items} == {"event"}
    assert all(set(event) <= {*TOLD, *WHERE} for _, event in sentry.items)


def test_an_error_of_a_page_and_of_a_call_arrives_without_secrets(sentry: SentryServer, alice: User) -> None:
    cookie = signed_in(alice).cookies[settings.SESSION_COOKIE_NAME]
    token = make_token(user_id=alice.pk, name="A script", days=None, read_only=False)
    with serve(DJANGO_SETTINGS_MODULE=FAILING, SENTRY_DSN=sentry.dsn) as running:
        requests = [
            fail(running, cookie=f"{cookie.key}={cookie.value}"),
            fail(running, "/api/failing", token=token),
        ]
        events = sentry.events(2)
        end(running.process)

    check_nothing_leaks(sentry, cookie.value, token, alice.email, str(alice.pk), settings.SECRET_KEY)
    assert [event["tags"]["request"] for event in events] == requests
    assert [event["transaction"] for event in events] == ["/failing/", "/api/failing"]
    assert {event["tags"]["method"] for event in events} == {"POST"}
    *causes, error = events[0]["exception"]["values"]
    assert [cause["value"].splitlines() for cause in causes] == [[f"invalid input: {HIDDEN}", HIDDEN]] * 2
    assert error["value"] == f"{HIDDEN} of {HIDDEN} is not {HIDDEN}"
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"
    assert "ordinary.reveal()" in error["stacktrace"]["frames"][-1]["context_line"]
    # Each once, though Django tells of the call again when the envelope is around it; and nothing at the end.
    assert len(sentry.items) == 2


def test_a_job_that_failed_for_good_arrives_without_secrets(sentry: SentryServer) -> None:
    with worker(sentry.dsn) as process:
        [event] = sentry.events(1, timeout=30)
        wait_until_it_failed()
        end(process)

    check_nothing_leaks(sentry, settings.SECRET_KEY)
    assert event["tags"]["task"] == event["transaction"] == "tests.fail"
    assert event["logger"].startswith("procrastinate.worker")
    assert event["exception"]["values"][-1]["value"] == f"{HIDDEN} of {HIDDEN} is not {HIDDEN}"
    assert len(sentry.items) == 1


def test_what_is_refused_on_purpose_is_not_reported(sentry: SentryServer) -> None:
    with serve(SENTRY_DSN=sentry.dsn, DJANGO_SETTINGS_MODULE=FAILING) as running:
        for path, host in (("/nowhere/", "127.0.0.1"), ("/", "elsewhere.example"), ("/readyz", "127.0.0.1")):
            with pytest.raises(HTTPError) as refused:
                urlopen(Request(running.url + path, headers={"Host": host}), timeout=20)
            refused.value.close()
        fail(running)
        assert len(sentry.events(1)) == 1
        end(running.process)
    assert [event["transaction"] for event in sentry.events(1)] == ["/failing/"]


@pytest.mark.parametrize("state", ["slow", "down"])
def test_nobody_waits_for_a_sentry_that_is(state: str, sentry: SentryServer) -> None:
    sentry.mode = "slow"
    dsn = sentry.dsn if state == "slow" else f"http://key@127.0.0.1:{free_port()}/7"
    with serve(DJANGO_SETTINGS_MODULE=FAILING, SENTRY_DSN=dsn) as running:
        fail(running)
        began = time.monotonic()
        # More than wait to be sent: what is too much is dropped.
        for _ in range(120):
            fail(running)
        took = time.monotonic() - began
        ending = end(running.process)
    assert took < 20
    assert ending < 10
