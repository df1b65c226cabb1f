"""What an open page is told: that its person's usage changed, and nothing else; on the real server, over HTTP."""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from pytest_django import Settings

from accounts.deactivation import deactivate
from accounts.models import Session, User
from tests.conftest import make_person, signed_in
from tests.processes import Running, serve
from usage import metering, quotas
from usage.live import versions_of
from usage.metering import BatchRecord
from usage.models import Period
from wavelength import live
from wavelength.live import Hub, Sight, Stream

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

EVENTS = {"Accept": "text/event-stream"}
RECORD = json.dumps({"provider": "openai", "model": "made-up", "inputTokens": 1, "cost": 0.5}).encode()


@pytest.fixture
def alice() -> User:
    return make_person("alice@example.com", "Alice")


@pytest.fixture
def bob() -> User:
    return make_person("bob@example.com", "Bob")


def cookie(person: User) -> str:
    return f"{settings.SESSION_COOKIE_NAME}={signed_in(person).cookies[settings.SESSION_COOKIE_NAME].value}"


class Reader:
    """An open stream, read in the background: each event with when it came."""

    def __init__(self, server: Running, cookies: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        self.connection.request("GET", "/live/", headers=EVENTS | {"Cookie": cookies})
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.events: list[tuple[str, str, float]] = []
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        name = ""
        try:
            while line := self.response.readline().decode():
                if line.startswith("event: "):
                    name = line[7:].strip()
                elif line.startswith("data:"):
                    self.events.append((name, line[5:].strip(), time.monotonic()))
        except (OSError, AttributeError, ValueError):
            pass
        self.over.set()

    def count(self, name: str) -> int:
        return sum(event == name for event, _, _ in self.events)

    def close(self) -> None:
        if self.connection.sock:
            self.connection.sock.shutdown(2)
        self.connection.close()


@contextmanager
def reading(server: Running, cookies: str) -> Iterator[Reader]:
    reader = Reader(server, cookies)
    try:
        yield reader
    finally:
        reader.close()


def soon(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def ask(server: Running, path: str, cookies: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        sent = headers | {"Cookie": cookies} | ({"Content-Type": "application/json"} if body else {})
        connection.request("POST" if body else "GET", path, body, sent)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


# ── Versions ─────────────────────────────────────────────────────────────────────────────────


def record(person: User, **more: Any) -> None:
    metering.record_batch(user_id=person.pk, records=[BatchRecord("openai", "made-up", **more)])


@pytest.mark.parametrize(
    "change",
    [
        record,
        lambda person: metering.record_usage(user_id=person.pk, provider="openai", model="made-up"),
        lambda person: record(person, happened_at=datetime.now(UTC) - timedelta(hours=1)),
        lambda person: metering.reserve(user_id=person.pk, provider="openai", model="made-up", tokens=1),
        lambda person: quotas.set_budget(user_id=person.pk, period=Period.MONTHLY, tokens=900_000),
    ],
)
def test_every_change_is_another_version(alice: User, bob: User, change: Callable[[User], object]) -> None:
    people = [alice.pk, bob.pk]
    record(alice)
    before = versions_of(people)
    assert versions_of(people) == before
    change(alice)
    after = versions_of(people)
    assert after[alice.pk] != before[alice.pk]
    assert after[bob.pk] == before[bob.pk]


def test_a_version_tells_one_person_from_another(alice: User, bob: User) -> None:
    record(alice)
    assert versions_of([alice.pk])[alice.pk].split(".")[0] != versions_of([bob.pk])[bob.pk].split(".")[0]


def test_who_is_nobody_has_no_version_of_anybody(alice: User) -> None:
    unknown = User().pk
    record(alice)
    assert versions_of([unknown])[unknown].endswith(".0")
    assert versions_of([]) == {}


def test_a_look_costs_as_much_as_people_are_watched(alice: User) -> None:
    """Two indexes, a few pages a person: nothing that grows with people, windows or writes."""
    from importlib import import_module

    query = import_module("usage.migrations.0017_live").QUERY
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_user (id, email, password, name, tier, is_active, is_staff)"
            " SELECT gen_random_uuid(), n || '@example.org', '', '', 'free', true, false"
            "   FROM generate_series(1, 3000) n"
        )
        cursor.execute(
            "INSERT INTO usage_quotalimit (id, user_id, period, provider, model, tier)"
            " SELECT gen_random_uuid(), u.id, p, '', '', 'free' FROM accounts_user u,"
            " unnest(ARRAY['daily', 'monthly']) p WHERE u.email LIKE '%@example.org'"
        )
        cursor.execute(
            "INSERT INTO usage_quotawindow (id, user_id, limit_id, starts_at, ends_at)"
            " SELECT gen_random_uuid(), l.user_id, l.id, d, d + interval '1 day' FROM usage_quotalimit l,"
            " generate_series(timestamptz '2026-01-01', '2026-01-20', '1 day') d"
        )
        cursor.execute("ANALYZE usage_quotalimit, usage_quotawindow, accounts_user")
        cursor.execute("SELECT array_agg(id) FROM (SELECT id FROM accounts_user LIMIT 50) AS few")
        people = cursor.fetchone()[0]
        asked = query.replace("unnest(people)", "unnest(%s::uuid[])")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked}", [people])
        plan = cursor.fetchone()[0][0]["Plan"]
    scans = {node["Relation Name"]: node["Node Type"] for node in nodes(plan) if "Relation Name" in node}
    assert set(scans.values()) <= {"Index Scan", "Index Only Scan"}, scans
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 50 * 12


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


# ── Asking ───────────────────────────────────────────────────────────────────────────────────


def test_who_asks_gets_the_version_and_nothing_when_it_is_the_same(alice: User) -> None:
    client = signed_in(alice)
    first = client.get("/live/")
    version = first.content.decode()
    assert (first.status_code, version) == (200, versions_of([alice.pk])[alice.pk])
    assert client.get("/live/", {"known": version}).status_code == 204
    record(alice)
    assert client.get("/live/", {"known": version}).content.decode() == versions_of([alice.pk])[alice.pk] != version
    assert "no-store" in first["Cache-Control"]


def test_the_pages_say_which_version_they_show(alice: User) -> None:
    client = signed_in(alice)
    record(alice)
    version = versions_of([alice.pk])[alice.pk]
    for path in ("/", "/usage/"):
        assert f'data-live="{version}"' in client.get(path).content.decode()
        assert "data-live=" not in client.get(path, headers={"HX-Request": "true"}).content.decode()


def test_who_is_not_signed_in_is_told_nothing(anonymous: Client) -> None:
    for headers in ({}, EVENTS):
        answer = anonymous.get("/live/", headers=headers)
        assert (answer.status_code, answer.content) == (401, b"")


def test_another_method_is_refused(alice: User) -> None:
    client = signed_in(alice)
    assert client.post("/live/").status_code == 405
    assert client.head("/live/", headers=EVENTS).status_code == 405


def test_it_answers_without_a_stream_where_none_is_free(alice: User, settings: Settings) -> None:
    settings.LIVE_STREAMS = 0
    answer = signed_in(alice).get("/live/", headers=EVENTS)
    assert (answer.status_code, answer.content) == (204, b"")


# ── Streams, on the real server ──────────────────────────────────────────────────────────────


def test_a_stream_tells_within_two_seconds_and_only_its_own(alice: User, bob: User) -> None:
    of_alice, of_bob = cookie(alice), cookie(bob)
    with serve() as server, reading(server, of_alice) as alices, reading(server, of_bob) as bobs:
        assert alices.response.getheader("Content-Type") == "text/event-stream"
        assert soon(lambda: alices.count("version") == bobs.count("version") == 1)
        assert alices.events[0][1] == versions_of([alice.pk])[alice.pk]
        began = time.monotonic()
        assert ask(server, "/api/profile/usage", of_alice, RECORD)[0] == 200
        assert soon(lambda: alices.count("version") == 2)
        name, version, at = alices.events[-1]
        assert (name, version) == ("version", versions_of([alice.pk])[alice.pk])
        assert at - began < 2
        time.sleep(1.2)
        assert bobs.count("version") == 1


def test_streams_are_few_and_come_free_when_their_client_leaves(alice: User, bob: User) -> None:
    of_alice, of_bob = cookie(alice), cookie(bob)
    with serve(LIVE_STREAMS="2") as server:
        with reading(server, of_alice) as one, reading(server, of_bob) as two, reading(server, of_alice) as three:
            assert [reader.status for reader in (one, two, three)] == [200, 200, 204]
            # Every other thread serves on.
            assert ask(server, "/live/", of_alice)[0] == 200

        def begins() -> bool:
            with reading(server, of_bob) as again:
                return again.status == 200

        assert soon(begins)


def test_half_of_the_threads_are_never_taken(alice: User) -> None:
    of_alice = cookie(alice)
    with (
        serve(LIVE_STREAMS="50", threads=3) as server,
        reading(server, of_alice) as one,
        reading(server, of_alice) as two,
    ):
        assert (one.status, two.status) == (200, 204)


@pytest.mark.parametrize("how", ["signed out", "ended", "deactivated", "switched off", "another password"])
def test_a_stream_ends_with_its_session(alice: User, how: str) -> None:
    of_alice = cookie(alice)
    with serve() as server, reading(server, of_alice) as reader:
        assert soon(lambda: reader.count("version") == 1)
        if how == "signed out":
            Session.objects.all().delete()
        elif how == "ended":
            Session.objects.update(expire_date=datetime.now(UTC))
        elif how == "deactivated":
            deactivate(user_id=alice.pk)
        elif how == "switched off":
            User.objects.filter(pk=alice.pk).update(is_active=False)
        else:
            alice.set_password("another correct horse")
            alice.save()
        assert soon(reader.over.is_set, 3)
        assert reader.events[-1][0] == "ended"
        assert ask(server, "/live/", of_alice)[0] == 401


def test_streams_end_with_their_server_which_need_not_wait_for_them(alice: User) -> None:
    of_alice = cookie(alice)
    with serve() as server, reading(server, of_alice) as reader:
        assert soon(lambda: reader.count("version") == 1)
        os.kill(server.pid, signal.SIGTERM)
        # Else gunicorn would wait for 30 seconds, then cut it off.
        assert server.process.wait(timeout=20) == 0
        assert soon(reader.over.is_set)
        assert reader.events[-1][0] == "again"


def test_an_open_stream_holds_no_transaction_and_one_connection_serves_all(alice: User, bob: User) -> None:
    def open_ones(question: str = "usename::text, state", but: Sequence[int] = ()) -> list[tuple[Any, ...]]:
        statement = f"SELECT {question} FROM pg_stat_activity WHERE datname = %s AND pid <> ALL(%s)"
        with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as admin:
            return admin.execute(statement, [connections["owner"].settings_dict["NAME"], list(but)]).fetchall()

    of_alice, of_bob = cookie(alice), cookie(bob)
    connections.close_all()
    # Those of servers that the whole run of the suite shares.
    before = [pid for (pid,) in open_ones("pid")]
    with serve() as server, reading(server, of_alice) as one, reading(server, of_bob) as two:
        assert soon(lambda: one.count("version") == two.count("version") == 1)
        connections.close_all()

        assert soon(lambda: open_ones(but=before) == [("wl_app", "idle")]), open_ones(but=before)


def test_the_hub_survives_a_lost_connection(alice: User) -> None:
    of_alice = cookie(alice)
    with serve() as server, reading(server, of_alice) as reader:
        assert soon(lambda: reader.count("version") == 1)
        connections["default"].close()
        with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = 'wl_app'",
                [connections["owner"].settings_dict["NAME"]],
            )
        time.sleep(1.2)
        record(alice)
        assert soon(lambda: reader.count("version") == 2, 8)
        assert not reader.over.is_set()
        assert server.log.count("cannot be told of changes") == 1


# ── The hub by itself ────────────────────────────────────────────────────────────────────────


class Looking:
    """Stands in for the database: what a look sees, and how often it was asked."""

    def __init__(self) -> None:
        self.versions: dict[Any, str] = {}
        self.asked: list[tuple[list[Any], list[str]]] = []

    def __call__(self, people: Any, sessions: Any) -> Sight:
        self.asked.append((list(people), list(sessions)))
        return Sight(dict(self.versions), frozenset(sessions))


def alive() -> int:
    return sum(thread.name == "live" for thread in threading.enumerate())


def test_the_thread_ends_with_the_last_watch_and_comes_back(settings: Settings) -> None:
    settings.LIVE_STREAMS = 8
    looking = Looking()
    hub = Hub(looking)
    before = alive()
    for _ in range(5):
        watches = [hub.watch(person=User().pk, session=str(number)) for number in range(8)]
        assert None not in watches
        assert hub.watch(person=User().pk, session="x") is None
        assert alive() == before + 1
        for watch in watches:
            assert watch is not None
            hub.leave(watch)
            hub.leave(watch)
        assert soon(lambda: alive() == before)


def test_one_person_has_no_more_than_two_streams_of_a_process(settings: Settings) -> None:
    settings.LIVE_STREAMS = 8
    hub, person = Hub(Looking()), User().pk
    watches = [hub.watch(person=person, session="s") for _ in range(3)]
    assert [watch is None for watch in watches] == [False, False, True]
    other = hub.watch(person=User().pk, session="t")
    for watch in (*watches, other):
        if watch:
            hub.leave(watch)
    assert other is not None


def test_many_watchers_are_one_look(settings: Settings) -> None:
    settings.LIVE_STREAMS = 8
    looking, person = Looking(), User().pk
    looking.versions[person] = "1"
    hub = Hub(looking)
    one, two = hub.watch(person=person, session="s"), hub.watch(person=person, session="s")
    assert one is not None
    assert two is not None
    assert hub.news(one, None, 2)
    assert hub.news(two, None, 2)
    time.sleep(1.5)
    assert looking.asked[-1] == ([person], ["s"])
    assert len(looking.asked) <= 4
    hub.leave(one)
    hub.leave(two)


def test_a_stream_that_never_began_gives_its_place_back(settings: Settings) -> None:
    settings.LIVE_STREAMS = 1
    hub = Hub(Looking())
    watch = hub.watch(person=User().pk, session="s")
    assert watch is not None
    Stream(hub, watch, None).close()
    again = hub.watch(person=User().pk, session="s")
    assert again is not None
    hub.leave(again)


def test_a_stream_ends_by_itself_in_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LIVE_STREAMS = 1
    monkeypatch.setattr(live, "LIFETIME", 0.3)
    looking, person = Looking(), User().pk
    looking.versions[person] = "1"
    hub = Hub(looking)
    watch = hub.watch(person=person, session="s")
    assert watch is not None
    stream = Stream(hub, watch, None)
    assert list(stream) == [b": versions follow\n\n", b"event: version\ndata: 1\n\n", b"event: again\ndata:\n\n"]
    stream.close()
