from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django.db.migrations.loader import MigrationLoader

from wavelength.management.commands.setup_database import timeouts
from wavelength.tenancy.lint import faults, tenant_models
from wavelength.tenancy.probe import leaks, some_people
from wavelength.tenancy.roles import stands_in, ways_past

SUPPORTED = range(15, 19)
# Alias → the setting behind it, the role that it must connect as, what it is for.
CONNECTIONS = {
    "default": ("DATABASE_URL", "wl_app", "the web, the API and the worker"),
    "operator": ("DATABASE_OPERATOR_URL", "wl_operator", "the admin and operator commands"),
    "owner": ("DATABASE_OWNER_URL", "wl_owner", "migrations"),
}


class Command(BaseCommand):
    help = "Say what is reachable, as which role, whether people are kept apart, and which migrations are missing."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.wrong = 0
        reachable = {alias for alias in CONNECTIONS if self._reach(alias)}
        self._reach_backup()
        if "default" in reachable:
            self._check_timeouts()
        if "default" in reachable and self._migrated("owner" if "owner" in reachable else "default"):
            self._say_stand_ins()
            self._check_catalog("owner" if "owner" in reachable else "default")
            self._try_policies()
        if self.wrong:
            raise CommandError(f"{self.wrong} things are wrong." if self.wrong > 1 else "One thing is wrong.")
        self.stdout.write("Everything holds.")

    def _reach(self, alias: str) -> bool:
        setting, role, purpose = CONNECTIONS[alias]
        if alias not in connections or not settings.DATABASES[alias]["NAME"]:
            if alias == "default":
                self._fault(f"{setting} is not set: {purpose} cannot work.")
            else:
                self._note(f"{setting} is not set here; it is for {purpose}.")
            return False
        database = settings.DATABASES[alias]
        place = f"{database['NAME']} at {database['HOST'] or 'the local socket'}"
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT current_user::text, current_setting('server_version')")
                found, version = cursor.fetchone()
                past = ways_past(cursor)
        except DatabaseError as error:
            self._fault(f"{setting}: {place} cannot be reached as {database['USER']}: {str(error).strip()}")
            return False
        self._note(f"{setting}: reached {place}, PostgreSQL {version}, as {found}, for {purpose}.")
        if int(version.split(".")[0].split()[0]) not in SUPPORTED:
            self._fault(f"PostgreSQL {version} is not supported: it must be 15 to 18.")
        if found != role:
            self._fault(f"{setting} must act as {role}, not as {found}. `manage.py setup_database` makes that role.")
        if alias != "owner":
            for way in past:
                self._fault(f"{setting} can pass row-level security by: {way}.")
        return True

    def _reach_backup(self) -> None:
        database = settings.BACKUP_DATABASE
        if database is None:
            self._note("DATABASE_BACKUP_URL is not set here; it is for dumps.")
            return
        names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        parameters = {name: database[key] for name, key in names.items() if database[key]}
        try:
            with psycopg.connect(**parameters, **database.get("OPTIONS", {})) as connection:
                row = connection.execute("SELECT current_user::text").fetchone()
        except psycopg.OperationalError as error:
            self._fault(f"DATABASE_BACKUP_URL cannot be reached as {database['USER']}: {str(error).strip()}")
            return
        if row != ("wl_backup",):
            self._fault(f"DATABASE_BACKUP_URL must act as wl_backup, not as {database['USER']}.")
        else:
            self._note("DATABASE_BACKUP_URL: reached as wl_backup, for dumps.")

    def _check_timeouts(self) -> None:
        wanted = timeouts()
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT name, setting::int / 1000 FROM pg_settings WHERE name = ANY (%s)", [list(wanted)])
            for name, seconds in cursor.fetchall():
                if seconds != wanted[name]:
                    self._fault(
                        f"wl_app has a {name} of {seconds} seconds, not {wanted[name]}: run `manage.py setup_database`."
                    )

    def _migrated(self, alias: str) -> bool:
        loader = MigrationLoader(connections[alias])
        missing = sorted(".".join(node) for node in set(loader.graph.nodes) - set(loader.applied_migrations))
        if not missing:
            self._note("Every migration is applied.")
            return True
        shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        self._fault(f"{len(missing)} migrations are missing ({shown}): run `manage.py migrate`.")
        return False

    def _say_stand_ins(self) -> None:
        with connections["default"].cursor() as cursor:
            for role in stands_in(cursor):
                self._note(f"{role} has no BYPASSRLS here: it sees rows through a policy of its own instead.")

    def _check_catalog(self, alias: str) -> None:
        found = faults(connections[alias])
        for sentence in found:
            self._fault(sentence)
        if not found:
            self._note(f"Policies, keys, indexes and grants of {len(tenant_models())} tables are as they must be.")

    def _try_policies(self) -> None:
        people = some_people()
        found = leaks(people)
        for sentence in found:
            self._fault(sentence)
        if found:
            return
        self._note("Tried as the application: outside a tenant no row shows, and row_security cannot be switched off.")
        if people:
            self._note(
                f"Tried as {len(people)} of the people here, and as a stranger: nobody's rows show but their own."
            )
        else:
            self._note("Nobody has an account yet: there are no rows to try the policies on.")

    def _note(self, sentence: str) -> None:
        self.stdout.write(f"  {sentence}")

    def _fault(self, sentence: str) -> None:
        self.wrong += 1
        self.stdout.write(self.style.ERROR(f"✗ {sentence}"))
