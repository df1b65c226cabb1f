"""What nobody needs any more, deleted in small transactions, so that serving goes on beside it.

Each kind says how many rows are old enough, and takes them. It may be stopped at any moment and run again, also twice
at once: what another has in hand is left for the next time. Call it outside any transaction.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction

from accounts import archives
from accounts.due import people_due

BATCH: Final = 5000
PAGES: Final = 256  # of 8 kB, of a table of people, in one transaction
PRESENCE: Final = timedelta(days=40)  # a month, and the days that counting may be behind
Age = Callable[[], timedelta]


class Kind(Protocol):
    """A kind of rows that are kept for a time."""

    @property
    def name(self) -> str: ...

    def count(self) -> int:
        """How many rows ``prune`` would take now."""

    def prune(self) -> int:
        """Take what is old enough; answers how many rows."""


@dataclass(frozen=True, slots=True)
class Unowned:
    """Rows of a table without a policy for which ``condition`` holds, of an ``age`` that a setting decides."""

    name: str
    table: str
    condition: str
    age: Age

    def count(self) -> int:
        statement = f"SELECT count(*) FROM {self.table} WHERE {self.condition}"  # noqa: S608  (ours, all of it)
        with connections["default"].cursor() as cursor:
            cursor.execute(statement, {"age": self.age().total_seconds()})
            [rows] = cursor.fetchone() or (0,)
        return int(rows)

    def prune(self) -> int:
        gone = 0
        while deleted := self._delete_some():
            gone += deleted
        return gone

    def _delete_some(self) -> int:
        # Locked, so that the condition is looked at once more should somebody change the row meanwhile.
        found = f"SELECT ctid FROM {self.table} WHERE {self.condition} LIMIT %(batch)s FOR UPDATE SKIP LOCKED"  # noqa: S608  (ours)
        statement = f"DELETE FROM {self.table} WHERE ctid = ANY (ARRAY({found}))"  # noqa: S608  (ours)
        with transaction.atomic(), connections["default"].cursor() as cursor:
            cursor.execute(statement, {"age": self.age().total_seconds(), "batch": BATCH})
            return int(cursor.rowcount)


@dataclass(frozen=True, slots=True)
class Owned:
    """Rows of people: what is old of ``kind`` says the function `prune_old`, which goes over everybody's at once."""

    name: str
    kind: str
    age: Age

    def count(self) -> int:
        return sum(self._walk(only_count=True))

    def prune(self) -> int:
        return sum(self._walk(only_count=False))

    def _walk(self, *, only_count: bool) -> Iterator[int]:
        page: int | None = 0
        while page is not None:
            with transaction.atomic(), connections["default"].cursor() as cursor:
                cursor.execute(
                    "SELECT taken, next_page FROM prune_old(%s, make_interval(secs => %s), %s, %s, %s)",
                    [self.kind, self.age().total_seconds(), page, PAGES, only_count],
                )
                taken, page = cursor.fetchone() or (0, None)
            yield taken


@dataclass(frozen=True, slots=True)
class ForEach:
    """What takes more than a statement: done for each person that `due` hands out, inside their ``tenant()``."""

    name: str
    due: str
    waiting: Callable[[UUID], int]
    take: Callable[[UUID], int]

    def count(self) -> int:
        return sum(self.waiting(user_id) for user_id in people_due(self.due))

    def prune(self) -> int:
        return sum(self.take(user_id) for user_id in people_due(self.due))


def days(setting: str) -> Age:
    """The age that a setting names in days, as it is when it is asked for."""
    return lambda: timedelta(days=getattr(settings, setting))


# The apps above this one add theirs when they are ready.
KINDS: Final[list[Kind]] = [
    Unowned("ended sessions", "accounts_session", "expire_date < now() - make_interval(secs => %(age)s)", timedelta),
    Unowned(
        "browsers without a session",
        "usersessions_usersession",
        "last_seen_at < now() - make_interval(secs => %(age)s) AND NOT EXISTS"
        " (SELECT FROM accounts_session s WHERE s.session_key = usersessions_usersession.session_key)",
        lambda: timedelta(seconds=settings.SESSION_COOKIE_AGE),
    ),
    # One that was claimed stays: it has one account, the first.
    Unowned(
        "browsers without an account",
        "accounts_anonymoussession",
        "claimed_by_id IS NULL AND created_at < now() - make_interval(secs => %(age)s)",
        days("ANONYMOUS_RETENTION_DAYS"),
    ),
    # What failed stays to be looked at.
    Unowned(
        "finished jobs",
        "procrastinate_jobs",
        "status IN ('succeeded', 'cancelled', 'aborted') AND NOT EXISTS (SELECT FROM procrastinate_events e"
        " WHERE e.job_id = procrastinate_jobs.id AND e.at >= now() - make_interval(secs => %(age)s))",
        days("JOB_RETENTION_DAYS"),
    ),
    Owned("events of the audit trail", "events", days("AUDIT_RETENTION_DAYS")),
    Owned("acts in the admin's log", "acts", days("AUDIT_RETENTION_DAYS")),
    Owned("days on which people were here", "presences", lambda: PRESENCE),
    ForEach(
        "archives of data",
        "archives",
        lambda user_id: archives.count_expired(user_id=user_id),
        lambda user_id: int(archives.delete_expired(user_id=user_id)),
    ),
]


def prune() -> Iterator[tuple[str, int]]:
    """Delete what is old enough; yields each kind and how many rows went."""
    for kind in KINDS:
        yield kind.name, kind.prune()


def count() -> Iterator[tuple[str, int]]:
    """What ``prune`` would delete: each kind and how many rows."""
    for kind in KINDS:
        yield kind.name, kind.count()
