"""`python -m drill.here NAME… [--short]`: runs drills on one stage in this process; a line of JSON for each."""

import argparse
import json
import sys

from drill.drills import DRILLS
from drill.outcome import told
from drill.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    with stage(None, arguments.seed) as set_up:
        for drill in DRILLS:
            if drill.name in arguments.names:
                outcome = drill.run(set_up, drill.short if arguments.short else drill.times)
                sys.stdout.write(json.dumps({"name": drill.name, **told(outcome)}) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
