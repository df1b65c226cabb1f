"""The embedded server from start to stop."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from wavelength.embedded.binaries import run, runnable_programs
from wavelength.embedded.place import (
    DATABASE,
    PORT,
    SOCKET,
    SUPERUSER,
    EmbeddedError,
    give_to_server,
    home_in,
    locked,
    make_socket_directory,
    prepare,
    private,
    read_credentials,
    server_account,
    urls,
    written_credentials,
)

START_SECONDS = 60.0
STOP_SECONDS = 30.0
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Statements and the details of violated constraints carry personal data. The client gets both.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
FAST_BUT_LOSES_DATA = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# PostgreSQL's fast shutdown, its immediate one, and the end that leaves the rest to recovery.
SHUTDOWNS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)


class Server:
    """One PostgreSQL in `directory`, from `start()` to `stop()`; it ends with the process that started it.

    Call `start()` in a thread that outlives the server: Linux ends it with that very thread. With
    `durable=False` a power failure may lose everything. As root, `nobody` must be able to pass through
    every directory above; `temporary()` sees to that.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory.resolve()
        self.durable = durable
        self._home = home_in(directory)
        self._process: subprocess.Popen[bytes] | None = None
        self._resources = contextlib.ExitStack()

    @classmethod
    @contextlib.contextmanager
    def temporary(cls, *, durable: bool = False) -> Iterator[Self]:
        """A running server in a new directory under the system's temporary one, deleted in the end."""
        as_root = server_account() is not None
        parent = "/tmp" if as_root else None  # noqa: S108  (root's own TMPDIR is often closed to others)
        directory = Path(tempfile.mkdtemp(prefix="wavelength-", dir=parent))
        if as_root:
            directory.chmod(0o711)
        try:
            with cls(directory, durable=durable) as server:
                yield server
        finally:
            remove(directory)
            directory.rmdir()

    @property
    def urls(self) -> dict[str, str]:
        """What the function `urls` says; raises EmbeddedError before the first start."""
        found = urls(self.directory)
        if found is None:
            raise EmbeddedError(f"No database was ever started in {self.directory}.")
        return found

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    def start(self) -> None:
        """Return once the database answers. Raises EmbeddedError, whose text says why it does not."""
        prepare(self.directory)
        with contextlib.ExitStack() as resources:
            resources.enter_context(locked(self._home))
            _clear_the_way(self._home)
            runnable = runnable_programs(self._home)
            if not (self._home / "cluster").exists():
                _initialise(self._home, runnable, durable=self.durable)
            socket = make_socket_directory(self._home)
            resources.callback(self._end_process)
            self._launch(runnable, socket)
            _create_database(self.urls["DATABASE_OWNER_URL"])
            self._resources = resources.pop_all()

    def stop(self) -> None:
        """End the server and the sessions on it; return when it is gone. Harmless when not running."""
        self._resources.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self, runnable: Path, socket: Path) -> None:
        settings = SETTINGS | ({} if self.durable else FAST_BUT_LOSES_DATA)
        settings["unix_socket_directories"] = '"' + str(socket).replace('"', '""') + '"'
        command: list[str | Path] = [runnable / "postgres", "-D", self._home / "cluster"]
        command += [f"--{name}={value}" for name, value in settings.items()]
        log = self._home / "log"
        if log.exists():
            log.replace(self._home / "log.before")
        deadline = time.monotonic() + START_SECONDS
        while True:
            with open(log, "wb", opener=private) as output:
                self._process = run(command, self._home, output, when_parent_ends=signal.SIGINT)
            if self._answers(deadline):
                return
            self._end_process()
            # The children of a server that was killed need a moment to notice.
            if b"is still in use" not in log.read_bytes() or time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL did not start. {_last_words(log)}")
            time.sleep(0.2)

    def _answers(self, deadline: float) -> bool:
        while self.pid is not None and time.monotonic() < deadline:
            lines = _pid_file(self._home)
            if len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(0.01)
        return False

    def _end_process(self) -> None:
        process, self._process = self._process, None
        for number in SHUTDOWNS:
            if process is None or process.poll() is not None:
                return
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)


def remove(directory: Path) -> None:
    """Stop the server in `directory`, and the process that started it, and delete what it wrote.

    Whatever else stands in `directory` stays. Harmless where there is nothing.
    """
    home = home_in(directory)
    credentials = read_credentials(home)
    if not home.exists():
        return
    with locked(home, stop_holder=True):
        _clear_the_way(home)
        if credentials is not None and credentials.far_socket is not None:
            shutil.rmtree(credentials.far_socket, ignore_errors=True)
        shutil.rmtree(home)


def _clear_the_way(home: Path) -> None:
    """End or forget what an earlier run left; we hold the lock, so nothing here is anybody else's."""
    cluster = home / "cluster"
    _remove_unfinished(home / "cluster.new")
    if not (cluster / "postmaster.pid").exists():
        return
    first_line = next(iter(_pid_file(home)), "")
    pid = int(first_line) if first_line.isdigit() else None
    for number in SHUTDOWNS:
        if pid is None or not _serves(pid, cluster):
            break
        os.kill(pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while _serves(pid, cluster) and time.monotonic() < deadline:
            time.sleep(0.05)
    if pid is None or _exists(pid):
        # The number belongs to another process now, which PostgreSQL would take for a server of ours.
        # A number of nobody's stays: by that file PostgreSQL finds shared memory still in use.
        (cluster / "postmaster.pid").unlink(missing_ok=True)
        (home / "run" / f"{SOCKET}.lock").unlink(missing_ok=True)


def _remove_unfinished(cluster: Path) -> None:
    """What a first start left that was killed; the last of its children may still be writing."""
    deadline = time.monotonic() + STOP_SECONDS
    while cluster.exists():
        shutil.rmtree(cluster, ignore_errors=True)
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{cluster} is left from a start that did not end. Remove it and start again.")
        time.sleep(0.05)


def _pid_file(home: Path) -> list[str]:
    try:
        return (home / "cluster" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _serves(pid: int, cluster: Path) -> bool:
    """Whether the process is the PostgreSQL of this cluster, in which every server of it stands."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == cluster
        except OSError:
            return False
    command = ["ps", "-o", "command=", "-p", str(pid)]
    return str(cluster) in subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _initialise(home: Path, runnable: Path, *, durable: bool) -> None:
    """Make the cluster beside its place and move it there whole."""
    fresh = home / "cluster.new"
    fresh.mkdir(mode=0o700)
    give_to_server(fresh)
    # Text compares by code point on every machine; reports that need a language's order ask for it.
    command: list[str | Path] = [runnable / "initdb", "-D", fresh, "-U", SUPERUSER, "-E", "UTF8"]
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += ["--auth=scram-sha-256", "--pwfile=/dev/stdin", "--no-instructions"]
    if not durable:
        command += ["--no-sync", "--no-data-checksums"]
    secret = written_credentials(home).passwords[SUPERUSER]
    with tempfile.TemporaryFile() as password, open(home / "log", "wb", opener=private) as output:
        give_to_server(password.fileno())
        password.write(secret.encode())
        password.seek(0)
        process = run(command, home, output, when_parent_ends=signal.SIGKILL, stdin=password)
        try:
            code = process.wait()
        finally:
            process.kill()
    if code != 0:
        raise EmbeddedError(f"The database could not be made. {_last_words(home / 'log')}")
    fresh.rename(home / "cluster")


def _create_database(owner_url: str) -> None:
    with psycopg.connect(owner_url, dbname="postgres", autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _last_words(log: Path) -> str:
    said = log.read_text(errors="replace").splitlines()
    return f"The end of {log} says:\n" + "\n".join(said[-10:])
