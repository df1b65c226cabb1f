"""Child processes that never outlive us: each in a process group of its own, tied to its parent's life."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def tied_to_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` that has the child sent `number` when its parent ends in whatever way, SIGKILL included.

    Linux alone offers this, and counts as parent the *thread* that forked; None elsewhere. A change of user clears
    it, which `subprocess` makes before it calls a `preexec_fn`.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it ended before we were tied to it
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


class Child:
    """A program we started, with all that it starts itself."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environ: Mapping[str, str],
        directory: Path,
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(environ),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            process_group=0,  # the terminal's Ctrl-C reaches us alone; we decide the order
            # At once: what it would wait for, the database among it, is ending too.
            preexec_fn=tied_to_parent(signal.SIGKILL),  # noqa: PLW1509  (we have no other thread)
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Send it TERM; harmless when it is gone."""
        self._process.terminate()

    def stop(self, *, deadline: float) -> None:
        """Return once it is gone, and everything in its process group: killed after `deadline` (monotonic)."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
