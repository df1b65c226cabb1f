"""People who have used Wavelength for a while: a ledger, and windows that ended long ago."""

from collections.abc import Sequence

import psycopg

from bench.stage import Person, Stage

DAYS = 90
HOURS = range(8, 19)  # of each day, in UTC
MODELS = (("openai", "gpt-4o"), ("anthropic", "claude-3-5-sonnet-20241022"))
ROWS = DAYS * len(HOURS) * len(MODELS)  # of each person: 1,980
CLOSED_DAYS = 400  # of windows; the months among them are windows as well

# As they come in: hour by hour, everybody's rows of an hour mixed, so that none of a person's stand together.
LEDGER = """
    INSERT INTO {table} (id, user_id, provider, model, hour, source, request_count, input_tokens, output_tokens,
                         reasoning_tokens, cached_tokens, total_cost, computed_cost)
    SELECT uuidv7(), person, provider, model, date_trunc('day', now(), 'UTC') - interval '1 day' * back
           + interval '1 hour' * hour, 'client', 1 + hour %% 7, 150 + back, 300 + hour * back, 100, 50,
           0.004 + back * 0.000001, 0.004 + back * 0.000001
      FROM generate_series(1, %(days)s) AS back, unnest(%(hours)s::integer[]) AS hour,
           unnest(%(providers)s::text[], %(models)s::text[]) AS models (provider, model),
           unnest(%(people)s::uuid[]) AS person
     ORDER BY back DESC, hour, model, hashtext(person::text)
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
# Accounts of which only the ledger is asked.
OTHERS = """
    INSERT INTO accounts_user
    SELECT (jsonb_populate_record(somebody, jsonb_build_object('id', uuidv7(), 'email', uuidv7() || '@example.com'))).*
      FROM accounts_user AS somebody, generate_series(1, %(count)s)
     WHERE somebody.id = (SELECT id FROM accounts_user LIMIT 1)
    RETURNING id
"""


def keep_windows(stage: Stage, people: Sequence[Person]) -> None:
    """Give each of these people the closed windows of more than a year."""
    with psycopg.connect(stage.urls["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(CLOSED_WINDOWS, {"people": [person.id for person in people], "days": CLOSED_DAYS})
        owner.execute("VACUUM ANALYZE usage_quotawindow")


def keep_ledger(url: str, people: Sequence[Person], *, others: int = 0, table: str = "usage_usagerecord") -> list[str]:
    """Give these people and so many others, whose ids are answered, a ledger of 90 days, 1,980 rows each.

    `url` is the database's, as its owner.
    """
    providers, models = (list(names) for names in zip(*MODELS, strict=True))
    with psycopg.connect(url, autocommit=True) as owner:
        rest = [str(row[0]) for row in owner.execute(OTHERS, {"count": others})]
        owner.execute("SET session_replication_role = replica")  # everybody is known to exist
        owner.execute(
            LEDGER.format(table=table),
            {
                "days": DAYS, "hours": list(HOURS), "providers": providers, "models": models,
                "people": [person.id for person in people] + rest,
            },
        )  # fmt: skip
        owner.execute(f"VACUUM ANALYZE {table}")
        owner.execute("ANALYZE accounts_user")
    return rest
