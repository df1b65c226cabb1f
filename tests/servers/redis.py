"""A Redis of one's own, as a child that ends with the block; one that runs on this machine is never asked."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from tests.processes import free_port

SECONDS = 20  # to start in


@contextmanager
def redis_server() -> Iterator[str]:
    """The address of an empty Redis.

    Where none can be started, the calling test is skipped, saying so.
    """
    if missing := what_is_missing():
        pytest.skip(missing)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="wavelength-redis-") as directory:
        process = start("--port", str(port), "--bind", "127.0.0.1", "--dir", directory)
        try:
            url = f"redis://127.0.0.1:{port}/0"
            wait_until_it_answers(process, url)
            yield url
        finally:
            process.kill()  # it keeps nothing
            process.wait()


def what_is_missing() -> str:
    """A sentence, or nothing where a Redis can be started and asked."""
    if shutil.which("redis-server") is None:
        return "No Redis here: install redis-server."
    if find_spec("redis") is None:
        return "Python's redis is not installed: requirements-dev.txt has it."
    return ""


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """A Redis that writes nothing to the disk."""
    command = ["redis-server", *arguments, "--save", "", "--appendonly", "no"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)


def wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    """Raises AssertionError when it ends, or says nothing for too long."""
    import redis

    deadline = time.monotonic() + SECONDS
    with redis.Redis.from_url(url, socket_timeout=1) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                client.ping()
            except redis.RedisError:
                time.sleep(0.02)
            else:
                return
    raise AssertionError(f"redis-server did not start ({process.poll()}).")
