import argparse
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from wavelength.backups import BackupError, back_up


class Command(BaseCommand):
    help = "Write everything but the key ring into a directory, as the backup role; the site may go on serving."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="one that does not exist yet")

    def handle(self, *args: Any, directory: Path, **options: Any) -> None:
        try:
            manifest = back_up(directory.resolve())
        except (BackupError, psycopg.Error, OSError) as error:
            raise CommandError(f"Nothing to rely on was written: {error}") from error
        files = "; files are not stored on this machine" if manifest.files is None else f" and {manifest.files} files"
        self.stdout.write(
            self.style.SUCCESS(f"{manifest.rows} rows of {len(manifest.counts)} tables{files} are in {directory}.")
        )
        self.stdout.write("Provider keys in it stay sealed: keep API_KEY_ENCRYPTION_KEY somewhere else.")
