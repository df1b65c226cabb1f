"""`python -m drill [name…]`: runs the drills, prints the table, and fails when anything was lost, doubled or wrong."""

import argparse
import json
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from drill.drills import DRILLS
from drill.outcome import Drill, Outcome, table
from drill.stage import ROOT


def main() -> int:
    """Exit code 1 when a drill failed; each sentence about it stands below the table."""
    arguments = _parser().parse_args()
    drills = [drill for drill in DRILLS if drill.name in (arguments.drills or [drill.name])]
    if arguments.short:
        drills = [drill for drill in drills if drill.short]
    found = []
    began = time.monotonic()
    for drill, outcome in outcomes(drills, short=arguments.short, seed=arguments.seed):
        found.append((drill, outcome))
        took, began = time.monotonic() - began, time.monotonic()
        print(f"{drill.name}: {_word(outcome)} ({took:.0f} s)", file=sys.stderr, flush=True)
    print(f"{platform.system()}, Python {platform.python_version()}, seed {arguments.seed}.\n\n{table(found)}")
    failed = [(drill, outcome) for drill, outcome in found if outcome.failed]
    for drill, outcome in failed:
        print(f"\n{drill.name}: {outcome.lost} lost, {outcome.doubled} doubled.", *outcome.wrong[:20], sep="\n- ")
    return 1 if failed else 0


def outcomes(drills: Sequence[Drill], *, short: bool, seed: int) -> Iterator[tuple[Drill, Outcome]]:
    """Run drills in a process of their own for each stage, because Django knows one database for good."""
    named = {drill.name: drill for drill in drills}
    for small_disk in (False, True):
        names = [drill.name for drill in drills if drill.small_disk == small_disk]
        if not names:
            continue
        flags = [flag for flag, wanted in (("--short", short), ("--small-disk", small_disk)) if wanted]
        for line in _lines_of([*names, "--seed", str(seed), *flags]):
            told = json.loads(line)
            yield named[told.pop("name")], Outcome(**told)


def _lines_of(arguments: Iterable[str]) -> Iterator[str]:
    command = [sys.executable, "-m", "drill.here", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield from process.stdout
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}; what it said stands above.")


def _word(outcome: Outcome) -> str:
    if outcome.skipped:
        return f"skipped: {outcome.skipped}"
    return "FAILED" if outcome.failed else "as it should be"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m drill", description="Break things under load, and count.")
    parser.add_argument("drills", nargs="*", choices=[[], *(drill.name for drill in DRILLS)], help="only these")
    parser.add_argument("--short", action="store_true", help="as few times as the suite does")
    seed = random.SystemRandom().randrange(2**32)
    parser.add_argument("--seed", type=int, default=seed, help="to run the same again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
