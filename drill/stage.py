"""Where drills take place: a PostgreSQL of their own, as durable as in production, and the real processes on it."""

import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drill.load import Person
from wavelength.embedded import Server

if TYPE_CHECKING:
    from tests.processes import Running

ROOT = Path(__file__).resolve().parent.parent
RECORDING = 4  # people of a load who record; one more reserves and one reads
# As in production, with nothing outside this machine.
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "wavelength.settings",
    "DEBUG": "false",
    "API_KEY_ENCRYPTION_OLD_KEYS": "",
    "SITE_URL": "http://127.0.0.1",
    "ALLOWED_HOSTS": "127.0.0.1",
    "BEHIND_PROXY": "false",
    "EMAIL_URL": "memorymail://",
    "LOG_REQUESTS": "false",
    # Counted, and never reached.
    "RATE_LIMIT_API": "100000000/m",
    "RATE_LIMIT_HANDOVER": "100000000/m",
    "REDIS_URL": "",
    "S3_BUCKET": "",
    "SENTRY_DSN": "",
}


class Stage:
    """What drills share."""

    def __init__(self, database: Server, seed: int, data: Path) -> None:
        self.database = database
        self.seed = seed
        self.random = random.Random(seed)
        self._log = data / "workers.log"
        self._numbers = count(1)

    def people(self, number: int = RECORDING + 2) -> list[Person]:
        """New people, signed in."""
        return [self._person() for _ in range(number)]

    @contextmanager
    def web(self, *, workers: int = 2, threads: int = 6, **env: str) -> Iterator["Running"]:
        """The web server as production runs it; ``env`` is added to its settings."""
        from tests.processes import serve

        # Preloaded, unlike in production, so that who takes a killed worker's place is there at once.
        settings: dict[str, Any] = {"GUNICORN_CMD_ARGS": "--preload", **env}
        with serve(workers=workers, threads=threads, **settings) as running:
            yield running

    @contextmanager
    def worker(self, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """`manage.py worker`; ended with the block, unless it was ended before."""
        process = self.start_worker(**env)
        try:
            yield process
        finally:
            end(process)

    def start_worker(self, **env: str) -> subprocess.Popen[bytes]:
        """What it says is in `words_of_workers`."""
        with self._log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "manage.py", "worker"],
                cwd=ROOT,
                env=os.environ | env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def words_of_workers(self) -> str:
        return self._log.read_text(errors="replace")

    def _person(self) -> Person:
        from django.conf import settings

        from tests.conftest import make_person, signed_in

        email = f"person-{next(self._numbers)}@example.com"
        person = make_person(email, "Somebody")
        name = settings.SESSION_COOKIE_NAME
        return Person(person.pk, email, f"{name}={signed_in(person).cookies[name].value}")


@contextmanager
def stage(directory: Path | None, seed: int) -> Iterator[Stage]:
    """A fresh, migrated database, in `directory` where one is given; this process has Django set up on it."""
    server = Server(directory) if directory else Server.temporary(durable=True)
    with server as database, tempfile.TemporaryDirectory(prefix="wavelength-drill-") as data:
        os.environ.update(
            SETTINGS,
            **database.urls,
            SECRET_KEY=secrets.token_urlsafe(48),
            API_KEY_ENCRYPTION_KEY=secrets.token_hex(32),
            WAVELENGTH_DATA_DIR=data,
        )
        import django
        from django.db import connections

        django.setup()
        migrate()
        try:
            yield Stage(database, seed, Path(data))
        finally:
            connections.close_all()


def migrate() -> None:
    """Roles, schema and grants on the database that the settings name."""
    from django.core.management import call_command

    for command in ("setup_database", "migrate"):
        call_command(command, verbosity=0, stdout=StringIO())


def end(process: "subprocess.Popen[Any]", seconds: float = 40) -> None:
    """TERM, and KILL where that was not enough."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_all(process)


def kill_all(process: "subprocess.Popen[Any]") -> None:
    """SIGKILL it and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(true: Any, what: str, seconds: float = 120) -> None:
    """Return once `true()`; raises AssertionError with the sentence when it does not come to be."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
