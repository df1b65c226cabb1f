"""The web process as gunicorn.conf.py sets it up: its limits, whom it believes, and what it keeps to itself."""

import http.client
import signal
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.processes import Running, serve


@pytest.fixture(scope="module")
def running(django_db_setup: None) -> Iterator[Running]:
    with serve() as server:
        yield server


def status(running: Running, path: str, headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_works(running: Running) -> None:
    assert status(running, "/healthz") == 200
    assert "Using worker: gthread" in running.log


def test_a_long_callback_passes_and_a_longer_line_does_not(running: Running) -> None:
    assert status(running, "/healthz?code=" + "x" * 8000) == 200
    assert status(running, "/healthz?code=" + "x" * 8200) in {400, 414}


def test_headers_are_limited(running: Running) -> None:
    assert status(running, "/healthz", {f"X-{number}": "x" for number in range(100)}) in {400, 431}
    assert status(running, "/healthz", {"X-Long": "x" * 9000}) in {400, 431}


def test_no_header_sets_the_path(running: Running) -> None:
    assert status(running, "/api/nowhere", {"PATH_INFO": "/healthz"}) == 404
    assert status(running, "/api/nowhere", {"SCRIPT_NAME": "/api/nowhere", "PATH_INFO": "/healthz"}) == 404


def test_addresses_are_not_logged(running: Running) -> None:
    status(running, "/healthz?code=one-time-secret")
    assert "one-time-secret" not in running.log
    assert "/healthz" not in running.log


def test_it_ends_without_a_fault(django_db_setup: None) -> None:
    with serve() as server:
        server.process.send_signal(signal.SIGINT)
        server.process.wait(timeout=30)
        assert "Shutting down" in server.log
        assert "Traceback" not in server.log
