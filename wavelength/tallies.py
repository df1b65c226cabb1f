"""What only the serving processes see, such as how long a route takes: kept in memory, and soon added to SystemMetric.

No request waits for it: a thread writes every `TALLY_SECONDS`, on a connection that it then gives back. What was
tallied in the last of them before a SIGKILL is lost; nothing is added twice.
"""

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from django.conf import settings
from django.db import Error, connections

logger = logging.getLogger(__name__)
MOST_SEEN: Final = 100_000  # requests and the like that are not yet summed up
MOST_KEPT: Final = 10_000  # figures, while the database cannot be reached
# What else this thread writes down, raising nothing; the apps above this one add theirs when they are ready.
WRITERS: Final[list[Callable[[], None]]] = []
# Of these the largest counts; all others are added up.
LARGEST: Final = ["route.max"]
# In one order everywhere, so that no two processes wait for each other.
ADD: Final = """
    INSERT INTO wavelength_systemmetric AS m (name, hour, label, value)
    SELECT name, date_trunc('hour', statement_timestamp(), 'UTC'), left(label, 200), value
      FROM unnest(%s::text[], %s::text[], %s::float8[]) AS tallied (name, label, value)
     ORDER BY name, label
    ON CONFLICT (name, hour, label) DO UPDATE
       SET value = CASE WHEN m.name = ANY (%s) THEN greatest(m.value, EXCLUDED.value) ELSE m.value + EXCLUDED.value END
"""


class Happened(NamedTuple):
    """Something to count; neither its name nor its label may tell of anybody."""

    name: str
    label: str


class Served(NamedTuple):
    """One request: its route, the seconds it took, and whether it failed by our fault."""

    route: str
    seconds: float
    failed: bool


_seen: deque[Happened | Served] = deque(maxlen=MOST_SEEN)
_kept: dict[tuple[str, str], float] = {}
_flushing = threading.Lock()
_is_begun = False


def tally(what: Happened | Served) -> None:
    """Count this; takes a moment and raises nothing."""
    _seen.append(what)
    if not _is_begun:
        _begin()


def flush() -> None:
    """Add what was tallied in this process to the hour's figures; what cannot be written now is kept for later."""
    with _flushing:
        while _seen:
            _sum_up(_seen.popleft())
        if _kept:
            _write()
        for write in WRITERS:
            write()


def _begin() -> None:
    global _is_begun  # noqa: PLW0603  (one for each process)
    with _flushing:
        if _is_begun:
            return
        _is_begun = True
    if settings.TALLY_SECONDS:
        threading.Thread(target=_flush_on, name="tallies", daemon=True).start()
        atexit.register(_flush_last)


def _flush_on() -> None:
    while True:
        time.sleep(settings.TALLY_SECONDS)
        _flush_last()


def _flush_last() -> None:
    try:
        flush()
    finally:
        connections.close_all()


def _begin_anew() -> None:
    # In a child: a thread does not survive a fork, a lock stays as it was, and what the parent saw the parent writes.
    global _is_begun, _flushing
    _is_begun, _flushing = False, threading.Lock()
    _seen.clear()
    _kept.clear()


os.register_at_fork(after_in_child=_begin_anew)


def _sum_up(what: Happened | Served) -> None:
    if isinstance(what, Happened):
        _add(what.name, what.label, 1.0)
        return
    ms = what.seconds * 1000
    _add("route.requests", what.route, 1.0)
    _add("route.ms", what.route, ms)
    _add("route.max", what.route, ms)
    if what.failed:
        _add("route.errors", what.route, 1.0)


def _add(name: str, label: str, value: float) -> None:
    before = _kept.get((name, label))
    if before is None and len(_kept) >= MOST_KEPT:
        return
    _kept[name, label] = max(before or 0.0, value) if name in LARGEST else (before or 0.0) + value


def _write() -> None:
    connection = connections["default"]
    try:
        connection.ensure_connection()
    except Error:
        return  # Nothing was sent: it is tried again.
    names, labels = zip(*_kept, strict=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute(ADD, [list(names), list(labels), list(_kept.values()), LARGEST])
    except Error as error:
        # A server that says no has added nothing. One that is gone may have: rather lost than counted twice.
        if getattr(error.__cause__, "sqlstate", None):
            return
        logger.exception("Figures of the last moments may be lost: the database went away meanwhile.")
    _kept.clear()
