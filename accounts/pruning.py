"""What nobody needs any more, deleted in small transactions, so that serving goes on beside it.

Here stand rows that belong to nobody who is known: each kind is a table without a policy and a condition.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connections, transaction

BATCH: Final = 5000


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of ``table`` for which ``condition`` holds, of an ``age`` that a setting decides."""

    name: str
    table: str
    condition: str
    age: Callable[[], timedelta]


def anonymous_age() -> timedelta:
    """How long what tells of a browser without an account is kept."""
    return timedelta(days=settings.ANONYMOUS_RETENTION_DAYS)


# The apps above this one add theirs when they are ready.
KINDS: Final[list[Kind]] = [
    Kind("ended sessions", "accounts_session", "expire_date < now() - make_interval(secs => %(age)s)", timedelta),
    Kind(
        "browsers without a session",
        "usersessions_usersession",
        "last_seen_at < now() - make_interval(secs => %(age)s) AND NOT EXISTS"
        " (SELECT FROM accounts_session s WHERE s.session_key = usersessions_usersession.session_key)",
        lambda: timedelta(seconds=settings.SESSION_COOKIE_AGE),
    ),
    # One that was claimed stays: it has one account, the first.
    Kind(
        "browsers without an account",
        "accounts_anonymoussession",
        "claimed_by_id IS NULL AND created_at < now() - make_interval(secs => %(age)s)",
        anonymous_age,
    ),
]


def prune() -> Iterator[tuple[str, int]]:
    """Delete what is old enough; yields each kind and how many rows went. Call it outside any transaction.

    May be stopped at any moment and run again, also twice at once: what another has in hand is left to it.
    """
    for kind in KINDS:
        gone = 0
        while deleted := _delete_some(kind):
            gone += deleted
        yield kind.name, gone


def count() -> Iterator[tuple[str, int]]:
    """What ``prune`` would delete: each kind and how many rows."""
    for kind in KINDS:
        statement = f"SELECT count(*) FROM {kind.table} WHERE {kind.condition}"  # noqa: S608  (ours, all of it)
        with connections["default"].cursor() as cursor:
            cursor.execute(statement, {"age": kind.age().total_seconds()})
            [rows] = cursor.fetchone() or (0,)
        yield kind.name, rows


def _delete_some(kind: Kind) -> int:
    # Locked, so that the condition is looked at once more should somebody change the row meanwhile.
    found = f"SELECT ctid FROM {kind.table} WHERE {kind.condition} LIMIT %(batch)s FOR UPDATE SKIP LOCKED"  # noqa: S608
    statement = f"DELETE FROM {kind.table} WHERE ctid = ANY (ARRAY({found}))"  # noqa: S608
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute(statement, {"age": kind.age().total_seconds(), "batch": BATCH})
        return int(cursor.rowcount)
