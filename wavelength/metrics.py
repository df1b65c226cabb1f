"""What is counted for operators, in Prometheus's format: `/metrics` of the web, a port of its own of the worker.

Counters live in the process that counts; gunicorn's processes share a directory (PROMETHEUS_MULTIPROC_DIR, which
gunicorn.conf.py makes), so that whichever answers `/metrics` tells of all. What the database knows better, such as
the queue, is asked when `/metrics` is.
"""

import os
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import REGISTRY, Collector

from wavelength.addresses import client_address

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds

REQUESTS = Histogram(
    "wavelength_request_seconds",
    "Requests by route, method and class of status, and how long each took.",
    ["method", "route", "status"],
    buckets=BUCKETS,
)
DATABASE_SECONDS = Counter("wavelength_database_seconds", "Time that requests waited for the database.", ["route"])
DATABASE_QUERIES = Counter("wavelength_database_queries", "What requests asked of the database.", ["route"])
SIGN_UPS = Counter("wavelength_sign_ups", "New accounts, by the way they came.", ["way"])
HANDOVERS = Counter("wavelength_handovers", "Hand-overs tried, and by how they ended; the rest failed.", ["outcome"])
USAGE_RECORDED = Counter("wavelength_usage_recorded", "Records of usage that were taken.", ["way"])
QUOTA_REFUSALS = Counter("wavelength_quota_refusals", "Reservations and messages refused by a limit.", ["who"])
RATE_REFUSALS = Counter("wavelength_rate_refusals", "Requests refused because they came too often.", ["limit"])
KEY_VALIDATIONS = Counter(
    "wavelength_key_validations", "Provider keys asked about, by outcome.", ["provider", "outcome"]
)

# Jobs not yet done, by state, and how long the oldest that could run has been waiting. Without a time of their own they
# were queued in the order of their ids.
QUEUE = """
    SELECT count(*) FILTER (WHERE status = 'todo'), count(*) FILTER (WHERE status = 'doing'),
           count(*) FILTER (WHERE status = 'failed'),
           coalesce(extract(epoch FROM statement_timestamp() - least(
               min(scheduled_at) FILTER (WHERE status = 'todo' AND scheduled_at <= statement_timestamp()),
               (SELECT max(e.at) FROM procrastinate_events e
                 WHERE e.job_id = (SELECT min(o.id) FROM procrastinate_jobs o
                                    WHERE o.status = 'todo' AND o.scheduled_at IS NULL)))), 0)
      FROM procrastinate_jobs WHERE status IN ('todo', 'doing', 'failed')
"""
CONNECTIONS = """
    SELECT coalesce(state, 'none'), count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND usename = current_user GROUP BY 1
"""


class DatabaseCollector(Collector):
    """The queue and the connections, asked when they are told; silent while the database cannot be reached."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("wavelength_database_up", "Whether the database answers.")
        try:
            with connections["default"].cursor() as cursor:
                cursor.execute(QUEUE)
                todo, doing, failed, age = cursor.fetchone()
                cursor.execute(CONNECTIONS)
                states = cursor.fetchall()
        except DatabaseError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        jobs = GaugeMetricFamily("wavelength_jobs", "Jobs in the queue by state.", labels=["state"])
        for state, count in (("todo", todo), ("doing", doing), ("failed", failed)):
            jobs.add_metric([state], count)
        yield jobs
        yield GaugeMetricFamily("wavelength_oldest_job_seconds", "How long the oldest due job has waited.", float(age))
        pool = GaugeMetricFamily("wavelength_database_connections", "The application's connections.", labels=["state"])
        for state, count in states:
            pool.add_metric([state], count)
        yield pool


@require_safe
@never_cache
@non_atomic_requests
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything that is counted; as if it were not there for whoever is not in METRICS_ALLOW_IPS."""
    if not _allowed(client_address(request)):
        raise Http404
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # as prometheus_client ships it
    told = generate_latest(registry)
    database = CollectorRegistry()
    database.register(DatabaseCollector())
    return HttpResponse(told + generate_latest(database), content_type=CONTENT_TYPE_LATEST)


def _allowed(address: str) -> bool:
    try:
        asking = ip_address(address)
    except ValueError:
        # A Unix socket: somebody on this machine.
        return not address
    return any(asking in ip_network(network) for network in settings.METRICS_ALLOW_IPS)
