"""`make run` from a fresh checkout, with real processes: what starts, what is said, and that nothing stays."""

import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wavelength import embedded
from wavelength.firstrun import complete_environment

CHECKOUT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0


class Development:
    """A checkout of its own, and what is started in it."""

    def __init__(self, root: Path, python: str = sys.executable, user: int | None = None) -> None:
        self.root = root
        self.data = root / "data"
        self.python = python
        self.user = user
        self.port = free_port()
        self.log = root / "said"

    def run(self, *command: str, **environ: str) -> subprocess.Popen[bytes]:
        """`python -m wavelength.firstrun`, in an environment that knows nothing of the suite's."""
        site_packages = next(path for path in sys.path if path.endswith("site-packages"))
        known = {"PATH": os.defpath, "PORT": str(self.port), "WAVELENGTH_DATA_DIR": "data", "PYTHONPATH": site_packages}
        known["WEB_CONCURRENCY"] = "1"
        with self.log.open("wb") as output:
            return subprocess.Popen(
                [self.python, "-m", "wavelength.firstrun", *command],
                cwd=self.root,
                env=known | environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )

    @contextmanager
    def serving(self, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
        """It answers, and has said all it has to say; what a failed test leaves is killed."""
        process = self.run(**environ)
        try:
            wait_until(lambda: process.poll() is not None or "Ctrl-C stops" in self.said, 120)
            assert self.status("/healthz") == 200, self.said
            yield process
        finally:
            process.kill()
            process.wait()
            wait_until(lambda: not self.processes())

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def status(self, path: str) -> int | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def processes(self, containing: str = "") -> list[str]:
        """Command lines of everything that runs in this checkout or from its data."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                place = (process / "cwd").readlink()
            except OSError:  # it ended meanwhile
                continue
            if command and place.is_relative_to(self.root) and containing in command:
                found.append(f"{process.name} {command}")
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: object, seconds: float = 20) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)


def copy_of_the_checkout(root: Path) -> None:
    """All that it takes to run, and nothing that an earlier run left."""
    left_out = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "staticfiles", "tests", "docs", "bench")
    shutil.copytree(CHECKOUT, root, ignore=left_out)


@pytest.fixture(scope="module")
def development() -> Iterator[Development]:
    """A checkout in a long path with spaces, in which `make run` runs for the first time."""
    parent = Path(tempfile.mkdtemp(prefix="wl", dir="/tmp"))
    root = parent / ("a path that is long and has spaces " + "x" * 60)
    parent.chmod(0o755)
    try:
        copy_of_the_checkout(root)
        yield Development(root)
    finally:
        embedded.remove(root / "data")
        shutil.rmtree(parent)


def test_it_works(development: Development) -> None:
    started = time.monotonic()
    with development.serving() as process:
        first_time = time.monotonic() - started
        assert f"Wavelength is at http://localhost:{development.port}" in development.said
        assert re.search(r"(?i)sign in .*@", development.said), "how to sign in"
        assert development.status("/") in {200, 302}
        assert len(development.processes("gunicorn")) == 2
        assert len(development.processes("manage.py worker")) == 1
        environment = development.root / ".env"
        assert stat.S_IMODE(environment.stat().st_mode) == 0o600
        secrets = environment.read_text()
        assert "DEBUG=true" in secrets
        assert re.search(r"^API_KEY_ENCRYPTION_KEY=[0-9a-f]{64}$", secrets, re.MULTILINE)
        assert re.search(r"^SECRET_KEY=\S{50,}$", secrets, re.MULTILINE)

        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert development.processes() == []
        assert development.status("/healthz") is None

    started = time.monotonic()
    with development.serving() as process:
        assert time.monotonic() - started < max(10, first_time), "a busy machine may be slower, but not here alone"
        assert environment.read_text() == secrets
        process.terminate()
        assert process.wait(30) == 0
        assert development.processes() == []


def test_a_taken_port(development: Development) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", development.port))
        other.listen()
        assert development.run().wait(60) == 1
    assert f"Port {development.port} is already in use. Stop what uses it, or choose another" in development.said
    assert development.processes() == []


def test_twice_at_the_same_time_then_sudden_death(development: Development) -> None:
    with development.serving() as first:
        wait_until(lambda: "Launching a worker" in development.said)
        second = Development(development.root)
        second.log = development.root / "said by the second"
        assert second.run().wait(60) == 1
        assert f"in use by process {first.pid}. Stop that first" in second.said
        assert development.status("/healthz") == 200

        first.kill()
        wait_until(lambda: not development.processes())
        assert development.processes() == []


@pytest.mark.parametrize(
    ("victim", "sentence"),
    [("-m gunicorn", "The web process ended by itself"), ("bin/postgres -D", "PostgreSQL ended by itself")],
)
def test_when_a_part_ends_all_ends(development: Development, victim: str, sentence: str) -> None:
    with development.serving() as process:
        oldest = min(int(line.split()[0]) for line in development.processes(victim))
        os.kill(oldest, signal.SIGKILL)
        assert process.wait(30) == 1
        assert sentence in development.said
        assert development.processes() == []


def test_reset_while_it_runs(development: Development) -> None:
    with development.serving() as process:
        code = development.run("reset_development").wait(60)
        assert code == 0, development.said
        assert "is gone; `make run` makes a new one." in development.said
        assert process.wait(10) == 0
        assert development.processes() == []
        assert not (development.data / "postgresql").exists()


def test_with_a_database_of_ones_own_nothing_embedded_starts(development: Development) -> None:
    with embedded.Server.temporary() as server, development.serving(**server.urls) as process:
        assert development.processes("bin/postgres") == []
        process.terminate()
        assert process.wait(30) == 0
        assert server.pid is not None, "not ours to stop"


def _python_for(user: int) -> str | None:
    """A Python of our version that another user can run; our own may stand in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            subprocess.run([candidate, "-c", ""], user=user, group=user, extra_groups=[], check=True, cwd="/")
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return None


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user; the other tests ran as an ordinary one")
def test_as_an_ordinary_user(development: Development) -> None:
    user = next(user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0 and user.pw_name != "nobody")
    python = _python_for(user)
    if python is None:
        pytest.skip("no Python here that another user can run")
    root = development.root.parent / "theirs"
    copy_of_the_checkout(root)
    for path in (root, *root.rglob("*")):
        os.chown(path, user, user)
    theirs = Development(root, python, user)
    with theirs.serving() as process:
        assert (root / "data/postgresql/cluster").stat().st_uid == user
        assert (root / ".env").stat().st_uid == user
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0
        assert theirs.processes() == []


def test_an_environment_of_ones_own_is_only_completed(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("GOOGLE_CLIENT_ID=mine\n export SECRET_KEY = kept")
    file.chmod(0o640)
    complete_environment(file, {})
    first, second, third = file.read_text().splitlines()
    assert (first, second) == ("GOOGLE_CLIENT_ID=mine", " export SECRET_KEY = kept")
    assert re.fullmatch(r"API_KEY_ENCRYPTION_KEY=[0-9a-f]{64}", third)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    before = file.read_text()
    complete_environment(file, {})
    assert file.read_text() == before


def test_secrets_in_the_process_environment_are_not_written(tmp_path: Path) -> None:
    complete_environment(tmp_path / ".env", {"SECRET_KEY": "s", "API_KEY_ENCRYPTION_KEY": "k"})
    assert (tmp_path / ".env").read_text().splitlines()[-1] == "DEBUG=true"
