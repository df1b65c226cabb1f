"""Who is asking: one query, whatever the page."""

import pytest
from django.contrib.auth import SESSION_KEY
from django.db import connections
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from accounts.middleware import person_of
from accounts.models import Session, User
from accounts.sessions import SessionStore
from tests.conftest import signed_in


def session_of(client: Client) -> SessionStore:
    return SessionStore(client.cookies["wl-session"].value)


def test_one_query_tells_who_is_asking(
    as_alice: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    request = RequestFactory().get("/")
    request.session = session_of(as_alice)
    with django_assert_num_queries(1):
        person = person_of(request)
        assert isinstance(person, User)
        assert (person.pk, person.email, person.tier, person.is_staff) == (alice.pk, alice.email, "free", False)
    assert person == alice
    assert vars(person).keys() - {"_state"} == {field.attname for field in User._meta.concrete_fields}


def test_an_api_call_costs_that_and_its_own(
    as_alice: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # Once in each process, whose session it is: for the limit of the person's calls.
    as_alice.get("/api/profile/api-keys")
    with django_assert_num_queries(4) as asked:  # a savepoint begins and ends with the call's own
        assert as_alice.get("/api/profile/api-keys").status_code == 200
    assert ["session_of" in query["sql"] for query in asked.captured_queries] == [True, False, False, False]


def test_nobody_costs_nothing(anonymous: Client) -> None:
    # This test has no database: a query would fail it.
    assert anonymous.get("/api/profile").status_code == 401


def test_a_session_that_ended_is_nobody(as_alice: Client) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE accounts_session SET expire_date = now() - interval '1 second'")
    assert as_alice.get("/api/profile").status_code == 401


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "!changed"}])
def test_a_session_does_not_outlive_its_person(as_alice: Client, alice: User, change: dict[str, object]) -> None:
    User.objects.filter(pk=alice.pk).update(**change)
    assert as_alice.get("/api/profile").status_code == 401


@pytest.mark.parametrize("key", ["x'; SELECT pg_sleep(9); --", "\\", "ä" * 32, "", " ", "a" * 5000, "' OR true --"])
def test_a_made_up_key_is_nobodys(as_alice: Client, key: str) -> None:
    as_alice.cookies["wl-session"] = key
    assert as_alice.get("/api/profile").status_code == 401


def test_a_session_names_its_person_in_its_row(alice: User, anonymous: Client) -> None:
    assert not Session.objects.exists()
    anonymous.get("/accounts/login/")
    signed_in(alice)
    session = Session.objects.get(user=alice)
    assert session.get_decoded()[SESSION_KEY] == str(alice.pk)


def test_a_session_of_another_person_is_not_taken_for_ones_own(alice: User, bob: User) -> None:
    answers = [signed_in(person).get("/api/profile").json()["data"]["user"]["email"] for person in (alice, bob)]
    assert answers == ["alice@example.com", "bob@example.com"]
