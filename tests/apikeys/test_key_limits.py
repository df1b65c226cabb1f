"""A key's own limits: what goes through it is counted, and refused when its day or month is used up."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connections, transaction
from django.test import Client

from accounts.models import Profile, User
from apikeys import vault
from apikeys.models import ApiKey
from tests.apikeys.conftest import KEYS_URL, SECRETS, add_for, at, call
from usage import metering
from usage.metering import QuotaExceededError, Tokens, UnknownKeyError
from usage.models import QuotaLimit, QuotaWindow, UsageRecord
from usage.quotas import hold_usage
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

Add = Callable[..., ApiKey]
MODEL: dict[str, Any] = {"provider": "openai", "model": "gpt-4o"}


def record(person: User, key_id: UUID | None, requests: int = 1, moment: datetime | None = None) -> None:
    metering.record_usage(user_id=person.pk, **MODEL, requests=requests, api_key_id=key_id, at=moment)


def reserve(person: User, key_id: UUID, moment: datetime | None = None) -> metering.Reservation:
    return metering.reserve(user_id=person.pk, **MODEL, tokens=10, api_key_id=key_id, at=moment)


def limits(person: User) -> dict[tuple[UUID | None, str], int | None]:
    with tenant(person.pk):
        rows = QuotaLimit.objects.exclude(api_key_id=None).values_list("api_key_id", "period", "request_limit")
        return {(key_id, period): allowed for key_id, period, allowed in rows}


def shown(client: Client, key: ApiKey) -> dict[str, Any]:
    listed: list[dict[str, Any]] = call(client, "get", KEYS_URL)[1]["data"]
    return next(entry for entry in listed if entry["id"] == str(key.pk))


def figures(client: Client, key: ApiKey) -> tuple[int, int]:
    entry = shown(client, key)
    return entry["usedToday"], entry["usedThisMonth"]


def test_it_works(as_alice: Client, alice: User, add: Add) -> None:
    one, other = add("openai"), add("xai")
    before = shown(as_alice, one)

    record(alice, one.pk, 3)
    record(alice, None, 5)

    after = shown(as_alice, one)
    assert (before["usedToday"], before["usedThisMonth"], before["lastUsed"]) == (0, 0, None)
    assert (after["usedToday"], after["usedThisMonth"]) == (3, 3)
    assert datetime.now(UTC) - datetime.fromisoformat(after["lastUsed"]) < timedelta(minutes=1)
    assert figures(as_alice, other) == (0, 0)
    assert shown(as_alice, other)["lastUsed"] is None


def test_the_profile_tells_the_same_last_use(as_alice: Client, alice: User, add: Add) -> None:
    key = add()
    record(alice, key.pk)

    (entry,) = call(as_alice, "get", "/api/profile")[1]["data"]["apiKeys"]

    assert entry["lastUsed"] == shown(as_alice, key)["lastUsed"] is not None


@pytest.mark.parametrize("year", [2001, 2099])
def test_the_later_use_is_the_last(as_alice: Client, alice: User, add: Add, year: int) -> None:
    """The server itself takes keys out as well."""
    key = add()
    with tenant(alice.pk):
        ApiKey.objects.update(last_used=datetime(year, 1, 1, tzinfo=UTC))
    record(alice, key.pk)

    last = shown(as_alice, key)["lastUsed"]
    assert (last == "2099-01-01T00:00:00.000Z") is (year == 2099)
    assert last > "2001-01-02"
    assert call(as_alice, "get", "/api/profile")[1]["data"]["apiKeys"][0]["lastUsed"] == last


def test_a_busy_key_is_written_once_a_minute(as_alice: Client, alice: User, add: Add) -> None:
    key = add()
    for seconds in (0, 30, 60, 61, 90):
        record(alice, key.pk, moment=datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC) + timedelta(seconds=seconds))

    assert shown(as_alice, key)["lastUsed"] == "2020-05-06T07:09:10.000Z"


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_a_request_does_not_wait_for_whoever_is_changing_the_key(alice: User, add: Add) -> None:
    """Who changes a key asks for the person's usage afterwards: waiting for each other, one of them would fail."""
    key = add()

    def count() -> None:
        try:
            record(alice, key.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, tenant(alice.pk):
        ApiKey.objects.select_for_update().get()
        pool.submit(count).result(timeout=60)
    with tenant(alice.pk):
        assert ApiKey.objects.get().last_used is None
    record(alice, key.pk)
    with tenant(alice.pk):
        assert ApiKey.objects.get().last_used is not None


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_what_was_counted_before_last_uses_were_kept_is_known(alice: User, add: Add) -> None:
    used, other = add("openai"), add("xai")
    moment = datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC)
    record(alice, used.pk, moment=moment)
    with tenant(alice.pk):
        ApiKey.objects.update(last_used=None)
    with connections["owner"].cursor() as cursor:
        cursor.execute(import_module("apikeys.migrations.0006_last_used").SO_FAR)
    with tenant(alice.pk):
        assert dict(ApiKey.objects.values_list("pk", "last_used")) == {used.pk: moment, other.pk: None}


def test_an_earlier_months_use_is_still_the_last(as_alice: Client, alice: User, add: Add) -> None:
    key = add()
    long_ago = datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC)
    record(alice, key.pk, moment=long_ago)

    assert figures(as_alice, key) == (0, 0)
    assert shown(as_alice, key)["lastUsed"] == "2020-05-06T07:08:09.000Z"
    assert call(as_alice, "get", "/api/profile")[1]["data"]["apiKeys"][0]["lastUsed"] == "2020-05-06T07:08:09.000Z"


def test_every_way_to_make_a_key_gives_it_limits(as_alice: Client, alice: User, add: Add) -> None:
    stored = add("openai", daily_limit=5)
    added = call(as_alice, "post", KEYS_URL, {"provider": "xai", "apiKey": SECRETS["xai"], "monthlyLimit": 6})[1]
    with tenant(alice.pk):
        vault.store_migrated_key(user_id=alice.pk, provider="google", secret=Secret(SECRETS["google"]))
        handed_over = ApiKey.objects.get(provider="google")

    assert limits(alice) == {
        (stored.pk, "daily"): 5,
        (stored.pk, "monthly"): None,
        (UUID(added["data"]["id"]), "daily"): None,
        (UUID(added["data"]["id"]), "monthly"): 6,
        (handed_over.pk, "daily"): None,
        (handed_over.pk, "monthly"): None,
    }


@pytest.mark.parametrize(("limit", "period"), [("daily_limit", "daily"), ("monthly_limit", "monthly")])
def test_a_used_up_limit_refuses(alice: User, add: Add, limit: str, period: str) -> None:
    key, other = add("openai", **{limit: 1}), add("xai")
    reserve(alice, key.pk)

    with pytest.raises(QuotaExceededError) as caught:
        reserve(alice, key.pk)

    (refusal,) = caught.value.refusals
    assert (refusal.kind, refusal.period, refusal.api_key_id) == ("requests", period, key.pk)
    assert (refusal.allowed, refusal.taken) == (Decimal(1), Decimal(1))
    reserve(alice, other.pk)


def test_the_next_day_admits_again(alice: User, add: Add) -> None:
    key = add(daily_limit=1)
    now = datetime.now(UTC)
    reserve(alice, key.pk, now)

    reserve(alice, key.pk, now + timedelta(days=1))


def test_a_key_counts_in_its_owners_day(alice: User, as_alice: Client, add: Add) -> None:
    with tenant(alice.pk):
        Profile.objects.update(timezone="Pacific/Kiritimati")
    # Of an account whose windows have not been opened in another zone.
    with tenant(alice.pk):
        QuotaWindow.objects.all().delete()
    key = add(daily_limit=9)
    record(alice, key.pk)

    with tenant(alice.pk):
        window = QuotaWindow.objects.get(limit__api_key_id=key.pk, limit__period="daily")
    assert window.starts_at.astimezone(UTC).hour == 10  # midnight at UTC+14
    assert figures(as_alice, key) == (1, 1)


def test_a_reservation_settles_through_its_key(alice: User, as_alice: Client, add: Add) -> None:
    key = add(daily_limit=2)
    held = reserve(alice, key.pk)
    metering.settle(user_id=alice.pk, reservation_id=held.id, **MODEL, tokens=Tokens(1, 2), requests=2)

    assert figures(as_alice, key) == (2, 2)
    with pytest.raises(QuotaExceededError):
        reserve(alice, key.pk)


def test_what_was_used_is_recorded_past_the_limit(alice: User, as_alice: Client, add: Add) -> None:
    key = add(daily_limit=1)
    for _ in range(3):
        record(alice, key.pk)

    assert figures(as_alice, key) == (3, 3)


def test_a_key_that_cannot_be_used(alice: User, bob: User, add: Add) -> None:
    off, deleted, bobs = add("openai"), add("xai"), add_for(bob)
    vault.change_key(user_id=alice.pk, key_id=off.pk, is_active=False)
    vault.delete_key(user_id=alice.pk, key_id=deleted.pk)

    for key_id in (off.pk, deleted.pk, bobs.pk, uuid4()):
        with pytest.raises(UnknownKeyError):
            record(alice, key_id)
        with pytest.raises(UnknownKeyError):
            reserve(alice, key_id)
    with tenant(alice.pk):
        assert not UsageRecord.objects.exists()
    vault.change_key(user_id=alice.pk, key_id=off.pk, is_active=True)
    record(alice, off.pk)


def test_another_limit_keeps_what_was_used(alice: User, as_alice: Client, add: Add) -> None:
    key = add(daily_limit=1, monthly_limit=100)
    record(alice, key.pk)
    with pytest.raises(QuotaExceededError):
        reserve(alice, key.pk)

    call(as_alice, "put", at(key.pk), {"dailyLimit": 2})
    reserve(alice, key.pk)

    with pytest.raises(QuotaExceededError) as caught:
        reserve(alice, key.pk)
    assert (caught.value.refusals[0].allowed, caught.value.refusals[0].taken) == (Decimal(2), Decimal(2))
    assert call(as_alice, "put", at(key.pk), {"dailyLimit": None})[1]["data"]["usedToday"] == 1
    assert limits(alice) == {(key.pk, "daily"): None, (key.pk, "monthly"): 100}
    reserve(alice, key.pk)


def test_a_deleted_key_leaves_the_ledger(alice: User, as_alice: Client, add: Add) -> None:
    key = add(daily_limit=5)
    record(alice, key.pk, 2)
    held = reserve(alice, key.pk)

    assert call(as_alice, "delete", at(key.pk))[0] == 200

    assert limits(alice) == {}
    # A request under way when the key went is still told, and counted.
    metering.settle(user_id=alice.pk, reservation_id=held.id, **MODEL, tokens=Tokens(1, 2))
    with tenant(alice.pk):
        assert UsageRecord.objects.get().request_count == 3
        assert not QuotaWindow.objects.exclude(limit__api_key_id=None).exists()


def test_a_limit_belongs_to_a_key_of_the_same_person(alice: User, bob: User, add: Add) -> None:
    key = add()
    with tenant(bob.pk), pytest.raises(IntegrityError), transaction.atomic():
        QuotaLimit.objects.create(user=bob, period="daily", api_key_id=key.pk)


def test_the_page_shows_what_is_used_and_when_it_renews(alice: User, as_alice: Client, add: Add) -> None:
    key = add(daily_limit=1200)
    record(alice, key.pk, 1100)

    page = as_alice.get("/keys/").content.decode()

    assert "1,100 of 1,200" in page
    assert "No limit" in page
    assert f'<meter id="day-{key.pk.hex}" min="0" max="1200" low="960" high="1200" optimum="0" value="1100">' in page
    assert page.count("Renews <time") == 1


def test_queries_do_not_grow_with_keys_and_their_use(
    as_alice: Client, alice: User, add: Add, django_assert_num_queries: Any
) -> None:
    def queries() -> int:
        with django_assert_num_queries(4, exact=False) as counted:
            call(as_alice, "get", KEYS_URL)
        return len(counted)

    record(alice, add("openai").pk)
    # The first call takes a lease of what the limits allow (docs/decisions/limits-are-leased.md).
    call(as_alice, "get", KEYS_URL)
    one = queries()
    record(alice, add("xai", daily_limit=3).pk)

    assert queries() == one


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_a_limit_is_not_passed_together_and_nothing_deadlocks(alice: User, add: Add) -> None:
    key = add(daily_limit=20)
    sides = 12
    barrier = Barrier(sides)

    def side(number: int) -> int:
        barrier.wait()
        admitted = 0
        try:
            for turn in range(4):
                try:
                    reserve(alice, key.pk)
                    admitted += 1
                except QuotaExceededError:
                    pass
                if number % 4 == 0:
                    vault.change_key(user_id=alice.pk, key_id=key.pk, key_name=f"Name {number} {turn}")
                if number % 4 == 1:
                    other = add_for(alice, secret=f"sk-proj-{number}-{turn}-0f3a5b7c", key_name=f"{number} {turn}")
                    record(alice, other.pk)
                    vault.delete_key(user_id=alice.pk, key_id=other.pk)
        finally:
            connections.close_all()
        return admitted

    with ThreadPoolExecutor(sides) as pool:
        assert sum(pool.map(side, range(sides))) == 20


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
@pytest.mark.parametrize("change", ["change_key", "delete_key"])
def test_a_change_waits_for_metering_before_it_locks_a_row(alice: User, add: Add, change: str) -> None:
    key = add(daily_limit=5)

    def changed() -> None:
        try:
            getattr(vault, change)(user_id=alice.pk, key_id=key.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with tenant(alice.pk):
            hold_usage(alice.pk)
            done = pool.submit(changed)
            wait_for_a_waiter()
            # What metering may lock while it holds the person's lock: else each would wait for the other.
            assert ApiKey.objects.select_for_update(nowait=True).get(pk=key.pk)
            assert len(QuotaLimit.objects.select_for_update(nowait=True).filter(api_key_id=key.pk)) == 2
        done.result()


def wait_for_a_waiter() -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("Nobody waits for the person's lock.")
