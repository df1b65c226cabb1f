"""A schema migration killed in the middle of it, and run again."""

import os
import subprocess
import sys
import time
from urllib.parse import urlsplit

import psycopg

from drill.outcome import Drill, Outcome
from drill.stage import ROOT, Stage, kill_all
from wavelength.embedded import programs

NAME = "interrupted"


def run(stage: Stage, times: int) -> Outcome:
    """Migrate an empty database, killed so often; in the end its schema is that of an undisturbed one."""
    outcome = Outcome()
    owner = stage.database.urls["DATABASE_OWNER_URL"]
    expected = _schema(owner)
    while outcome.times < times:
        _make_empty(owner)
        environment = os.environ | {name: _renamed(url) for name, url in stage.database.urls.items()}
        _manage(environment, "setup_database").wait()
        before = outcome.times
        while outcome.times < times and _killed_midway(stage, environment):
            outcome.times += 1
        if outcome.times == before:
            outcome.wrong.append("Migrating was over before it could be killed: the drill tells nothing.")
            return outcome
        began = time.monotonic()
        for command in (["migrate"], ["check_database"]):
            if _manage(environment, *command).wait() != 0:
                outcome.wrong.append(f"`manage.py {command[0]}` failed after {outcome.times} kills.")
        outcome.recovered = max(outcome.recovered or 0, time.monotonic() - began)
        if _schema(_renamed(owner)) != expected:
            outcome.wrong.append("The schema is not that of an undisturbed migration.")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    return outcome


def _killed_midway(stage: Stage, environment: dict[str, str]) -> bool:
    """Start it and kill it somewhere after its first step; False once there is nothing left to do."""
    done = _steps(environment)
    process = _manage(environment, "migrate")
    while process.poll() is None and _steps(environment) == done:
        time.sleep(0.01)
    time.sleep(stage.random.uniform(0, 0.3))
    if process.poll() is not None:
        return False
    kill_all(process)
    return True


def _steps(environment: dict[str, str]) -> int:
    """Migrations that are done."""
    with psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('django_migrations')").fetchone() == (None,):
            return 0
        found = connection.execute("SELECT count(*) FROM django_migrations").fetchone()
    return int(found[0]) if found else 0


def _make_empty(owner: str) -> None:
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {NAME}")


def _renamed(url: str) -> str:
    return url.replace(f"/{urlsplit(url).path.strip('/')}?", f"/{NAME}?")


def _schema(url: str) -> list[str]:
    """All that pg_dump writes of tables, functions, policies and rights; in no order, for that is not the schema's."""
    command = [str(programs() / "pg_dump"), "--schema-only", "--dbname", url]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # \restrict carries a random word.
    return sorted(line for line in dump.splitlines() if line and not line.startswith(("--", "\\")))


def _manage(environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments, "--verbosity", "0"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


DRILL = Drill("schema-interrupted", "SIGKILL of `manage.py migrate` midway, then run again", run, times=20, short=2)
