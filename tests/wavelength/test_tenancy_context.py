"""Who is being served: what the application's role sees in, out of, and between tenants."""

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from typing import Any, cast
from uuid import UUID

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.http import StreamingHttpResponse

from accounts.models import Profile, User
from wavelength.tenancy import TenantSwitch, acting_for, current_tenant, forget_tenant, nobody, tenant
from wavelength.tenancy.base import DatabaseWrapper

ALL_ROLES = ["default", "operator", "owner"]


def seen() -> set[UUID]:
    """Whose profiles the application's role sees at this moment."""
    return set(Profile.objects.values_list("user_id", flat=True))


def wrapper() -> DatabaseWrapper:
    return cast("DatabaseWrapper", connections["default"])


def told() -> str:
    """What the database was told about who is being served."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('app.user_id', true), '')")
        value: str = cursor.fetchone()[0]
        return value


def in_a_thread(work: Callable[[], Any]) -> Any:
    """What ``work`` answers on a thread and connection of its own."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.django_db(transaction=True, databases=ALL_ROLES)
class TestOnConnectionsOfItsOwn:
    """Without the test case's own transaction around everything."""

    def test_it_works(self, alice: User, bob: User) -> None:
        assert seen() == set()
        with tenant(alice.pk):
            assert seen() == {alice.pk}
        assert seen() == set()
        with tenant(bob.pk):
            assert seen() == {bob.pk}

    def test_the_suite_is_the_applications_role(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_user, session_user, usesuper OR usebypassrls FROM pg_user WHERE usename = current_user"
            )
            assert cursor.fetchone() == ("wl_app", "wl_app", False)

    def test_acting_for_opens_no_transaction(self, alice: User) -> None:
        with acting_for(alice.pk):
            assert not connection.in_atomic_block
            assert seen() == set()
            with transaction.atomic():
                assert seen() == {alice.pk}

    def test_what_another_has_cannot_be_written(self, alice: User, bob: User) -> None:
        with tenant(bob.pk):
            assert Profile.objects.filter(user_id=alice.pk).update(bio="taken") == 0
            assert Profile.objects.filter(user_id=alice.pk).delete()[0] == 0
        with tenant(alice.pk):
            assert Profile.objects.get().bio == ""

    def test_the_same_person_nests(self, alice: User) -> None:
        with tenant(alice.pk):
            with tenant(alice.pk):
                assert seen() == {alice.pk}
            assert seen() == {alice.pk}

    def test_another_person_is_refused(self, alice: User, bob: User) -> None:
        with tenant(alice.pk):
            with pytest.raises(TenantSwitch), tenant(bob.pk):
                pytest.fail("entered")
            assert current_tenant() == alice.pk
            assert seen() == {alice.pk}

    def test_only_a_uuid_is_a_tenant(self) -> None:
        with pytest.raises(TypeError), tenant("' OR true --"):  # type: ignore[arg-type]  # the point
            pytest.fail("entered")
        assert current_tenant() is None

    def test_nobody_inside_a_tenant(self, alice: User) -> None:
        with tenant(alice.pk):
            with nobody():
                assert seen() == set()
            assert seen() == {alice.pk}

    def test_a_transaction_begun_before_is_switched_and_back(self, alice: User) -> None:
        with transaction.atomic():
            assert seen() == set()
            with acting_for(alice.pk):
                assert seen() == {alice.pk}
            assert seen() == set()

    def test_a_transaction_managed_by_hand_is_switched_back(self, alice: User) -> None:
        try:
            with acting_for(alice.pk):
                transaction.set_autocommit(False)
                assert seen() == {alice.pk}
            assert seen() == set()
            transaction.rollback()
            assert seen() == set()
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)

    def test_savepoints_rolled_back(self, alice: User) -> None:
        with tenant(alice.pk):
            with suppress(ZeroDivisionError), transaction.atomic():
                raise ZeroDivisionError
            assert seen() == {alice.pk}
            with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")
            assert seen() == {alice.pk}

    def test_a_tenant_entered_inside_a_savepoint_rolled_back(self, alice: User) -> None:
        with transaction.atomic():
            with suppress(DatabaseError), transaction.atomic(), acting_for(alice.pk), connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")
            assert (told(), seen()) == ("", set())

    def test_a_savepoint_from_before_the_tenant_rolled_back_inside_it(self, alice: User) -> None:
        with transaction.atomic():
            sid = transaction.savepoint()
            with acting_for(alice.pk):
                assert seen() == {alice.pk}
                transaction.savepoint_rollback(sid)
                assert seen() == {alice.pk}
            assert seen() == set()

    def test_nobody_is_left_after_an_error(self, alice: User) -> None:
        with suppress(DatabaseError), tenant(alice.pk), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        assert current_tenant() is None
        assert (told(), seen()) == ("", set())

    def test_on_commit_hooks_see_nothing_by_themselves(self, alice: User) -> None:
        found: list[set[UUID]] = []

        def hook() -> None:
            found.append(seen())
            with tenant(alice.pk):
                found.append(seen())

        with tenant(alice.pk):
            transaction.on_commit(hook)
        assert found == [set(), {alice.pk}]

    def test_threads_start_with_nobody(self, alice: User) -> None:
        with tenant(alice.pk):
            assert in_a_thread(lambda: (current_tenant(), seen())) == (None, set())

    def test_a_lost_connection_inside_a_tenant(self, alice: User, bob: User) -> None:
        with pytest.raises(OperationalError), tenant(alice.pk):
            _terminate_this_session()
            seen()
        assert current_tenant() is None
        with tenant(bob.pk):
            assert seen() == {bob.pk}
        assert seen() == set()

    def test_a_connection_lost_before_the_tenant(self, alice: User) -> None:
        """The failed beginning leaves no transaction that Django would never commit."""
        connection.ensure_connection()
        _terminate_this_session()
        with pytest.raises(OperationalError), tenant(alice.pk):
            pytest.fail("entered")
        with tenant(alice.pk):
            Profile.objects.update(bio="kept")
        assert connection.get_autocommit()
        with tenant(alice.pk):
            assert Profile.objects.get().bio == "kept"

    def test_a_stream_dropped_inside_a_tenant_does_not_reach_the_next_request(self, alice: User, bob: User) -> None:
        def stream() -> Iterator[int]:
            with tenant(alice.pk):
                Profile.objects.update(bio="half")
                yield 1

        def two_requests() -> tuple[UUID | None, set[UUID], set[UUID]]:
            dropped = stream()
            next(dropped)
            forget_tenant()
            found = current_tenant(), seen()
            with tenant(bob.pk):
                return *found, seen()

        assert in_a_thread(two_requests) == (None, set(), {bob.pk})
        with tenant(alice.pk):
            assert Profile.objects.get().bio == ""

    def test_a_stream_is_read_outside_its_tenant(self, alice: User) -> None:
        """What a response still has to say when the request is over must open its own tenant."""

        def rows(whose: UUID | None) -> Iterator[bytes]:
            with tenant(whose) if whose else nullcontext():
                found = seen()
            yield ",".join(map(str, found)).encode()

        with tenant(alice.pk):
            bare = StreamingHttpResponse(rows(None))
            own = StreamingHttpResponse(rows(alice.pk))
        assert bare.getvalue() == b""
        assert own.getvalue() == str(alice.pk).encode()

    def test_forgetting_nobody_keeps_the_connection(self) -> None:
        seen()
        before = connection.connection
        forget_tenant()
        assert connection.connection is before

    def test_a_session_level_setting_does_not_outlive_a_tenant(self, alice: User) -> None:
        with tenant(alice.pk):
            assert told() == str(alice.pk)
        assert told() == ""

    def test_integers_beyond_eight_bytes_are_refused_in_words(self, alice: User) -> None:
        with pytest.raises(DatabaseError), tenant(alice.pk), connection.cursor() as cursor:
            cursor.execute("SELECT %s::bigint", [2**64])


@pytest.mark.django_db
class TestInsideATransactionOfTheTestCase:
    """As most tests run: one outer transaction that is rolled back."""

    def test_it_works(self, alice: User, bob: User) -> None:
        assert seen() == set()
        with tenant(alice.pk):
            assert seen() == {alice.pk}
        with tenant(bob.pk):
            assert seen() == {bob.pk}
        assert seen() == set()

    def test_an_error_leaves_nobody(self, alice: User) -> None:
        with suppress(DatabaseError), tenant(alice.pk), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        assert (told(), seen()) == ("", set())


def _terminate_this_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with connections["owner"].cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])
        cursor.execute("SET ROLE wl_owner")
