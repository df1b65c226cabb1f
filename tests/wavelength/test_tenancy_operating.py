"""Which role serves a query: the operator's inside the admin, the application's inside a tenant, always."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connections, router, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import DataKey, Profile, User
from tests.conftest import administering
from usage.models import ModelAccess
from wavelength.tenancy import TenantSwitch, current_tenant, tenant
from wavelength.tenancy.routing import operating

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@contextmanager
def sent() -> Iterator[dict[str, list[str]]]:
    """What each connection was asked inside."""
    found: dict[str, list[str]] = {}
    with ExitStack() as stack:
        captured = {
            alias: stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in ("default", "operator")
        }
        yield found
        found.update({alias: [query["sql"] for query in context] for alias, context in captured.items()})


@contextmanager
def operator_watched() -> Iterator[list[bool]]:
    """For each of the operator's queries, whether a transaction of the application's stood open."""
    found: list[bool] = []

    def watch(execute: Callable[..., Any], *arguments: Any) -> Any:
        found.append(connections["default"].in_atomic_block)
        return execute(*arguments)

    with connections["operator"].execute_wrapper(watch):
        yield found


@pytest.fixture
def staff(charlie: User) -> User:
    User.objects.filter(pk=charlie.pk).update(is_staff=True)
    charlie.is_staff = True
    return charlie


@pytest.fixture
def as_staff(staff: User) -> Client:
    return administering(staff)


def test_it_works(alice: User, bob: User) -> None:
    with sent() as asked, operating():
        assert DataKey.objects.count() == 2
    assert len(asked["operator"]) == 1
    assert asked["default"] == []


def test_transactions_follow() -> None:
    with operating():
        alias = router.db_for_write(ModelAccess)
        with transaction.atomic(using=alias):
            assert connections["operator"].in_atomic_block
            assert not connections["default"].in_atomic_block
            ModelAccess.objects.create(provider="openai", model="o3")
    assert ModelAccess.objects.using("default").get().model == "o3"


def test_a_tenant_inside_is_the_applications(alice: User, bob: User) -> None:
    with operating(), sent() as asked:
        with tenant(alice.pk):
            assert [profile.user_id for profile in Profile.objects.all()] == [alice.pk]
        assert DataKey.objects.count() == 2
    assert len(asked["operator"]) == 1
    assert any("accounts_profile" in statement for statement in asked["default"])


def test_the_administrators_own_tenant_is_left_outside(alice: User, bob: User) -> None:
    """An administrator's request is one of a person, being served as every person is."""
    with tenant(alice.pk):
        with operating():
            assert current_tenant() is None
            assert DataKey.objects.count() == 2
            with tenant(bob.pk):
                assert Profile.objects.get().user_id == bob.pk
            with tenant(alice.pk):
                assert Profile.objects.get().user_id == alice.pk
        assert current_tenant() == alice.pk
        assert Profile.objects.get().user_id == alice.pk
        with pytest.raises(TenantSwitch), tenant(bob.pk):
            pytest.fail("entered")


def test_the_operator_reads_no_secret_and_no_words(alice: User) -> None:
    with operating():
        for table, column in (
            ("accounts_user", "password"),
            ("accounts_datakey", "wrapped"),
            ("accounts_systemkey", "wrapped"),
            ("accounts_session", "session_data"),
            ("accounts_profile", "bio"),
            ("apikeys_apikey", "envelope"),
            ("chats_message", "content"),
            ("chats_chat", "title"),
            ("mfa_authenticator", "data"),
        ):
            with pytest.raises(DatabaseError, match="permission denied"), connections["operator"].cursor() as cursor:
                cursor.execute(f"SELECT {column} FROM {table}")


def test_the_operator_erases_nothing(alice: User) -> None:
    for table in ("accounts_user", "accounts_datakey", "accounts_auditevent"):
        with pytest.raises(DatabaseError, match="permission denied"), connections["operator"].cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")


def test_admin_pages_ask_the_operator_alone(as_staff: Client, alice: User) -> None:
    for name, arguments in (
        ("admin:index", []),
        ("admin:accounts_user_changelist", []),
        ("admin:accounts_user_change", [alice.pk]),
        ("admin:accounts_datakey_changelist", []),
    ):
        with operator_watched() as meanwhile, sent() as asked:
            assert as_staff.get(reverse(name, args=arguments)).status_code == 200
        assert asked["operator"], name
        assert not any(meanwhile), name
        # Before it: who is asking, with their profile, and whether they have a second factor. Nothing of what it shows,
        # but that it is shown: to the trail of the person whose page it is.
        assert ["session_with_profile" in sql for sql in asked["default"][:2]] == [True, False], name
        assert "mfa_authenticator" in asked["default"][1], name
        noted = [sql for sql in asked["default"][2:] if "FROM" in sql or "INTO" in sql]
        assert all("accounts_auditevent" in sql for sql in noted), name
        assert len(noted) == (2 if arguments else 0), name


def test_what_an_admin_changes_of_a_person_is_changed_by_the_application(as_staff: Client, alice: User) -> None:
    url = reverse("admin:accounts_user_change", args=[alice.pk])
    with sent() as asked:
        response = as_staff.post(url, {"name": "Alicia", "tier": "pro", "is_active": "on"})
    assert response.status_code == 302
    assert next(sql.split()[1] for sql in asked["default"] if sql.startswith("UPDATE")) == '"accounts_user"'
    written = [sql for sql in asked["operator"] if sql.startswith(("UPDATE", "INSERT"))]
    assert ["django_admin_log" in sql for sql in written] == [True]
    alice.refresh_from_db()
    assert (alice.name, alice.tier) == ("Alicia", "pro")
