import argparse
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db.migrations.loader import MigrationLoader

from wavelength import backups

# What each says of a whole database; the first fault of any is told and the others are asked all the same.
CHECKS = {
    "check_database": "policies and roles",
    "check_ledger": "the metering ledger",
    "check_encryption": "envelopes, opened with the ring given",
}


class Command(BaseCommand):
    help = (
        "Fill an empty database (DATABASE_OWNER_URL) from a backup, and check counts, policies, ledger and envelopes."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="what `manage.py backup` wrote")

    def handle(self, *args: Any, directory: Path, **options: Any) -> None:
        try:
            manifest = backups.read_manifest(directory.resolve())
            self._refuse_newer(manifest)
            backups.refuse_unless_empty()
            call_command("setup_database", stdout=self.stdout)
            backups.load(directory.resolve(), manifest)
        except (backups.BackupError, psycopg.Error) as error:
            raise CommandError(str(error)) from error
        call_command("migrate", verbosity=0)
        call_command("setup_database", verbosity=0, stdout=self.stdout)
        wrong = self._uncounted(manifest) + self._unchecked()
        if wrong:
            raise CommandError(f"Restored, but do not serve from it yet: {wrong} of the checks above failed.")
        self.stdout.write(self.style.SUCCESS(f"Everything of {manifest.made_at} is back, and every check holds."))

    def _refuse_newer(self, manifest: backups.Manifest) -> None:
        known = {".".join(node) for node in MigrationLoader(None).disk_migrations}
        if newer := backups.unknown_migrations(manifest, known):
            raise backups.BackupError(
                f"The backup is of a newer Wavelength, whose {', '.join(newer[:5])} this one does not know:"
                " restore it with that one."
            )

    def _uncounted(self, manifest: backups.Manifest) -> int:
        sentences = backups.unlike(manifest)
        for sentence in sentences:
            self.stdout.write(self.style.ERROR(f"✗ {sentence}"))
        if not sentences:
            self.stdout.write(f"  {manifest.rows} rows of {len(manifest.counts)} tables, as many as were backed up.")
        return bool(sentences)

    def _unchecked(self) -> int:
        wrong = 0
        for command, subject in CHECKS.items():
            self.stdout.write(f"{command}: {subject}")
            try:
                call_command(command, stdout=self.stdout)
            except CommandError as error:
                wrong += 1
                self.stdout.write(self.style.ERROR(f"✗ {error}"))
        return wrong
