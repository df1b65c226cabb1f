"""How the web process serves, here and in production: `gunicorn wavelength.wsgi` reads this by itself.

PORT, WEB_CONCURRENCY (processes) and WEB_THREADS (threads in each) come from the environment or `.env`.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import environ

environ.Env.read_env(Path(__file__).parent / ".env")

bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
proc_name = "wavelength"

# Threads serve this best: 2,417 requests a second where other ways reached 1,000 to 1,560 (DESIGN.md §1).
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = int(os.environ.get("WEB_THREADS") or 8)
# Not preloaded: no connection, thread or lock made while loading is shared by a fork, HUP loads new code, and
# every worker checks the database by itself before it serves.
preload_app = False

# A worker whose main loop is silent for so long is replaced. Long requests do not count: they have a thread.
timeout = 60
# After TERM: requests under way may end. Streams are told sooner, and are cut off here.
graceful_timeout = 30
# Longer than the idle time of common load balancers (60 s), which would else meet connections just closed.
keepalive = 65
# OAuth callbacks carry long codes; nothing else comes near.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

# Who may say X-Forwarded-Proto: a proxy on this machine, or the addresses named by FORWARDED_ALLOW_IPS. None may
# set SCRIPT_NAME or PATH_INFO by a header, which gunicorn would otherwise let the same ones do.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1,::1"
forwarder_headers = ""

# No access log: addresses carry one-time tokens (password reset, confirmation, OAuth codes). Errors go to stderr.
accesslog = None
errorlog = "-"
# Nothing administers it through a socket in somebody's home.
control_socket_disable = True

# Where the processes keep what they count, so that whichever answers /metrics tells of all.
_counted = os.environ.get("PROMETHEUS_MULTIPROC_DIR") or tempfile.mkdtemp(prefix="wavelength-metrics-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _counted


def post_fork(server: Any, worker: Any) -> None:
    """Whoever takes another's place waits for a database that is gone: refusing to start would end the whole server."""
    if worker.age > server.cfg.workers:
        os.environ["WEB_REPLACEMENT"] = "1"


def child_exit(server: Any, worker: Any) -> None:
    """What a process that ended has counted stays; only its gauges go."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # as prometheus_client ships it


def on_exit(server: Any) -> None:
    """The directory goes with the server."""
    shutil.rmtree(_counted, ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """What runs beside requests ends with this worker; pages that had a stream come back to the next one."""
    from wavelength.alerting import keep_looking
    from wavelength.conditions import CONDITIONS
    from wavelength.live import serve_while

    serve_while(lambda: bool(worker.alive))
    keep_looking(CONDITIONS, lambda: bool(worker.alive))
