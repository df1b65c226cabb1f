"""What is logged: one JSON object a line, through a filter that no secret passes."""

import atexit
import logging
import os
import re
import sys
import threading
from collections import deque
from functools import lru_cache
from time import localtime, sleep, strftime
from typing import Any, Final

import orjson
from django.conf import settings
from django.http import HttpRequest
from pythonjsonlogger.orjson import OrjsonFormatter

from wavelength.caller import current_caller
from wavelength.envelope import live_secrets

# No line of ours says in which thread it was written, or by which line of code: not found out for each, then
# (Python's logging HOWTO, "Optimization"). gunicorn's own lines name the process.
logging.logThreads = logging.logMultiprocessing = False
logging._srcfile = None  # noqa: SLF001  (the documented way)

HIDDEN: Final = "[hidden]"
# What looks like a secret, whether or not it is one of ours: providers' keys, tokens in headers and addresses, one-time
# links, ring keys and sessions. A line break before one stands as \n in JSON, and would pass for a letter of it.
_LOOKS_SECRET: Final = re.compile(
    r"""
      (?:\b|(?<=\\[bfnrt]))(?:sk|pk|rk|xai|gsk|whsec|ghp|gho|github_pat|wl)[-_][A-Za-z0-9_-]{8,}
    | wl_[A-Za-z0-9_-]{43}
    | \bAIza[A-Za-z0-9_-]{10,}
    | (?<=[Bb]earer\ )[A-Za-z0-9._~+/=-]{8,}
    | (?<=Basic\ )[A-Za-z0-9+/=]{8,}
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*
    | (?<=://)[^/\s:@"]+:[^/\s@"]+(?=@)
    | [?&](?:key|code|token|state)=[^&\s"]+
    | (?<=/confirm-email/)[^/\s"]+
    | (?<=/reset/key/)[^/\s"]+
    | (?<=/reactivate/)[^/\s"]+
    | (?<=/shared/)[A-Za-z0-9_-]{16,}
    | (?<=/s/)[A-Za-z0-9_-]{16,}
    | \b[0-9a-f]{64}\b
    | (?<=wl-session=)[^;\s"]+
    """,
    re.VERBOSE,
)
# What PostgreSQL quotes of a statement and of rows, which may be anybody's words; up to the next exception of a chain.
_QUOTED: Final = re.compile(
    r"\n(?:LINE \d+|DETAIL|CONTEXT|QUERY):.*?(?=\n\n(?:The above exception|During handling)|\Z)", re.DOTALL
)


def scrubbed(text: str) -> str:
    """The text without anything that is a secret in use right now, or that looks like one."""
    for secret in live_secrets():
        # As it is, and as JSON writes it.
        for form in {secret, secret.replace("\\", "\\\\").replace('"', '\\"')}:
            text = text.replace(form, HIDDEN)
    return _LOOKS_SECRET.sub(HIDDEN, text)


class JsonFormatter(OrjsonFormatter):
    """Time, level, logger, message, and what the record carries beside; the request's id where one is being served."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        if isinstance(log_data.get("request"), HttpRequest):
            # Django tells of a failed request with its address, and with what stands in it.
            del log_data["request"]
        caller = current_caller()
        if caller is not None:
            log_data.setdefault("request", caller.request_id)

    def formatException(self, ei: Any) -> str:  # noqa: N802  (logging's name)
        # Not of OrjsonFormatter, which may be told to answer lines.
        return _QUOTED.sub(f"\\n{HIDDEN}", logging.Formatter.formatException(self, ei))

    def format(self, record: logging.LogRecord) -> str:
        return scrubbed(super().format(record))


class RequestFormatter(logging.Formatter):
    """A request's line (wavelength/watching.py), in a tenth of the time that JsonFormatter takes.

    It consists of figures, patterns of our own addresses, ids and digests. Only the request's id may come from outside,
    so the rest needs no filter.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _second(int(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.msg,
            **vars(record)["told"],
        }
        caller = current_caller()
        if caller is not None:
            line["request"] = scrubbed(caller.request_id) if settings.BEHIND_PROXY else caller.request_id
        return orjson.dumps(line).decode()


@lru_cache(maxsize=1)
def _second(timestamp: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S%z", localtime(timestamp))


class LaterHandler(logging.Handler):
    """Writes lines to standard error a moment after they were logged, many at once.

    A write of its own for each request costs more than the rest of its line: every thread that waits for the
    interpreter gets its turn first. What was logged in the last moment before a SIGKILL is lost.
    """

    PAUSE: Final = 0.1  # seconds

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque()
        self._process = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))
        if self._process != os.getpid():
            # The first line of this process; a thread does not survive a fork.
            self._process = os.getpid()
            threading.Thread(target=self._write_on, name="request lines", daemon=True).start()
            atexit.register(self.flush)

    def flush(self) -> None:
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        if lines:
            sys.stderr.write("\n".join(lines) + "\n")
            sys.stderr.flush()

    def _write_on(self) -> None:
        while True:
            sleep(self.PAUSE)
            self.flush()


class LineFormatter(logging.Formatter):
    """The same for people's eyes, while developing."""

    def format(self, record: logging.LogRecord) -> str:
        beside = getattr(record, "told", None)
        line = super().format(record)
        return scrubbed(f"{line} {beside}" if beside else line)
