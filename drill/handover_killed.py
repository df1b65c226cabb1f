"""Hand-overs killed at random points, and then tried once more."""

import json
import os
import subprocess
import sys
from typing import Any

from drill.outcome import Drill, Outcome
from drill.stage import ROOT, Stage

OF_EACH = 10  # kills of one person's hand-over


def run(stage: Stage, times: int) -> Outcome:
    """Every tenth of the kills is somebody else's; all end with the rows of a hand-over that was left alone."""
    from tests.chats.test_handover_interrupt import delete_a_key, rows_of
    from tests.conftest import make_person
    from tests.samples import RICH

    outcome = Outcome(times)
    people = [make_person(f"handing-{number}@example.com", "Somebody") for number in range(times // OF_EACH + 1)]
    for person in people:
        delete_a_key(person)
    command = [sys.executable, "-m", "drill.killed", str(stage.seed), str(OF_EACH), *(str(one.pk) for one in people)]
    ran = subprocess.run(command, check=True, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True)
    outcome.times = json.loads(ran.stdout.splitlines()[-1])["killed"]
    undisturbed = rows_of(people[0])
    if len(undisturbed["messages"]) != RICH.messages or len(undisturbed["chats"]) != RICH.chats:
        outcome.wrong.append("The hand-over that was left alone is not whole: the drill tells nothing.")
    for person in people[1:]:
        rows = rows_of(person)
        for kind, expected in undisturbed.items():
            _compare(kind, rows[kind], expected, outcome)
    outcome.acknowledged = len(people)
    if not _interrupted(people):
        outcome.wrong.append("No hand-over was killed between two chunks: the drill tells nothing.")
    return outcome


def _compare(kind: str, found: Any, expected: Any, outcome: Outcome) -> None:
    if found == expected:
        return
    outcome.wrong.append(f"What a hand-over left of {kind} is not what an undisturbed one leaves.")
    if isinstance(expected, list):
        outcome.lost += max(len(expected) - len(found), 0)
        outcome.doubled += max(len(found) - len(expected), 0)


def _interrupted(people: list[Any]) -> int:
    from chats.models import Handover
    from wavelength.tenancy import tenant

    interrupted = 0
    for person in people[1:]:
        with tenant(person.pk):
            interrupted += Handover.objects.filter(finished_at=None, done_chats__gt=0).count()
    return interrupted


DRILL = Drill("handover-killed", "SIGKILL in the middle of a hand-over, then one more try", run, times=100, short=100)
