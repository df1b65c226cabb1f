"""The real server as a process of its own, on the suite's database.

For what a test client cannot show: threads that share connections, kills, memory, browsers, Node.
Use it in transactional tests (``transaction=True, databases=[...]``): another process sees only
what was committed.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connections

ROOT = Path(__file__).resolve().parent.parent
ALIASES = {"DATABASE_URL": "default", "DATABASE_OPERATOR_URL": "operator", "DATABASE_OWNER_URL": "owner"}


@dataclass
class Running:
    url: str
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL the master and its workers at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def environment(**env: str) -> dict[str, str]:
    """The suite's environment with the database names of the running test session."""
    return os.environ | {name: _on_test_database(name, alias) for name, alias in ALIASES.items()} | env


@contextmanager
def serve(
    *,
    application: str = "wavelength.wsgi",
    workers: int = 1,
    threads: int = 8,
    port: int | None = None,
    **env: str,
) -> Iterator[Running]:
    """Run gunicorn as in production; ``env`` is added to the suite's settings."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="wavelength-serve-") as directory:
        log = Path(directory) / "server.log"
        settings = {"PORT": str(port), "WEB_CONCURRENCY": str(workers), "WEB_THREADS": str(threads), "SITE_URL": url}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", application],
                cwd=ROOT,
                env=environment(**(settings | env)),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = Running(url, process, log)
        try:
            _wait_until_it_answers(running)
            yield running
        finally:
            _end(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(running: Running, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{running.url}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"The server did not start:\n{running.log}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _on_test_database(variable: str, alias: str) -> str:
    name = str(connections[alias].settings_dict["NAME"])
    return urlunsplit(urlsplit(os.environ[variable])._replace(path=f"/{name}"))
