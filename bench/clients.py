"""PostgreSQL's own clients, which come with the embedded server: nobody gets more out of it."""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence

from psycopg.conninfo import conninfo_to_dict

from wavelength.embedded import programs

THREADS = 2
NAMES = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}


def psql(url: str, command: str) -> None:
    """Run one psql for one command, so that its time is what `time psql …` would tell. Raises CalledProcessError."""
    words = [str(programs() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", command]
    subprocess.run(words, env=_environment(url), stdout=subprocess.DEVNULL, check=True)


def transactions_per_second(url: str, scripts: Sequence[str], *, clients: int, seconds: float) -> float:
    """How often the scripts ran through, client n always running script n (from the first again where there are fewer).

    Statements are prepared and each is a transaction of its own. Raises RuntimeError when one fails.
    """
    turns = [f":client_id % {len(scripts)} = {number}\n{script}\n" for number, script in enumerate(scripts)]
    text = "\\if " + "\\elif ".join(turns) + "\\endif\n"
    with tempfile.NamedTemporaryFile("w", prefix="wavelength-bench-", suffix=".sql") as file:
        file.write(text)
        file.flush()
        command = [str(programs() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={clients}"]
        command += [f"--jobs={THREADS}", f"--time={seconds:.0f}", f"--file={file.name}"]
        run = subprocess.run(command, env=_environment(url), capture_output=True, text=True, check=False)
    found = re.search(r"^tps = ([0-9.]+) ", run.stdout, re.MULTILINE)
    failed = re.search(r"^number of failed transactions: ([0-9]+)", run.stdout, re.MULTILINE)
    if run.returncode != 0 or found is None or failed is None or failed[1] != "0":
        raise RuntimeError(f"pgbench failed: {run.stdout}{run.stderr}")
    return float(found[1])


def _environment(url: str) -> dict[str, str]:
    parts = conninfo_to_dict(url)
    return os.environ | {NAMES[name]: str(value) for name, value in parts.items()}
