"""Where processes keep what they share: a table, Redis, or, when neither answers, each its own memory.

Every store keeps texts until a time, and counts in windows: of a key's window, which begins at a multiple of its
period, no more than so many are ever given out, to however many processes ask at once. Time is the store's own.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Protocol, TypeVar

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

T = TypeVar("T")

LONGEST: Final = 30 * 24 * 60 * 60  # seconds for which anything is kept
SWEEP_EVERY: Final = 10 * 60  # seconds
PATIENCE: Final = 2  # seconds until a store that says nothing is taken for gone


@dataclass(frozen=True, slots=True)
class Given:
    """How many of those asked for were given out, and the seconds until their window ends."""

    amount: int
    seconds: float


class StoreUnreachableError(RuntimeError):
    """The store does not answer."""


class Store(Protocol):
    """Raises StoreUnreachableError from each of these."""

    def get(self, key: str) -> str | None:
        """What is kept under a key, None where nothing is or its time is over."""

    def put(self, key: str, value: str, seconds: float, *, anew: bool = False) -> bool:
        """Keep a text for so long; with `anew` only where nothing is kept. Answers whether it is kept."""

    def drop(self, key: str) -> bool:
        """Forget a key. Answers whether anything was kept."""

    def take(self, key: str, wanted: int, *, allowed: int, period: int) -> Given:
        """Give out as many of `wanted` as are left of the `allowed` in this window of `period` seconds."""

    def clear(self) -> None:
        """Forget everything."""


class DatabaseStore:
    """The table `wavelength_shared`, over one connection of the process's own.

    Not the connections of Django: there each statement would belong to the request's transaction, so that what a
    refused request counted would be rolled back with it, and locks would last as long as the request.
    """

    GET = "SELECT value FROM wavelength_shared WHERE key = %s AND ends_at > clock_timestamp()"
    PUT = """
        INSERT INTO wavelength_shared AS kept (key, value, ends_at)
        VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s::float))
            ON CONFLICT (key) DO UPDATE
           SET value = excluded.value, amount = 0, ends_at = excluded.ends_at
         WHERE NOT %s::boolean OR kept.ends_at <= clock_timestamp()
        RETURNING true
    """
    DROP = "DELETE FROM wavelength_shared WHERE key = %s RETURNING ends_at > clock_timestamp()"
    # Who asked for what was there before them is `amount` less what they want themselves. A process that read the
    # clock before another, and comes after it, counts in the other's window.
    TAKE = """
        INSERT INTO wavelength_shared AS kept (key, amount, ends_at)
        SELECT %(key)s::text, %(wanted)s::bigint,
               to_timestamp((floor(extract(epoch FROM clock_timestamp()) / %(period)s::bigint) + 1)
                            * %(period)s::bigint)
            ON CONFLICT (key) DO UPDATE
           SET amount = CASE WHEN kept.ends_at >= excluded.ends_at THEN kept.amount ELSE 0 END + excluded.amount,
               ends_at = greatest(kept.ends_at, excluded.ends_at)
        RETURNING amount - %(wanted)s::bigint, extract(epoch FROM ends_at - clock_timestamp())::float
    """
    SWEEP = "DELETE FROM wavelength_shared WHERE ends_at < now() - interval '1 minute'"
    CLEAR = "DELETE FROM wavelength_shared"

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._opening = Lock()
        self._swept = time.monotonic()
        self._closed_until = 0.0

    @property
    def used(self) -> bool:
        """Whether this process ever asked it, since it was closed."""
        return self._connection is not None

    def get(self, key: str) -> str | None:
        row = self._ask(self.GET, [key])
        return None if row is None else str(row[0])

    def put(self, key: str, value: str, seconds: float, *, anew: bool = False) -> bool:
        self._sweep()
        return self._ask(self.PUT, [key, value, float(min(seconds, LONGEST)), anew]) is not None

    def drop(self, key: str) -> bool:
        row = self._ask(self.DROP, [key])
        return row is not None and bool(row[0])

    def take(self, key: str, wanted: int, *, allowed: int, period: int) -> Given:
        self._sweep()
        row = self._ask(self.TAKE, {"key": key, "wanted": wanted, "period": period})
        before, seconds = row or (allowed, period)
        return Given(max(0, min(wanted, allowed - before)), seconds)

    def clear(self) -> None:
        self._ask(self.CLEAR, [])

    def close(self) -> None:
        """End the connection; the next question opens another."""
        with self._opening:
            connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _ask(self, statement: str, values: Any) -> tuple[Any, ...] | None:
        try:
            try:
                return self._asked(statement, values)
            except psycopg.OperationalError:
                # The server may have ended a connection that was idle: once more, over a new one. The old one is not
                # closed, because another thread may be waiting for it, and would wait for ever.
                return self._asked(statement, values)
        except psycopg.Error as error:
            # Also a table that is not there yet, or that is being migrated.
            raise StoreUnreachableError(str(error)) from error

    def _asked(self, statement: str, values: Any) -> tuple[Any, ...] | None:
        cursor = self._open().execute(statement, values)
        return cursor.fetchone() if cursor.description else None

    def _open(self) -> psycopg.Connection[Any]:
        # One connection serves all threads: psycopg lets one after the other ask.
        with self._opening:
            if self._connection is None or self._connection.closed:
                if time.monotonic() < self._closed_until:
                    # Another thread has just waited for it: not each has to.
                    raise psycopg.OperationalError("the database did not answer a moment ago")
                parameters = connections["default"].get_connection_params()
                waiting = {"connect_timeout": PATIENCE, "tcp_user_timeout": PATIENCE * 1000}
                self._closed_until = time.monotonic() + PATIENCE * 2
                self._connection = psycopg.connect(**{**waiting, **parameters}, autocommit=True)
                self._closed_until = 0.0
            return self._connection

    def _sweep(self) -> None:
        if time.monotonic() - self._swept > SWEEP_EVERY:
            self._swept = time.monotonic()
            self._ask(self.SWEEP, [])


class RedisStore:
    """Redis, at REDIS_URL. Raises ImproperlyConfigured without its package."""

    PREFIX: Final = "wavelength:"
    TAKE = """
        local now = redis.call('TIME')
        local period = tonumber(ARGV[2])
        local taken = redis.call('INCRBY', KEYS[1], ARGV[1])
        if taken == tonumber(ARGV[1]) then
            redis.call('EXPIREAT', KEYS[1], (math.floor(tonumber(now[1]) / period) + 1) * period)
        end
        return {taken, redis.call('PTTL', KEYS[1])}
    """

    def __init__(self, url: str) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise ImproperlyConfigured(
                "REDIS_URL is set: install requirements-extras.txt, or leave it empty."
            ) from error

        self._gone: type[Exception] = redis.RedisError
        self._redis: Any = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            # Once more at once, for a connection that Redis had closed; then it is gone.
            retry=Retry(NoBackoff(), 1),
        )
        self._take = self._redis.register_script(self.TAKE)

    def get(self, key: str) -> str | None:
        kept: str | None = self._ask(lambda: self._redis.get(self.PREFIX + key))
        return kept

    def put(self, key: str, value: str, seconds: float, *, anew: bool = False) -> bool:
        milliseconds = max(1, round(min(seconds, LONGEST) * 1000))
        return bool(self._ask(lambda: self._redis.set(self.PREFIX + key, value, px=milliseconds, nx=anew)))

    def drop(self, key: str) -> bool:
        return bool(self._ask(lambda: self._redis.delete(self.PREFIX + key)))

    def take(self, key: str, wanted: int, *, allowed: int, period: int) -> Given:
        taken, milliseconds = self._ask(lambda: self._take(keys=[self.PREFIX + key], args=[wanted, period]))
        return Given(max(0, min(wanted, allowed - (taken - wanted))), milliseconds / 1000)

    def clear(self) -> None:
        self._ask(lambda: [self._redis.delete(key) for key in self._redis.scan_iter(f"{self.PREFIX}*", count=1000)])

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except (self._gone, OSError) as error:
            raise StoreUnreachableError(str(error)) from error


class ProcessStore:
    """This process's memory: what stands in when the others are gone, each process counting for itself."""

    MOST: Final = 20_000  # entries

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[str, tuple[str, int, float]] = {}  # value, amount, end on the wall's clock

    def get(self, key: str) -> str | None:
        with self._lock:
            value, _, ends = self._kept.get(key, ("", 0, 0))
            return value if ends > time.time() else None

    def put(self, key: str, value: str, seconds: float, *, anew: bool = False) -> bool:
        now = time.time()
        with self._lock:
            if anew and self._kept.get(key, ("", 0, 0))[2] > now:
                return False
            self._keep(key, (value, 0, now + min(seconds, LONGEST)))
            return True

    def drop(self, key: str) -> bool:
        with self._lock:
            return self._kept.pop(key, ("", 0, 0))[2] > time.time()

    def take(self, key: str, wanted: int, *, allowed: int, period: int) -> Given:
        now = time.time()
        with self._lock:
            _, before, ends = self._kept.get(key, ("", 0, 0))
            if ends <= now:
                before, ends = 0, (now // period + 1) * period
            self._keep(key, ("", before + wanted, ends))
            return Given(max(0, min(wanted, allowed - before)), ends - now)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def _keep(self, key: str, entry: tuple[str, int, float]) -> None:
        if len(self._kept) >= self.MOST and key not in self._kept:
            now = time.time()
            self._kept = {name: kept for name, kept in self._kept.items() if kept[2] > now}
            while len(self._kept) >= self.MOST:
                # The oldest goes: memory is bounded before counts are right.
                del self._kept[next(iter(self._kept))]
        self._kept[key] = entry
