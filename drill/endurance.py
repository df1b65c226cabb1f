"""Half an hour at twice the documented load (docs/operations.md): memory stays flat, and everything is answered."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from uuid import uuid4

from drill.client import Client, Told
from drill.load import PAGES, Person, at_work, used
from drill.outcome import Drill, Outcome
from drill.stage import Stage
from drill.stored import compared_in_all

# Twice what two cores are documented to carry, in requests a second: of ten, five record, four call, one is a page.
RATE = 200
PEOPLE = 24
MODELS = 5
SAMPLE_SECONDS = 2.0
# What memory may grow by from the second quarter to the last: allocators keep a little more each time.
GROWTH, GROWTH_MIB = 1.05, 12


def run(stage: Stage, times: int) -> Outcome:
    """So many minutes. Memory is that of all web processes and the worker together (PSS)."""
    minutes = float(os.environ.get("DRILL_MINUTES") or times)
    people, told, outcome = stage.people(PEOPLE), Told(may_hang_up=False), Outcome(round(minutes))
    samples: list[float] = []
    with stage.web(threads=8) as web, stage.worker() as worker, _paced(web.url, people, told):
        began = time.monotonic()
        while time.monotonic() < began + minutes * 60:
            time.sleep(min(SAMPLE_SECONDS, minutes * 60 / 16))
            samples.append(sum(_memory(pid) for pid in _family(web.pid, worker.pid)))
        took = time.monotonic() - began
    quarter = len(samples) // 4
    early, late = median(samples[quarter : 2 * quarter]), median(samples[-quarter:])
    if late > max(early * GROWTH, early + GROWTH_MIB):
        outcome.wrong.append(f"Memory grew from {early:.0f} to {late:.0f} MiB.")
    answered = (told.acknowledged + told.read) / took
    outcome.note = (
        f"{answered:.0f} of {RATE} requests/s, memory {early:.0f} MiB in the second quarter, {late:.0f} in the last"
    )
    return compared_in_all(told, people, outcome)


@contextmanager
def _paced(url: str, people: list[Person], told: Told) -> Iterator[None]:
    stop = threading.Event()
    work = [
        partial(_ask, Client(url, person.headers, told), told, person, stop, number / RATE)
        for number, person in enumerate(people)
    ]
    with at_work(work, stop):
        yield


def _ask(client: Client, told: Told, person: Person, stop: threading.Event, offset: float) -> None:
    """At a steady pace, as people do, who do not wait for one another."""
    due = time.monotonic() + offset
    for number in count():
        due += PEOPLE / RATE
        if stop.wait(max(due - time.monotonic(), 0)):
            return
        if number % 2:
            # Of a few models, as people do: a page that lists thousands would grow, and so would memory.
            name = f"model-{number % MODELS}"
            if client.ask("POST", "/api/profile/usage", used(name), **{"Idempotency-Key": str(uuid4())}):
                told.repeated.append(name)
            continue
        path = PAGES[number // 10 % len(PAGES)] if number % 10 == 0 else "/api/profile"
        if (answer := client.ask("GET", path)) is not None:
            told.read += 1
            if person.email.encode() not in answer[1]:
                told.wrong.append(f"{path} was answered as if to somebody else: {answer[1][:200]!r}")


def _family(*parents: int) -> Iterator[int]:
    for parent in parents:
        yield parent
        with suppress(FileNotFoundError):
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            yield from _family(*map(int, children))


def _memory(pid: int) -> float:
    """MiB of one process, what it shares with others divided among them."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


DRILL = Drill("endurance", "minutes at twice the documented load", run, times=30, short=0)
