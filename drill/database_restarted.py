"""PostgreSQL stopped and started under load."""

import os
import signal
import time

from drill.client import Client, Told
from drill.jobs import can_work, wait_until_at_work
from drill.load import DAILY_TOKENS, TTL_SECONDS, load, wish
from drill.outcome import Drill, Outcome
from drill.stage import Stage
from drill.stored import compared
from wavelength.embedded import Server

ANSWERS_BETWEEN = 10


def fast(stage: Stage, times: int) -> Outcome:
    """As an administrator restarts it: sessions are ended, what they had open is rolled back."""
    return _run(stage, times, signal.SIGINT)


def immediate(stage: Stage, times: int) -> Outcome:
    """As a crash ends it: nothing is written down any more, and the start recovers."""
    return _run(stage, times, signal.SIGQUIT)


def _run(stage: Stage, times: int, how: signal.Signals) -> Outcome:
    people, told, outcome = stage.people(), Told(may_hang_up=False), Outcome(times)
    with stage.web() as web, stage.worker() as worker:
        wait_until_at_work(stage)
        with load(web.url, people, told, seed=stage.seed):
            recovered = 0.0
            for _ in range(times):
                told.wait_for_more(ANSWERS_BETWEEN)
                time.sleep(stage.random.uniform(0, 0.05))
                restart(stage.database, how)
                recovered = max(recovered, told.wait_for_answer(asked_after=time.monotonic()))
        outcome.recovered = recovered
        time.sleep(TTL_SECONDS)
        if not _can_reserve_all(web.url, people[-2].headers):
            outcome.wrong.append("What abandoned reservations held did not come free.")
        if worker.poll() is not None:
            outcome.wrong.append(f"The worker ended: {stage.words_of_workers[-500:]}")
        elif not can_work(stage):
            outcome.wrong.append("The worker does nothing any more.")
    compared(told, people, outcome)
    if not told.refused:
        outcome.wrong.append("Nothing was interrupted: the drill tells nothing.")
    return outcome


def restart(database: Server, how: signal.Signals) -> None:
    """End PostgreSQL with this signal, and start it again."""
    assert database.pid is not None
    os.kill(database.pid, how)
    while database.pid is not None:
        time.sleep(0.01)
    database.stop()
    database.start()


def _can_reserve_all(url: str, headers: dict[str, str]) -> bool:
    answer = Client(url, headers, Told(may_hang_up=False)).ask("POST", "/api/usage/reservations", wish(DAILY_TOKENS))
    return answer is not None and answer[0] == 200


FAST = Drill("database-restarted", "PostgreSQL restarted (fast)", fast, times=10, short=2)
IMMEDIATE = Drill("database-crashed", "PostgreSQL ended at once and started (immediate)", immediate, times=10, short=3)
