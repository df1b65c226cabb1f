"""`python -m drill.here NAME… [--short]`: runs drills on one stage in this process; a line of JSON for each."""

import argparse
import json
import sys
from contextlib import nullcontext

from drill.disk_full import small_disk
from drill.drills import DRILLS
from drill.outcome import Drill, Outcome, told
from drill.stage import Stage, stage


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--small-disk", action="store_true")
    arguments = parser.parse_args()
    drills = [drill for drill in DRILLS if drill.name in arguments.names]
    with small_disk() if arguments.small_disk else nullcontext() as directory:
        if arguments.small_disk and directory is None:
            for drill in drills:
                _tell(drill, Outcome(skipped="only root can make a small volume (tmpfs) for it."))
            return
        with stage(directory, arguments.seed) as set_up:
            for drill in drills:
                _tell(drill, _run(drill, set_up, drill.short if arguments.short else drill.times))


def _run(drill: Drill, set_up: Stage, times: int) -> Outcome:
    """What it found; a drill that cannot go on has found that."""
    try:
        return drill.run(set_up, times)
    except AssertionError as error:
        if set_up.database.pid is None:
            set_up.database.stop()
            set_up.database.start()
        return Outcome(wrong=[str(error)])


def _tell(drill: Drill, outcome: Outcome) -> None:
    sys.stdout.write(json.dumps({"name": drill.name, **told(outcome)}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
