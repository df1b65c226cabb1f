from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from wavelength.tenancy.roles import create_roles


class Command(BaseCommand):
    help = "Create the database roles from the owner's URL (DATABASE_OWNER_URL); safe to repeat."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if "owner" not in connections:
            raise CommandError(
                "Set DATABASE_OWNER_URL to a role that may create roles, for example the one"
                " your PostgreSQL came with."
            )
        owner = connections["owner"]
        params = owner.get_connection_params()
        for django_only in ("cursor_factory", "context", "prepare_threshold"):
            params.pop(django_only, None)
        try:
            with psycopg.connect(**params, autocommit=True) as connection:
                bypass = create_roles(connection, _passwords())
        except psycopg.errors.InsufficientPrivilege as error:
            raise CommandError(
                f"The role in DATABASE_OWNER_URL may not create roles ({error.diag.message_primary})."
                " Use the role your PostgreSQL came with (often `postgres`)."
            ) from error
        except psycopg.OperationalError as error:
            raise CommandError(f"Cannot reach the database in DATABASE_OWNER_URL: {error}") from error
        self.stdout.write("The roles wl_owner, wl_app, wl_operator and wl_backup are ready.")
        if not bypass:
            self.stdout.write(
                "BYPASSRLS could not be granted; the owner sees rows through a policy of its own"
                " instead, and wl_backup cannot read people's rows. Policies hold either way."
            )


def _passwords() -> dict[str, str]:
    """Role name → password, from the URLs of the roles; never printed."""
    passwords = {}
    for alias in ("default", "operator"):
        if alias in settings.DATABASES:
            database = settings.DATABASES[alias]
            passwords[str(database["USER"])] = str(database["PASSWORD"])
    if settings.BACKUP_DATABASE:
        passwords["wl_backup"] = str(settings.BACKUP_DATABASE["PASSWORD"])
    return {role: password for role, password in passwords.items() if password}
