"""PgBouncer in transaction mode before the suite's database, as a child that ends with the block."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.processes import free_port
from wavelength.embedded.place import server_account

SECONDS = 20  # to start in
# As docs/operations.md says. A pool far smaller than the threads that share it.
CONFIGURATION = """\
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users.txt
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
{more}
"""


@contextmanager
def pgbouncer(urls: Mapping[str, str], *, size: int) -> Iterator[dict[str, str]]:
    """The same settings (name → URL), through a PgBouncer with at most `size` connections to PostgreSQL for each role.

    Skips the calling test where the program is not installed.
    """
    port, account = free_port(), server_account()
    far = urlsplit(next(iter(urls.values())))
    query = parse_qs(far.query)
    with tempfile.TemporaryDirectory(prefix="wavelength-pgbouncer-", dir="/tmp" if account else None) as name:
        directory = Path(name)
        users = "".join(f'"{urlsplit(url).username}" "{urlsplit(url).password}"\n' for url in urls.values())
        (directory / "users.txt").write_text(users)
        configuration = CONFIGURATION.format(
            host=query["host"][0] if "host" in query else far.hostname,
            port=query["port"][0] if "port" in query else far.port or 5432,
            listen=port,
            directory=name,
            size=size,
            more="max_prepared_statements = 200" if carries_prepared_statements() else "",
        )
        (directory / "pgbouncer.ini").write_text(configuration)
        if account:  # it does not run as root, and must reach the socket of what does not either
            for path in (directory, *directory.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        process = subprocess.Popen(
            [program(), directory / "pgbouncer.ini"],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **identity,  # type: ignore[call-overload]  # of a dict
        )
        try:
            through = {setting: _through(url, port) for setting, url in urls.items()}
            _wait_until_it_answers(process, next(iter(through.values())))
            yield through
        finally:
            process.kill()
            process.wait()


def program() -> str:
    """Where it is; skips the calling test where it is not."""
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("No PgBouncer here: install pgbouncer, 1.22 or later to try prepared statements too.")
    return found


def version() -> tuple[int, ...]:
    """Such as (1, 24, 1)."""
    told = subprocess.run([program(), "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", told)
    assert found, told
    return tuple(map(int, found.groups()))


def carries_prepared_statements() -> bool:
    """Since 1.21, and DEALLOCATE ALL, which psycopg sends after a rollback, since 1.22."""
    return version() >= (1, 22)


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    return f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}"


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert process.poll() is None and time.monotonic() < deadline, "PgBouncer did not start."
            time.sleep(0.05)
        else:
            return
