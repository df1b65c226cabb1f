"""Who is here today, also who only reads: a row a day for each person, for the count of active people.

No request waits for it. A process remembers whom it has seen, and the thread of its tallies (wavelength/tallies.py)
notes those that are new; the day is the database's. Once an hour all are forgotten and noted again, which changes
nothing on the same day, so that a new one is noticed whatever the process's clock says. A SIGKILL loses those of the
last moments, until their next request.
"""

import logging
import time
from collections import deque
from typing import Final

from django.db import Error, connections

logger = logging.getLogger(__name__)
MOST: Final = 50_000  # people whom a process remembers

_here: set[str] = set()
_unnoted: deque[str] = deque(maxlen=MOST)
_hour = 0


def notice(person: str) -> None:
    """Remember that the person with this id is here; takes a moment and raises nothing."""
    if person not in _here:
        _here.add(person)
        _unnoted.append(person)


def note() -> None:
    """Write down those who are new. While the database cannot take them they are left to their next request."""
    _forget_hourly()
    people = [_unnoted.popleft() for _ in range(len(_unnoted))]
    if not people:
        return
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT note_presence(%s::uuid[])", [people])
    except Error:
        logger.warning("Who is here could not be noted: it is tried again with their next requests.")
        _here.difference_update(people)


def _forget_hourly() -> None:
    global _hour  # noqa: PLW0603  (one for each process)
    hour = int(time.time() // 3600)
    if hour != _hour or len(_here) >= MOST:
        _hour = hour
        _here.clear()
