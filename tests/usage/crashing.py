"""Records usage over HTTP while web processes and PostgreSQL are killed; run by test_ledger_durability.py.

`python -m tests.usage.crashing SEED KILLS RESTARTS` has a PostgreSQL and a server of its own. Clients record under
names that come once, another reserves and mostly never settles. Meanwhile KILLS workers get SIGKILL while they serve,
and PostgreSQL is ended at once, without a word to anybody, and started anew RESTARTS times. Writes a line of JSON: what
was answered, what is stored, and what `check_ledger` says.
"""

import http.client
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import django

from wavelength.embedded import Server

CLIENTS = 6
WORKERS = 4
PATIENCE_SECONDS = 60
ANSWERS_BETWEEN = 5  # two kills, so that each hits a server at work
TTL_SECONDS = 2
DAILY_TOKENS = 100_000  # of the free tier
Headers = dict[str, str]


@dataclass
class Told:
    """What the server told the clients, by the records' names, and how many requests it left unanswered."""

    once: list[str] = field(default_factory=list)  # sent once, and acknowledged
    repeated: list[str] = field(default_factory=list)  # sent under one Idempotency-Key until acknowledged
    settled: list[str] = field(default_factory=list)  # reserved, and settled until acknowledged
    reserved: int = 0
    unanswered: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def answers(self) -> int:
        return len(self.once) + len(self.repeated) + self.reserved


class Client:
    """One connection; an answer, or None when there was none."""

    def __init__(self, url: str, headers: Headers, told: Told) -> None:
        self._address = urlsplit(url).netloc
        self._headers = headers
        self._told = told
        self._connection = http.client.HTTPConnection(self._address, timeout=20)

    def ask(self, method: str, path: str, body: dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]] | None:
        try:
            self._connection.request(method, path, json.dumps(body), self._headers | headers)
            response = self._connection.getresponse()
            said = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return self._nothing()
        if response.status >= 500:  # PostgreSQL was away: as good as no answer
            return self._nothing()
        if response.status not in (200, 429):
            self._told.wrong.append(f"{response.status} {said[:500]!r}")
        return response.status, json.loads(said)

    def _nothing(self) -> tuple[int, dict[str, Any]] | None:
        self._told.unanswered += 1
        time.sleep(0.02)
        return None


def main(seed: int, kills: int, restarts: int) -> None:
    randomness = random.Random(seed)
    with Server.temporary(durable=True) as database:
        os.environ.update(database.urls)
        django.setup()
        people = _prepared()
        from tests.processes import serve

        told = Told()
        # Preloaded, unlike in production, so that who takes a killed worker's place is there at once.
        settings: dict[str, Any] = {"ALLOWED_HOSTS": "127.0.0.1", "GUNICORN_CMD_ARGS": "--preload"}
        with serve(workers=WORKERS, threads=4, **settings) as web:
            with _load(web.url, people, told, seed):
                for _ in range(kills):
                    _wait_for_answers(told, randomness)
                    _kill_one_worker(web.pid)
                for _ in range(restarts):
                    _wait_for_answers(told, randomness)
                    _restart(database)
                _wait_for_answers(told, randomness)
            time.sleep(TTL_SECONDS)
            last = Client(web.url, people[-1][1], told).ask("POST", "/api/usage/reservations", _wish(DAILY_TOKENS))
        outcome = vars(told) | {"free_again": last is not None and last[0] == 200, **_stored(people)}
    sys.stdout.write(json.dumps(outcome))


def _prepared() -> list[tuple[UUID, Headers]]:
    """People in a fresh database, signed in; the last of them only reserves."""
    from django.conf import settings
    from django.core.management import call_command

    from tests.conftest import make_person, signed_in

    for command in ("setup_database", "migrate", "setup_database"):
        call_command(command, verbosity=0, stdout=StringIO())
    people = [make_person(f"person{number}@example.com", "Somebody") for number in range(CLIENTS + 1)]
    name = settings.SESSION_COOKIE_NAME
    return [
        (person.pk, {"Content-Type": "application/json", "Cookie": f"{name}={signed_in(person).cookies[name].value}"})
        for person in people
    ]


@contextmanager
def _load(url: str, people: list[tuple[UUID, Headers]], told: Told, seed: int) -> Iterator[None]:
    stop = threading.Event()
    threads = [
        threading.Thread(target=_record, args=(Client(url, headers, told), told, f"{number}", stop))
        for number, (_, headers) in enumerate(people[:-1])
    ]
    threads.append(threading.Thread(target=_reserve, args=(Client(url, people[-1][1], told), told, seed, stop)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _record(client: Client, told: Told, prefix: str, stop: threading.Event) -> None:
    """Each record has a model of its own, so that its row tells how often it was counted."""
    for number in count():
        if stop.is_set():
            return
        name = f"once-{prefix}-{number}"
        if client.ask("POST", "/api/profile/usage", _used(name)):
            told.once.append(name)
        name, key = f"repeated-{prefix}-{number}", str(uuid4())
        while not client.ask("POST", "/api/profile/usage", _used(name), **{"Idempotency-Key": key}):
            pass
        told.repeated.append(name)


def _reserve(client: Client, told: Told, seed: int, stop: threading.Event) -> None:
    """Takes half of what there is, over and over, and settles one in ten."""
    randomness = random.Random(seed)
    for number in count():
        if stop.is_set():
            return
        answer = client.ask("POST", "/api/usage/reservations", _wish(DAILY_TOKENS // 2))
        if answer is None or answer[0] != 200:
            time.sleep(0.05)
            continue
        told.reserved += 1
        if randomness.random() < 0.1:
            name, path = f"settled-{number}", f"/api/usage/reservations/{answer[1]['data']['id']}"
            while not client.ask("PUT", path, {"provider": "openai", "model": name}):
                pass
            told.settled.append(name)


def _used(name: str) -> dict[str, Any]:
    return {"provider": "openai", "model": name, "inputTokens": 150, "outputTokens": 300, "cost": 0.004}


def _wish(tokens: int) -> dict[str, Any]:
    return {"provider": "openai", "model": "gpt-4o", "estimatedTokens": tokens, "estimatedCost": 0,
            "ttlSeconds": TTL_SECONDS}  # fmt: skip


def _wait_for_answers(told: Told, randomness: random.Random) -> None:
    before, deadline = told.answers, time.monotonic() + PATIENCE_SECONDS
    while told.answers < before + ANSWERS_BETWEEN:
        assert time.monotonic() < deadline, f"Nothing is answered any more; so far: {told.wrong}"
        time.sleep(0.01)
    time.sleep(randomness.uniform(0, 0.05))


def _kill_one_worker(master: int) -> None:
    """The one that serves the longest: a new one may not have begun."""
    while not (begun := dict(_workers_of(master))):
        time.sleep(0.01)
    os.kill(min(begun, key=begun.__getitem__), signal.SIGKILL)


def _workers_of(master: int) -> Iterator[tuple[int, float]]:
    """Each with when it began; not one that has ended and was not yet taken leave of."""
    for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        with suppress(FileNotFoundError):
            yield int(pid), Path(f"/proc/{pid}").stat().st_ctime


def _restart(database: Server) -> None:
    """What `pg_ctl stop -m immediate` does, and a start that recovers from it."""
    assert database.pid is not None
    os.kill(database.pid, signal.SIGQUIT)
    while database.pid is not None:
        time.sleep(0.01)
    database.stop()
    database.start()


def _stored(people: list[tuple[UUID, Headers]]) -> dict[str, Any]:
    """How often each record was counted, and what `check_ledger` says."""
    from django.core.management import CommandError, call_command
    from django.db import connections

    from usage.models import UsageRecord
    from wavelength.tenancy import tenant

    connections.close_all()
    counted: Counter[str] = Counter()
    for user_id, _ in people:
        with tenant(user_id):
            for name, requests in UsageRecord.objects.values_list("model", "request_count"):
                counted[name] += requests
    output = StringIO()
    try:
        call_command("check_ledger", stdout=output)
    except CommandError as error:
        return {"counted": counted, "check": f"{output.getvalue()}{error}", "differs": True}
    return {"counted": counted, "check": output.getvalue(), "differs": False}


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
