"""Redis, which carries what processes share (counts of tries and of calls), killed or silent, and back."""

import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from drill.client import Told
from drill.load import load
from drill.outcome import Drill, Outcome
from drill.proxy import proxied
from drill.stage import Stage, end, kill_all, wait_until
from drill.stored import compared
from tests.servers import redis as server

ANSWERS = 40  # while it is gone, and between


def run(stage: Stage, times: int) -> Outcome:
    """Killed and silent by turns: nobody is refused for it, and processes share again afterwards."""
    if missing := server.what_is_missing():
        return Outcome(skipped=missing)
    people, told, outcome = stage.people(), Told(may_hang_up=False), Outcome(times)
    with tempfile.TemporaryDirectory(prefix="wavelength-redis-") as directory, ExitStack() as started:
        running = _started(directory, started)
        with (
            proxied(f"{directory}/redis.sock") as proxy,
            stage.web(REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0") as web,
            load(web.url, people, told, seed=stage.seed),
        ):
            for number in range(times):
                told.wait_for_more(ANSWERS)
                if number % 2:
                    proxy.fall_silent()
                else:
                    kill_all(running)
                told.wait_for_more(ANSWERS)
                if number % 2:
                    proxy.speak()
                else:
                    running = _started(directory, started)
                _ask(directory, "FLUSHALL")
                wait_until(lambda: _ask(directory, "DBSIZE") != "0", "Nothing is shared any more.")
    if told.refused:
        outcome.wrong.append(f"{told.refused} requests were refused because Redis was gone.")
    return compared(told, people, outcome)


def _started(directory: str, until: ExitStack) -> subprocess.Popen[bytes]:
    (Path(directory) / "redis.sock").unlink(missing_ok=True)
    process = server.start("--port", "0", "--unixsocket", f"{directory}/redis.sock", "--dir", directory)
    until.callback(end, process)
    server.wait_until_it_answers(process, f"unix://{directory}/redis.sock")
    return process


def _ask(directory: str, question: str) -> str:
    import redis

    try:
        with redis.Redis(unix_socket_path=f"{directory}/redis.sock", decode_responses=True) as client:
            answer = client.execute_command(question)
    except redis.exceptions.RedisError:
        return ""
    return str(answer)


DRILL = Drill("redis-gone", "Redis killed or silent, and back", run, times=10, short=2)
