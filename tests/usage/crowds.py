"""Many at once: threads with connections of their own, and callers of the real server."""

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections

from accounts.models import User
from tests.conftest import signed_in

T = TypeVar("T")


def at_once(calls: Sequence[Callable[[], T]], *, threads: int) -> list[T]:
    """What calls answer that are made by so many threads beginning together."""
    together = Barrier(threads)

    def work(mine: Sequence[Callable[[], T]]) -> list[T]:
        try:
            connections["default"].ensure_connection()
            together.wait(timeout=60)
            return [call() for call in mine]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        answered = pool.map(work, [calls[number::threads] for number in range(threads)])
        return [answer for answers in answered for answer in answers]


@contextmanager
def calling(url: str, person: User) -> Iterator[Callable[..., tuple[int, Any]]]:
    """One browser of this person's with a kept connection: `call(method, path, body)` answers status and JSON."""
    cookie = f"{settings.SESSION_COOKIE_NAME}={signed_in(person).cookies[settings.SESSION_COOKIE_NAME].value}"
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def call(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        sent = {"Cookie": cookie, "Content-Type": "application/json"} | headers
        try:
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException):
            connection.close()  # the next call makes a new one
            raise

    try:
        yield call
    finally:
        connection.close()
