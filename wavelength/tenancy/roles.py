"""The four database roles, and what each may do on every table.

``wl_owner`` owns the schema and migrates it. ``wl_app`` serves the web, the API and the worker,
one person a transaction. ``wl_operator`` serves the admin and operator commands and has no right to
secrets or to what people write. ``wl_backup`` reads everything, for pg_dump.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege

ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")
ROLES = ("wl_owner", "wl_app", "wl_operator", "wl_backup")

# What the admin may do on tables of packages, by app label or table: the rest is closed to it.
# Left out on purpose: mfa_authenticator (sealed TOTP secrets), e-mail confirmation keys, tokens.
OPERATOR_ON_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "django_admin_log": ("SELECT", "INSERT"),
    "django_content_type": ("SELECT",),
    "auth_permission": ("SELECT",),
    "account_emailaddress": ("SELECT",),
    "socialaccount_socialaccount": ("SELECT",),
    "procrastinate_jobs": ("SELECT",),
    "procrastinate_events": ("SELECT",),
    "procrastinate_workers": ("SELECT",),
    "django_migrations": ("SELECT",),
}
# Tables that the application only reads.
READ_ONLY = frozenset({"django_content_type", "auth_permission", "django_migrations"})


@dataclass(frozen=True)
class Grant:
    """One GRANT: ``columns`` empty means the whole table."""

    role: str
    table: str
    privilege: str
    columns: tuple[str, ...] = ()


def create_roles(connection: Connection[tuple[object, ...]], passwords: Mapping[str, str]) -> bool:
    """Create or mend the four roles and what they may do with this database; any number of times.

    ``connection`` must be of a role that may create roles (a superuser, or CREATEROLE).
    ``passwords`` maps role names to passwords; a role without one keeps its own, or cannot log in.
    Returns whether ``wl_owner`` and ``wl_backup`` could be given BYPASSRLS.
    """
    bypass = True
    for role in ROLES:
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if not exists:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        password = passwords.get(role)
        if password:
            connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
            )
        if role in ("wl_owner", "wl_backup"):
            bypass = _allow_bypass(connection, role) and bypass
    _grant_database(connection)
    return bypass


def _allow_bypass(connection: Connection[tuple[object, ...]], role: str) -> bool:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(sql.Identifier(role)))
    except InsufficientPrivilege:
        row = connection.execute("SELECT rolbypassrls FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        return bool(row and row[0])
    return True


def _grant_database(connection: Connection[tuple[object, ...]]) -> None:
    row = connection.execute("SELECT current_database(), current_user::text").fetchone()
    assert row is not None
    database, admin = (sql.Identifier(str(name)) for name in row)
    if str(row[1]) != "wl_owner":
        # So that migrations, logged in as this role, may SET ROLE wl_owner (Django's assume_role).
        connection.execute(sql.SQL("GRANT wl_owner TO {}").format(admin))
    for statement in (
        "REVOKE ALL ON DATABASE {} FROM PUBLIC",
        "GRANT CONNECT, TEMPORARY ON DATABASE {} TO wl_app, wl_owner",
        "GRANT CONNECT ON DATABASE {} TO wl_operator, wl_backup",
        # Statements are bounded for people; the owner's migrations are not.
    ):
        connection.execute(sql.SQL(statement).format(database))
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    connection.execute("GRANT USAGE, CREATE ON SCHEMA public TO wl_owner")
    connection.execute("GRANT USAGE ON SCHEMA public TO wl_app, wl_operator, wl_backup")


def grant_tables(connection: BaseDatabaseWrapper) -> None:
    """Give every role exactly what the models say, and take back the rest; after each migrate."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for table in sorted(tables):
            name = connection.ops.quote_name(table)
            cursor.execute(f"REVOKE ALL ON {name} FROM PUBLIC, wl_app, wl_operator, wl_backup")
            cursor.execute(f"GRANT SELECT ON {name} TO wl_backup")
        for grant in wanted_grants(tables):
            columns = ", ".join(connection.ops.quote_name(column) for column in grant.columns)
            cursor.execute(
                f"GRANT {grant.privilege} {f'({columns})' if columns else ''}"
                f" ON {connection.ops.quote_name(grant.table)} TO {grant.role}"
            )
        cursor.execute("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO wl_app")
        cursor.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO wl_operator")
        cursor.execute("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO wl_backup")


def wanted_grants(tables: Iterable[str]) -> Iterator[Grant]:
    """What ``wl_app`` and ``wl_operator`` may do, read off the models that own the tables."""
    models = {
        model._meta.db_table: model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy
    }
    for table in sorted(tables):
        model = models.get(table)
        for privilege in _application(table, model):
            yield Grant("wl_app", table, privilege)
        yield from _operator(table, model)


def _application(table: str, model: type[Model] | None) -> tuple[str, ...]:
    if table in READ_ONLY:
        return ("SELECT",)
    return tuple(getattr(model, "app_privileges", ALL))


def _operator(table: str, model: type[Model] | None) -> Iterator[Grant]:
    columns = getattr(model, "operator_columns", None)
    if columns is None:
        for privilege in OPERATOR_ON_PACKAGES.get(table, ()):
            yield Grant("wl_operator", table, privilege)
        return
    if columns:
        yield Grant("wl_operator", table, "SELECT", tuple(columns))
    for privilege in getattr(model, "operator_privileges", ()):
        # "UPDATE (tier, is_staff)" is written as ("UPDATE", "tier", "is_staff").
        if isinstance(privilege, tuple):
            yield Grant("wl_operator", table, privilege[0], privilege[1:])
        else:
            yield Grant("wl_operator", table, privilege)
