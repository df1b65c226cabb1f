"""SIGKILL of web processes while they serve."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from drill.client import Told
from drill.load import load
from drill.outcome import Drill, Outcome
from drill.stage import Stage
from drill.stored import compared

ANSWERS_BETWEEN = 5  # two kills, so that each hits a server at work


def run(stage: Stage, times: int) -> Outcome:
    """Kill one of four workers, again and again."""
    people, told, outcome = stage.people(), Told(may_hang_up=True), Outcome(times)
    with stage.web(workers=4, threads=4) as web, load(web.url, people, told, seed=stage.seed):
        recovered = 0.0
        for _ in range(times):
            told.wait_for_more(ANSWERS_BETWEEN)
            time.sleep(stage.random.uniform(0, 0.05))
            kill_one_worker(web.pid)
            recovered = max(recovered, told.wait_for_answer(asked_after=time.monotonic()))
    outcome.recovered = recovered
    compared(told, people, outcome)
    if not told.hung_up:
        outcome.wrong.append("Nothing was interrupted: the drill tells nothing.")
    return outcome


def kill_one_worker(master: int) -> None:
    """The one that serves the longest: a new one may not have begun."""
    while not (begun := dict(_workers_of(master))):
        time.sleep(0.01)
    os.kill(min(begun, key=begun.__getitem__), signal.SIGKILL)


def _workers_of(master: int) -> Iterator[tuple[int, float]]:
    """Each with when it began; not one that has ended and was not yet taken leave of."""
    for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        with suppress(FileNotFoundError):
            yield int(pid), Path(f"/proc/{pid}").stat().st_ctime


DRILL = Drill("web-killed", "SIGKILL of a web process while it serves", run, times=200, short=20)
