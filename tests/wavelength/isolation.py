"""What must hold between two people for one model; each check raises AssertionError where it does not.

Used for every model by test_tenancy_isolation, and by test_tenancy_mutation, which spoils the database and
expects them to fail. Every check leaves the rows as they were.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connections, transaction

from accounts.models import User
from apikeys.models import ApiKey
from tests.rows import stored, unsaved
from usage.models import QuotaLimit
from wavelength.tenancy import tenant
from wavelength.tenancy.lint import parents_of
from wavelength.tenancy.models import TenantModel

Check = Callable[[type[TenantModel], User, User], None]
# Keys that only the database knows, because the app of the row stands below that of its parent.
PARENTS_ABOVE: dict[type[TenantModel], dict[str, type[TenantModel]]] = {QuotaLimit: {"api_key_id": ApiKey}}


def own_rows_show(model: type[TenantModel], alice: User, bob: User) -> None:
    row = stored(model, alice)
    with tenant(alice.pk):
        assert model._default_manager.filter(pk=row.pk).exists()


def no_row_shows_outside(model: type[TenantModel], alice: User, bob: User) -> None:
    stored(model, alice)
    assert not model._default_manager.exists()


def others_rows_do_not_show(model: type[TenantModel], alice: User, bob: User) -> None:
    row = stored(model, alice)
    stored(model, bob)
    with tenant(bob.pk):
        assert not model._default_manager.filter(pk=row.pk).exists()
        assert set(model._default_manager.values_list("user_id", flat=True)) == {bob.pk}


def nothing_is_stored_for_another(model: type[TenantModel], alice: User, bob: User) -> None:
    row = unsaved(model, alice)
    # Without RETURNING, which would ask the policy's other half too.
    with tenant(bob.pk), refused("42501"):
        rows = model._default_manager.all()
        rows._insert([row], fields=model._meta.local_concrete_fields, using="default")  # type: ignore[attr-defined]  # nothing public inserts a row as it stands


def nothing_of_anothers_changes(model: type[TenantModel], alice: User, bob: User) -> None:
    row = stored(model, alice)
    table = model._meta.db_table
    with tenant(bob.pk), undone(), connections["default"].cursor() as cursor:
        if "UPDATE" not in model.app_privileges:
            with refused("42501"):
                cursor.execute(f'UPDATE "{table}" SET user_id = user_id')
            return
        cursor.execute(f'UPDATE "{table}" SET user_id = %s WHERE id = %s', [bob.pk, row.pk])
        assert cursor.rowcount == 0


def nothing_is_given_away(model: type[TenantModel], alice: User, bob: User) -> None:
    stored(model, alice)
    # Without WHERE, which would ask the policy's other half too.
    with tenant(alice.pk), refused("42501"), connections["default"].cursor() as cursor:
        cursor.execute(f'UPDATE "{model._meta.db_table}" SET user_id = %s', [bob.pk])


def nothing_of_anothers_is_deleted(model: type[TenantModel], alice: User, bob: User) -> None:
    stored(model, alice)
    stored(model, bob)
    table = model._meta.db_table
    with tenant(bob.pk), undone(), connections["default"].cursor() as cursor:
        if "DELETE" not in model.app_privileges:
            with refused("42501"):
                cursor.execute(f'DELETE FROM "{table}"')
            return
        cursor.execute(f'DELETE FROM "{table}" WHERE user_id = %s', [alice.pk])
        assert cursor.rowcount == 0


def nothing_hangs_on_anothers_parent(model: type[TenantModel], alice: User, bob: User) -> None:
    for column, parent in (parents_of(model) | PARENTS_ABOVE.get(model, {})).items():
        row = unsaved(model, alice)
        setattr(row, column, stored(parent, bob).pk)
        # 23503: at the statement, not at COMMIT.
        with tenant(alice.pk), refused("23503"):
            row.save(force_insert=True)


def the_table_is_not_emptied(model: type[TenantModel], alice: User, bob: User) -> None:
    with tenant(alice.pk), refused("42501"), connections["default"].cursor() as cursor:
        cursor.execute(f'TRUNCATE "{model._meta.db_table}"')


def nothing_is_copied_in(model: type[TenantModel], alice: User, bob: User) -> None:
    # PostgreSQL refuses COPY FROM under row-level security altogether (0A000).
    with tenant(alice.pk), refused("0A000"), connections["default"].cursor() as cursor:
        cursor.execute(f'COPY "{model._meta.db_table}" FROM STDIN')


def the_operator_sees_what_the_model_says(model: type[TenantModel], alice: User, bob: User) -> None:
    """Needs rows that are committed: the operator's is another connection."""
    table = model._meta.db_table
    with connections["operator"].cursor() as cursor:
        for field in model._meta.local_fields:
            column = field.column
            if column in model.operator_columns:
                cursor.execute(f'SELECT count("{column}") >= 0, count(DISTINCT user_id) FROM "{table}"')
                assert cursor.fetchone() == (True, 2)
                continue
            with refused("42501", "operator"):
                cursor.execute(f'SELECT "{column}" FROM "{table}"')


CHECKS: tuple[Check, ...] = (
    own_rows_show,
    no_row_shows_outside,
    others_rows_do_not_show,
    nothing_is_stored_for_another,
    nothing_of_anothers_changes,
    nothing_is_given_away,
    nothing_of_anothers_is_deleted,
    nothing_hangs_on_anothers_parent,
    the_table_is_not_emptied,
    nothing_is_copied_in,
)


@contextmanager
def refused(sqlstate: str, alias: str = "default") -> Iterator[None]:
    """What stands inside must fail with this SQLSTATE; it is undone either way."""
    try:
        with undone(alias):
            yield
    except DatabaseError as error:
        found = getattr(error.__cause__, "sqlstate", None)
        assert found == sqlstate, f"{found}: {error}"
    else:
        raise AssertionError(f"not refused with {sqlstate}")


@contextmanager
def undone(alias: str = "default") -> Iterator[None]:
    with transaction.atomic(using=alias):
        yield
        transaction.set_rollback(True, using=alias)
