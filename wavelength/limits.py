"""How often something may be done: counted over all processes, in windows, and never beyond.

`settings.RATE_LIMITS` names the limits: so many in so many seconds, from RATE_LIMIT_… of the environment. What is asked
thousands of times a second is not counted one by one: a process takes a lease of many at once from the
shared store, gives them out from memory, and lets what is left lapse with the window. Neither way
lets more pass than the limit says; what leases strand in other processes can make it a little less.
"""

from dataclasses import dataclass
from math import ceil
from threading import Lock
from time import monotonic
from typing import Final

from django.conf import settings

from wavelength.metrics import RATE_REFUSALS
from wavelength.sharing import shared
from wavelength.tallies import Happened, tally

# The most that is leased at once, and the least part of a limit, which must leave something to other processes.
LEASE: Final = 50
SHARE: Final = 40
MOST: Final = 50_000  # leases that a process remembers


@dataclass(slots=True)
class Lease:
    """What a process may still give out until then, on the clock of `monotonic`."""

    left: int
    ends: float
    refused: bool = False


class TooOftenError(RuntimeError):
    """A limit is reached; `seconds` from now there is something left again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too often: in {seconds} seconds again")
        self.seconds = seconds


_leases: dict[tuple[str, str, tuple[int, int]], Lease] = {}
_lock = Lock()


def spend(limit: str, who: object) -> None:
    """Count one of what `who` (a person's or key's id, an address) does. Raises TooOftenError, and then counts none."""
    seconds = seconds_to_wait(limit, str(who))
    if seconds:
        raise TooOftenError(seconds)


def seconds_to_wait(limit: str, who: str) -> int:
    """Count one of what `who` does, and answer 0; or the seconds until that is allowed again, and count none."""
    rate: tuple[int, int] | None = settings.RATE_LIMITS[limit]
    if rate is None:
        return 0
    name = (limit, who, rate)
    with _lock:
        lease = _leases.get(name)
        now = monotonic()
        if lease is not None and now < lease.ends:
            if lease.left:
                lease.left -= 1
                return 0
            if lease.refused:
                # No question for each that is refused: until then nothing comes free.
                return _refuse(limit, lease.ends - now)
    return _lease_anew(limit, name)


def forget() -> None:
    """Give up every lease of this process."""
    with _lock:
        _leases.clear()


def _lease_anew(limit: str, name: tuple[str, str, tuple[int, int]]) -> int:
    _, who, (allowed, period) = name
    # Before asking, so that the lease ends no later than its window does in the store.
    asked = monotonic()
    wanted = min(LEASE, max(1, allowed // SHARE))
    given = shared.take(f"{limit}|{who}", wanted, allowed=allowed, period=period)
    with _lock:
        if len(_leases) >= MOST:
            _leases.clear()
        ends = asked + given.seconds
        lease = _leases.get(name)
        if lease is None or lease.ends <= monotonic():
            lease = _leases[name] = Lease(0, ends)
        # Of two threads that leased at once, across the end of a window, both keep to the earlier.
        lease.ends = min(lease.ends, ends)
        lease.left += given.amount
        lease.refused = given.amount < wanted
        if lease.left:
            lease.left -= 1
            return 0
    return _refuse(limit, given.seconds)


def _refuse(limit: str, seconds: float) -> int:
    RATE_REFUSALS.labels(limit).inc()
    tally(Happened("limit", limit))
    return max(1, ceil(seconds))
