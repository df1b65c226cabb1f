"""Takes payloads over in processes that are killed at random moments; run by drill/handover_killed.py.

`python -m drill.killed SEED KILLS PERSON…` leaves the first person's hand-over alone. For each other person
it starts KILLS hand-overs of the rich sample and kills each with SIGKILL, then lets one run to its end. Writes a
line of JSON with what happened.
"""

import json
import os
import random
import signal
import sys
import time
from uuid import UUID

import django


def main(seed: int, people: list[UUID], kills: int) -> None:
    """The first person's hand-over is left alone: it says how long one takes."""
    randomness = random.Random(seed)
    took = _finished(people[0])
    killed = ended = 0
    for number, person in enumerate(people[1:], start=1):
        while killed < number * kills:
            child = _started(person)
            time.sleep(randomness.uniform(0, 0.8 * took))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            killed += os.WIFSIGNALED(status)
            # Sooner done than killed: it does not count.
            ended += not os.WIFSIGNALED(status)
        _finished(person)
    sys.stdout.write(json.dumps({"took": took, "killed": killed, "ended": ended}))


def _started(person: UUID) -> int:
    child = os.fork()
    if child:
        return child
    try:
        _take_over(person)
    finally:
        os._exit(0)


def _finished(person: UUID) -> float:
    began = time.monotonic()
    _, status = os.waitpid(_started(person), 0)
    assert status == 0, status
    return time.monotonic() - began


def _take_over(person: UUID) -> None:
    from chats.models import Source
    from chats.sync import take_over
    from tests import samples

    # Small chunks: many transactions to be killed between and within.
    body = json.dumps(samples.payload("rich") | {"anonymousId": ""}).encode()
    take_over(user_id=person, body=body, source=Source.MIGRATION, chunk_messages=40)


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]), [UUID(person) for person in sys.argv[3:]], int(sys.argv[2]))
