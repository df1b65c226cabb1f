"""Where the embedded server lives: its directory, the credentials and the socket in it, and its lock."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pwd
import secrets
import signal
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

DATABASE = "wavelength"
SUPERUSER = "postgres"
ROLES = {
    "DATABASE_URL": "wl_app",
    "DATABASE_OPERATOR_URL": "wl_operator",
    "DATABASE_OWNER_URL": SUPERUSER,
    "DATABASE_BACKUP_URL": "wl_backup",
}
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
# sun_path holds 108 bytes on Linux and 104 elsewhere, the closing NUL among them.
LONGEST_SOCKET_PATH = 103
HOLDER_SECONDS = 40.0


class EmbeddedError(Exception):
    """The embedded server cannot do what was asked; the text says why, to the person at the terminal."""


def data_directory(base_dir: Path, environ: Mapping[str, str]) -> Path:
    """Where the checkout at `base_dir` keeps its data, whether or not that exists yet.

    `WAVELENGTH_DATA_DIR` decides where set (relative to the checkout). Root gets a directory for each
    checkout under /var/lib/wavelength, because `nobody` can seldom enter root's own; everybody else
    gets `.data` in the checkout.
    """
    base_dir = base_dir.resolve()
    given = environ.get("WAVELENGTH_DATA_DIR")
    if given:
        return (base_dir / Path(given).expanduser()).resolve()
    if os.geteuid() != 0:
        return base_dir / ".data"
    key = hashlib.sha256(os.fsencode(base_dir)).hexdigest()[:12]
    return Path("/var/lib/wavelength") / f"{base_dir.name}-{key}"


def urls(directory: Path) -> dict[str, str] | None:
    """The connection URLs of the server in `directory`, running or not; None before `prepare`.

    The socket's directory stands in the query (`?host=…`), the one form that libpq and django-environ
    read alike (there it arrives in OPTIONS). `DATABASE_OWNER_URL` is the superuser that initdb makes;
    the other roles exist once `manage.py setup_database` has made them. Raises EmbeddedError when the
    files are another user's.
    """
    home = home_in(directory)
    credentials = read_credentials(home)
    if credentials is None:
        return None
    host = quote(str(socket_directory(home, credentials)), safe="/")
    passwords = credentials.passwords
    return {
        name: f"postgresql://{role}:{passwords[role]}@/{DATABASE}?host={host}&port={PORT}"
        for name, role in ROLES.items()
    }


def prepare(directory: Path) -> bool:
    """Make `directory` and passwords where there are none, so that `urls` answers.

    True if that changed the answer of `urls`. Raises EmbeddedError where nothing can be written.
    """
    before = urls(directory)
    home = home_in(directory)
    try:
        _make_directory(home.parent)
        _make_directory(home)
        _write_credentials(home)
    except OSError as error:
        raise EmbeddedError(
            f"The data directory {directory} cannot be written ({error.strerror})."
            " Set WAVELENGTH_DATA_DIR to one that can."
        ) from error
    return urls(directory) != before


def home_in(directory: Path) -> Path:
    """The directory that holds all of the server's files and nobody else's."""
    return directory.resolve() / "postgresql"


def server_account() -> pwd.struct_passwd | None:
    """Whom the server runs as, where that is not ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and this system has no user `nobody` to run it as."
            " Start Wavelength as an ordinary user, or set DATABASE_URL."
        ) from error


def give_to_server(path: Path | int) -> None:
    """Make the server's account the owner of a file of ours, or of an open one."""
    if account := server_account():
        os.chown(path, account.pw_uid, account.pw_gid)


@dataclasses.dataclass(frozen=True)
class Credentials:
    """What credentials.json holds."""

    passwords: dict[str, str]  # by role
    far_socket: str | None  # the socket's directory, where one in our own has too long a path


def read_credentials(home: Path) -> Credentials | None:
    """None before `prepare`; raises EmbeddedError when they are another user's."""
    try:
        return Credentials(**json.loads((home / "credentials.json").read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise EmbeddedError(
            f"The database in {home.parent} belongs to another user."
            " Start Wavelength as that user, or set WAVELENGTH_DATA_DIR to another directory."
        ) from error


def written_credentials(home: Path) -> Credentials:
    """The same, where they must be: after `prepare`."""
    credentials = read_credentials(home)
    if credentials is None:
        raise EmbeddedError(f"{home / 'credentials.json'} is gone: `make reset` starts afresh.")
    return credentials


def socket_directory(home: Path, credentials: Credentials) -> Path:
    """Where the socket is, or will be."""
    if _near_socket_fits(home) or credentials.far_socket is None:
        return home / "run"
    return Path(credentials.far_socket)


def make_socket_directory(home: Path) -> Path:
    """The socket's directory, made anew if it went (/tmp is emptied at times), and certainly private."""
    socket = socket_directory(home, written_credentials(home))
    with contextlib.suppress(FileExistsError):
        socket.mkdir(mode=0o700)
    found = socket.lstat()
    account = server_account()
    owners = {os.geteuid(), account.pw_uid if account else os.geteuid()}
    private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
    if found.st_uid not in owners or not private:
        raise EmbeddedError(
            f"{socket}, where the database's socket belongs, is not a private directory of ours."
            " Remove it and start again."
        )
    give_to_server(socket)
    return socket


@contextlib.contextmanager
def locked(home: Path, *, stop_holder: bool = False) -> Iterator[None]:
    """Hold the directory; a process that dies lets it go, however it dies.

    Raises EmbeddedError when another process holds it. With `stop_holder` that one is sent TERM first,
    and has 40 seconds.
    """
    with open(home / "lock", "a+", opener=private) as lock:
        deadline = time.monotonic() + (HOLDER_SECONDS if stop_holder else 0)
        asked = False
        while not _try_lock(lock):
            lock.seek(0)
            holder = lock.read()
            if time.monotonic() >= deadline:
                raise EmbeddedError(
                    f"The database in {home.parent} is in use by process {holder or 'unknown'}."
                    " Stop that first (Ctrl-C where `make run` runs)."
                )
            if holder and not asked:
                os.kill(int(holder), signal.SIGTERM)
                asked = True
            time.sleep(0.05)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def private(path: str, flags: int) -> int:
    """An `opener` for files that are nobody else's business."""
    return os.open(path, flags, 0o600)


def _make_directory(directory: Path) -> None:
    """Make it, closed to others, and the parents that lack; what exists keeps its mode."""
    if directory.is_dir():
        return
    if server_account() is None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    for parent in reversed([path for path in directory.parents if not path.exists()]):
        parent.mkdir(exist_ok=True)
        parent.chmod(0o755)  # whatever the umask says: `nobody` passes through
    directory.mkdir(exist_ok=True)
    directory.chmod(0o711)


def _write_credentials(home: Path) -> None:
    """Write what is lacking. Of two writers at the same moment the first wins."""
    known = read_credentials(home)
    fits = _near_socket_fits(home)
    if known is not None and (fits or known.far_socket is not None):
        return
    written = Credentials(
        passwords=known.passwords if known else {role: secrets.token_urlsafe(24) for role in ROLES.values()},
        far_socket=None if fits else tempfile.mkdtemp(prefix="wavelength-", dir="/tmp"),
    )
    with tempfile.NamedTemporaryFile("w", dir=home, prefix="credentials.", delete=False) as file:
        json.dump(dataclasses.asdict(written), file)
        file.flush()
        os.fsync(file.fileno())
    fresh = Path(file.name)
    if known is not None:
        fresh.replace(home / "credentials.json")
        return
    with contextlib.suppress(FileExistsError):
        (home / "credentials.json").hardlink_to(fresh)
    fresh.unlink()


def _near_socket_fits(home: Path) -> bool:
    path = str(home / "run" / SOCKET)
    # libpq takes a comma for the end of one host in a list.
    return len(os.fsencode(path)) <= LONGEST_SOCKET_PATH and "," not in path


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
