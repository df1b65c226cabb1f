"""Who was here today: also who only reads, once a day, and no request waits for it."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import httpx
import pytest
from django.conf import settings as configured
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts import presence
from accounts.models import Presence, Session, User
from accounts.tokens import make_token
from tests.conftest import make_person, signed_in
from tests.processes import serve
from wavelength import tallies
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(databases=["default"])


@pytest.fixture(autouse=True)
def _nobody_here() -> Iterator[None]:
    presence._forget_hourly()
    presence._here.clear()
    presence._unnoted.clear()
    yield
    presence._here.clear()
    presence._unnoted.clear()


def days_of(person: User) -> list[date]:
    with tenant(person.pk):
        return list(Presence.objects.order_by("day").values_list("day", flat=True))


@pytest.mark.parametrize("address", ["/api/profile", "/api/chats", "/api/auth/session", "/", "/chats/", "/usage/"])
def test_who_reads_is_here(address: str, as_alice: Client, alice: User, bob: User) -> None:
    assert as_alice.get(address).status_code == 200
    tallies.flush()
    assert days_of(alice) == [datetime.now(UTC).date()]
    assert days_of(bob) == []


def test_who_reads_is_here_without_a_limit_of_calls(as_alice: Client, alice: User, settings: Settings) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "api": None}
    as_alice.get("/api/profile")
    presence.note()
    assert len(days_of(alice)) == 1


def test_no_request_waits_for_it_and_a_day_is_noted_once(as_alice: Client, alice: User) -> None:
    as_alice.get("/api/profile")
    with CaptureQueriesContext(connection) as asked:
        as_alice.get("/api/profile")
        as_alice.get("/chats/")
    assert not [query for query in asked.captured_queries if "presence" in query["sql"]]
    with CaptureQueriesContext(connection) as asked:
        presence.note()
        as_alice.get("/api/profile")
        presence.note()
    assert len([query for query in asked.captured_queries if "note_presence" in query["sql"]]) == 1
    assert len(days_of(alice)) == 1


def test_who_is_refused_or_unknown_is_not(as_alice: Client, alice: User, anonymous: Client) -> None:
    as_alice.get("/api/profile")  # whose session it is, is remembered
    presence._unnoted.clear()
    presence._here.clear()
    Session.objects.filter(user=alice).delete()
    assert as_alice.get("/api/profile").status_code == 401
    as_alice.get("/chats/")
    as_alice.get("/api/auth/session")
    anonymous.get("/api/profile")
    anonymous.get("/accounts/login/")
    presence.note()
    assert days_of(alice) == []


def test_a_script_with_a_token_is_nobody_who_is_here(alice: User) -> None:
    token = make_token(user_id=alice.pk, name="Script", days=None, read_only=True)
    assert signed_in(alice).get("/api/profile", HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 200
    presence.note()
    assert days_of(alice) == []


def test_a_page_that_stands_open_alone_is_nobody(as_alice: Client, alice: User) -> None:
    as_alice.get("/live/?version=x")
    presence.note()
    assert days_of(alice) == []


def test_a_new_day_is_noticed_within_the_hour(as_alice: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    as_alice.get("/api/profile")
    presence.note()
    today = datetime.now(UTC).date()
    hour = time.time() + 3600
    monkeypatch.setattr("accounts.presence.time.time", lambda: hour)
    presence.note()
    as_alice.get("/api/profile")
    assert list(presence._unnoted) == [str(alice.pk)]
    presence.note()
    assert days_of(alice) == [today]  # by the database's clock it is the same day


def test_what_the_database_does_not_take_is_tried_again(as_alice: Client, alice: User) -> None:
    def away(*question: object) -> None:
        raise OperationalError("the connection is lost")

    as_alice.get("/api/profile")
    with connection.execute_wrapper(away):
        presence.note()
    presence.note()
    assert days_of(alice) == []
    as_alice.get("/api/profile")
    presence.note()
    assert len(days_of(alice)) == 1


def test_it_holds_no_more_people_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "MOST", 10)
    for number in range(20):
        presence.notice(f"01981f0a-0000-7000-8000-{number:012d}")
    presence.note()
    assert len(presence._here) == 0


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_servers_note_it_by_themselves() -> None:
    people = [make_person(f"{name}@example.com", name) for name in ("anna", "boris")]
    cookies = [signed_in(person).cookies[configured.SESSION_COOKIE_NAME].value for person in people]
    with serve(workers=2, TALLY_SECONDS="0.2") as running:
        for _ in range(8):
            for cookie in cookies:
                session = {configured.SESSION_COOKIE_NAME: cookie}
                assert httpx.get(f"{running.url}/api/profile", cookies=session).status_code == 200
        deadline = time.monotonic() + 20
        while not all(len(days_of(person)) == 1 for person in people):
            assert time.monotonic() < deadline
            time.sleep(0.1)
