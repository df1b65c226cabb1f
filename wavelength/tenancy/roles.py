"""The four database roles, and what each may do on every table.

``wl_owner`` owns the schema and migrates it. ``wl_app`` serves the web, the API and the worker,
one person a transaction. ``wl_operator`` serves the admin and operator commands and has no right to
secrets or to what people write. ``wl_backup`` reads everything, for pg_dump.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from django.apps import apps
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from psycopg import Connection, InternalError, sql
from psycopg.errors import DuplicateObject, InsufficientPrivilege, UniqueViolation
from psycopg.rows import TupleRow

ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")
ROLES = ("wl_owner", "wl_app", "wl_operator", "wl_backup")
MAY_BYPASS = ("wl_owner", "wl_backup")

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
# Where the application may not do everything with a package's table. What administrators did it can neither
# forge nor take back.
APPLICATION_ON_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "django_admin_log": ("SELECT",),
    "django_content_type": ("SELECT",),
    "auth_permission": ("SELECT",),
    "django_migrations": ("SELECT",),
}

WRONG_ATTRIBUTES = """
    SELECT attribute
      FROM pg_roles,
           unnest(ARRAY['NOSUPERUSER', 'NOBYPASSRLS', 'NOCREATEROLE', 'NOREPLICATION'],
                  ARRAY[rolsuper, rolbypassrls AND NOT %(may_bypass)s, rolcreaterole, rolreplication])
               AS a (attribute, wrong)
     WHERE rolname = %(role)s AND wrong
"""
MEMBERSHIPS = """
    SELECT DISTINCT g.rolname::text
      FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
     WHERE r.rolname = %(role)s
"""
LACKING = """
    SELECT format('%s may not %s.', role, what)
      FROM (VALUES
            ('wl_app', 'connect to this database', has_database_privilege('wl_app', current_database(), 'CONNECT')),
            ('wl_app', 'make temporary tables', has_database_privilege('wl_app', current_database(), 'TEMPORARY')),
            ('wl_operator', 'connect here', has_database_privilege('wl_operator', current_database(), 'CONNECT')),
            ('wl_app', 'use the schema public', has_schema_privilege('wl_app', 'public', 'USAGE')),
            ('wl_owner', 'create tables', has_schema_privilege('wl_owner', 'public', 'CREATE'))
           ) AS rights (role, what, held)
     WHERE NOT held
"""
STAND_INS = """
    SELECT c.relname::text, s.policy, r.rolname::text, s.command, NOT (r.rolbypassrls OR r.rolsuper) AS wanted
      FROM pg_policy tenant
      JOIN pg_class c ON c.oid = tenant.polrelid
      JOIN pg_roles o ON o.oid = c.relowner AND o.rolname = 'wl_owner',
           (VALUES ('owner', 'wl_owner', 'ALL'), ('backup', 'wl_backup', 'SELECT')) AS s (policy, role, command)
      JOIN pg_roles r ON r.rolname = s.role
     WHERE tenant.polname = 'tenant'
       AND (r.rolbypassrls OR r.rolsuper)
           = EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = s.policy)
"""
WAYS_PAST = """
    SELECT CASE WHEN r.rolname = current_user THEN '' ELSE format('as a member of %s, ', r.rolname) END
           || CASE WHEN r.rolsuper THEN 'it is a superuser'
                   WHEN r.rolbypassrls THEN 'it has BYPASSRLS'
                   ELSE 'it owns tables of ours' END
      FROM pg_roles r
     WHERE pg_has_role(current_user, r.oid, 'MEMBER')
       AND (r.rolsuper OR r.rolbypassrls
            OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relrowsecurity))
     ORDER BY r.rolname <> current_user, 1
"""


@dataclass(frozen=True)
class Grant:
    """One GRANT: ``columns`` empty means the whole table."""

    role: str
    table: str
    privilege: str
    columns: tuple[str, ...] = ()


class RolesError(RuntimeError):
    """The roles could not be made as they must be; the text says what to do."""


def create_roles(
    connection: Connection[TupleRow], passwords: Mapping[str, str], timeouts: Mapping[str, int] | None = None
) -> bool:
    """Create or mend the four roles and what they may do with this database; any number of times.

    ``connection``, in autocommit, must be of a role that may create roles (a superuser, or CREATEROLE).
    ``passwords`` maps role names to passwords; a role without one keeps its own, or cannot log in.
    ``timeouts`` maps what PostgreSQL calls them to seconds, for ``wl_app``; one that is not named stays.
    Returns whether ``wl_owner`` and ``wl_backup`` pass the policies by (BYPASSRLS); where they do not, policies
    of their own stand in (``stand_in_for_bypass``). Raises RolesError, or psycopg's InsufficientPrivilege.
    """
    for pause in (0.1, 0.2, 0.4, 0.8):
        try:
            return _make_roles(connection, passwords, timeouts or {})
        except (InternalError, DuplicateObject, UniqueViolation):
            # "tuple concurrently updated": another process makes the same roles at this moment.
            time.sleep(pause)
    return _make_roles(connection, passwords, timeouts or {})


def _make_roles(connection: Connection[TupleRow], passwords: Mapping[str, str], timeouts: Mapping[str, int]) -> bool:
    bypass = True
    for role in ROLES:
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if not exists:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        if role in passwords:
            _set_password(connection, role, passwords[role])
        _mend(connection, role)
        if role in MAY_BYPASS:
            bypass = _allow_bypass(connection, role) and bypass
    _bound_waiting(connection, timeouts)
    _grant_database(connection)
    _verify(connection)
    return bypass


def _set_password(connection: Connection[TupleRow], role: str, password: str) -> None:
    # As a SCRAM verifier, so that no log of the server ever holds the password.
    statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    try:
        connection.execute(statement.format(sql.Identifier(role), sql.Literal(verifier)))
    except InternalError as error:
        # Neon wants to hash it itself: "only supports being given plaintext passwords".
        if "plaintext" not in str(error):
            raise
        connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))


def _mend(connection: Connection[TupleRow], role: str) -> None:
    """Take back what lets a role do more than its part; touches nothing where nothing is wrong."""
    wrong = connection.execute(WRONG_ATTRIBUTES, {"role": role, "may_bypass": role in MAY_BYPASS}).fetchall()
    for (attribute,) in wrong:
        connection.execute(sql.SQL("ALTER ROLE {} " + str(attribute)).format(sql.Identifier(role)))
    if role == "wl_owner":
        return
    for (group,) in connection.execute(MEMBERSHIPS, {"role": role}).fetchall():
        connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(str(group)), sql.Identifier(role)))


def _allow_bypass(connection: Connection[TupleRow], role: str) -> bool:
    held = "SELECT rolbypassrls FROM pg_roles WHERE rolname = %s"
    with suppress(InsufficientPrivilege):
        connection.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(sql.Identifier(role)))
    return connection.execute(held, [role]).fetchone() == (True,)


def _bound_waiting(connection: Connection[TupleRow], timeouts: Mapping[str, int]) -> None:
    # An administrator's page gives up sooner than it stands in the way of people, and people's sooner than it holds a
    # thread for ever; kept with the roles, so that poolers, which take no such parameter at the start of a
    # connection, need not know of it.
    wanted = [("wl_operator", "lock_timeout", 5), *(("wl_app", name, seconds) for name, seconds in timeouts.items())]
    kept = "SELECT 1 FROM pg_roles WHERE rolname = %s AND %s = ANY (rolconfig)"
    for role, name, seconds in wanted:
        if connection.execute(kept, [role, f"{name}={seconds}s"]).fetchone() is None:
            statement = sql.SQL("ALTER ROLE {} SET {} = {}")
            connection.execute(statement.format(sql.Identifier(role), sql.Identifier(name), sql.Literal(f"{seconds}s")))


def _grant_database(connection: Connection[TupleRow]) -> None:
    names = connection.execute("SELECT current_database(), current_user::text").fetchone()
    database, admin = (sql.Identifier(str(name)) for name in names or ())
    if not _may_act_as_owner(connection):
        # So that migrations, logged in as this role, may SET ROLE wl_owner (Django's assume_role).
        connection.execute(sql.SQL("GRANT wl_owner TO {}").format(admin))
    # PUBLIC keeps its CONNECT: on a managed service, roles of the service's own may live by it.
    for statement in (
        "GRANT CONNECT, TEMPORARY ON DATABASE {} TO wl_app, wl_owner",
        "GRANT CONNECT ON DATABASE {} TO wl_operator, wl_backup",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE, CREATE ON SCHEMA public TO wl_owner",
        "GRANT USAGE ON SCHEMA public TO wl_app, wl_operator, wl_backup",
    ):
        connection.execute(sql.SQL(statement).format(database))


def _may_act_as_owner(connection: Connection[TupleRow]) -> bool:
    # Tried, because PostgreSQL 16 has a membership that may not (a creator's own), and 15 does not know it.
    try:
        connection.execute("SET ROLE wl_owner")
    except InsufficientPrivilege:
        return False
    connection.execute("RESET ROLE")
    return True


def _verify(connection: Connection[TupleRow]) -> None:
    # Whoever owns neither database nor schema grants nothing, and PostgreSQL only warns.
    lacking = [str(sentence) for (sentence,) in connection.execute(LACKING).fetchall()]
    if not _may_act_as_owner(connection):
        lacking.append("It may not act as wl_owner.")
    if lacking:
        raise RolesError(
            f"{' '.join(lacking)} The role in DATABASE_OWNER_URL could not grant it: use the database's owner."
        )


def grant_tables(connection: BaseDatabaseWrapper) -> None:
    """Give every role exactly what the models say, and take back the rest; after each migrate.

    In one transaction: a server that runs meanwhile never meets a table without its rights.
    """
    quote = connection.ops.quote_name
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        tables = owned(cursor, "r", "p")
        for table in tables:
            cursor.execute(f"REVOKE ALL ON {quote(table)} FROM PUBLIC, wl_app, wl_operator, wl_backup")
            cursor.execute(f"GRANT SELECT ON {quote(table)} TO wl_backup")
        for grant in wanted_grants(tables):
            columns = ", ".join(map(quote, grant.columns))
            cursor.execute(
                f"GRANT {grant.privilege} {f'({columns})' if columns else ''} ON {quote(grant.table)} TO {grant.role}"
            )
        for sequence in owned(cursor, "S"):
            cursor.execute(f"REVOKE ALL ON SEQUENCE {quote(sequence)} FROM PUBLIC, wl_app, wl_operator, wl_backup")
            cursor.execute(f"GRANT USAGE, SELECT ON SEQUENCE {quote(sequence)} TO wl_app")
            cursor.execute(f"GRANT USAGE ON SEQUENCE {quote(sequence)} TO wl_operator")
            cursor.execute(f"GRANT SELECT ON SEQUENCE {quote(sequence)} TO wl_backup")
        stand_in_for_bypass(cursor)


def stand_in_for_bypass(cursor: CursorWrapper) -> None:
    """Where the owner or the backup role lacks BYPASSRLS, let it see rows by a policy; nowhere else.

    Without, the forced policies would hide every row from data migrations, definer functions and dumps
    (docs/decisions/owner-without-bypassrls.md). Follows when a role gains or loses the attribute.
    """
    cursor.execute(STAND_INS)
    for table, policy, role, command, wanted in cursor.fetchall():
        if wanted:
            cursor.execute(f'CREATE POLICY {policy} ON "{table}" FOR {command} TO "{role}" USING (true)')
        else:
            cursor.execute(f'DROP POLICY {policy} ON "{table}"')


def owned(cursor: CursorWrapper, *kinds: str) -> list[str]:
    """The relations of these kinds (pg_class.relkind) that belong to us, by name: a database may hold others."""
    cursor.execute(
        "SELECT c.relname::text FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = ANY (%s::\"char\"[]) AND r.rolname = 'wl_owner'"
        "   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"
        " ORDER BY 1",
        [list(kinds)],
    )
    return [name for (name,) in cursor.fetchall()]


def ways_past(cursor: CursorWrapper) -> list[str]:
    """How the connected role could pass row-level security by, itself or through a role it is a member of."""
    cursor.execute(WAYS_PAST)
    return [way for (way,) in cursor.fetchall()]


def stands_in(cursor: CursorWrapper) -> list[str]:
    """The roles that lack BYPASSRLS and so see rows by a policy of their own."""
    cursor.execute(
        "SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%s) AND NOT rolbypassrls AND NOT rolsuper",
        [list(MAY_BYPASS)],
    )
    return [name for (name,) in cursor.fetchall()]


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
    if table in APPLICATION_ON_PACKAGES:
        return APPLICATION_ON_PACKAGES[table]
    # A table without a model is not the application's.
    return tuple(getattr(model, "app_privileges", ALL)) if model else ()


def _operator(table: str, model: type[Model] | None) -> Iterator[Grant]:
    columns = getattr(model, "operator_columns", None)
    if columns is None:
        for privilege in OPERATOR_ON_PACKAGES.get(table, ()):
            yield Grant("wl_operator", table, privilege)
        return
    if columns:
        yield Grant("wl_operator", table, "SELECT", tuple(columns))
    for privilege in getattr(model, "operator_privileges", ()):
        yield Grant("wl_operator", table, privilege)
