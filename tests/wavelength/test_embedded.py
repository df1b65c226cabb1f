"""The embedded PostgreSQL, with real servers: life, death, and who may come near."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import environ
import psycopg
import pytest

from wavelength import embedded
from wavelength.embedded import EmbeddedError, Server

CHECKOUT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0
# Neither root nor whom root's server runs as.
STRANGER = next(user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0 and user.pw_name != "nobody")
# Starts a server, says so, and waits for its end.
HOLD = """
import sys, time
from pathlib import Path
from wavelength.embedded import EmbeddedError, Server
try:
    with Server(Path(sys.argv[1]), durable=False) as server:
        print(server.pid, server.urls["DATABASE_OWNER_URL"], flush=True)
        time.sleep(120)
except EmbeddedError as error:
    print(error, flush=True)
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory, not made yet, in a place that every user can enter."""
    parent = Path(tempfile.mkdtemp(prefix="wl", dir="/tmp"))
    parent.chmod(0o755)
    yield parent / "data"
    embedded.remove(parent / "data")
    shutil.rmtree(parent)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    """One server for the tests that leave it as it is."""
    with Server.temporary() as server:
        yield server


def python(code: str, *arguments: object, user: int | None = None) -> subprocess.Popen[str]:
    if user is not None:  # after the imports: Python itself may stand where that user cannot go
        become = f"import os, psycopg, wavelength.embedded; os.setgroups([]); os.setgid({user}); os.setuid({user})"
        code = f"{become}\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(CHECKOUT)},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def hold(directory: Path) -> tuple[subprocess.Popen[str], int]:
    """Another process that runs a server in this directory, and that server's process id."""
    holder = python(HOLD, directory)
    return holder, int(first_line(holder).split()[0])


def ask(url: str, query: str = "SELECT 1", **options: str) -> object:
    with psycopg.connect(url, **options) as connection:  # type: ignore[arg-type]  # of a dict
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_works(directory: Path) -> None:
    with Server(directory, durable=False) as server:
        pid = server.pid
        url = server.urls["DATABASE_OWNER_URL"]
        assert ask(url, "SELECT current_database()") == "wavelength"
        assert str(ask(url, "SHOW server_version")).startswith("18.")
        assert ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True
        assert ask(url, "SHOW listen_addresses") == ""
        ask(url, "CREATE TABLE kept AS SELECT 7 AS number")
    assert pid is not None
    assert not runs(pid)
    assert not list((directory / "postgresql/run").iterdir())
    with pytest.raises(psycopg.OperationalError):
        ask(url)

    with Server(directory, durable=False) as server:
        assert server.urls["DATABASE_OWNER_URL"] == url
        assert ask(url, "SELECT number FROM kept") == 7


def test_durable_unless_told_otherwise(directory: Path, running: Server) -> None:
    assert ask(running.urls["DATABASE_OWNER_URL"], "SHOW fsync") == "off"
    with Server(directory) as server:
        url = server.urls["DATABASE_OWNER_URL"]
        durability = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        assert [ask(url, f"SHOW {name}") for name in durability] == ["on"] * 4


def test_a_password_is_asked_of_everybody(running: Server) -> None:
    url = running.urls["DATABASE_OWNER_URL"]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(url, password="wrong")
    parts = urlsplit(url)
    nameless = urlunsplit(parts._replace(netloc="postgres@"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        ask(nameless)
    with psycopg.connect(url) as connection:
        rules = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
    assert rules == [("scram-sha-256",)]


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_another_user_cannot_come_near(running: Server) -> None:
    code = "import psycopg, sys; psycopg.connect(sys.argv[1])"
    output, _ = python(code, running.urls["DATABASE_OWNER_URL"], user=STRANGER).communicate()
    assert "Permission denied" in output
    code = "import sys; from pathlib import Path; from wavelength import embedded; embedded.urls(Path(sys.argv[1]))"
    output, _ = python(code, running.directory, user=STRANGER).communicate()
    assert "belongs to another user. Start Wavelength as that user" in output


def test_files_are_private_and_foreign_modes_stay(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o755)
    (directory / "holiday.jpg").touch()
    with Server(directory, durable=False):
        home = directory / "postgresql"
        assert mode(directory) == 0o755
        assert mode(directory.parent) == 0o755
        assert mode(home) == (0o711 if AS_ROOT else 0o700)
        assert mode(home / "cluster") == 0o700
        assert mode(home / "run") == 0o700
        for name in ("credentials.json", "lock", "log"):
            assert mode(home / name) == 0o600, name
        owner = (home / "cluster").stat().st_uid
        assert (owner != 0) if AS_ROOT else (owner == os.geteuid())
    embedded.remove(directory)
    assert [path.name for path in directory.iterdir()] == ["holiday.jpg"]


def test_the_directory_it_makes_is_closed_whatever_the_umask(directory: Path) -> None:
    before = os.umask(0o077)
    try:
        with Server(directory / "deep/down", durable=False) as server:
            ask(server.urls["DATABASE_OWNER_URL"])
    finally:
        os.umask(before)
    assert mode(directory / "deep/down") == (0o711 if AS_ROOT else 0o700)
    embedded.remove(directory / "deep/down")


@pytest.mark.parametrize("name", ["a päth with 100 % of 'its' signs & more" + "x" * 60, "one, two"])
def test_paths_in_which_no_socket_can_be(directory: Path, name: str) -> None:
    far = directory / name
    with Server(far, durable=False) as server:
        urls = server.urls
        assert ask(urls["DATABASE_OWNER_URL"], "SELECT current_database()") == "wavelength"
        host = environ.Env.db_url_config(urls["DATABASE_URL"])["OPTIONS"]["host"]
        socket = Path(host)
        assert not socket.is_relative_to(directory)
        assert mode(socket) == 0o700
        # Something empties /tmp between two runs: same address, made anew.
    shutil.rmtree(socket)
    with Server(far, durable=False) as server:
        assert server.urls == urls
        assert mode(socket) == 0o700
        ask(urls["DATABASE_OWNER_URL"])
    embedded.remove(far)
    assert not socket.exists()


@pytest.mark.skipif(not AS_ROOT, reason="an ordinary user runs the programs of the wheel, wherever it is")
def test_a_path_that_a_shell_would_read_is_refused(directory: Path) -> None:
    evil = directory / '"$(touch evil)"'
    with pytest.raises(EmbeddedError, match="the path has one of"):
        Server(evil, durable=False).start()
    embedded.remove(evil)


def test_a_squatted_socket_directory_is_refused(directory: Path) -> None:
    far = directory / ("x" * 120)
    embedded.prepare(far)
    urls = embedded.urls(far)
    assert urls is not None
    socket = Path(environ.Env.db_url_config(urls["DATABASE_URL"])["OPTIONS"]["host"])
    socket.chmod(0o777)
    with pytest.raises(EmbeddedError, match="not a private directory of ours"):
        Server(far, durable=False).start()
    embedded.remove(far)


def test_addresses_are_known_before_the_first_start(directory: Path) -> None:
    assert embedded.urls(directory) is None
    spaced = directory / "a b%c"
    assert embedded.prepare(spaced) is True
    assert embedded.prepare(spaced) is False
    urls = embedded.urls(spaced)
    assert urls is not None
    assert sorted(urls) == ["DATABASE_BACKUP_URL", "DATABASE_OPERATOR_URL", "DATABASE_OWNER_URL", "DATABASE_URL"]
    roles = {"DATABASE_URL": "wl_app", "DATABASE_OPERATOR_URL": "wl_operator", "DATABASE_BACKUP_URL": "wl_backup"}
    for name, role in roles.items():
        django = environ.Env.db_url_config(urls[name])
        libpq = psycopg.conninfo.conninfo_to_dict(urls[name])
        assert (django["USER"], django["NAME"], django["HOST"]) == (role, "wavelength", "")
        assert django["OPTIONS"]["host"] == libpq["host"] == str(spaced / "postgresql/run")
        assert django["PASSWORD"] == libpq["password"]
        assert (libpq["user"], libpq["dbname"], libpq["port"]) == (role, "wavelength", "5432")
    assert len({psycopg.conninfo.conninfo_to_dict(url)["password"] for url in urls.values()}) == 4
    embedded.remove(spaced)
    assert embedded.urls(spaced) is None


def test_two_starts_at_once(directory: Path) -> None:
    both = [python(HOLD, directory), python(HOLD, directory)]
    said = sorted((first_line(process) for process in both), key=str.isdigit)
    served = [line for line in said if "postgresql://" in line]
    assert len(served) == 1, said
    (refused,) = set(said) - set(served)
    assert "is in use by process" in refused
    assert ask(served[0].split()[1]) == 1
    for process in both:
        process.kill()
        process.wait()


def test_start_while_it_runs_names_who_runs_it(directory: Path) -> None:
    with Server(directory, durable=False) as server:
        with pytest.raises(EmbeddedError, match=rf"in use by process {os.getpid()}\. Stop that first"):
            Server(directory, durable=False).start()
        ask(server.urls["DATABASE_OWNER_URL"])


def test_survives_the_death_of_everybody(directory: Path) -> None:
    holder, pid = hold(directory)
    os.kill(pid, signal.SIGKILL)
    holder.kill()
    holder.wait()
    holder, pid = hold(directory)  # at once: children of the killed server may linger
    holder.kill()  # its child ends with it
    holder.wait()
    with Server(directory, durable=False) as server:
        assert server.pid != pid
        assert not runs(pid)
        ask(server.urls["DATABASE_OWNER_URL"])


def test_ends_with_its_parent(directory: Path) -> None:
    holder, pid = hold(directory)
    assert runs(pid)
    holder.kill()
    holder.wait()
    assert eventually(lambda: not runs(pid))
    assert not (directory / "postgresql/cluster/postmaster.pid").exists(), "an orderly end"


def test_takes_over_from_an_orphan(directory: Path) -> None:
    # As where the system cannot end a child with its parent.
    holder = python(
        f"from wavelength.embedded import binaries; binaries.tied_to_parent = lambda signal: None\n{HOLD}", directory
    )
    orphan = int(first_line(holder).split()[0])
    holder.kill()
    holder.wait()
    assert runs(orphan)
    with Server(directory, durable=False) as server:
        assert not runs(orphan)
        assert "received fast shutdown request" in (directory / "postgresql/log.before").read_text()
        ask(server.urls["DATABASE_OWNER_URL"])


@pytest.mark.parametrize("content", ["", "{pid}\n/somewhere\n1700000000\n5432\n/tmp\n\n1 2\nready\n"])
def test_a_stale_pid_file_is_no_obstacle(directory: Path, content: str) -> None:
    with Server(directory, durable=False):
        pass
    cluster = directory / "postgresql/cluster"
    stale = content.format(pid=os.getpid())  # a number that another process carries by now
    (cluster / "postmaster.pid").write_text(stale)
    (directory / "postgresql/run/.s.PGSQL.5432.lock").write_text(stale)
    for path in (cluster / "postmaster.pid", directory / "postgresql/run/.s.PGSQL.5432.lock"):
        os.chown(path, cluster.stat().st_uid, cluster.stat().st_gid)
    with Server(directory, durable=False) as server:
        ask(server.urls["DATABASE_OWNER_URL"])


def test_a_first_start_that_was_killed_starts_over(directory: Path) -> None:
    holder = python(HOLD, directory)
    unfinished = directory / "postgresql/cluster.new"
    assert eventually(unfinished.exists)
    holder.kill()
    holder.wait()
    assert not unfinished.with_name("cluster").exists()
    with Server(directory, durable=False) as server:
        ask(server.urls["DATABASE_OWNER_URL"])
    assert not unfinished.exists()


def test_a_start_that_fails_says_why_and_leaves_nothing(directory: Path) -> None:
    with Server(directory, durable=False):
        pass
    cluster = directory / "postgresql/cluster"
    (cluster / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(EmbeddedError, match=r'(?s)did not start.*parameter "nonsense"'):
        Server(directory, durable=False).start()
    assert not (cluster / "postmaster.pid").exists()
    (cluster / "postgresql.conf").write_text("")
    with Server(directory, durable=False) as server:
        ask(server.urls["DATABASE_OWNER_URL"])


def test_remove_stops_whoever_runs_it(directory: Path) -> None:
    holder, pid = hold(directory)
    (directory / "media").mkdir()
    embedded.remove(directory)
    assert holder.wait(5) == -signal.SIGTERM
    assert not runs(pid)
    assert [path.name for path in directory.iterdir()] == ["media"]
    embedded.remove(directory)


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_as_an_ordinary_user(directory: Path) -> None:
    directory.mkdir()
    os.chown(directory, STRANGER, STRANGER)
    holder = python(HOLD, directory, user=STRANGER)
    said = first_line(holder)
    if "may not run programs" in said:
        pytest.skip("the virtual environment is closed to other users")
    pid, url = said.split()
    assert Path(f"/proc/{pid}").stat().st_uid == STRANGER
    assert ask(url) == 1
    assert (directory / "postgresql/cluster").stat().st_uid == STRANGER
    assert not (directory / "postgresql/programs").exists(), "it runs the wheel's own"
    holder.kill()
    holder.wait()
    assert eventually(lambda: not runs(int(pid)))


@pytest.mark.skipif(not AS_ROOT, reason="an ordinary user's own directories are open to that user")
def test_a_directory_that_the_server_cannot_enter(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match="would run as nobody, who may not run programs in"):
        Server(directory / "deeper", durable=False).start()
    assert mode(directory) == 0o700
    embedded.remove(directory / "deeper")


def test_a_directory_that_cannot_be_made(directory: Path) -> None:
    directory.touch()
    with pytest.raises(EmbeddedError, match=r"cannot be written .* Set WAVELENGTH_DATA_DIR"):
        Server(directory / "deeper", durable=False).start()


def test_where_the_data_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert embedded.data_directory(tmp_path, {}) == tmp_path / ".data"
    assert embedded.data_directory(tmp_path, {"WAVELENGTH_DATA_DIR": "d"}) == tmp_path / "d"
    assert embedded.data_directory(tmp_path, {"WAVELENGTH_DATA_DIR": "/srv/d"}) == Path("/srv/d")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    as_root = embedded.data_directory(tmp_path, {})
    assert as_root.parent == Path("/var/lib/wavelength")
    assert as_root.name.startswith(f"{tmp_path.name}-")
    assert as_root != embedded.data_directory(tmp_path / "copy" / tmp_path.name, {})
