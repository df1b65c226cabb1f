"""The isolation checks can fail: every policy is dropped or spoiled in turn, and one of them must notice."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connections

from accounts.models import User
from tests.rows import stored
from tests.wavelength.isolation import CHECKS, the_operator_sees_what_the_model_says, undone
from wavelength.tenancy.lint import tenant_models
from wavelength.tenancy.models import TenantModel
from wavelength.tenancy.operations import IS_TENANT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def rows(alice: User, bob: User) -> None:
    """A committed row of each model for both."""
    for model in tenant_models():
        for person in (alice, bob):
            stored(model, person)


@pytest.mark.usefixtures("rows")
def test_nothing_fails_where_nothing_is_spoiled(alice: User, bob: User) -> None:
    assert {model.__name__: failing(model, alice, bob) for model in tenant_models()} == {
        model.__name__: [] for model in tenant_models()
    }


@pytest.mark.usefixtures("rows")
def test_every_policy_is_missed(alice: User, bob: User) -> None:
    models = {model._meta.db_table: model for model in tenant_models()}
    policies = owner_asked("SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public' ORDER BY 1, 2")
    assert {table for table, _ in policies} == set(models)
    unnoticed = []
    for table, policy in policies:
        with dropped(table, policy):
            if not failing(models[table], alice, bob):
                unnoticed.append((table, policy))
    assert unnoticed == []


@pytest.mark.parametrize(
    "spoiling",
    [
        "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        "ALTER POLICY tenant ON {table} USING (true)",
        "ALTER POLICY tenant ON {table} USING (true) WITH CHECK (true)",
        "ALTER POLICY tenant ON {table} WITH CHECK (true)",
        "ALTER POLICY tenant ON {table} TO wl_operator",
        "CREATE POLICY wide ON {table} TO PUBLIC USING (true)",
        "CREATE POLICY wide ON {table} FOR SELECT USING (current_setting('app.user_id', true) <> '')",
        "GRANT TRUNCATE ON {table} TO wl_app",
    ],
)
@pytest.mark.usefixtures("rows")
def test_every_spoiled_policy_is_noticed(spoiling: str, alice: User, bob: User) -> None:
    unnoticed = []
    for model in tenant_models():
        with spoiled(model._meta.db_table, spoiling):
            if not failing(model, alice, bob):
                unnoticed.append(model.__name__)
    assert unnoticed == []


@pytest.mark.usefixtures("rows")
def test_every_composite_key_is_missed(alice: User, bob: User) -> None:
    models = {model._meta.db_table: model for model in tenant_models()}
    keys = owner_asked(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'f' AND cardinality(conkey) = 2 AND connamespace = 'public'::regnamespace ORDER BY 1, 2"
    )
    assert keys
    for table, key, definition in keys:
        owner_asked(f"ALTER TABLE {table} DROP CONSTRAINT {key}")
        try:
            assert failing(models[table], alice, bob) == ["nothing_hangs_on_anothers_parent"]
        finally:
            owner_asked(f"ALTER TABLE {table} ADD CONSTRAINT {key} {definition}")


@pytest.mark.usefixtures("rows")
def test_a_column_too_many_for_the_operator_is_noticed(alice: User, bob: User) -> None:
    for model in tenant_models():
        hidden = next((f.column for f in model._meta.local_fields if f.column not in model.operator_columns), None)
        if hidden is None:
            continue
        grant = f"({hidden}) ON {model._meta.db_table}"
        owner_asked(f"GRANT SELECT {grant} TO wl_operator")
        try:
            assert "the_operator_sees_what_the_model_says" in failing(model, alice, bob)
        finally:
            owner_asked(f"REVOKE SELECT {grant} FROM wl_operator")


def failing(model: type[TenantModel], alice: User, bob: User) -> list[str]:
    """The names of the checks that do not hold for this model now."""
    found = []
    for check in (*CHECKS, the_operator_sees_what_the_model_says):
        try:
            with undone():
                check(model, alice, bob)
        except (AssertionError, DatabaseError):
            found.append(check.__name__)
    return found


@contextmanager
def dropped(table: str, policy: str) -> Iterator[None]:
    role = {"tenant": "wl_app", "operator": "wl_operator", "owner": "wl_owner", "backup": "wl_backup"}[policy]
    condition = f"USING ({IS_TENANT}) WITH CHECK ({IS_TENANT})" if policy == "tenant" else "USING (true)"
    owner_asked(f"DROP POLICY {policy} ON {table}")
    try:
        yield
    finally:
        owner_asked(f"CREATE POLICY {policy} ON {table} TO {role} {condition}")


@contextmanager
def spoiled(table: str, statement: str) -> Iterator[None]:
    owner_asked(statement.format(table=table))
    try:
        yield
    finally:
        owner_asked(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        owner_asked(f"ALTER POLICY tenant ON {table} TO wl_app USING ({IS_TENANT}) WITH CHECK ({IS_TENANT})")
        owner_asked(f"DROP POLICY IF EXISTS wide ON {table}")
        owner_asked(f"REVOKE TRUNCATE ON {table} FROM wl_app")


def owner_asked(statement: str) -> list[tuple[str, ...]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
