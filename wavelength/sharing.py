"""What all processes share for a while: Django's cache, which allauth counts tries in, and what limits.py counts.

In Redis where REDIS_URL is set, else in PostgreSQL. While that is gone each process goes on by itself, so that nobody
is refused or sees an error for it. Keys are kept as HMACs and values as JSON: nobody's address or id can be read
there, and nothing that stands there is ever executed.
"""

import json
import logging
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.utils.crypto import salted_hmac

from wavelength.stores import LONGEST, DatabaseStore, Given, ProcessStore, RedisStore, Store, StoreUnreachableError

T = TypeVar("T")

logger = logging.getLogger(__name__)
AGAIN_AFTER: Final = 5  # seconds for which a store that was gone is left alone


class Sharing:
    """A store that other processes use too, and this process's own memory while that is gone."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._own = ProcessStore()
        self._gone_until: float | None = None

    def get(self, key: str) -> Any:
        """What is kept under a key, None where nothing is."""
        kept = self._ask(lambda store: store.get(sealed(key)))
        return None if kept is None else json.loads(kept)

    def put(self, key: str, value: Any, seconds: float, *, anew: bool = False) -> bool:
        """Keep what JSON can say; with `anew` only where nothing is kept. Answers whether it is kept."""
        text = json.dumps(value)
        return self._ask(lambda store: store.put(sealed(key), text, seconds, anew=anew))

    def drop(self, key: str) -> bool:
        """Forget a key. Answers whether anything was kept."""
        return self._ask(lambda store: store.drop(sealed(key)))

    def take(self, key: str, wanted: int, *, allowed: int, period: int) -> Given:
        """Give out as many of `wanted` as are left of the `allowed` in this window of `period` seconds."""
        # A limit that was changed counts anew: its old window may be far longer.
        name = sealed(f"{key}|{allowed}/{period}")
        return self._ask(lambda store: store.take(name, wanted, allowed=allowed, period=period))

    def clear(self) -> None:
        """Forget everything."""
        self._own.clear()
        self._ask(lambda store: store.clear())

    def reset(self) -> None:
        """Forget what this process knows and what it ever put into the database, and let go of that."""
        self._own.clear()
        self._gone_until = None
        if isinstance(self._store, DatabaseStore) and self._store.used:
            self.clear()

    def close(self) -> None:
        """Let go of the database."""
        if isinstance(self._store, DatabaseStore):
            self._store.close()

    def _ask(self, question: Callable[[Store], T]) -> T:
        if self._gone_until is None or time.monotonic() >= self._gone_until:
            try:
                answer = question(self._store)
            except StoreUnreachableError:
                if self._gone_until is None:
                    logger.warning("What processes share is out of reach: each counts for itself until it is back.")
                self._gone_until = time.monotonic() + AGAIN_AFTER
            else:
                if self._gone_until is not None:
                    logger.info("What processes share is back.")
                    self._gone_until = None
                return answer
        return question(self._own)


class SharedCache(BaseCache):
    """Django's cache over it, for what JSON can say. Nothing is kept longer than 30 days."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return shared.put(self._name(key, version), value, self._seconds(timeout), anew=True)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        kept = shared.get(self._name(key, version))
        return default if kept is None else kept

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        shared.put(self._name(key, version), value, self._seconds(timeout))

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        name = self._name(key, version)
        kept = shared.get(name)
        return kept is not None and shared.put(name, kept, self._seconds(timeout))

    def delete(self, key: str, version: int | None = None) -> bool:
        return shared.drop(self._name(key, version))

    def clear(self) -> None:
        shared.clear()

    def _name(self, key: str, version: int | None) -> str:
        return self.make_and_validate_key(key, version=version)

    def _seconds(self, timeout: Any) -> float:
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return LONGEST if timeout is None else float(timeout)


def sealed(key: str) -> str:
    """A key as it is stored: told by nobody without SECRET_KEY."""
    return salted_hmac("wavelength.shared", key, algorithm="sha256").hexdigest()


shared: Final = Sharing(RedisStore(settings.REDIS_URL) if settings.REDIS_URL else DatabaseStore())
