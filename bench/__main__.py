"""`python -m bench [row …]`: measures, prints the table, and fails when a target is missed."""

import argparse
import os
import platform
import pstats
import sys
import tempfile
from pathlib import Path

from bench.measuring import Outcome, Row, measured
from bench.rows import ROWS
from bench.stage import stage
from bench.table import table

FEWEST_RUNS = 5
PROFILE_LINES = 40


def main() -> int:
    """Exit code 1 when a target is missed, each named in the last lines."""
    arguments = _parser().parse_args()
    rows = [row for row in ROWS if row.name in (arguments.rows or [row.name])]
    if arguments.profile:
        _print_profile(rows)
        return 0
    if arguments.runs < FEWEST_RUNS:
        print(f"A median of fewer than {FEWEST_RUNS} runs says little; this one is not for the record.")
    print(_machine())
    outcomes: list[Outcome] = []
    with stage() as set_up:
        for row in rows:
            print(f"Measuring {row.name}: {row.subject} …", file=sys.stderr, flush=True)
            outcomes.append(measured(row, set_up, runs=arguments.runs))
    print(table(outcomes))
    missed = [outcome for outcome in outcomes if outcome.missed]
    for outcome in missed:
        row = outcome.row
        print(f"Missed: {row.name} ({row.subject}) is {outcome.ratio:.2f}× the reference; to reach: {row.target}.")
    return 1 if missed else 0


def _machine() -> str:
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    described = f"{cores} cores, {platform.system()}, Python {platform.python_version()}, load {load:.1f} before."
    if load > cores / 2:
        described += " Others are busy here: take the ratios with care, and the absolute figures not at all."
    return described


def _print_profile(rows: list[Row]) -> None:
    """Where the time of our own process goes; the profiler itself makes small functions look dearer."""
    with tempfile.TemporaryDirectory(prefix="wavelength-bench-") as directory, stage(Path(directory)) as set_up:
        for row in rows:
            measured(row, set_up, runs=2)
            for profile in Path(directory).iterdir():
                # Empty where a process was ended before it had written it.
                if profile.stat().st_size:
                    print(f"{row.name}: {row.subject}")
                    pstats.Stats(str(profile)).strip_dirs().sort_stats("tottime").print_stats(PROFILE_LINES)
                profile.unlink()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure against the references beside it.")
    parser.add_argument("rows", nargs="*", choices=[[], *(row.name for row in ROWS)], help="only these rows")
    parser.add_argument("--runs", type=int, default=7, help="samples of each row (7)")
    parser.add_argument("--profile", action="store_true", help="print where our own process spends its time instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
