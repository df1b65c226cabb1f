"""Operators are told of what is wrong: once, by ways that work, and once more when it is over."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest, digest
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from pytest_django import Settings

from accounts.models import User
from accounts.sealed import look_for_closed
from apikeys.models import ApiKey
from tests.apikeys.conftest import add_for
from tests.servers.local import LocalServer, Received, Reply
from tests.servers.smtp import MailServer
from wavelength import alerting, conditions
from wavelength.alerting import CALM, LEASE, PATIENCE, Condition
from wavelength.models import OperatorAlert, SystemMetric
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
SECRET = "a secret of at least thirty-two characters"


class Webhook(LocalServer):
    """Takes alerts whose signature is right, while it is not told to fail."""

    status = 204

    def answer(self, request: Received) -> Reply:
        if request.header("Wavelength-Signature") != "v1=" + _signed(request):
            return Reply(403)
        return Reply(self.status)

    @property
    def told(self) -> list[tuple[str, str]]:
        bodies = [json.loads(request.body) for request in self.received]
        return [(body["alert"], body["state"]) for body in bodies]


def _signed(request: Received) -> str:
    return digest(SECRET.encode(), f"{request.header('Wavelength-Time')}.".encode() + request.body, "sha256").hex()


@pytest.fixture
def webhook(settings: Settings) -> Iterator[Webhook]:
    with Webhook() as server:
        settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = f"{server.url}/hook", SECRET
        yield server


@pytest.fixture
def post(settings: Settings) -> Iterator[MailServer]:
    with MailServer() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.ALERT_EMAILS = ["ops@example.com", "night@example.com"]
        yield server


def look(sentence: str | None) -> None:
    alerting.look([Condition("queue", lambda: sentence)])


def pass_time(interval: timedelta) -> None:
    """As if everything that is kept had happened earlier."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            """UPDATE wavelength_operatoralert
                  SET begun_at = begun_at - make_interval(secs => %(by)s),
                      seen_at = seen_at - make_interval(secs => %(by)s),
                      telling_at = telling_at - make_interval(secs => %(by)s)""",
            {"by": interval.total_seconds()},
        )


def test_it_is_told_once_and_once_more_when_it_is_over(webhook: Webhook, post: MailServer) -> None:
    look("12 jobs wait.")
    assert webhook.told == []  # it may pass by itself

    pass_time(PATIENCE)
    for _ in range(3):
        look("12 jobs wait.")
    assert webhook.told == [("queue", "begun")]
    [letter] = post.letters
    assert letter.subject == "[Wavelength] Jobs wait"
    assert letter.recipients == ("ops@example.com", "night@example.com")
    assert "12 jobs wait." in letter.text

    look(None)
    assert len(webhook.told) == 1
    pass_time(CALM)
    for _ in range(3):
        look(None)
    assert webhook.told[1:] == [("queue", "over")]
    assert [letter.subject for letter in post.letters[1:]] == ["[Wavelength] Over: Jobs wait"]


def test_the_body_and_its_signature(webhook: Webhook) -> None:
    look("12 jobs wait.")
    pass_time(PATIENCE)
    look("12 jobs wait.")

    [request] = webhook.received
    body = json.loads(request.body)
    assert body["text"] == "Jobs wait: 12 jobs wait."
    assert (request.method, request.path) == ("POST", "/hook")
    assert abs(int(request.header("Wavelength-Time")) - datetime.now(UTC).timestamp()) < 60
    assert compare_digest(request.header("Wavelength-Signature"), "v1=" + _signed(request))
    assert SECRET not in str(request)
    assert len(sha256().digest()) * 2 + 3 == len(request.header("Wavelength-Signature"))


def test_one_at_its_limit_does_not_write_all_day(webhook: Webhook) -> None:
    look("It holds.")
    pass_time(PATIENCE)
    for _ in range(10):
        look("It holds.")
        look(None)
    assert webhook.told == [("queue", "begun")]


def test_what_passes_by_itself_is_not_told(webhook: Webhook) -> None:
    look("It holds.")
    look(None)
    pass_time(PATIENCE)
    look(None)
    assert webhook.told == []


def test_what_does_not_get_out_is_tried_again(webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    webhook.status = 500
    look("It holds.")
    pass_time(PATIENCE)
    look("It holds.")
    look("It holds.")
    assert len(webhook.received) == 1
    assert "answered with status 500" in caplog.text
    assert SECRET not in caplog.text

    webhook.status = 204
    pass_time(LEASE)
    look("It holds.")
    look("It holds.")
    assert len(webhook.received) == 2


def test_one_way_that_works_is_enough(webhook: Webhook, post: MailServer) -> None:
    webhook.status = 500
    look("It holds.")
    pass_time(PATIENCE)
    look("It holds.")
    pass_time(LEASE)
    look("It holds.")
    assert len(post.letters) == 1


def test_a_redirect_is_no_answer(webhook: Webhook) -> None:
    webhook.status = 302
    look("It holds.")
    pass_time(PATIENCE)
    look("It holds.")
    assert not OperatorAlert.objects.get().told


def test_many_processes_tell_once(webhook: Webhook) -> None:
    look("It holds.")
    pass_time(PATIENCE)

    def work(_process: int) -> None:
        try:
            look("It holds.")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert webhook.told == [("queue", "begun")]


def test_with_nobody_to_tell_it_is_kept_for_later(settings: Settings) -> None:
    settings.ALERT_EMAILS, settings.ALERT_WEBHOOK_URL = [], ""
    look("It holds.")
    pass_time(PATIENCE)
    look("It holds.")
    assert not OperatorAlert.objects.get().told


def test_a_process_looks_while_it_is_wanted(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerting, "EVERY", 0.05)
    look("It holds.")
    pass_time(PATIENCE)
    looks = 0

    def seen() -> str | None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise OperationalError("the database is away for a moment")
        return "It holds."

    alerting.keep_looking([Condition("queue", seen)], lambda: looks < 4)
    [thread] = [thread for thread in threading.enumerate() if thread.name == "alerts"]
    thread.join(20)
    assert not thread.is_alive()
    assert looks == 4
    assert webhook.told == [("queue", "begun")]


def metric(name: str, label: str, value: int) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT date_trunc('hour', statement_timestamp(), 'UTC')")
        [hour] = cursor.fetchone()
    SystemMetric.objects.create(name=name, hour=hour, label=label, value=value)


def test_hand_overs_that_fail_above_a_rate(db: None) -> None:
    metric("handover", "complete", 3)
    metric("handover.failed", "not JSON", 50)
    metric("handover", "stopped", 1)
    assert conditions.failing_handovers() is None  # of four no rate is told

    SystemMetric.objects.filter(label="complete").update(value=10)
    assert conditions.failing_handovers() is None
    metric("handover.failed", "a fault of ours", 2)
    assert conditions.failing_handovers() == (
        "3 of 13 hand-overs of the last two hours failed. Read the log for /api/migration."
    )


def test_sign_ins_that_fail_too_often(settings: Settings, db: None) -> None:
    settings.ALERT_SIGNIN_FAILURES = 10
    metric("event", "session.started", 500)
    metric("event", "session.failed", 9)
    assert conditions.failing_signins() is None
    SystemMetric.objects.filter(label="session.failed").update(value=10)
    assert str(conditions.failing_signins()).startswith("10 sign-ins failed within an hour.")


@pytest.fixture
def queue(db: None) -> Iterator[Callable[..., None]]:
    """An empty queue with a worker; adds jobs that were queued so many minutes ago."""
    owned = connections["default"]
    with owned.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
        cursor.execute("DELETE FROM procrastinate_workers")
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")

    def add(minutes: int, *, priority: int = 0, scheduled: bool = False) -> None:
        with owned.cursor() as cursor:
            cursor.execute(
                """INSERT INTO procrastinate_jobs (queue_name, task_name, priority, scheduled_at)
                   VALUES ('default', 'a', %s, CASE WHEN %s THEN now() - make_interval(mins => %s::int) END)
                   RETURNING id""",
                [priority, scheduled, minutes],
            )
            [job] = cursor.fetchone()
            cursor.execute(
                "UPDATE procrastinate_events SET at = now() - make_interval(mins => %s::int) WHERE job_id = %s",
                [minutes, job],
            )

    yield add
    with owned.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
        cursor.execute("DELETE FROM procrastinate_workers")


@pytest.mark.parametrize("scheduled", [False, True])
def test_jobs_that_wait(scheduled: bool, queue: Callable[..., None], settings: Settings) -> None:
    assert conditions.waiting_jobs() is None
    queue(14, scheduled=scheduled)
    queue(600, priority=-10)
    assert conditions.waiting_jobs() is None
    settings.ALERT_QUEUE_MINUTES = 14
    assert str(conditions.waiting_jobs()).startswith("The oldest of 1 jobs has waited for 14 minutes.")


def test_a_worker_that_is_gone(queue: Callable[..., None]) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '3 minutes'")
        assert str(conditions.waiting_jobs()).startswith("No worker is running")
        cursor.execute("DELETE FROM procrastinate_workers")
    assert str(conditions.waiting_jobs()).startswith("No worker is running")


def test_envelopes_that_do_not_open(alice: User, bob: User, settings: Settings) -> None:
    for person in (alice, bob):
        add_for(person, "openai")
    look_for_closed()
    assert not alerting.holds("envelopes")

    with tenant(bob.pk):
        ApiKey.objects.update(provider="xai")
    look_for_closed()
    assert alerting.holds("envelopes")
    assert OperatorAlert.objects.get().sentence.startswith("Do not open: 1 provider keys.")

    # Looked at everybody by now: a sample that happens to miss it does not say that it is over.
    settings.ALERT_ENVELOPE_SAMPLE = 0
    OperatorAlert.objects.update(told=True)
    pass_time(CALM)
    look_for_closed()
    assert alerting.holds("envelopes")
    with tenant(bob.pk):
        ApiKey.objects.update(provider="openai")
    pass_time(CALM)
    look_for_closed()
    assert not alerting.holds("envelopes")


def tried() -> tuple[str, bool]:
    """What alert_test printed, and whether it was content."""
    output = StringIO()
    try:
        call_command("alert_test", stdout=output)
    except CommandError as error:
        return f"{output.getvalue()}{error}", False
    return output.getvalue(), True


def test_the_ways_can_be_tried(webhook: Webhook, post: MailServer) -> None:
    assert tried() == ("mail: sent\nwebhook: sent\n", True)
    assert webhook.told == [("test", "begun")]
    assert [letter.subject for letter in post.letters] == ["[Wavelength] A test"]


def test_a_way_that_fails_says_what_to_do(webhook: Webhook, settings: Settings) -> None:
    settings.ALERT_WEBHOOK_SECRET = "another secret of thirty-two characters"
    output, content = tried()
    assert not content
    assert "webhook: it was answered with status 403. Check ALERT_WEBHOOK_URL" in output

    settings.ALERT_WEBHOOK_URL = "http://127.0.0.1:1/hook"
    assert "webhook: No connection could be made. Check ALERT_WEBHOOK_URL." in tried()[0]

    settings.ALERT_WEBHOOK_URL = ""
    assert tried() == ("There is no way to tell you: set ALERT_EMAILS or ALERT_WEBHOOK_URL.", False)
