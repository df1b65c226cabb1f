"""Each request seen from outside all else: one line in the log, and what it adds to the metrics and the analytics."""

import logging
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import Counter, Histogram

from wavelength.caller import Caller, serving
from wavelength.metrics import DATABASE_QUERIES, DATABASE_SECONDS, REQUESTS
from wavelength.middleware import is_bearer
from wavelength.tallies import Served, tally

if TYPE_CHECKING:
    from wavelength.tenancy.base import DatabaseWrapper

logger = logging.getLogger("wavelength.requests")
# Asked every few seconds by whatever watches the service, or by every page.
UNTOLD = ("/healthz", "/readyz", "/metrics", "/live/", settings.STATIC_URL)


class WatchingMiddleware:
    """Outermost. The line tells route, status, duration, queries and who; never an address with what stands in it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        caller = Caller(request)
        with serving(caller):
            if request.path.startswith(UNTOLD):
                return self.get_response(request)
            database = cast("DatabaseWrapper", connections["default"])
            asked, waited, began = database.asked, database.waited, perf_counter()
            response = self.get_response(request)
            took = perf_counter() - began
            _tell(request, response, took, database.asked - asked, database.waited - waited)
            response.headers["X-Request-ID"] = caller.request_id
            return response


def _tell(request: HttpRequest, response: HttpResponseBase, took: float, asked: int, waited: float) -> None:
    route = route_of(request)
    method = request.method if request.method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD") else "other"
    requests, queries, seconds = _counters_of(method, route, f"{response.status_code // 100}xx")
    requests.observe(took)
    if asked:
        queries.inc(asked)
        seconds.inc(waited)
    tally(Served(route, took, response.status_code >= 500))
    if not settings.LOG_REQUESTS:
        return
    told = {
        "method": method,
        "route": route,
        "status": response.status_code,
        "ms": round(took * 1000, 2),
        "queries": asked,
        "database_ms": round(waited * 1000, 2),
        "person": _person_of(request),
        "session": _session_of(request),
    }
    # No text that anybody wrote: RequestFormatter relies on it.
    logger.info("request", extra={"told": told})


@lru_cache(maxsize=1024)
def _counters_of(method: str, route: str, status: str) -> tuple[Histogram, Counter, Counter]:
    # Looking them up takes longer than counting.
    return REQUESTS.labels(method, route, status), DATABASE_QUERIES.labels(route), DATABASE_SECONDS.labels(route)


def route_of(request: HttpRequest) -> str:
    """The pattern that was matched, not the address: few, and without anybody's ids."""
    match = request.resolver_match
    return f"/{match.route}" if match else "none"


def _person_of(request: HttpRequest) -> str | None:
    # A hot call of the API enters by its session or token inside the database: that is told instead.
    person = getattr(request, "user", None)
    return str(person.pk) if person is not None and person.pk else None


def _session_of(request: HttpRequest) -> str | None:
    """Tells lines of one session, or token, from those of another, and opens nothing."""
    key = (
        request.META["HTTP_AUTHORIZATION"] if is_bearer(request) else request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    )
    return sha256(key.encode()).hexdigest()[:12] if key else None
