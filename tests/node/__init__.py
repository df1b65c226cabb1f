"""The web client's own npm packages, driven by node: zustand (the samples) and next-auth (the session calls)."""

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.needed import lacking

FOLDER: Final = Path(__file__).parent
LOCKFILE: Final = FOLDER / "package-lock.json"
# npm writes this last, so it is newer than the lock file only after an installation that ended well.
INSTALLED: Final = FOLDER / "node_modules" / ".package-lock.json"


def install() -> None:
    """Makes sure that node_modules is what package-lock.json says (`npm ci`), once however many processes ask.

    Without node the calling test is skipped, saying so; with CI=true it fails.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        lacking("Node.js and npm are needed for this test and are not on the PATH.")
    with (FOLDER / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if INSTALLED.exists() and INSTALLED.stat().st_mtime >= LOCKFILE.stat().st_mtime:
            return
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts"],
            cwd=FOLDER,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            pytest.fail(f"npm ci failed:\n{done.stderr}")


def run(script: str, *arguments: str, stdin: str = "", timeout: float = 60) -> str:
    """What the script of this folder prints; a failing script fails the test with what it said."""
    install()
    command = ["node", script, *arguments]
    done = subprocess.run(
        command,
        cwd=FOLDER,
        check=False,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if done.returncode:
        pytest.fail(f"{script} exited {done.returncode}:\n{done.stderr}\n{done.stdout}")
    return done.stdout
