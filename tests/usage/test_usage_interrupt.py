"""Web processes killed while they record, and a PostgreSQL restarted at once: nothing is lost or doubled."""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from accounts.models import User
from tests.processes import ROOT, Running, serve
from tests.usage.crowds import calling
from usage import ledger, quotas
from usage.models import Period, Reservation, UsageRecord
from wavelength.embedded import Server
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
KILLS = 200
RESTARTS = 10
CALLERS = 8
SECONDS = 2  # of a reservation
BODY = {"provider": "acme", "model": "one", "inputTokens": 150, "outputTokens": 300, "cost": 0.004}
WISH = {"provider": "acme", "model": "one", "estimatedTokens": 1_000, "ttlSeconds": SECONDS}


@pytest.mark.timeout(600)
def test_two_hundred_kills_lose_and_double_nothing(alice: User) -> None:
    for period in Period:
        quotas.set_quota(user_id=alice.pk, period=period, request_limit=None, token_limit=None, cost_limit=None)
    ended = threading.Event()
    outcomes: list[Counter[str]] = [Counter() for _ in range(CALLERS)]
    # Preloaded, so that a new worker serves at once: else most of the time there would be none to kill.
    with (
        serve(workers=4, threads=4, GUNICORN_CMD_ARGS="--preload") as server,
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        callers = [
            pool.submit(_keeps_recording, server.url, alice, number, outcomes[number], ended)
            for number in range(CALLERS)
        ]
        try:
            _kill_workers(server, outcomes, callers)
        finally:
            ended.set()
        for caller in callers:
            caller.result()
    counted, interrupted = (sum(outcome[kind] for outcome in outcomes) for kind in ("counted", "interrupted"))
    assert interrupted > KILLS / 10, "hardly a call was interrupted: the test tells nothing"
    assert ledger.check(user_id=alice.pk).differences == []
    with tenant(alice.pk):
        assert sum(row.request_count for row in UsageRecord.objects.all()) == counted
    time.sleep(SECONDS)
    assert [quota.reserved_requests for quota in quotas.quotas_of(user_id=alice.pk)] == [0, 0]
    with tenant(alice.pk):
        ends = Counter(Reservation.objects.values_list("state", flat=True))
    assert ends.keys() == {"expired", "settled"}
    print(f"{KILLS} kills, {counted} counted, {interrupted} interrupted, {ends}")  # noqa: T201


def _kill_workers(server: Running, outcomes: list[Counter[str]], callers: list[Future[None]]) -> None:
    """Kill one after the other, each time after some more was counted."""
    chance = random.Random(server.pid)
    for _ in range(KILLS):
        wanted = sum(outcome["counted"] for outcome in outcomes) + chance.randint(1, 10)
        while sum(outcome["counted"] for outcome in outcomes) < wanted:
            assert not any(caller.done() for caller in callers), "a caller gave up"
            time.sleep(0.005)
        os.kill(chance.choice(_children(server.pid)), signal.SIGKILL)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _keeps_recording(url: str, person: User, number: int, outcome: Counter[str], ended: threading.Event) -> None:
    """Send one thing after the other, each again until it is acknowledged; abandon some reservations."""
    try:
        with calling(url, person) as call:

            def insist(*sent: Any, **headers: str) -> Any:
                while True:
                    try:
                        status, body = call(*sent, **headers)
                    except (OSError, http.client.HTTPException):
                        outcome["interrupted"] += 1
                        continue
                    assert status == 200, body
                    return body["data"]

            turn = 0
            while not ended.is_set():
                turn += 1
                if turn % 10 == 0:
                    insist("POST", "/api/usage/reservations", WISH)
                if turn % 10 == 5:
                    held = insist("POST", "/api/usage/reservations", WISH)
                    insist("PUT", f"/api/usage/reservations/{held['id']}", BODY)
                else:
                    insist("POST", "/api/profile/usage", BODY, **{"Idempotency-Key": f"{number}-{turn}"})
                outcome["counted"] += 1
    finally:
        connections.close_all()


@pytest.mark.timeout(600)
def test_ten_restarts_of_the_database_lose_and_double_nothing() -> None:
    """On a server of its own, as durable as in production; killed so that it must recover from its log."""
    with Server.temporary(durable=True) as server:
        environment = os.environ | server.urls | {"DJANGO_SETTINGS_MODULE": "wavelength.settings"}
        for command in (["setup_database"], ["migrate"], ["setup_database"]):
            subprocess.run(
                [sys.executable, "manage.py", *command], check=True, cwd=ROOT, env=environment, capture_output=True
            )
        recorder = subprocess.Popen(
            [sys.executable, "-m", "tests.usage.recording"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert recorder.stdout is not None
        assert recorder.stdout.readline() == "recording\n"
        for _ in range(RESTARTS):
            time.sleep(random.uniform(0.3, 0.8))
            assert server.pid is not None
            os.kill(server.pid, signal.SIGQUIT)
            while server.pid is not None:
                time.sleep(0.01)
            server.stop()
            server.start()
        output, _ = recorder.communicate("enough\n", timeout=120)
    outcome = json.loads(output)
    print(outcome)  # noqa: T201
    assert recorder.returncode == 0
    assert outcome["interrupted"] >= RESTARTS
    assert outcome["differences"] == []
    assert outcome["ledger"] == outcome["counted"] > 0
    assert outcome["reserved"] == [0, 0]
