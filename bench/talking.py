"""Speaking with the server as a signed-in browser does."""

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from bench.stage import Person


def get(url: str, person: Person, path: str) -> dict[str, Any]:
    """The JSON answer of a GET; a failure raises RuntimeError."""
    return _answer(url, "GET", path, person)


def post(url: str, person: Person, path: str, body: bytes) -> dict[str, Any]:
    """The JSON answer of a POST of JSON; a failure raises RuntimeError."""
    return _answer(url, "POST", path, person, body)


def hand_over(url: str, person: Person, body: bytes) -> dict[str, Any]:
    """What `POST /api/migration` says became of the payload; anything but 200, all taken, raises RuntimeError."""
    figures: dict[str, Any] = _answer(url, "POST", "/api/migration", person, body)["data"]
    return figures


def _answer(url: str, method: str, path: str, person: Person, body: bytes | None = None) -> dict[str, Any]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=300)
    headers = {"Cookie": person.cookie} | ({"Content-Type": "application/json"} if body is not None else {})
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        said = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{method} {path} answered {response.status}: {said[:2000].decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(said)
    return answer
