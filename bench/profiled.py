"""Our application under a profiler, for `python -m bench --profile`: one process, one thread."""

import atexit
import cProfile
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from wavelength.wsgi import application as ours

_profiler = cProfile.Profile()
_DIRECTORY = Path(os.environ["BENCH_PROFILES"])
# Whatever the first requests prepare for all that follow is none of the question.
_PREPARING = 20
_served = 0


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve one request, its streamed body included, and remember where the time went."""
    global _served  # noqa: PLW0603  (one thread; it counts this module's requests)
    _served += 1
    if _served <= _PREPARING and not environ["PATH_INFO"].startswith("/api/migration"):
        return ours(environ, start_response)
    response = _profiler.runcall(ours, environ, start_response)
    return _Profiled(response)


class _Profiled:
    def __init__(self, response: Any) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from _profiler.runcall(list, self._response)

    def close(self) -> None:
        _profiler.runcall(self._response.close)


atexit.register(lambda: _profiler.dump_stats(_DIRECTORY / f"{os.getpid()}.profile"))
