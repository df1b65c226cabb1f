"""`python -m bench [--runs N] [row …]`: measures, prints the table, and fails when a target is missed."""

import argparse
import sys

from bench.measuring import Outcome, measured
from bench.rows import ROWS
from bench.stage import stage
from bench.table import table

FEWEST_RUNS = 5


def main() -> int:
    """Exit code 1 when a target is missed, each named in the last lines."""
    arguments = _parser().parse_args()
    if arguments.runs < FEWEST_RUNS:
        print(f"A median of fewer than {FEWEST_RUNS} runs says little; this one is not for the record.")
    outcomes: list[Outcome] = []
    with stage() as set_up:
        for row in ROWS:
            if row.name in (arguments.rows or [row.name]):
                print(f"Measuring {row.name}: {row.subject} …", file=sys.stderr, flush=True)
                outcomes.append(measured(row, set_up, runs=arguments.runs))
    print(table(outcomes))
    missed = [outcome for outcome in outcomes if outcome.missed]
    for outcome in missed:
        row = outcome.row
        print(f"Missed: {row.name} ({row.subject}) is {outcome.ratio:.2f}× the reference; to reach: {row.target}.")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure against the references beside it.")
    parser.add_argument("rows", nargs="*", choices=[[], *(row.name for row in ROWS)], help="only these rows")
    parser.add_argument("--runs", type=int, default=7, help="samples of each row (7)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
