"""The drills of `make drill`, each broken fewer times: nothing is lost, doubled or answered wrongly."""

import json
import random
from functools import cache

import pytest

from drill.__main__ import outcomes
from drill.drills import DRILLS
from drill.outcome import Drill, Outcome, table

SHORT = [drill for drill in DRILLS if drill.short]
# All run in one process on one stage, whichever asks first.
pytestmark = pytest.mark.timeout(900)


@cache
def all_of_them() -> dict[str, Outcome]:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  (to run it again)
    return {drill.name: outcome for drill, outcome in outcomes(SHORT, short=True, seed=seed)}


@pytest.mark.parametrize("drill", SHORT, ids=lambda drill: drill.name)
def test_nothing_is_lost(drill: Drill) -> None:
    outcome = all_of_them()[drill.name]
    print(json.dumps(vars(outcome)))  # noqa: T201

    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.wrong == []
    assert (outcome.lost, outcome.doubled) == (0, 0)


def test_what_failed_stands_in_the_table() -> None:
    fine, lost = Outcome(times=3, acknowledged=1200, recovered=0.25), Outcome(times=1, lost=1, wrong=["It lied."])
    skipped = Outcome(skipped="There is no redis-server.")

    lines = table([(DRILLS[0], fine), (DRILLS[1], lost), (DRILLS[2], skipped)]).splitlines()

    assert lines[2].endswith("| 3 | 1,200 | 0 | 0 | 0 | 0 | 0.2 s |  |")
    assert lines[3].endswith("FAILED: It lied. |")
    assert lines[4].endswith("skipped: There is no redis-server. |")
