"""Figures about the whole service: counted from what people did, once, and telling of nobody."""

import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.request import urlopen

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import audit
from accounts.models import Actor, AuditEvent, Presence, User
from apikeys.vault import store_key
from chats import sync
from chats.models import Handover, Source
from chats.payload import ShapeError
from tests.chats.payloads import chat, message, payload
from tests.conftest import make_person, signed_in
from tests.processes import Running, serve
from tests.rows import stored
from tests.wavelength.isolation import refused
from usage import metering
from usage.models import UsageRecord
from wavelength import collecting, tallies
from wavelength.envelope import Secret
from wavelength.models import SystemMetric
from wavelength.tasks import collect_metrics
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(databases=["default", "operator", "owner"])

PAYLOAD = json.dumps(payload(chat("c1", message("m1")))).encode()


@pytest.fixture(autouse=True)
def _nothing_seen() -> Iterator[None]:
    tallies._seen.clear()
    tallies._kept.clear()
    yield
    tallies._seen.clear()
    tallies._kept.clear()


def the_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def figures(name: str, hour: datetime | None = None) -> dict[str, Decimal]:
    rows = SystemMetric.objects.filter(name=name, **({"hour": hour} if hour else {}))
    return {row.label: row.value.normalize() for row in rows}


def used(person: User, hour: datetime, requests: int = 1, **fields: Any) -> None:
    """Usage of that hour, as if it had been recorded then."""
    tokens = dict.fromkeys(("input_tokens", "output_tokens", "reasoning_tokens"), 0)
    model = {"provider": "openai", "model": "gpt-4o", "computed_cost": 1}
    record = UsageRecord(user=person, hour=hour, source="client", request_count=requests, **tokens, **model | fields)
    with tenant(person.pk):
        record.save(force_insert=True)


def did(person: User, at: datetime) -> None:
    """Something, as themselves, at that time."""
    with tenant(person.pk):
        AuditEvent.objects.create(user=person, kind="password.changed", actor=Actor.OWNER, at=at)


def ask(running: Running, times: int) -> None:
    for _ in range(times):
        urlopen(running.url + "/accounts/login/").close()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def everything() -> set[tuple[Any, ...]]:
    return set(SystemMetric.objects.values_list("name", "hour", "label", "value"))


def test_it_counts_what_people_did(alice: User, bob: User) -> None:
    make_person("google@example.com", "Grace")
    store_key(user_id=alice.pk, provider="openai", secret=Secret("sk-proj-0f3a5b7c9d1e2f4a6b8c"))
    sync.take_over(user_id=alice.pk, body=PAYLOAD, source=Source.MIGRATION)
    with pytest.raises(ShapeError):
        sync.take_over(user_id=bob.pk, body=b"[]", source=Source.MIGRATION)
    for person, model in ((alice, "gpt-4o"), (bob, "gpt-4o"), (bob, "gpt-4o-mini")):
        metering.record_usage(
            user_id=person.pk, provider="openai", model=model, input_tokens=1_000_000, output_tokens=1
        )
    with tenant(bob.pk):
        audit.record(bob.pk, "chat.shared", chat="x")
    tallies.flush()

    assert collecting.collect() > 0

    assert figures("registrations") == {"signup": 3}
    assert figures("event") == {"key.added": 1, "handover.finished": 1, "chat.shared": 1}
    assert figures("active.hour") == {"": 2}
    assert figures("handover") == {"complete": 1}
    assert figures("handover.failed") == {"not a hand-over": 1}
    assert figures("usage.requests") == {"openai/gpt-4o": 2, "openai/gpt-4o-mini": 1}
    assert figures("usage.tokens")["openai/gpt-4o"] == 2_000_002
    cost = figures("usage.cost")
    with tenant(bob.pk):
        assert cost["openai/gpt-4o-mini"] == UsageRecord.objects.get(model="gpt-4o-mini").total_cost
    assert figures("table.bytes")["usage_usagerecord"] > 0


def test_a_repeat_changes_nothing(alice: User, bob: User) -> None:
    for hours in (0, 1, 26):
        used(alice, the_hour() - timedelta(hours=hours))
        did(bob, the_hour() - timedelta(days=hours))
    collecting.collect()
    once = everything()
    with connection.cursor() as cursor:
        for part, until in (("hours", the_hour() + timedelta(hours=1)), ("days", the_hour())):
            cursor.execute("SELECT collect_metrics(%s, now() - interval '7 days', %s)", [part, until])
            assert (part, cursor.fetchone()) == (part, (0,))
    collect_metrics(timestamp=0)
    gauges = ("table.bytes", "table.rows")
    assert {row for row in everything() if row[0] not in gauges} == {row for row in once if row[0] not in gauges}


def test_it_counts_an_hour_anew_while_rows_of_it_come_and_go(alice: User) -> None:
    collecting.collect()
    assert figures("handover") == {}
    sync.take_over(user_id=alice.pk, body=PAYLOAD, source=Source.MIGRATION)
    collecting.collect()
    assert figures("handover") == {"complete": 1}
    with tenant(alice.pk):
        Handover.objects.all().delete()
    collecting.collect()
    assert figures("handover") == {}


def test_hours_that_were_missed_are_caught_up(alice: User) -> None:
    now = the_hour()
    SystemMetric.objects.create(name="collected", hour=now - timedelta(days=5), value=1)
    used(alice, now - timedelta(hours=77), requests=7)
    collecting.collect()
    assert figures("usage.requests", now - timedelta(hours=77)) == {"openai/gpt-4o": 7}
    assert collecting.collected_until() == now


def test_what_is_told_late_counts_for_two_days(alice: User) -> None:
    now = the_hour()
    SystemMetric.objects.create(name="collected", hour=now - timedelta(hours=1), value=1)
    for hours in (5, 48, 49):
        used(alice, now - timedelta(hours=hours))
    collecting.collect()
    counted = SystemMetric.objects.filter(name="usage.requests").order_by("-hour").values_list("hour", flat=True)
    assert list(counted) == [now - timedelta(hours=5), now - timedelta(hours=48)]


def test_the_first_run_looks_back_for_a_quarter(alice: User) -> None:
    for days in (80, 95):
        used(alice, the_hour() - timedelta(days=days))
    collecting.collect()
    assert sum(figures("usage.requests").values()) == 1
    assert SystemMetric.objects.filter(name="active.day").count() == 90


def test_people_are_counted_once_in_a_day_a_week_and_a_month(alice: User, bob: User) -> None:
    today = the_hour().replace(hour=0)
    for person, days in ((alice, 3), (alice, 3), (bob, 9), (alice, 9)):
        did(person, today - timedelta(days=days))
    collecting.collect()

    def counted(name: str, days_ago: int) -> int:
        return int(SystemMetric.objects.get(name=name, hour=today - timedelta(days=days_ago)).value)

    assert [counted("active.day", days) for days in (2, 3, 9, 10)] == [0, 1, 2, 0]
    assert [counted("active.week", days) for days in (1, 3, 4, 9, 10)] == [1, 2, 2, 2, 0]
    assert [counted("active.month", days) for days in (1, 9, 10)] == [2, 2, 0]


def test_who_only_reads_is_active_too(alice: User, bob: User) -> None:
    """Counted once with what they did, and by nothing but the days on which they were here."""
    today = the_hour().replace(hour=0)
    User.objects.update(created_at=today - timedelta(days=20))
    did(alice, today - timedelta(days=2))
    for person, days in ((alice, 2), (bob, 2), (bob, 12), (bob, 0)):
        with tenant(person.pk):
            Presence.objects.create(user=person, day=(today - timedelta(days=days)).date())
    collecting.collect()

    def counted(name: str, days_ago: int) -> int:
        return int(SystemMetric.objects.get(name=name, hour=today - timedelta(days=days_ago)).value)

    assert [counted("active.day", days) for days in (1, 2, 3, 12, 13)] == [0, 2, 0, 1, 0]
    assert [counted("active.week", days) for days in (1, 3, 6)] == [2, 0, 1]
    assert counted("active.month", 1) == 2
    assert sum(figures("cohort.active").values()) >= 2
    once = everything()
    collecting.collect()
    assert {row for row in once if row[0].startswith("active")} <= everything()


def test_a_cohort_tells_who_came_back(alice: User, bob: User) -> None:
    """Two signed up three weeks ago; one was here in the week after, and again last week."""
    monday = the_hour().replace(hour=0) - timedelta(days=the_hour().weekday())
    cohort = monday - timedelta(weeks=3)
    User.objects.update(created_at=cohort + timedelta(days=2))
    for weeks in (1, 2):
        did(alice, cohort + timedelta(weeks=weeks, days=1))
    collecting.collect()
    assert figures("cohort.size", cohort) == {"": 2}
    active = figures("cohort.active", cohort)
    assert {label: active[label] for label in ("00", "01", "02")} == {"00": 0, "01": 1, "02": 1}


@pytest.mark.parametrize(
    "model",
    [
        "alice@example.com", "gpt-4o-alice@example.com", "gpt-4o 01981f0a-0000-7000-8000-000000000000",
        "gpt-4o-01981f0a-0000-7000-8000-000000000000", "<b>gpt-4o</b>",
    ],
)  # fmt: skip
def test_a_name_that_may_tell_of_somebody_is_not_kept(alice: User, model: str) -> None:
    """Even one that has a price."""
    used(alice, the_hour(), model=model)
    collecting.collect()
    assert figures("usage.requests") == {"unlisted": 1}


def test_a_name_without_a_price_is_not_kept(alice: User) -> None:
    used(alice, the_hour(), model="my-own-model", computed_cost=None)
    collecting.collect()
    assert figures("usage.requests") == {"unlisted": 1}


def test_nobody_can_be_singled_out(alice: User, bob: User) -> None:
    client = signed_in(alice)
    handover = stored(Handover, alice)
    client.get(f"/import/{handover.reference}/")
    client.get(f"/chats/{alice.pk}/?q=alice@example.com")
    client.get("/alice@example.com/")
    with tenant(alice.pk):
        audit.record(alice.pk, f"alice@example.com {alice.pk}")
    sync.take_over(user_id=alice.pk, body=PAYLOAD, source=Source.MIGRATION)
    metering.record_usage(user_id=alice.pk, provider="alice@example.com", model=str(alice.pk), input_tokens=1)
    tallies.flush()
    collecting.collect()
    told = " ".join(f"{name} {label}" for name, label in SystemMetric.objects.values_list("name", "label"))
    assert "chats/<uuid:" in told  # the route, without the id
    for person in (alice, bob):
        for personal in (person.email, str(person.pk), person.pk.hex, person.name, "secret"):
            assert personal.lower() not in told.lower()
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", told)


def test_the_function_answers_a_number_and_nobody_else_may_call_it(alice: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_function_result('collect_metrics(text, timestamptz, timestamptz)'::regprocedure)")
        assert cursor.fetchone() == ("bigint",)
        for part in ("", "people", "hours' OR true --"):
            cursor.execute("SELECT collect_metrics(%s, now() - interval '1 day', now())", [part])
            assert cursor.fetchone() == (0,)
    assert not SystemMetric.objects.exists()
    with refused("42501", "operator"), connections["operator"].cursor() as cursor:
        cursor.execute("SELECT collect_metrics('hours', now(), now())")


def test_a_week_later_a_days_hours_are_one_row(alice: User) -> None:
    now = the_hour()
    day = now.replace(hour=0) - timedelta(days=20)
    for hour, requests, longest in ((0, 5, 30), (7, 3, 90), (23, 2, 10)):
        for name, value in (("route.requests", requests), ("route.max", longest)):
            SystemMetric.objects.create(name=name, hour=day + timedelta(hours=hour), label="/usage/", value=value)
    recent = now.replace(hour=0) - timedelta(days=2)
    for hour in (1, 2):
        SystemMetric.objects.create(name="route.requests", hour=recent + timedelta(hours=hour), label="/x/", value=1)
    for _ in range(2):
        collecting.collect()
        rows = SystemMetric.objects.filter(label="/usage/").order_by("name").values_list("name", "hour", "value")
        assert list(rows) == [("route.max", day, Decimal(90)), ("route.requests", day, Decimal(10))]
        assert SystemMetric.objects.filter(label="/x/").count() == 2


def test_what_is_old_enough_goes(alice: User, settings: Any) -> None:
    settings.ANALYTICS_RETENTION_DAYS = 30
    day = the_hour().replace(hour=0) - timedelta(days=30)
    for hour in (day - timedelta(days=1), day):
        SystemMetric.objects.create(name="active.day", hour=hour, value=1)
    SystemMetric.objects.create(name="collected", hour=the_hour(), value=1)
    collecting.collect()
    assert SystemMetric.objects.order_by("hour")[0].hour >= day


def test_the_command_says_what_it_did(alice: User) -> None:
    out = io.StringIO()
    call_command("collect_metrics", stdout=out)
    assert re.fullmatch(r"\d+ figures changed; whole hours are counted until [\d-]+ \d\d:00 UTC\.\n", out.getvalue())


# What the serving processes tally.


def test_requests_are_tallied_by_route(as_alice: Client) -> None:
    as_alice.get("/usage/")
    as_alice.get("/usage/")
    as_alice.get("/nothing/at/all/")
    tallies.flush()
    assert figures("route.requests") == {"/usage/": 2, "none": 1}
    assert figures("route.ms")["/usage/"] >= figures("route.max")["/usage/"] > 0
    assert figures("route.errors") == {}


def test_who_asks_too_often_is_tallied_by_limit(as_alice: Client, settings: Any) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "api": (2, 60)}
    statuses = [as_alice.get("/api/profile/usage").status_code for _ in range(4)]
    tallies.flush()
    assert figures("limit") == {"api": statuses.count(429)}
    assert statuses.count(429) >= 2


def test_what_is_flushed_twice_is_added(as_alice: Client) -> None:
    tallies.tally(tallies.Served("/usage/", 0.5, failed=True))
    tallies.flush()
    tallies.tally(tallies.Served("/usage/", 0.25, failed=False))
    tallies.flush()
    tallies.flush()
    told = [figures(f"route.{name}")["/usage/"] for name in ("requests", "ms", "max", "errors")]
    assert told == [2, 750, 500, 1]


def test_a_tally_asks_nothing_of_the_database_while_somebody_waits(as_alice: Client) -> None:
    as_alice.get("/usage/")
    with CaptureQueriesContext(connection) as queries:
        as_alice.get("/usage/")
    assert not any("systemmetric" in query["sql"] for query in queries.captured_queries)


def test_what_the_database_does_not_take_is_tried_again(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*args: Any) -> None:
        raise OperationalError("the server is away")

    tallies.tally(tallies.Happened("refusal", "person"))
    with monkeypatch.context() as patch:
        patch.setattr(connection, "ensure_connection", down)
        tallies.flush()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")
        tallies.flush()
        transaction.set_rollback(True)
    tallies.flush()
    assert figures("refusal") == {"person": 1}


def test_what_may_have_been_added_is_not_added_again(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    tallies.tally(tallies.Happened("refusal", "person"))

    def lost(*args: Any) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", lost)
        tallies.flush()
    tallies.flush()
    assert figures("refusal") == {}


def test_no_more_is_kept_than_is_bounded(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "MOST_KEPT", 2)
    for label in "abc":
        tallies.tally(tallies.Happened("refusal", label))
    tallies.flush()
    assert set(figures("refusal")) == {"a", "b"}


def test_a_child_process_writes_what_it_saw_itself(alice: User) -> None:
    tallies.tally(tallies.Happened("refusal", "person"))
    child = os.fork()
    if child == 0:
        os._exit(len(tallies._seen) + tallies._is_begun)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(tallies._seen) == 1


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_servers_add_theirs_by_themselves_and_the_rest_when_they_end() -> None:
    with serve(workers=2, TALLY_SECONDS="0.2") as running:
        ask(running, 20)
        wait_until(lambda: figures("route.requests").get("/accounts/login/") == 20)
    with serve(workers=2, TALLY_SECONDS="600") as running:
        ask(running, 10)
    wait_until(lambda: figures("route.requests").get("/accounts/login/") == 30)
