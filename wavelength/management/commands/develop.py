import errno
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from types import FrameType
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from wavelength import embedded
from wavelength.children import Child

# Nobody else's: with DEBUG on, an error page tells a lot.
HOST = "127.0.0.1"
START_SECONDS = 60.0
# What requests and jobs under way get on Ctrl-C.
STOP_SECONDS = 10.0


class _Stopped(BaseException):
    """Somebody asked us to end."""


class Command(BaseCommand):
    help = "Serve Wavelength for development: its own PostgreSQL, the web and the worker, until Ctrl-C."
    # They ask the database, which is not running yet.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        _refuse_a_taken_port(settings.PORT)
        server = embedded.Server(settings.DATA_DIR) if settings.EMBEDDED else None
        children: list[Child] = []
        try:
            with _stopping_on_signals():
                if server is not None:
                    self._start_database(server)
                self._serve(children)
                _watch(children, server)
        except _Stopped:
            self._say("\nEverything stops …")
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from error
        finally:
            _stop(children)
            if server is not None:
                server.stop()

    def _start_database(self, server: embedded.Server) -> None:
        if embedded.prepare(server.directory):
            # The settings were read before there was an address for them to read.
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (this very program)
        self._say(f"PostgreSQL starts in {server.directory} …")
        server.start()

    def _serve(self, children: list[Child]) -> None:
        if "owner" in connections:
            self._say("Roles and schema are brought up to date …")
            call_command("setup_database", stdout=StringIO())
            call_command("migrate", verbosity=0)
        if not settings.DEBUG:
            call_command("collectstatic", interactive=False, verbosity=0)
        web = ("-m", "gunicorn", "wavelength.wsgi", "--bind", f"{HOST}:{settings.PORT}")
        children.append(_child("web", *web))
        _wait_until_it_answers(children[0])
        children.append(_child("worker", "manage.py", "worker"))
        self._say(f"\nWavelength is at http://localhost:{settings.PORT}")
        if settings.EMBEDDED and settings.DEBUG:
            # Fills an empty database, once; says how to sign in, always.
            call_command("seed_demo", stdout=self.stdout)
        if not settings.EMAIL_URL:
            self._say("Mails, such as the one that confirms an address, are printed here.")
        connections.close_all()
        self._say("Ctrl-C stops everything.\n")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


@contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """Turn the first Ctrl-C, TERM or HUP into _Stopped and ignore all later ones: the end is under way."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else it is nohup that started us
        numbers.append(signal.SIGHUP)

    def ignore() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        ignore()
        raise _Stopped

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        ignore()


def _refuse_a_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(
                    f"Port {port} is already in use. Stop what uses it, or choose another: PORT={port + 1} make run"
                ) from error
            raise CommandError(f"Port {port} cannot be used: {error.strerror}.") from error
        except OverflowError as error:
            raise CommandError(f"{port} is no port: they go from 1 to 65535.") from error


def _child(name: str, *arguments: str) -> Child:
    return Child(name, [sys.executable, *arguments], environ=os.environ, directory=settings.BASE_DIR)


def _wait_until_it_answers(web: Child) -> None:
    deadline = time.monotonic() + START_SECONDS
    while (status := _health()) != 200:
        if web.exit_code is not None or status is not None:
            raise CommandError("The web process cannot serve; it says why above.")
        if time.monotonic() > deadline:
            raise CommandError(f"The web process has not answered for {START_SECONDS:.0f} seconds.")
        time.sleep(0.05)


def _health() -> int | None:
    """The status of /healthz, or None while nobody answers."""
    connection = http.client.HTTPConnection(HOST, settings.PORT, timeout=START_SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Host": settings.ALLOWED_HOSTS[0]})
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def _watch(children: Sequence[Child], server: embedded.Server | None) -> NoReturn:
    """Return never; raise CommandError as soon as one of them ends."""
    while True:
        for child in children:
            if child.exit_code is not None:
                raise CommandError(
                    f"The {child.name} process ended by itself (exit code {child.exit_code}), so everything stops."
                )
        if server is not None and server.pid is None:
            raise CommandError(
                f"PostgreSQL ended by itself, so everything stops. See {server.directory}/postgresql/log."
            )
        time.sleep(0.2)


def _stop(children: Sequence[Child]) -> None:
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        child.stop(deadline=deadline)
