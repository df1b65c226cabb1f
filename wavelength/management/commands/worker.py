import asyncio
import logging
import signal
from typing import Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import ConnectorException
from prometheus_client import start_http_server
from psycopg import OperationalError

from wavelength.startup import refuse_unsafe

PAUSE_SECONDS = 1.0
GRACEFUL_SECONDS = 30
logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Work off the jobs in the database until told to stop (TERM lets running jobs finish)."

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe()
        if settings.WORKER_METRICS_PORT:
            start_http_server(settings.WORKER_METRICS_PORT, addr="127.0.0.1")
        asyncio.run(_work_until_told_to_stop())


async def _work_until_told_to_stop() -> None:
    """Procrastinate's worker ends when the database is gone for a moment; another one then takes its place."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        told.set()
        # Whoever says it twice does not want to wait.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    while not told.is_set():
        working, waiting = asyncio.create_task(_work()), asyncio.create_task(told.wait())
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()  # raises what no waiting mends
            await asyncio.wait({waiting}, timeout=PAUSE_SECONDS)
        # Running jobs may finish; new ones are not begun.
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)


async def _work() -> None:
    """One worker, on connections of its own; returns when it lost the database, and ends well when cancelled."""
    connector = cast("DjangoConnector", app.connector).get_worker_connector()
    with app.replace_connector(connector) as here:
        try:
            async with here.open_async():
                await here.run_worker_async(install_signal_handlers=False, shutdown_graceful_timeout=GRACEFUL_SECONDS)
        except (ConnectorException, OperationalError) as error:
            logger.warning("The worker lost the database and tries again: %s", error.__cause__ or error)
