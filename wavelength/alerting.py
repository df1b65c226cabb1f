"""Operators are told, by mail or webhook, when something is wrong, and when it is over.

Every process looks each minute, the worker and the web ones, because a worker that is gone tells nobody. What they find
stands in one small table (OperatorAlert), so that operators are told once however many look. A condition counts after
`PATIENCE`, and is over when it was not seen for `CALM`, so that one at its limit does not write all day. Whoever is
killed while telling has it told again: at least once.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import Error, connections

from wavelength import alert_ways
from wavelength.alert_ways import Message, WayError

logger = logging.getLogger(__name__)
EVERY: Final = 60  # seconds
PATIENCE: Final = timedelta(minutes=3)
CALM: Final = timedelta(minutes=15)
LEASE: Final = timedelta(minutes=2)  # in which whoever set out to tell has told
TITLES: Final = {
    "queue": "Jobs wait",
    "handovers": "Hand-overs fail",
    "sign-ins": "Many sign-ins fail",
    "envelopes": "Sealed secrets do not open",
}

SEEN: Final = """
    INSERT INTO wavelength_operatoralert AS a (name, begun_at, seen_at, sentence)
    VALUES (%s, statement_timestamp(), statement_timestamp(), %s)
    ON CONFLICT (name) DO UPDATE
       SET begun_at = coalesce(a.begun_at, EXCLUDED.begun_at), seen_at = EXCLUDED.seen_at, sentence = EXCLUDED.sentence
"""
# What nobody was told of can pass unsaid.
NOT_SEEN: Final = """
    UPDATE wavelength_operatoralert SET begun_at = NULL
     WHERE name = %s AND begun_at IS NOT NULL
       AND (NOT told OR seen_at <= statement_timestamp() - make_interval(secs => %s))
"""
SET_OUT: Final = """
    UPDATE wavelength_operatoralert SET telling_at = statement_timestamp()
     WHERE CASE WHEN begun_at IS NULL THEN told
                ELSE NOT told AND begun_at <= statement_timestamp() - make_interval(secs => %s) END
       AND coalesce(telling_at <= statement_timestamp() - make_interval(secs => %s), true)
    RETURNING name, begun_at, sentence
"""
TOLD: Final = "UPDATE wavelength_operatoralert SET told = %s, telling_at = NULL WHERE name = %s"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that may be wrong; `look` answers a sentence with figures and what to do, None while all is well."""

    name: str
    look: Callable[[], str | None]


def is_configured() -> bool:
    """Whether there is anybody to tell."""
    return bool(alert_ways.configured())


def look(conditions: Iterable[Condition]) -> None:
    """See what is wrong, and tell what the operators do not know. Call it outside any transaction."""
    for condition in conditions:
        observe(condition.name, condition.look())
    tell()


def observe(name: str, sentence: str | None) -> None:
    """Keep that a condition holds, with a sentence, or that it does not."""
    with connections["default"].cursor() as cursor:
        if sentence is None:
            cursor.execute(NOT_SEEN, [name, CALM.total_seconds()])
        else:
            cursor.execute(SEEN, [name, sentence[:500]])


def holds(name: str) -> bool:
    """Whether the condition held when it was last looked at."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT begun_at IS NOT NULL FROM wavelength_operatoralert WHERE name = %s", [name])
        row: tuple[bool] | None = cursor.fetchone()
    return row == (True,)


def tell() -> None:
    """Tell what began and what is over; what reaches nobody is tried again after `LEASE`."""
    if not is_configured():
        return
    with connections["default"].cursor() as cursor:
        cursor.execute(SET_OUT, [PATIENCE.total_seconds(), LEASE.total_seconds()])
        untold: list[tuple[str, datetime | None, str]] = cursor.fetchall()
    for name, begun_at, sentence in untold:
        message = Message(name, TITLES.get(name, name), sentence, begun_at)
        logger.warning("%s: %s", message.subject, sentence)
        if _send(message):
            with connections["default"].cursor() as cursor:
                cursor.execute(TOLD, [begun_at is not None, name])


def _send(message: Message) -> bool:
    """Whether any way worked."""
    worked = False
    for way in alert_ways.configured():
        try:
            way.send(message)
            worked = True
        except WayError as error:
            logger.error("An alert did not get out by %s: %s", way.name, error)  # noqa: TRY400  (the sentence is all)
    return worked


def keep_looking(conditions: Iterable[Condition], is_wanted: Callable[[], bool]) -> None:
    """Look each minute in a thread of this process, while it is wanted; not at all if there is nobody to tell."""
    if is_configured():
        threading.Thread(target=_look_on, args=(tuple(conditions), is_wanted), name="alerts", daemon=True).start()


def _look_on(conditions: tuple[Condition, ...], is_wanted: Callable[[], bool]) -> None:
    while is_wanted():
        time.sleep(EVERY)
        try:
            look(conditions)
        except Error as error:
            # /readyz says so too, and whatever watches it.
            logger.warning("Could not look for what is wrong: %s", type(error).__name__)
        finally:
            connections.close_all()
