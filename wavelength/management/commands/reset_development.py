import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from wavelength import embedded


class Command(BaseCommand):
    help = "Throw away the development database that `make run` keeps, and the files uploaded to it."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("This deletes everything, so it works with DEBUG=true only.")
        if not settings.EMBEDDED:
            raise CommandError(
                "DATABASE_URL is set: that database is not ours to delete. Drop it yourself, then run"
                " `manage.py setup_database` and `manage.py migrate`."
            )
        directory: Path = settings.DATA_DIR
        try:
            embedded.remove(directory)
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from error
        uploads = Path(settings.MEDIA_ROOT)
        if uploads.is_relative_to(directory):
            shutil.rmtree(uploads, ignore_errors=True)
        self.stdout.write(f"The development database in {directory} is gone; `make run` makes a new one.")
