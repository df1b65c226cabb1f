from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState
from django.db.transaction import atomic

from wavelength.tenancy.roles import grant_tables


class WholeExecutor(MigrationExecutor):
    """Notes that a migration is done in the very transaction that does it.

    Django notes most of them right after that: killed in between, it would neither go on nor do them again.
    """

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        with self._whole(migration):
            return super().apply_migration(state, migration, fake, fake_initial)

    def unapply_migration(self, state: ProjectState, migration: Migration, fake: bool = False) -> ProjectState:
        with self._whole(migration):
            return super().unapply_migration(state, migration, fake)

    def _whole(self, migration: Migration) -> AbstractContextManager[None]:
        return atomic(using=self.connection.alias) if migration.atomic else nullcontext()


# Django's command has no other door for it.
vars(migrate)["MigrationExecutor"] = WholeExecutor


class Command(migrate.Command):
    help = "Migrate the schema as its owner, then give every role exactly what the models say."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] not in connections:
            raise CommandError("Migrations run as the schema's owner: set DATABASE_OWNER_URL (see .env.example).")
        super().handle(*args, **options)
        if options["database"] == "owner" and not options["plan"]:
            grant_tables(connections["owner"])
