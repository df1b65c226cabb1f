"""People at work: recording, reserving and reading, until told to stop."""

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from drill.client import Client, Headers, Told

TTL_SECONDS = 2
DAILY_TOKENS = 100_000  # of the free tier
PAGES = ("/", "/usage/", "/keys/")


@dataclass(frozen=True)
class Person:
    """Somebody with an account, and what shows that they are signed in."""

    id: UUID
    email: str
    cookie: str

    @property
    def headers(self) -> Headers:
        return {"Content-Type": "application/json", "Cookie": self.cookie}


@contextmanager
def load(url: str, people: list[Person], told: Told, *, seed: int) -> Iterator[None]:
    """All but the last two record, the last but one only reserves, the last only reads, until the block ends."""
    stop = threading.Event()
    *recording, reserving, reading = people
    work: list[Callable[[], None]] = [
        _work(_record, Client(url, person.headers, told), told, f"{person.id}", stop) for person in recording
    ]
    work.append(_work(_reserve, Client(url, reserving.headers, told), told, seed, stop))
    work.append(_work(_read, Client(url, reading.headers, told), told, reading.email, stop))
    with at_work(work, stop):
        yield


@contextmanager
def at_work(work: Sequence[Callable[[], None]], stop: threading.Event) -> Iterator[None]:
    """Do each part in a thread of its own until the block ends, which sets `stop` and waits for them."""
    threads = [threading.Thread(target=part) for part in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def used(name: str) -> dict[str, Any]:
    """One request of a model of this name."""
    return {"provider": "openai", "model": name, "inputTokens": 150, "outputTokens": 300, "cost": 0.004}


def wish(tokens: int) -> dict[str, Any]:
    """A reservation of so many tokens."""
    return {"provider": "openai", "model": "gpt-4o", "estimatedTokens": tokens, "estimatedCost": 0,
            "ttlSeconds": TTL_SECONDS}  # fmt: skip


def _work(part: Callable[..., None], client: Client, told: Told, *arguments: Any) -> Callable[[], None]:
    def run() -> None:
        try:
            part(client, told, *arguments)
        except Exception as error:
            # A thread that ends in silence would make a drill that tells nothing.
            told.wrong.append(f"A client of the drill failed: {error!r}")
            raise

    return run


def _record(client: Client, told: Told, prefix: str, stop: threading.Event) -> None:
    """Each record has a model of its own, so that its row tells how often it was counted."""
    for number in count():
        if stop.is_set():
            return
        name = f"once-{prefix}-{number}"
        if client.ask("POST", "/api/profile/usage", used(name)):
            told.once.append(name)
        name, key = f"repeated-{prefix}-{number}", str(uuid4())
        while not client.ask("POST", "/api/profile/usage", used(name), **{"Idempotency-Key": key}):
            if stop.is_set():
                return
        told.repeated.append(name)


def _reserve(client: Client, told: Told, seed: int, stop: threading.Event) -> None:
    """Takes half of what there is, over and over, and settles one in ten."""
    randomness = random.Random(seed)
    for number in count():
        if stop.is_set():
            return
        answer = client.ask("POST", "/api/usage/reservations", wish(DAILY_TOKENS // 2))
        if answer is None or answer[0] != 200:
            stop.wait(0.05)
            continue
        told.reserved += 1
        if randomness.random() < 0.1:
            name, path = f"settled-{number}-{seed}", f"/api/usage/reservations/{json.loads(answer[1])['data']['id']}"
            while not client.ask("PUT", path, {"provider": "openai", "model": name}):
                if stop.is_set():
                    return
            told.settled.append(name)


def _read(client: Client, told: Told, email: str, stop: threading.Event) -> None:
    """Whoever is signed in stays so: neither a page nor a call may take them for somebody else, or nobody."""
    for number in count():
        if stop.wait(0.05):
            return
        for path in (PAGES[number % len(PAGES)], "/api/profile", "/api/auth/session"):
            answer = client.ask("GET", path)
            if answer is None:
                continue
            told.read += 1
            if email.encode() not in answer[1]:
                told.wrong.append(f"{path} was answered as if to somebody else: {answer[1][:200]!r}")
