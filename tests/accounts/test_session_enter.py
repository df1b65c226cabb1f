"""`enter` and `ask_as_session`: who is asking and the question in one round trip, so that even a write can trust it."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.db import DatabaseError, DataError, connections, transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts.models import Profile, Session, User, session_stamp
from accounts.sessions import SessionStore, ask_as_session
from accounts.tokens import hash_of, make_token
from tests.conftest import PASSWORD, make_person, signed_in
from wavelength.contract import ApiError
from wavelength.tenancy import TenantSwitch, acting_for, ask_entering, tenant

ALONE = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
# Functions as an app would make them: one reads whatever the policies let it, one writes it and then may fail.
TRIALS = (
    """
    CREATE OR REPLACE FUNCTION pg_temp.trial_read(wanted text, stamp text, OUT person uuid, OUT seen text)
    LANGUAGE plpgsql AS $$
    DECLARE
        entered accounts_user := enter(wanted, stamp);
    BEGIN
        person := entered.id;
        seen := (SELECT string_agg(user_id::text, ',') FROM accounts_profile);
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION pg_temp.trial_write(wanted text, stamp text, new text, problem text) RETURNS uuid
    LANGUAGE plpgsql AS $$
    DECLARE
        entered accounts_user := enter(wanted, stamp);
    BEGIN
        UPDATE accounts_profile SET bio = new;
        IF problem <> '' THEN
            RAISE EXCEPTION 'refused' USING ERRCODE = problem;
        END IF;
        RETURN entered.id;
    END $$
    """,
)
REFUSED = (401, "not_signed_in")


def test_it_works(as_alice: Client, alice: User, trials: None) -> None:
    assert read(as_alice) == (str(alice.pk), str(alice.pk))
    assert write(as_alice, "changed") == (str(alice.pk),)
    assert biography(alice) == "changed"


@ALONE
def test_alone_it_is_one_statement_that_leaves_nobody_behind(trials: None) -> None:
    for person in (make_person("alice@example.com", "Alice"), make_person("bob@example.com", "Bob")):
        browser = signed_in(person)
        assert read(browser) == (str(person.pk), str(person.pk))
        assert told() == ("", 0)
        write(browser, "changed")
        assert told() == ("", 0)
        assert biography(person) == "changed"


@ALONE
@pytest.mark.parametrize("problem", ["WL001", "23514", "40001"])
def test_a_state_raised_by_the_function_arrives_and_undoes_all(problem: str, trials: None) -> None:
    alice = make_person("alice@example.com", "Alice")
    browser = signed_in(alice)
    with pytest.raises(DatabaseError, match="refused") as caught:
        write(browser, "changed", problem)
    assert getattr(caught.value.__cause__, "sqlstate", "") == problem
    assert (told(), biography(alice)) == (("", 0), "")
    assert write(browser, "changed") == (str(alice.pk),)


@ALONE
def test_it_is_prepared_once_and_again_when_that_is_lost(trials: None) -> None:
    alice = make_person("alice@example.com", "Alice")
    browser = signed_in(alice)
    for _ in range(3):
        assert read(browser)[0] == str(alice.pk)
    assert prepared() == ["SELECT * FROM pg_temp.trial_read($1, $2)"]
    with suppress(ZeroDivisionError), tenant(alice.pk):
        Profile.objects.get()
        raise ZeroDivisionError
    assert prepared() == [], "psycopg drops them"
    assert vars(connections["default"].connection)["wavelength_prepared"] == {}, "which is known without asking"
    for new in ("changed", "changed again"):
        assert write(browser, new) == (str(alice.pk),)
        assert read(browser) == (str(alice.pk), str(alice.pk))
    assert biography(alice) == "changed again"
    connections["default"].connection.pgconn.exec_(b"DEALLOCATE ALL")
    assert read(browser)[0] == str(alice.pk), "dropped without psycopg"


@ALONE
def test_without_prepared_statements(trials: None) -> None:
    connection = connections["default"].connection
    connection.prepare_threshold, before = None, connection.prepare_threshold
    try:
        alice = make_person("alice@example.com", "Alice")
        browser = signed_in(alice)
        assert read(browser) == (str(alice.pk), str(alice.pk))
        assert (told(), prepared()) == (("", 0), [])
    finally:
        connection.prepare_threshold = before


def test_inside_a_transaction_its_person_is_gone_afterwards(as_alice: Client, alice: User, trials: None) -> None:
    with transaction.atomic():
        assert read(as_alice) == (str(alice.pk), str(alice.pk))
        assert told() == ("", 0)
        with pytest.raises(DatabaseError) as caught:
            write(as_alice, "changed", "WL001")
        assert getattr(caught.value.__cause__, "sqlstate", "") == "WL001"
        assert told() == ("", 0)
        write(as_alice, "changed")
        assert told() == ("", 0)
    assert biography(alice) == "changed"


def test_inside_a_transaction_it_is_rolled_back_with_it(as_alice: Client, alice: User, trials: None) -> None:
    with transaction.atomic():
        write(as_alice, "changed")
        transaction.set_rollback(True)
    assert biography(alice) == ""


@ALONE
def test_a_transaction_managed_by_hand(trials: None) -> None:
    alice = make_person("alice@example.com", "Alice")
    browser = signed_in(alice)
    transaction.set_autocommit(False)
    try:
        assert write(browser, "changed") == (str(alice.pk),)
        assert told() == ("", 0)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert biography(alice) == ""


def test_whoever_is_being_served_is_not_left_for_another(
    as_alice: Client, alice: User, bob: User, trials: None
) -> None:
    for person in (alice, bob):
        with acting_for(person.pk), pytest.raises(TenantSwitch):
            write(as_alice, "changed")
    assert (biography(alice), biography(bob)) == ("", "")


def test_another_persons_key_is_that_other_person(as_alice: Client, as_bob: Client, bob: User, trials: None) -> None:
    assert read(as_bob) == (str(bob.pk), str(bob.pk))
    Session.objects.filter(session_key=key_of(as_alice)).update(user=bob)
    # Bob's by name, but signed in with Alice's password as it was.
    User.objects.filter(pk=bob.pk).update(password="!other")
    refused(lambda: read(as_alice))


def test_a_session_that_ended(as_alice: Client, alice: User, trials: None) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE accounts_session SET expire_date = now()")
    unchanged(as_alice, alice)


@pytest.mark.parametrize("changed", [{"is_active": False}, {"password": "!changed"}, {"password": ""}])
def test_a_session_does_not_outlive_its_person(
    as_alice: Client, alice: User, changed: dict[str, object], trials: None
) -> None:
    User.objects.filter(pk=alice.pk).update(**changed)
    unchanged(as_alice, alice)


def test_a_session_does_not_outlive_the_secret_key(
    as_alice: Client, alice: User, settings: Settings, trials: None
) -> None:
    settings.SECRET_KEY = "another" * 8
    unchanged(as_alice, alice)
    assert as_alice.get("/api/auth/session").json() == {}


def test_saving_a_session_late_does_not_renew_it(as_alice: Client, alice: User, trials: None) -> None:
    late = SessionStore(key_of(as_alice))
    late["last"] = "before the change"
    User.objects.filter(pk=alice.pk).update(password="!changed")
    late.save()
    unchanged(as_alice, alice)


def test_a_session_whose_person_is_gone_or_was_never_there(anonymous: Client, trials: None) -> None:
    nobodys = SessionStore()
    nobodys["seen"] = "a page"
    nobodys.save()
    anonymous.cookies[settings.SESSION_COOKIE_NAME] = str(nobodys.session_key)
    refused(lambda: read(anonymous))
    nobodys[SESSION_KEY] = None
    nobodys[HASH_SESSION_KEY] = ""
    nobodys.save()
    refused(lambda: read(anonymous))


def test_changing_the_password_keeps_this_browser_and_ends_the_others(
    as_alice: Client, alice: User, trials: None
) -> None:
    other = signed_in(alice)
    new = "quite another long sentence"
    answer = as_alice.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert answer.status_code == 302
    assert read(as_alice) == (str(alice.pk), str(alice.pk))
    unchanged(other, alice)


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "\\",
        "\0",
        "ä" * 32,
        "a" * 10_000,
        "x'; DROP TABLE accounts_profile; --",
        "' OR true --",
        "$1",
        "%s",
        "\ud800",
    ],
)
def test_a_made_up_key_is_nobodys(as_alice: Client, alice: User, key: str, trials: None) -> None:
    as_alice.cookies[settings.SESSION_COOKIE_NAME] = key
    refused(lambda: ask_as_session(showing(key), "pg_temp.trial_write", "changed", ""))
    assert biography(alice) == ""


def test_a_cookie_beside_a_token_opens_nothing(as_alice: Client, alice: User, trials: None) -> None:
    for token in ("x", "wl_" + "A" * 43):
        request = showing(key_of(as_alice), Authorization=f"Bearer {token}")
        with pytest.raises(ApiError) as caught:
            ask_as_session(request, "pg_temp.trial_write", "changed", "")
        assert (caught.value.status, caught.value.code) == (401, "invalid_token")
    assert biography(alice) == ""


def test_a_token_enters_as_its_person_while_it_lives(alice: User, trials: None) -> None:
    token = make_token(user_id=alice.pk, name="script", days=30, read_only=False)
    request = showing("", Authorization=f"Bearer {token}")
    assert ask_as_session(request, "pg_temp.trial_write", "changed", "") == (str(alice.pk),)
    assert biography(alice) == "changed"
    assert told() == ("", 0)
    # Its hash is no session's key, and a session's key no token's hash.
    assert ask_entering("pg_temp.trial_write", hash_of(token), session_stamp(), "again", "") is None
    assert ask_entering("pg_temp.trial_write", hash_of(token), None, "again", "") is None
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(ApiError):
        ask_as_session(request, "pg_temp.trial_write", "again", "")
    assert biography(alice) == "changed"


def test_the_stamp_is_part_of_the_key(as_alice: Client, alice: User, trials: None) -> None:
    for stamp in ("", "0" * 64, None):
        assert ask_entering("pg_temp.trial_write", key_of(as_alice), stamp, "changed", "") is None
    assert biography(alice) == ""


def test_texts_arrive_as_they_are(as_alice: Client, alice: User, trials: None) -> None:
    for text in ("it's \\ a 'test'; DROP TABLE x; --", "ü€😀", "", "$1 %s"):
        write(as_alice, text)
        assert biography(alice) == text
    with pytest.raises(DataError):
        write(as_alice, "cut\0off")
    assert biography(alice) == "$1 %s"


@pytest.fixture
def trials(db: None) -> None:
    """Both functions, for this connection alone."""
    with connections["default"].cursor() as cursor:
        for statement in TRIALS:
            cursor.execute(statement)


def showing(key: str, **headers: str) -> HttpRequest:
    """A request with this session cookie."""
    request = RequestFactory().get("/", headers=headers)
    request.COOKIES[settings.SESSION_COOKIE_NAME] = key
    return request


def key_of(browser: Client) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def read(browser: Client) -> tuple[str | None, ...]:
    return ask_as_session(showing(key_of(browser)), "pg_temp.trial_read")


def write(browser: Client, new: str, problem: str = "") -> tuple[str | None, ...]:
    return ask_as_session(showing(key_of(browser)), "pg_temp.trial_write", new, problem)


def refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ApiError) as caught:
        ask()
    assert (caught.value.status, caught.value.code) == REFUSED


def unchanged(browser: Client, person: User) -> None:
    """Refused to read and to write, and over HTTP."""
    refused(lambda: read(browser))
    refused(lambda: write(browser, "changed"))
    assert biography(person) == ""
    assert browser.get("/api/profile").status_code == 401


def told() -> tuple[str, int]:
    """What the database was told about who is being served, and how many profiles are seen."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(current_setting('app.user_id', true), ''), (SELECT count(*) FROM accounts_profile)"
        )
        found: tuple[str, int] = cursor.fetchone()
        return found


def prepared() -> list[str]:
    """Which calls this connection has prepared."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT statement FROM pg_prepared_statements WHERE starts_with(statement, 'SELECT * FROM pg_temp')"
        )
        return [statement for (statement,) in cursor.fetchall()]


def biography(person: User) -> str:
    with tenant(person.pk):
        return Profile.objects.get().bio
