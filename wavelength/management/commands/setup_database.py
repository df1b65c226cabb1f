import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from wavelength.tenancy.roles import RolesError, create_roles

# Role → the setting whose URL connects as it.
SETTINGS = {"wl_app": "DATABASE_URL", "wl_operator": "DATABASE_OPERATOR_URL", "wl_backup": "DATABASE_BACKUP_URL"}


class Command(BaseCommand):
    help = "Create the database roles from the owner's URL (DATABASE_OWNER_URL); safe to repeat."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if "owner" not in connections:
            raise CommandError(
                "Set DATABASE_OWNER_URL to a role that may create roles, for example the one your PostgreSQL came with."
            )
        passwords = _passwords()
        try:
            with psycopg.connect(**_parameters(), autocommit=True) as connection:
                fresh = _new_passwords(connection, passwords)
                bypass = create_roles(connection, passwords | fresh, timeouts())
        except psycopg.errors.InsufficientPrivilege as error:
            raise CommandError(
                f"The role in DATABASE_OWNER_URL may not do this ({error.diag.message_primary})."
                " Use the role your PostgreSQL came with (often `postgres`)."
            ) from error
        except psycopg.OperationalError as error:
            raise CommandError(f"Cannot reach the database in DATABASE_OWNER_URL: {error}") from error
        except RolesError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("The roles wl_owner, wl_app, wl_operator and wl_backup are ready.")
        if not bypass:
            self.stdout.write(
                "BYPASSRLS could not be granted here. The schema's owner and wl_backup see rows through policies of"
                " their own instead, made by `manage.py migrate`; dump with `pg_dump --enable-row-security`."
            )
        if fresh:
            self.stdout.write("New passwords, shown this once. Put these lines into .env:")
            for role, password in fresh.items():
                self.stdout.write(f"{SETTINGS[role]}={_url(role, password)}")


def _parameters() -> dict[str, Any]:
    parameters = connections["owner"].get_connection_params()
    for django_only in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(django_only, None)
    return parameters


def timeouts() -> dict[str, int]:
    """What PostgreSQL calls them → the seconds that `wl_app` should have; 0 is no limit."""
    return {
        "statement_timeout": settings.DATABASE_STATEMENT_TIMEOUT,
        "lock_timeout": settings.DATABASE_LOCK_TIMEOUT,
        "idle_in_transaction_session_timeout": settings.DATABASE_IDLE_TRANSACTION_TIMEOUT,
    }


def _passwords() -> dict[str, str]:
    """Role → password, from the URLs of the roles."""
    databases = {"wl_app": settings.DATABASES["default"], "wl_operator": settings.DATABASES.get("operator")}
    databases["wl_backup"] = settings.BACKUP_DATABASE
    passwords = {}
    for role, database in databases.items():
        if not database or not database["USER"]:
            continue
        # Poolers of managed services add the project's name: wl_app.abcdef.
        if database["USER"].partition(".")[0] != role:
            raise CommandError(f"{SETTINGS[role]} connects as {database['USER']}; it must connect as {role}.")
        if database["PASSWORD"]:
            passwords[role] = str(database["PASSWORD"])
    return passwords


def _new_passwords(connection: psycopg.Connection[Any], known: Mapping[str, str]) -> dict[str, str]:
    """A password for each role that no URL names and that cannot sign in yet."""
    found = connection.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin").fetchall()
    ready = {name for (name,) in found} | set(known)
    return {role: secrets.token_urlsafe(24) for role in SETTINGS if role not in ready}


def _url(role: str, password: str) -> str:
    owner = settings.DATABASES["owner"]
    host = quote(str(owner["HOST"]), safe="[]:.")
    port = f":{owner['PORT']}" if owner["PORT"] else ""
    ours = {"assume_role", *settings.DATABASE_NETWORK}
    options = {name: value for name, value in owner["OPTIONS"].items() if name not in ours}
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{role}:{quote(password)}@{host}{port}/{quote(str(owner['NAME']))}{query}"
