"""Whether this process can serve, and what of the whole is not ready."""

from collections.abc import Iterator

from django.core import checks
from django.db import DatabaseError, connections
from django.db.migrations.loader import MigrationLoader
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from wavelength.startup import STARTUP

WORKER_SECONDS = 60  # it says that it lives every ten
HEARTBEAT = "SELECT extract(epoch FROM now() - max(last_heartbeat)) FROM procrastinate_workers"
_seen_migrated: list[bool] = []


@require_safe
@never_cache
@non_atomic_requests
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as soon as the process answers; asks nothing of the database."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
@non_atomic_requests
def readyz(request: HttpRequest) -> HttpResponse:
    """A line for each part: database, migrations, key ring, worker. 503 when one is not ready."""
    parts = dict(_parts())
    status = 200 if all(fault is None for fault in parts.values()) else 503
    lines = [f"{part}: {fault or 'ok'}" for part, fault in parts.items()]
    response = HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8", status=status)
    if status == 503:
        response["Retry-After"] = "10"
    return response


def _parts() -> Iterator[tuple[str, str | None]]:
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute(HEARTBEAT)
            (silent,) = cursor.fetchone()
    except DatabaseError:
        yield "database", "cannot be reached; `manage.py check_database` says more"
        return
    yield "database", None
    yield "migrations", None if _migrated() else "some are missing: run `manage.py migrate`"
    errors = [found for found in checks.run_checks(tags=[STARTUP], databases=["default"]) if found.is_serious()]
    yield "key ring and role", " ".join(str(error.msg) for error in errors) or None
    if silent is None:
        yield "worker", "none is running: start `manage.py worker`"
    elif silent > WORKER_SECONDS:
        yield "worker", f"not heard of for {silent:.0f} seconds: start `manage.py worker`"
    else:
        yield "worker", None


def _migrated() -> bool:
    # A schema does not go back while processes of this code serve: once is enough.
    if not _seen_migrated:
        loader = MigrationLoader(connections["default"])
        if set(loader.graph.nodes) <= set(loader.applied_migrations):
            _seen_migrated.append(True)
    return bool(_seen_migrated)
