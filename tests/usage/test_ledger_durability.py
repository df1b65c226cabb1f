"""What is acknowledged is in the ledger, once, whatever is killed.

LEDGER_KILLS and LEDGER_RESTARTS in the environment say how often; 200 and 10 take one to two minutes.
"""

import json
import os
import random
import subprocess
import sys

import pytest

from tests.processes import ROOT

KILLS = int(os.environ.get("LEDGER_KILLS") or 200)
RESTARTS = int(os.environ.get("LEDGER_RESTARTS") or 10)

PATIENCE_SECONDS = 120 + 5 * (KILLS + RESTARTS)


@pytest.mark.timeout(PATIENCE_SECONDS + 30)
def test_every_acknowledged_record_is_in_the_ledger_once() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  (to run it again)

    command = [sys.executable, "-m", "tests.usage.crashing", str(seed), str(KILLS), str(RESTARTS)]
    run = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "wavelength.settings"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert run.returncode == 0, run.stderr
    outcome = json.loads(run.stdout.splitlines()[-1])
    once, repeated, settled = (outcome[name] for name in ("once", "repeated", "settled"))
    print(  # noqa: T201
        f"{KILLS} workers killed, {RESTARTS} restarts of PostgreSQL: {len(once) + len(repeated)} records and"
        f" {len(settled)} of {outcome['reserved']} reservations acknowledged, {outcome['unanswered']} requests"
        f" unanswered. {outcome['check']}"
    )
    counted = outcome["counted"]
    assert outcome["wrong"] == []
    assert [name for name in (*once, *repeated, *settled) if counted.get(name) != 1] == []
    # An answer that was lost may have been about something done, never about something done twice.
    assert set(counted.values()) == {1}
    assert len(counted) - len(once) - len(repeated) - len(settled) <= outcome["unanswered"]
    assert not outcome["differs"], outcome["check"]
    assert outcome["free_again"], "what an abandoned reservation held did not come free"
    assert outcome["unanswered"] >= RESTARTS, "nothing was interrupted: the test tells nothing"
