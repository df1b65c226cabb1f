"""What is wrong enough for operators to be told, by figures that the service keeps anyway.

Sentences hold figures of the whole service and what to do; none tells of a person.
"""

from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import connections

from wavelength.alerting import Condition

SILENT: Final = 120  # seconds without a word of any worker, which says that it lives every ten
# Jobs that may wait for hours are of a lower priority.
QUEUE: Final = """
    SELECT (SELECT extract(epoch FROM statement_timestamp() - max(last_heartbeat)) FROM procrastinate_workers),
           count(*),
           extract(epoch FROM statement_timestamp() - least(
               min(j.scheduled_at) FILTER (WHERE j.scheduled_at <= statement_timestamp()),
               -- Without a time of their own they were queued in the order of their ids.
               (SELECT max(e.at) FROM procrastinate_events e
                 WHERE e.job_id = (SELECT min(o.id) FROM procrastinate_jobs o
                                    WHERE o.status = 'todo' AND o.priority >= 0 AND o.scheduled_at IS NULL))))
      FROM procrastinate_jobs j
     WHERE j.status = 'todo' AND j.priority >= 0
"""
# This hour and the one before, so that the turn of an hour forgets nothing. Of hand-overs that never began count those
# that failed by our fault (chats/sync.py); what fails later has stopped.
RECENT: Final = """
    WITH recent AS (
        SELECT name, label, value FROM wavelength_systemmetric
         WHERE hour >= date_trunc('hour', statement_timestamp(), 'UTC') - interval '1 hour'
           AND (name = 'handover'
                OR name = 'handover.failed' AND label IN ('the database', 'a fault of ours')
                OR name = 'event' AND label = 'session.failed')
    )
    SELECT coalesce(sum(value) FILTER (WHERE name <> 'event'), 0),
           coalesce(sum(value) FILTER (WHERE name = 'handover.failed' OR label = 'stopped'), 0),
           coalesce(max(value) FILTER (WHERE name = 'event'), 0)
      FROM recent
"""
FEWEST_HANDOVERS: Final = 5  # of fewer no rate is told


def waiting_jobs() -> str | None:
    """No worker lives, or what it should have done by now waits."""
    with connections["default"].cursor() as cursor:
        cursor.execute(QUEUE)
        silent, jobs, age = cursor.fetchone()
    if silent is None or silent > SILENT:
        return "No worker is running, so nothing is done in the background. Start `manage.py worker`, and read its log."
    minutes = int((age or 0) // 60)
    if minutes >= settings.ALERT_QUEUE_MINUTES:
        return f"The oldest of {jobs} jobs has waited for {minutes} minutes. Read the worker's log, or start another."
    return None


def failing_handovers() -> str | None:
    """ALERT_HANDOVER_FAILURE_PERCENT or more of this hour's and the last one's stopped or failed by our fault."""
    tried, failed, _failures = _recent()
    if tried < FEWEST_HANDOVERS or failed * 100 < tried * settings.ALERT_HANDOVER_FAILURE_PERCENT:
        return None
    return f"{failed:.0f} of {tried:.0f} hand-overs of the last two hours failed. Read the log for /api/migration."


def failing_signins() -> str | None:
    """In this hour or the last, ALERT_SIGNIN_FAILURES or more wrong passwords were tried at accounts that exist."""
    _tried, _failed, failures = _recent()
    if failures < settings.ALERT_SIGNIN_FAILURES:
        return None
    return (
        f"{failures:.0f} sign-ins failed within an hour. Somebody may be trying passwords: look at where requests for"
        " /accounts/login/ come from."
    )


def _recent() -> tuple[Decimal, Decimal, Decimal]:
    with connections["default"].cursor() as cursor:
        cursor.execute(RECENT)
        tried, failed, failures = cursor.fetchone()
    return tried, failed, failures


CONDITIONS: Final = (
    Condition("queue", waiting_jobs),
    Condition("handovers", failing_handovers),
    Condition("sign-ins", failing_signins),
)
