"""One JSON line a request, and a filter that no secret passes."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from time import sleep
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.test import Client, RequestFactory

from accounts.models import User
from accounts.tokens import make_token
from tests.conftest import signed_in
from tests.processes import Running, serve
from wavelength.caller import Caller, serving
from wavelength.envelope import Secret
from wavelength.logs import HIDDEN, JsonFormatter, LaterHandler, RequestFormatter, scrubbed

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture(scope="module")
def running(django_db_setup: None) -> Iterator[Running]:
    with serve(SLOW_QUERY_MS="0", LOG_REQUESTS="true") as server:
        yield server


def lines(running: Running, logger: str = "wavelength.requests") -> list[dict[str, object]]:
    # Lines of requests are written a moment later, many at once.
    sleep(LaterHandler.PAUSE * 5)
    found = [json.loads(line) for line in running.log.splitlines() if line.startswith("{")]
    return [line for line in found if line["logger"] == logger]


def ask(running: Running, path: str, person: User | None = None) -> str:
    headers = {}
    if person is not None:
        cookie = signed_in(person).cookies[settings.SESSION_COOKIE_NAME]
        headers["Cookie"] = f"{cookie.key}={cookie.value}"
    with urlopen(Request(running.url + path, headers=headers)) as response:
        return str(response.headers["X-Request-ID"])


def test_it_works(running: Running, alice: User) -> None:
    request = ask(running, "/keys/?code=one-time-and-secret", alice)

    line = next(line for line in lines(running) if line["request"] == request)
    assert (line["method"], line["route"], line["status"]) == ("GET", "/keys/", 200)
    assert line["person"] == str(alice.pk)
    assert float(str(line["ms"])) > float(str(line["database_ms"])) > 0
    assert int(str(line["queries"])) >= 2
    assert "one-time-and-secret" not in running.log


def test_a_call_of_the_api_is_told_by_route_and_session(running: Running, alice: User) -> None:
    request = ask(running, "/api/profile", alice)

    line = next(line for line in lines(running) if line["request"] == request)
    # Once for each session in each process, whose it is: for the limit of the person's calls. Then its own.
    assert (line["route"], line["queries"]) == ("/api/profile", 2)
    assert len(str(line["session"])) == 12


def test_a_call_with_a_token_is_told_by_its_mark(running: Running, alice: User) -> None:
    marks = []
    for _ in range(2):
        token = make_token(user_id=alice.pk, name="script", days=1, read_only=False)
        with urlopen(Request(f"{running.url}/api/profile", headers={"Authorization": f"Bearer {token}"})) as response:
            request = response.headers["X-Request-ID"]
        line = next(line for line in lines(running) if line["request"] == request)
        # Whose it is, once a minute in each process; then its own question.
        assert (line["route"], line["status"], line["queries"]) == ("/api/profile", 200, 2)
        assert token[3:] not in running.log
        marks.append(line["session"])
    assert len(set(marks)) == 2
    assert all(len(str(mark)) == 12 for mark in marks)


def test_a_request_id_from_outside_is_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BEHIND_PROXY", True)
    request = RequestFactory().get("/", headers={"X-Request-ID": "sk-proj-0f3a5b7c9d1e2f4a6b8c"})
    record = logging.LogRecord("wavelength.requests", logging.INFO, "", 0, "request", (), None)
    vars(record)["told"] = {"status": 200}
    with serving(Caller(request)):
        line = json.loads(RequestFormatter().format(record))
    assert line["request"] == HIDDEN
    assert (line["level"], line["message"], line["status"]) == ("INFO", "request", 200)
    assert datetime.fromisoformat(line["time"]) <= datetime.now(UTC)


def test_what_watches_the_service_is_not_told(running: Running) -> None:
    before = len(lines(running))
    for path in ("/healthz", "/metrics"):
        with urlopen(running.url + path) as response:
            assert response.status == 200
    assert len(lines(running)) == before


def test_a_slow_query_is_told_without_what_was_asked_for(running: Running, alice: User) -> None:
    ask(running, "/chats/?q=very-personal-words", alice)

    slow = lines(running, "wavelength.tenancy.base")
    assert any("accounts_session" in str(line["sql"]) or "session" in str(line["sql"]) for line in slow)
    assert "very-personal-words" not in running.log
    assert str(alice.pk) not in json.dumps(slow)


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-0f3a5b7c9d1e2f4a6b8c", "sk-ant-api03-abcdefgh-ijkl", "xai-0f3a5b7c9d1e2f", "AIzaSyD-0123456789abcdef",
        "Authorization: Bearer abcdef0123456789", "postgresql://wl_app:passw0rd@db/wavelength",
        "/accounts/password/reset/key/1-c9abcd-0123456789/", "/accounts/confirm-email/MQ:1abc:xyz/",
        "https://x.example/?key=abcdefgh", "authorization: bearer abcdef0123456789",
        "0123456789abcdef" * 4, "Cookie: wl-session=abcdefghijkl",
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    said = scrubbed(f"before {text} after")

    assert HIDDEN in said
    assert said.startswith("before ")
    assert said.endswith(" after")
    for part in ("0f3a5b7c9d1e2f", "abcdefgh", "0123456789abcdef", "passw0rd", "MQ:1abc", "c9abcd-01"):
        assert part not in said


@pytest.mark.parametrize("before", ["", "\n", "\t", "\r\n", "x", "_", "Bearer ", "?token=", "é", "%0A", '"'])
def test_a_token_is_hidden_wherever_it_stands(before: str) -> None:
    token = "wl_-0123456789abcdef_ABCDEF-0123456789abcdefABC"
    for text in (f"said {before}{token} so", {"body": f"{before}{token}"}, ValueError(f"{before}{token}")):
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "was %s", (text,), None)
        line = JsonFormatter().format(record)
        assert "0123456789abcdef" not in line
        assert HIDDEN in line


@pytest.mark.parametrize("key", ["sk-proj-0f3a5b7c9d1e2f4a6b8c", "xai-0f3a5b7c9d1e2f4a6b8c"])
def test_a_key_on_a_line_of_its_own_is_hidden(key: str) -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "was\n%s", (key,), None)
    assert "0f3a5b7c" not in JsonFormatter().format(record)


def test_a_secret_in_use_is_hidden_whatever_it_looks_like() -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "was %s", ('just "words", no key',), None)
    secret = Secret('just "words", no key')
    assert "no key" not in JsonFormatter().format(record)
    del secret
    # Nothing is remembered of it.
    assert "no key" in JsonFormatter().format(record)


def test_a_secret_in_a_traceback_is_hidden() -> None:
    secret = Secret("an-ordinary-looking-text")
    try:
        raise ValueError(f"cannot use {secret.reveal()}")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "failed", (), (type(error), error, error.__traceback__)
        )
    assert "an-ordinary-looking-text" not in JsonFormatter().format(record)
    assert "ValueError" in JsonFormatter().format(record)


def test_ordinary_lines_pass_as_they_are() -> None:
    for text in ("GET /keys/ 200", "task-list of desk-top", "model gpt-4o of openai", "0.004 for 150 tokens"):
        assert scrubbed(text) == text


def failed_request() -> logging.LogRecord:
    """As Django tells of one."""
    record = logging.LogRecord("django.request", logging.ERROR, "", 0, "Internal Server Error: /chats/", (), None)
    record.request = RequestFactory().get("/chats/?q=very-personal-words")
    return record


def test_a_failed_request_is_told_by_its_id_and_without_its_query() -> None:
    with serving(Caller(RequestFactory().get("/"))):
        line = json.loads(JsonFormatter().format(failed_request()))
    assert len(line["request"]) == 32
    assert "very-personal-words" not in JsonFormatter().format(failed_request())


def test_rows_that_postgresql_quotes_are_not_told() -> None:
    text = "duplicate key\nDETAIL:  Key (title)=(personal\n\nwords) already exists.\nCONTEXT:  words"
    try:
        try:
            raise ValueError(text)
        except ValueError as cause:
            raise KeyError("afterwards") from cause
    except KeyError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), (KeyError, error, error.__traceback__))
    said = json.loads(JsonFormatter().format(record))["exc_info"]
    assert "words" not in said
    assert f"duplicate key\n{HIDDEN}\n\nThe above exception" in said
    assert "KeyError: 'afterwards'" in said


def test_a_request_id_comes_back(as_alice: Client) -> None:
    first, second = (as_alice.get("/api/profile")["X-Request-ID"] for _ in range(2))
    assert first != second
    assert len(first) == 32


def test_what_was_logged_last_is_written_when_a_process_ends(alice: User) -> None:
    with serve(LOG_REQUESTS="true") as running:
        request = ask(running, "/api/profile", alice)
        running.process.terminate()
        running.process.wait(timeout=30)
        assert request in running.log
