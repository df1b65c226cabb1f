from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import connections

from wavelength.tenancy.roles import grant_tables


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
