"""Messages of browsers without an account: fifty a day each, and a cap for one address."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connections
from pytest_django import Settings

from accounts.arrivals import claim
from accounts.models import AnonymousSession, User
from usage import quotas
from usage.anonymous import DAILY_MESSAGES, AnonymousIdError, AnonymousLimitError, allowance_of, count_message
from usage.models import AnonymousDay

HOME = "203.0.113.9"
EVENING = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
transactional = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def sent(name: str, times: int, *, address: str = HOME, at: datetime = EVENING) -> int:
    """How many of so many messages were taken."""
    taken = 0
    for _ in range(times):
        try:
            count_message(anonymous_id=name, address=address, at=at)
        except AnonymousLimitError:
            continue
        taken += 1
    return taken


def stored() -> dict[tuple[str, str], int]:
    rows = AnonymousDay.objects.values_list("scope", "name", "messages")
    return {(scope, name if scope == "session" else "address"): messages for scope, name, messages in rows}


def test_it_works(db: None) -> None:
    before = allowance_of("browser-1", at=EVENING)
    after = count_message(anonymous_id="browser-1", address=HOME, at=EVENING)

    assert (before.anonymous_id, before.daily_limit, before.used, before.remaining) == ("browser-1", 50, 0, 50)
    assert (after.used, after.remaining, after.resets_at) == (1, 49, MIDNIGHT)
    assert allowance_of("browser-1", at=EVENING) == after


def test_the_fifty_first_is_refused_and_counts_nothing(db: None) -> None:
    assert sent("browser-1", 50) == 50
    before = stored()

    with pytest.raises(AnonymousLimitError, match="Sign in") as refused:
        count_message(anonymous_id="browser-1", address=HOME, at=EVENING)

    assert (refused.value.allowance.used, refused.value.allowance.remaining) == (50, 0)
    assert refused.value.resets_at == MIDNIGHT
    assert stored() == before == {("session", "browser-1"): 50, ("address", "address"): 50}


def test_the_next_day_of_utc_begins_anew(db: None) -> None:
    sent("browser-1", 51)

    assert count_message(anonymous_id="browser-1", address=HOME, at=MIDNIGHT).remaining == 49


def test_one_browser_does_not_use_up_anothers(db: None) -> None:
    sent("browser-1", 50)

    assert count_message(anonymous_id="browser-2", address=HOME, at=EVENING).remaining == 49


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_an_id_a_new_one_is_made(db: None, nothing: str | None) -> None:
    read, counted = allowance_of(nothing), count_message(anonymous_id=nothing, address=HOME)

    assert UUID(read.anonymous_id) != UUID(counted.anonymous_id)
    assert (read.used, counted.used) == (0, 1)
    assert ("session", read.anonymous_id) not in stored()


@pytest.mark.parametrize("name", ["x" * 201, "with\x00NUL"])
def test_an_id_that_cannot_be_one_is_refused(db: None, name: str) -> None:
    with pytest.raises(AnonymousIdError):
        allowance_of(name)
    with pytest.raises(AnonymousIdError):
        count_message(anonymous_id=name, address=HOME)
    assert stored() == {}


def test_new_ids_do_not_pass_the_cap_of_an_address(db: None, settings: Settings) -> None:
    settings.ANONYMOUS_ADDRESS_DAILY_LIMIT = 3

    assert [sent(f"browser-{n}", 2) for n in range(3)] == [2, 1, 0]
    assert sent("browser-1", 1, address="203.0.113.10") == 1
    with pytest.raises(AnonymousLimitError, match="network") as refused:
        count_message(anonymous_id="browser-0", address=HOME, at=EVENING)
    assert refused.value.allowance.remaining == 48
    # Whoever was refused left no row behind.
    assert ("session", "browser-2") not in stored()
    assert sent("browser-2", 1, at=MIDNIGHT) == 1


def test_a_cap_of_nothing_admits_nobody(db: None, settings: Settings) -> None:
    settings.ANONYMOUS_ADDRESS_DAILY_LIMIT = 0

    assert sent("browser-1", 1) == 0
    assert stored() == {}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.9", HOME, True),
        (HOME, "203.0.113.10", False),
        ("", "", True),
    ],
)
def test_what_is_one_address(db: None, settings: Settings, one: str, other: str, same: bool) -> None:
    settings.ANONYMOUS_ADDRESS_DAILY_LIMIT = 1
    sent("browser-1", 1, address=one)

    assert sent("browser-2", 1, address=other) == (0 if same else 1)


def test_no_address_is_stored_and_none_can_be_followed(db: None, settings: Settings) -> None:
    for day in range(2):
        sent("browser-1", 1, at=EVENING + timedelta(days=day))
    settings.SECRET_KEY = "another-secret-key-" + "1" * 32
    sent("browser-1", 1)

    names = set(AnonymousDay.objects.filter(scope="address").values_list("name", flat=True))
    assert len(names) == 3
    assert HOME not in str(names)


def test_an_account_that_claims_the_id_gets_none_of_it(alice: User) -> None:
    sent("browser-1", 7)
    claim(anonymous_id="browser-1", user_id=alice.pk)

    assert [quota.used_requests for quota in quotas.quotas_of(user_id=alice.pk)] == [0, 0]
    assert AnonymousSession.objects.get().claimed_by_id == alice.pk
    # Signed out again in the same browser: as any other.
    assert count_message(anonymous_id="browser-1", address=HOME, at=EVENING).used == 8


@transactional
def test_nobody_passes_the_fifty_together(db: None) -> None:
    assert at_once([("browser-1", HOME)] * 16, times=5) == DAILY_MESSAGES
    assert stored() == {("session", "browser-1"): 50, ("address", "address"): 50}


@transactional
def test_nobody_passes_the_cap_of_an_address_together(settings: Settings) -> None:
    settings.ANONYMOUS_ADDRESS_DAILY_LIMIT = 60

    assert at_once([(f"browser-{n % 4}", HOME) for n in range(16)], times=5) == 60
    counted = stored()
    assert counted.pop(("address", "address")) == sum(counted.values()) == 60


@transactional
def test_browsers_that_wander_between_addresses_do_not_deadlock(settings: Settings) -> None:
    settings.ANONYMOUS_ADDRESS_DAILY_LIMIT = 1000

    assert at_once([(f"browser-{n % 2}", f"203.0.113.{n % 3}") for n in range(12)], times=12) == 2 * DAILY_MESSAGES
    assert sum(AnonymousDay.objects.filter(scope="address").values_list("messages", flat=True)) == 100


def at_once(sides: list[tuple[str, str]], *, times: int) -> int:
    """How many messages were taken of all that these browsers sent at once, each on a connection of its own."""
    barrier = Barrier(len(sides))

    def side(browser: tuple[str, str]) -> int:
        barrier.wait()
        try:
            return sent(browser[0], times, address=browser[1])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(sides)) as pool:
        return sum(pool.map(side, sides))
