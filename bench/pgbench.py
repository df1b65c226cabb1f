"""pgbench, which comes with the embedded PostgreSQL: the most that clients can get out of a statement."""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence

from psycopg.conninfo import conninfo_to_dict

from wavelength.embedded import programs

THREADS = 2
NAMES = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}


def environment(url: str) -> dict[str, str]:
    """What makes PostgreSQL's own programs connect there."""
    parts = conninfo_to_dict(url)
    return os.environ | {NAMES[name]: str(value) for name, value in parts.items()}


def transactions_per_second(url: str, scripts: Sequence[str], *, clients: int, seconds: float) -> float:
    """How often the scripts ran through, client n always running script n (from the first again where there are fewer).

    Statements are prepared and each is a transaction of its own. Raises RuntimeError when one fails.
    """
    branches = [f"\\elif :client_id % {len(scripts)} = {number}\n{script}" for number, script in enumerate(scripts)]
    text = "\n".join(branches).removeprefix("\\el") + "\n\\endif\n"
    with tempfile.NamedTemporaryFile("w", prefix="wavelength-bench-", suffix=".sql") as file:
        file.write("\\" + text)
        file.flush()
        command = [programs() / "pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}"]
        command += [f"--jobs={THREADS}", f"--time={seconds:.0f}", f"--file={file.name}"]
        run = subprocess.run(command, env=environment(url), capture_output=True, text=True, check=False)
    found = re.search(r"^tps = ([0-9.]+) ", run.stdout, re.MULTILINE)
    failed = re.search(r"^number of failed transactions: ([0-9]+)", run.stdout, re.MULTILINE)
    if run.returncode != 0 or found is None or failed is None or failed[1] != "0":
        raise RuntimeError(f"pgbench failed: {run.stdout}{run.stderr}")
    return float(found[1])
