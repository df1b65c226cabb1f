from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from wavelength.startup import refuse_unsafe


class Command(BaseCommand):
    help = "Work off the jobs in the database until told to stop (TERM lets running jobs finish)."

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe()
        call_command("procrastinate", "worker", shutdown_graceful_timeout=30)
