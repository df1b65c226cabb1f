"""The least that a Python server with a database does for one request, under the same gunicorn: the references.

One statement on a connection that each thread keeps; no framework, nothing checked.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import psycopg

RECORD = (
    "SELECT usage_record_of_session(%s, %s, %s, 'openai', 'gpt-4o', 1, 150, 300, 0, 0, 0.004, 0.003375, NULL, NULL, '')"
)
_of_thread = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer the one figure that the database answers."""
    (figure,) = _connection().execute("SELECT 1").fetchall()[0]
    return _answer(b"%d\n" % figure, "text/plain", start_response)


def recording(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Record the same usage by the same statement, its figures known beforehand, for the session of the cookie."""
    if environ["REQUEST_METHOD"] == "GET":  # whether the server is up
        return application(environ, start_response)
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    key = environ["HTTP_COOKIE"].partition("=")[2]
    values = (key, os.environ["BENCH_STAMP"], str(uuid4()))
    (record,) = _connection().execute(RECORD, values, prepare=True).fetchall()[0]
    return _answer(record.encode(), "application/json", start_response)


def _connection() -> "psycopg.Connection[Any]":
    if not hasattr(_of_thread, "connection"):
        _of_thread.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    connection: psycopg.Connection[Any] = _of_thread.connection
    return connection


def _answer(body: bytes, kind: str, start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
