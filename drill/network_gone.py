"""The network between the web server and PostgreSQL: cut, and silent."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from drill.client import Told
from drill.load import load
from drill.outcome import Drill, Outcome
from drill.proxy import Proxy, proxied
from drill.stage import Stage, wait_until
from drill.stored import compared

ANSWERS_BETWEEN = 20
REFUSALS = 10  # while it is gone, so that nobody hangs for as long as that lasts
# Seconds; shorter than production's, so that a drill need not last for minutes.
TIMEOUTS: dict[str, Any] = {"DATABASE_CONNECT_TIMEOUT": "2", "DATABASE_NETWORK_TIMEOUT": "3"}


def cut(stage: Stage, times: int) -> Outcome:
    """Connections end and new ones are refused."""
    return _run(stage, times, Proxy.cut, Proxy.join)


def silent(stage: Stage, times: int) -> Outcome:
    """Nothing comes through and nothing is refused: only time tells."""
    return _run(stage, times, Proxy.fall_silent, Proxy.speak)


def _run(stage: Stage, times: int, gone: Callable[[Proxy], None], back: Callable[[Proxy], None]) -> Outcome:
    people, told, outcome = stage.people(), Told(may_hang_up=False), Outcome(times)
    url = urlsplit(stage.database.urls["DATABASE_URL"])
    where = parse_qs(url.query)
    with proxied(f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}") as proxy:
        through = f"postgresql://{url.username}:{url.password}@127.0.0.1:{proxy.port}{url.path}"
        with stage.web(DATABASE_URL=through, **TIMEOUTS) as web, load(web.url, people, told, seed=stage.seed):
            recovered = 0.0
            for _ in range(times):
                told.wait_for_more(ANSWERS_BETWEEN)
                time.sleep(stage.random.uniform(0, 0.05))
                gone(proxy)
                until = told.refused + REFUSALS
                wait_until(lambda until=until: told.refused >= until, "Requests hang while the network is gone.")
                back(proxy)
                recovered = max(recovered, told.wait_for_answer(asked_after=time.monotonic()))
    outcome.recovered = recovered
    return compared(told, people, outcome)


CUT = Drill("network-cut", "network to PostgreSQL cut, and back", cut, times=20, short=3)
SILENT = Drill("network-silent", "network to PostgreSQL silent (packets dropped), and back", silent, times=5, short=1)
