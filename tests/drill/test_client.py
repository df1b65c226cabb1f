"""What a drill's client takes for an answer, a refusal in order, and a fault."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from drill.client import Client, Told

REFUSAL = json.dumps({"success": False, "error": "Not now.", "code": "unavailable"}).encode()


class Server(http.server.BaseHTTPRequestHandler):
    answer: ClassVar[tuple[int, dict[str, str], bytes]]

    def do_GET(self) -> None:
        status, headers, body = self.answer
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def told_by(url: str, status: int, headers: dict[str, str], body: bytes = b"{}") -> Told:
    Server.answer = (status, headers, body)
    told = Told(may_hang_up=False)
    Client(url, {}, told).ask("GET", "/")
    return told


def test_an_answer(url: str) -> None:
    assert told_by(url, 200, {}).wrong == []


def test_a_refusal_that_says_when_to_come_again(url: str) -> None:
    told = told_by(url, 503, {"Retry-After": "15"}, REFUSAL)
    assert (told.refused, told.wrong) == (1, [])


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (503, {}, REFUSAL),
        (503, {"Retry-After": "15"}, b"{}"),
        (500, {"Retry-After": "15"}, REFUSAL),
        (401, {}, b"{}"),
        (302, {"Location": "/accounts/login/"}, b""),
    ],
)
def test_everything_else_is_wrong(status: int, headers: dict[str, str], body: bytes, url: str) -> None:
    assert len(told_by(url, status, headers, body).wrong) == 1


def test_a_connection_that_ends_is_wrong_unless_the_drill_ends_it() -> None:
    for may_hang_up in (True, False):
        told = Told(may_hang_up=may_hang_up)
        Client("http://127.0.0.1:9", {}, told).ask("GET", "/")
        assert (told.hung_up, len(told.wrong)) == (1, 0 if may_hang_up else 1)
