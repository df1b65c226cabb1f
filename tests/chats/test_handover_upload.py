"""How the body of a hand-over arrives at the real server."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from accounts.models import User
from tests.chats.payloads import chat, message, payload
from tests.chats.test_handover_interrupt import headers_of
from tests.processes import Running, serve

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

LIMIT = 100 * 1024 * 1024


@pytest.fixture
def server() -> Iterator[Running]:
    with serve(threads=2) as running:
        yield running


def test_without_a_length(server: Running, alice: User) -> None:
    body = json.dumps(payload(chat("c1", *(message(f"m{number}") for number in range(2_000))))).encode()
    pieces = (body[start : start + 10_000] for start in range(0, len(body), 10_000))

    status, answer = send(server, headers_of(alice), pieces)

    assert status == 200
    assert answer["data"]["migratedMessages"] == 2_000


def test_without_a_length_and_too_large(server: Running, alice: User) -> None:
    pieces = (b" " * 1024 * 1024 for _ in range(101))

    status, answer = send(server, headers_of(alice), pieces)

    assert status == 413
    assert answer["code"] == "body_too_large"


def test_without_a_length_and_of_another_type(server: Running, alice: User) -> None:
    status, answer = send(server, headers_of(alice) | {"Content-Type": "text/plain"}, iter([b'{"chats": []}']))

    assert status == 415
    assert answer["success"] is False


def test_too_large_is_refused_before_the_body_is_read(server: Running, alice: User) -> None:
    """Only the head is sent: who waited for the body would not answer."""
    address = urlsplit(server.url)
    head = [
        "POST /api/migration HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {LIMIT + 1}",
        *(f"{name}: {value}" for name, value in headers_of(alice).items()), "", "",
    ]  # fmt: skip
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall("\r\n".join(head).encode())

        answer = connection.recv(1000)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_body_that_ends_early_stores_nothing(server: Running, alice: User) -> None:
    address = urlsplit(server.url)
    head = [
        "POST /api/migration HTTP/1.1", f"Host: {address.netloc}", "Content-Length: 1000",
        *(f"{name}: {value}" for name, value in headers_of(alice).items()), "", "",
    ]  # fmt: skip
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall("\r\n".join(head).encode() + b'{"chats": [')

    connection_ = HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection_.request("GET", "/api/migration", headers=headers_of(alice))
    assert json.load(connection_.getresponse())["data"]["hasMigrated"] is False


def send(server: Running, headers: dict[str, str], pieces: Iterator[bytes]) -> tuple[int, dict[str, Any]]:
    """POST with `Transfer-Encoding: chunked`."""
    address = urlsplit(server.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
    connection.request("POST", "/api/migration", pieces, headers, encode_chunked=True)
    response = connection.getresponse()
    return response.status, json.load(response)
