"""All at once: web processes killed while PostgreSQL is gone."""

import time

from drill.client import Told
from drill.load import load
from drill.outcome import Drill, Outcome
from drill.stage import Stage, wait_until
from drill.stored import compared
from drill.web_killed import kill_one_worker

ANSWERS_BETWEEN = 10
WORKERS = 2


def run(stage: Stage, times: int) -> Outcome:
    """Whoever takes their place waits for the database, and the server is there when it is back."""
    people, told, outcome = stage.people(), Told(may_hang_up=True), Outcome(times)
    # As in production: each process loads the application, and looks at the database before it serves.
    with stage.web(workers=WORKERS, GUNICORN_CMD_ARGS="") as web, load(web.url, people, told, seed=stage.seed):
        recovered = 0.0
        for _ in range(times):
            told.wait_for_more(ANSWERS_BETWEEN)
            waiting = web.log.count("Waiting for the database")
            stage.database.stop()
            for _ in range(WORKERS):
                kill_one_worker(web.pid)
            wait_until(
                lambda waiting=waiting: (
                    web.log.count("Waiting for the database") > waiting + WORKERS or web.process.poll() is not None
                ),
                "Nobody takes the killed processes' place.",
            )
            if web.process.poll() is not None:
                outcome.wrong.append(f"The whole server ended: {web.log[-500:]}")
            stage.database.start()
            if outcome.wrong:
                break
            recovered = max(recovered, told.wait_for_answer(asked_after=time.monotonic()))
    outcome.recovered = recovered
    return compared(told, people, outcome)


DRILL = Drill("web-orphaned", "SIGKILL of web processes while PostgreSQL is gone", run, times=5, short=1)
