"""Redis, which carries what processes share (counts of tries and of calls), killed or silent, and back."""

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drill.client import Told
from drill.load import load
from drill.outcome import Drill, Outcome
from drill.proxy import proxied
from drill.stage import Stage, end, kill_all, wait_until
from drill.stored import compared

ANSWERS = 40  # while it is gone, and between


def run(stage: Stage, times: int) -> Outcome:
    """Killed and silent by turns: nobody is refused for it, and processes share again afterwards."""
    lacking = _lacking()
    if lacking:
        return Outcome(skipped=lacking)
    people, told, outcome = stage.people(), Told(may_hang_up=False), Outcome(times)
    with tempfile.TemporaryDirectory(prefix="wavelength-redis-") as directory, _redis(directory) as first:
        socket, running = f"{directory}/redis.sock", first
        with (
            proxied(socket) as proxy,
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
                    running = _started(directory)
                _ask(directory, "FLUSHALL")
                wait_until(lambda: _ask(directory, "DBSIZE") != "0", "Nothing is shared any more.")
        end(running)
    if told.refused:
        outcome.wrong.append(f"{told.refused} requests were refused because Redis was gone.")
    return compared(told, people, outcome)


def _lacking() -> str:
    if not shutil.which("redis-server"):
        return "there is no redis-server here."
    if importlib.util.find_spec("redis") is None:
        return "Python's redis is not installed (requirements-extras.txt)."
    return ""


@contextmanager
def _redis(directory: str) -> Iterator[subprocess.Popen[bytes]]:
    running = _started(directory)
    try:
        yield running
    finally:
        end(running)


def _started(directory: str) -> subprocess.Popen[bytes]:
    (Path(directory) / "redis.sock").unlink(missing_ok=True)
    command = [
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        f"{directory}/redis.sock",
        "--save",
        "",
        "--dir",
        directory,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    wait_until(lambda: _ask(directory, "PING") == "PONG", "Redis does not start.", 20)
    return process


def _ask(directory: str, question: str) -> str:
    import redis

    try:
        with redis.Redis(unix_socket_path=f"{directory}/redis.sock", decode_responses=True) as client:
            answer = client.execute_command(question)
    except redis.exceptions.RedisError:
        return ""
    return "PONG" if answer is True else str(answer)


DRILL = Drill("redis-gone", "Redis killed or silent, and back", run, times=10, short=2)
