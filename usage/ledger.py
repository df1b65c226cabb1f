"""Whether what quotas and closed days say was used is what the ledger holds, and what is reserved is under way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connections

from wavelength.tenancy import tenant

# One statement, so that everything is seen at one moment however busy the person is. The ledger knows no keys, so
# what was used of a key's limits cannot be told from it.
COMPARED: Final = """
    SELECT l.period, l.provider, l.model, l.api_key_id, w.starts_at, w.ends_at, compared.faults
      FROM usage_quotawindow w
      JOIN usage_quotalimit l ON l.user_id = w.user_id AND l.id = w.limit_id
      LEFT JOIN LATERAL (
               SELECT coalesce(sum(r.request_count), 0) AS requests,
                      coalesce(sum(r.input_tokens + r.output_tokens + r.reasoning_tokens), 0) AS tokens,
                      coalesce(sum(r.total_cost), 0) AS cost
                 FROM usage_usagerecord r
                WHERE r.user_id = w.user_id AND r.hour >= w.starts_at AND r.hour < w.ends_at AND r.source <> 'migration'
                  AND l.provider IN ('', r.provider) AND l.model IN ('', r.model)
               HAVING l.api_key_id IS NULL) AS used ON true,
           LATERAL (
               SELECT count(*) AS requests, coalesce(sum(h.tokens), 0) AS tokens, coalesce(sum(h.cost), 0) AS cost
                 FROM usage_reservation h
                WHERE h.user_id = w.user_id AND h.state = 'open' AND w.id = ANY (h.windows)) AS held,
           LATERAL (
               SELECT count(*) AS others FROM usage_quotawindow o
                WHERE o.user_id = w.user_id AND o.limit_id = w.limit_id AND o.id <> w.id
                  AND o.starts_at < w.ends_at AND o.ends_at > w.starts_at) AS overlapping,
           LATERAL (
               SELECT array_agg(format('%%s are %%s and should be %%s', f.what, trim_scale(f.kept), trim_scale(f.told)))
                      FILTER (WHERE f.kept <> f.told) AS faults
                 FROM (VALUES
                       ('used requests', w.used_requests::numeric, used.requests),
                       ('used tokens', w.used_tokens, used.tokens),
                       ('used dollars', w.used_cost, used.cost),
                       ('reserved requests', w.reserved_requests, held.requests),
                       ('reserved tokens', w.reserved_tokens, held.tokens),
                       ('reserved dollars', w.reserved_cost, held.cost),
                       ('other windows of its time', overlapping.others, 0)) AS f (what, kept, told)) AS compared
     WHERE w.user_id = %s
     ORDER BY w.starts_at, l.period, l.provider, l.model, l.api_key_id
"""

# Every closed day beside the ledger's rows of it, those of which one is missing too.
DAYS: Final = """
    WITH closed AS (
        SELECT * FROM usage_closedday WHERE user_id = %(person)s
    ), told AS (
        SELECT (r.hour AT TIME ZONE newest.zone)::date AS day, r.provider, r.model, r.source,
               sum(r.request_count) AS request_count, sum(r.unpriced_requests) AS unpriced_requests,
               sum(r.input_tokens) AS input_tokens, sum(r.output_tokens) AS output_tokens,
               sum(r.reasoning_tokens) AS reasoning_tokens, sum(r.cached_tokens) AS cached_tokens,
               sum(r.total_cost) AS total_cost
          FROM usage_usagerecord r, (SELECT day, zone FROM closed ORDER BY day DESC LIMIT 1) AS newest
         WHERE r.user_id = %(person)s AND (r.hour AT TIME ZONE newest.zone)::date <= newest.day
         GROUP BY 1, 2, 3, 4
    )
    SELECT day, provider, model, source, f.faults
      FROM closed FULL JOIN told USING (day, provider, model, source),
           LATERAL (
               SELECT array_agg(format('%%s are %%s and should be %%s', what,
                                       coalesce(trim_scale(kept)::text, 'unknown'),
                                       coalesce(trim_scale(ledger)::text, 'unknown'))) AS faults
                 FROM (VALUES
                       ('requests', closed.request_count::numeric, told.request_count::numeric),
                       ('requests without a price', closed.unpriced_requests, told.unpriced_requests),
                       ('input tokens', closed.input_tokens, told.input_tokens),
                       ('output tokens', closed.output_tokens, told.output_tokens),
                       ('reasoning tokens', closed.reasoning_tokens, told.reasoning_tokens),
                       ('cached tokens', closed.cached_tokens, told.cached_tokens),
                       ('dollars', closed.total_cost, told.total_cost)) AS v (what, kept, ledger)
                WHERE kept IS DISTINCT FROM ledger) AS f
     WHERE f.faults IS NOT NULL
     ORDER BY day, provider, model, source
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """How many windows of a person were compared; each one or closed day that differs, in a line that says how."""

    windows: int
    differences: Sequence[str]


class _Window(NamedTuple):
    period: str
    provider: str
    model: str
    api_key_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    faults: Sequence[str] | None


def check(*, user_id: UUID) -> Checked:
    """Compare each window and each closed day of a person with the ledger's rows of its time, windows also with the
    open reservations in them."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute(COMPARED, [user_id])
        windows = [_Window(*row) for row in cursor.fetchall()]
        cursor.execute(DAYS, {"person": user_id})
        days = cursor.fetchall()
    differences = [_line(window, window.faults) for window in windows if window.faults]
    for day, provider, model, source, faults in days:
        differences.append(f"closed day {day} {provider} {model} ({source}): {', '.join(faults)}")
    return Checked(len(windows), differences)


def _line(window: _Window, faults: Sequence[str]) -> str:
    key = f"key {window.api_key_id}" if window.api_key_id else ""
    of_what = " ".join(filter(None, (window.provider, window.model, key))) or "overall"
    times = " to ".join(f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" for moment in (window.starts_at, window.ends_at))
    return f"{window.period} {of_what}, {times} UTC: {', '.join(faults)}"
