from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from prometheus_client import start_http_server

from wavelength.startup import refuse_unsafe


class Command(BaseCommand):
    help = "Work off the jobs in the database until told to stop (TERM lets running jobs finish)."

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe()
        if settings.WORKER_METRICS_PORT:
            start_http_server(settings.WORKER_METRICS_PORT, addr="127.0.0.1")
        call_command("procrastinate", "worker", shutdown_graceful_timeout=30)
