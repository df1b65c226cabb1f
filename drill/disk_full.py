"""The volume of the database full, and then room again."""

import errno
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from drill.client import Told
from drill.load import load
from drill.outcome import Drill, Outcome
from drill.stage import Stage, wait_until
from drill.stored import compared

MIB = 1024 * 1024
VOLUME_MIB = 640
ANSWERS_BETWEEN = 20
REFUSALS = 10
SEGMENTS = 40  # of the log, more than are kept ready
PATIENCE_SECONDS = 120


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A directory on a volume of its own, which holds little; None where this process may not make one."""
    directory = Path(tempfile.mkdtemp(prefix="wavelength-disk-", dir="/tmp"))
    options = f"size={VOLUME_MIB}m,mode=0711"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield directory if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)
        directory.rmdir()


def run(stage: Stage, times: int) -> Outcome:
    """Fill it to the last byte while people are at work, until ten requests were refused; then make room.

    Every other time the server's log needs room at once: without it PostgreSQL ends, and does not come back by itself.
    """
    people, told, outcome = stage.people(), Told(may_hang_up=False), Outcome(times)
    ended = 0
    with stage.web() as web, load(web.url, people, told, seed=stage.seed):
        recovered = 0.0
        for number in range(times):
            told.wait_for_more(ANSWERS_BETWEEN)
            ballast = _fill(stage.database.directory)
            if number % 2:
                _need_room_for_the_log(stage)
            until = told.refused + REFUSALS
            wait_until(lambda until=until: told.refused >= until, "Nothing was refused on a full disk.")
            ballast.unlink()
            freed = time.monotonic()
            while not told.is_answered(asked_after=freed):
                assert time.monotonic() < freed + PATIENCE_SECONDS, f"Nothing is answered. So far: {told.wrong[:5]}"
                if stage.database.pid is None:
                    ended += 1
                    stage.database.stop()
                    stage.database.start()
                time.sleep(0.05)
            recovered = max(recovered, time.monotonic() - freed)
    outcome.recovered = recovered
    outcome.note = f"{ended} of {times} times PostgreSQL itself had ended, without room for its log, and was started"
    return compared(told, people, outcome)


def _need_room_for_the_log(stage: Stage) -> None:
    with suppress(psycopg.Error), psycopg.connect(stage.database.urls["DATABASE_OWNER_URL"], autocommit=True) as owner:
        for _ in range(SEGMENTS):
            owner.execute("SELECT pg_logical_emit_message(false, 'drill', 'so that the segment is not empty')")
            owner.execute("SELECT pg_switch_wal()")


def _fill(directory: Path) -> Path:
    """To the last byte, in ever smaller pieces."""
    ballast = directory / "ballast"
    piece = 4 * MIB
    with ballast.open("wb", buffering=0) as file:
        while piece:
            try:
                if file.write(bytes(piece)) < piece:
                    piece //= 4
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                piece //= 4
    return ballast


DRILL = Drill("disk-full", "the database's volume full, then room again", run, times=6, short=2, small_disk=True)
