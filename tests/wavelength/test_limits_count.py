"""Limits and what processes share: exact under threads, right about the time, and going on when the store is gone."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.core.cache import cache
from django.db import connections, transaction
from django.test import Client
from pytest_django import Settings

from tests.processes import free_port
from tests.servers.redis import redis_server
from wavelength import sharing
from wavelength.limits import TooOftenError, seconds_to_wait, spend
from wavelength.sharing import Sharing
from wavelength.stores import DatabaseStore, Given, ProcessStore, RedisStore, Store, StoreUnreachableError

pytestmark = pytest.mark.django_db
HOUR = 3600


@pytest.fixture(params=["database", "redis", "process"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "database":
        database = DatabaseStore()
        yield database
        database.clear()
        database.close()
    elif request.param == "redis":
        with redis_server() as url:
            yield RedisStore(url)
    else:
        yield ProcessStore()


def test_it_keeps_a_text_until_its_time(store: Store) -> None:
    assert store.get("a") is None
    assert store.put("a", "one", 60)
    assert not store.put("a", "two", 60, anew=True)
    assert store.get("a") == "one"
    assert store.put("a", "three", 0.2)
    assert store.get("a") == "three"
    time.sleep(0.3)
    assert store.get("a") is None
    assert not store.drop("a")
    assert store.put("a", "four", 60, anew=True)
    assert store.drop("a")
    assert store.get("a") is None


def test_it_gives_out_what_is_allowed_and_no_more(store: Store) -> None:
    amounts = [store.take("a", 30, allowed=100, period=HOUR).amount for _ in range(5)]
    assert amounts == [30, 30, 30, 10, 0]
    assert store.take("b", 30, allowed=100, period=HOUR).amount == 30


def test_the_window_ends_at_a_multiple_of_its_period(store: Store) -> None:
    given = store.take("a", 1, allowed=1, period=HOUR)
    assert given.seconds == pytest.approx(HOUR - time.time() % HOUR, abs=2)
    first = store.take("b", 1, allowed=1, period=1)
    assert store.take("b", 1, allowed=1, period=1).amount == 0 or first.seconds < 0.05
    time.sleep(1.05)
    assert store.take("b", 1, allowed=1, period=1).amount == 1


def test_threads_never_take_more_together(store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        given = list(pool.map(lambda n: store.take("a", n % 7 + 1, allowed=500, period=HOUR).amount, range(400)))
    assert sum(given) == 500


def test_a_limit_is_exact_under_threads(settings: Settings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"api": (1000, HOUR)}
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: seconds_to_wait("api", "alice"), range(1600)))
    # One process alone: nothing of a lease is stranded in another.
    assert waits.count(0) == 1000


def test_it_asks_the_store_once_in_many(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"api": (3000, HOUR)}
    asked = counted(monkeypatch)
    assert [seconds_to_wait("api", "alice") for _ in range(500)] == [0] * 500
    assert asked == [50] * 10


def test_it_does_not_ask_for_each_that_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"key_writes": (3, HOUR)}
    asked = counted(monkeypatch)
    waits = [seconds_to_wait("key_writes", "alice") for _ in range(50)]
    assert waits[:3] == [0] * 3
    assert all(waits[3:])
    assert asked == [1] * 4


def test_somebody_else_is_not_affected(settings: Settings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"key_writes": (1, HOUR), "validation": (1, HOUR)}
    spend("key_writes", "alice")
    with pytest.raises(TooOftenError) as refused:
        spend("key_writes", "alice")
    assert refused.value.seconds == pytest.approx(HOUR - time.time() % HOUR, abs=2)
    spend("key_writes", "bob")
    spend("validation", "alice")


def test_after_the_time_it_says_it_goes_on(settings: Settings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"key_writes": (2, 3)}
    while time.time() % 3 > 2:
        time.sleep(0.05)
    assert [seconds_to_wait("key_writes", "alice") for _ in range(2)] == [0, 0]
    wait = seconds_to_wait("key_writes", "alice")
    assert 1 <= wait <= 3
    time.sleep(wait)
    assert seconds_to_wait("key_writes", "alice") == 0


def test_a_limit_that_is_off_counts_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"recording": None}
    asked = counted(monkeypatch)
    assert [seconds_to_wait("recording", "alice") for _ in range(100)] == [0] * 100
    assert asked == []


def test_what_was_counted_outlives_a_rollback() -> None:
    # As in a page whose request is refused: all that it wrote is rolled back.
    with suppress(RuntimeError), transaction.atomic():
        cache.set("tries", [1.5, 2.5], 60)
        assert sharing.shared.take("a", 1, allowed=1, period=HOUR).amount == 1
        raise RuntimeError
    assert cache.get("tries") == [1.5, 2.5]
    assert sharing.shared.take("a", 1, allowed=1, period=HOUR).amount == 0


def test_nobody_can_be_read_in_the_table() -> None:
    cache.set("allauth:rl:login:ip:198.51.100.7", [1.5], 60)
    seconds_to_wait("key_writes", "9b2f7c1e-0000-7000-8000-000000000001")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'wavelength_shared'")
        assert cursor.fetchone() == ("u",)
        cursor.execute("SELECT key, value FROM wavelength_shared")
        rows = cursor.fetchall()
    assert len(rows) == 2
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key, _ in rows)


def test_the_cache_does_what_djangos_does() -> None:
    assert cache.get("a") is None
    assert cache.get("a", "else") == "else"
    assert cache.add("a", {"n": [1, None]}, 60)
    assert not cache.add("a", 2, 60)
    assert cache.get("a") == {"n": [1, None]}
    assert "a" in cache
    assert cache.touch("a", 60)
    cache.set("b", "y", None)
    assert cache.get_many(["a", "b", "c"]) == {"a": {"n": [1, None]}, "b": "y"}
    assert cache.delete("a")
    assert not cache.delete("a")
    cache.clear()
    assert cache.get("b") is None


class GoneStore(ProcessStore):
    """A store that does not answer until it is told to."""

    gone = True
    asked = 0

    def take(self, key: str, wanted: int, *, allowed: int, period: int) -> Given:
        self.asked += 1
        if self.gone:
            raise StoreUnreachableError
        return super().take(key, wanted, allowed=allowed, period=period)


def test_without_the_store_each_process_counts_for_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = GoneStore()
    sharing_ = Sharing(store)
    taken = [sharing_.take("a", 1, allowed=3, period=HOUR).amount for _ in range(5)]
    assert taken == [1, 1, 1, 0, 0]
    assert store.asked == 1, "it is left alone for a moment"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    monkeypatch.setattr(sharing, "AGAIN_AFTER", 0)
    monkeypatch.setattr(sharing_, "_gone_until", 0.0)
    sharing_.take("a", 1, allowed=3, period=HOUR)
    sharing_.take("a", 1, allowed=3, period=HOUR)
    assert len(caplog.records) == 1, "told once"
    store.gone = False
    assert sharing_.take("a", 1, allowed=3, period=HOUR).amount == 1


@pytest.mark.parametrize("kind", ["database", "redis"])
def test_a_store_that_is_gone_is_no_error(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "redis":
        gone: Store = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
    else:
        gone = DatabaseStore()
        nowhere = {"host": "127.0.0.1", "port": free_port(), "dbname": "none", "user": "none"}
        monkeypatch.setattr(connections["default"], "get_connection_params", lambda: nowhere)
    sharing_ = Sharing(gone)
    assert sharing_.take("a", 1, allowed=1, period=HOUR).amount == 1
    assert sharing_.put("b", [1], 60, anew=True)
    assert sharing_.get("b") == [1]
    assert sharing_.drop("b")


def test_a_connection_that_the_server_ended_is_made_anew_for_every_thread() -> None:
    store = DatabaseStore()
    store.put("a", "one", 60)
    with ThreadPoolExecutor(16) as pool:
        for _ in range(5):
            with connections["default"].cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND datname = current_database() AND usename = current_user"
                    " AND query LIKE '%%wavelength_shared%%'"
                )
            assert list(pool.map(lambda _: store.get("a"), range(16))) == ["one"] * 16
    store.close()


def test_what_is_over_is_swept_away(monkeypatch: pytest.MonkeyPatch) -> None:
    store = DatabaseStore()
    store.put("old", "x", 60)
    store._asked("UPDATE wavelength_shared SET ends_at = now() - interval '1 hour'", [])
    monkeypatch.setattr("wavelength.stores.SWEEP_EVERY", -1)
    store.put("new", "x", 60)
    assert store._asked("SELECT string_agg(key, ',') FROM wavelength_shared", []) == ("new",)
    store.clear()
    store.close()


def test_a_process_forgets_the_oldest_before_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProcessStore, "MOST", 100)
    store = ProcessStore()
    for number in range(500):
        store.put(str(number), "x", 60)
    assert len(store._kept) == 100
    assert store.get("499") == "x"


def test_the_api_says_when(as_alice: Client, as_bob: Client, anonymous: Client, settings: Settings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"api": (3, HOUR)}
    assert [as_alice.get("/api/profile").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = as_alice.get("/api/chats")
    assert refused.json() == {
        "success": False,
        "error": "Too many requests. Please wait a moment.",
        "code": "too_many_requests",
    }
    assert int(refused["Retry-After"]) == pytest.approx(HOUR - time.time() % HOUR, abs=2)
    assert as_bob.get("/api/profile").status_code == 200
    # Recording goes on, and pages too.
    usage = {"provider": "openai", "model": "gpt-4o"}
    assert as_alice.post("/api/profile/usage", usage, content_type="application/json").status_code == 200
    assert as_alice.get("/usage/").status_code == 200
    # Whoever shows no session of anybody's is counted by address.
    made_up = Client()
    made_up.cookies[settings.SESSION_COOKIE_NAME] = "x" * 32
    signed_out = [client.get("/api/profile").status_code for client in (anonymous, made_up, anonymous, made_up)]
    assert signed_out == [401, 401, 401, 429]


def test_a_page_says_when(as_alice: Client, as_bob: Client, settings: Settings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"handover": (1, HOUR)}
    payload = '{"chats": [], "config": {}}'

    def send(client: Client) -> int:
        return client.post("/import/preview/", payload, content_type="application/json").status_code

    assert [send(as_alice), send(as_alice), send(as_bob)] == [200, 429, 200]
    page = as_alice.post("/import/preview/", {})
    assert page.status_code == 429
    assert int(page["Retry-After"]) > 0
    assert b"That was a little too often" in page.content
    # The same count as the API's.
    assert as_alice.post("/api/migration", payload, content_type="application/json").status_code == 429


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is asked of the store from now on: how many each time."""
    asked: list[int] = []
    take: Callable[..., Given] = sharing.shared.take

    def noting(key: str, wanted: int, *, allowed: int, period: int) -> Given:
        asked.append(wanted)
        return take(key, wanted, allowed=allowed, period=period)

    monkeypatch.setattr(sharing.shared, "take", noting)
    return asked
