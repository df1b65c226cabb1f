"""People who have used Wavelength for a while: a ledger, and windows that ended long ago."""

from collections.abc import Sequence

import psycopg

from bench.stage import Person, Stage

MODELS = (
    ("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-3-5-sonnet-20241022"),
    ("google", "gemini-1.5-pro"), ("mistral", "mistral-large-latest"),
)  # fmt: skip
CLOSED_DAYS = 400  # a year of closed windows, a month's among them

# Each model once an hour, up to the one before this.
LEDGER = """
    INSERT INTO {table} (id, user_id, provider, model, hour, source, request_count, input_tokens, output_tokens,
                         reasoning_tokens, cached_tokens, total_cost, computed_cost)
    SELECT uuidv7(), person, provider, model, date_trunc('hour', now()) - interval '1 hour' * back, 'client',
           1 + back %% 7, 150 + back %% 900, 300 + back %% 1700, back %% 3 * 100, back %% 2 * 100,
           0.004 + back * 0.000001, 0.004 + back * 0.000001
      FROM generate_series(%(hours)s, 1, -1) AS back, unnest(%(people)s::uuid[]) AS person,
           unnest(%(providers)s::text[], %(models)s::text[]) AS models (provider, model)
"""
CLOSED_WINDOWS = """
    INSERT INTO usage_quotawindow (id, user_id, limit_id, starts_at, ends_at, used_requests, used_tokens, used_cost)
    SELECT uuidv7(), l.user_id, l.id, ends.at - ('1 ' || unit)::interval, ends.at, 100, 100000, 1
      FROM usage_quotalimit l,
           LATERAL (SELECT CASE l.period WHEN 'daily' THEN 'day' ELSE 'month' END) AS units (unit),
           LATERAL (SELECT date_trunc(unit, now(), 'UTC') - ('1 ' || unit)::interval * number
                      FROM generate_series(0, CASE unit WHEN 'day' THEN %(days)s ELSE %(days)s / 30 END - 1) AS number
                   ) AS ends (at)
     WHERE l.user_id = ANY (%(people)s::uuid[])
"""


def with_history(stage: Stage, people: Sequence[Person], *, hours: int, table: str = "usage_usagerecord") -> None:
    """Give each of these people a ledger of so many hours, a row for each model, and their closed windows."""
    providers, models = (list(names) for names in zip(*MODELS, strict=True))
    values = {
        "people": [person.id for person in people], "hours": hours, "providers": providers, "models": models,
        "days": CLOSED_DAYS,
    }  # fmt: skip
    with psycopg.connect(stage.urls["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(LEDGER.format(table=table), values)
        owner.execute(CLOSED_WINDOWS, values)
        owner.execute(f"VACUUM ANALYZE {table}")
        owner.execute("VACUUM ANALYZE usage_quotawindow")
        owner.execute("ANALYZE")
