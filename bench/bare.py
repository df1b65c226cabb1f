"""The least that a Python server with a database does for one request, under the same gunicorn: the reference.

One `SELECT 1` on a connection that each thread keeps; no framework, no session, nothing parsed.
"""

import os
import threading
from collections.abc import Callable, Iterable

import psycopg

_of_thread = threading.local()


def application(environ: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer the one figure that the database answers."""
    if not hasattr(_of_thread, "connection"):
        _of_thread.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    row = _of_thread.connection.execute("SELECT 1").fetchone()
    body = b"%d\n" % row[0]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
