"""A batch of records counted in two calls: `usage_batch_open` says what its rows depend on, `usage_batch_add` takes the rows.

What is done for each record is done by usage/bulk.py in between, where it takes a third of the time; what is done here
is done for each row of the ledger. Both are called in one transaction, under the person's lock.
"""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction, RemovedFunction

before = import_module("usage.migrations.0004_sync")

# Takes the lock, brings windows up to the present and notes the clients' own ids (`names`, none twice). Answers as JSON:
#   at        the present, in microseconds since 2000, as are the others
#   cuts      when windows started or ended or a day began, around the `days` (counted from 2000, in UTC, none before
#             `first`) and the present: the ledger's hours are counted from the last of them, so whatever follows the
#             same cut belongs to one window of each limit
#   known     those of `names` that were noted before
#   prices    administrators' prices of these models, each with the model's place among them
#   occupied  whether the ledger has rows of this source already from an hour before `first` to `last`
# `first` and `last` are null where no record names its time.
OPEN = """
    RETURNS text LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    DECLARE
        at timestamptz := coalesce(told, now());
        zone text;
        known json;
        cuts bigint[];
        earliest timestamptz := least(first, at);
    BEGIN
        PERFORM usage_lock(person);
        PERFORM usage_catch_up(person, at);
        zone := usage_zone_of(person);
        IF cardinality(names) > 0 THEN
            WITH fresh AS (
                INSERT INTO usage_idempotentrequest (id, user_id, scope, key, created_at)
                SELECT gen_random_uuid(), person, 'sync', name, at
                  FROM unnest(names) AS n (name)
                ON CONFLICT (user_id, scope, key) DO NOTHING
                RETURNING key
            )
            SELECT json_agg(name) INTO known
              FROM unnest(names) AS n (name) WHERE name NOT IN (SELECT key FROM fresh);
        END IF;
        SELECT array_agg(DISTINCT (extract(epoch FROM moment) * 1000000)::bigint - 946684800000000) INTO cuts
          FROM (SELECT starts_at FROM usage_quotawindow WHERE user_id = person AND ends_at > earliest - interval '1 day'
                 UNION ALL
                SELECT ends_at FROM usage_quotawindow WHERE user_id = person AND ends_at > earliest - interval '1 day'
                 UNION ALL
                -- A day of UTC is part of two or three of the zone's, and where clocks go back over midnight
                -- a moment belongs to a neighbour of its own.
                SELECT usage_midnight(day, zone)
                  FROM (SELECT DISTINCT known.day + near.days AS day
                          FROM (SELECT date '2000-01-01' + unnest(days) AS day
                                 UNION ALL SELECT (at AT TIME ZONE 'UTC')::date) AS known,
                               generate_series(-2, 2) AS near (days)) AS days
               ) AS moments (moment);
        RETURN json_build_object(
            'at', (extract(epoch FROM at) * 1000000)::bigint - 946684800000000,
            'cuts', cuts,
            'known', coalesce(known, '[]'),
            'prices', (SELECT coalesce(json_agg(json_build_array(
                                  m.place - 1, p.input_price::text, p.output_price::text, p.reasoning_price::text,
                                  p.cached_price::text, p.request_price::text)), '[]')
                         FROM unnest(providers, models) WITH ORDINALITY AS m (provider, model, place)
                         JOIN usage_modelprice p ON p.provider = m.provider AND p.model = m.model),
            -- A hand-over's history comes without the lock.
            'occupied', of_source = 'migration'
                        OR EXISTS (SELECT FROM usage_usagerecord
                                    WHERE user_id = person AND hour > earliest - interval '1 hour'
                                      AND hour <= greatest(last, at) AND source = of_source))::text;
    END $$
"""
OPEN_SIGNATURE = (
    "usage_batch_open(person uuid, of_source text, names text[], providers text[], models text[], days integer[],"
    " first timestamptz, last timestamptz, told timestamptz)"
)

_ENTER = """
    INSERT INTO usage_usagerecord AS r (
               id, user_id, provider, model, hour, source, request_count, unpriced_requests, input_tokens,
               output_tokens, reasoning_tokens, cached_tokens, total_cost, computed_cost, created_at, updated_at)
    SELECT ids[i], person, providers[of_models[i]], models[of_models[i]], hours[i], of_source,
           coalesce(requests[i], 1), coalesce(unpriced[i], 0), inputs[i], outputs[i], coalesce(reasonings[i], 0),
           coalesce(caches[i], 0), costs[i], computed[i], at, at
      FROM generate_series(1, cardinality(hours)) AS i
"""

# Rows for the ledger, none twice, as arrays of one length: `of_models` are places in `providers` and `models` (from 1), `cuts`
# say with the same number what follows the same cut. Null stands for a column that is all default: 1 request, no
# unpriced ones, no reasoning, no cached tokens. Windows count what lies in them. Where the ledger was not `occupied`
# nothing can be there already, for whoever adds to it holds the lock: asking for a conflict is a fifth of the time.
# Kept plans: in one for these very arrays they would be constants, and finding an amount in a constant array reads all before it.
ADD = f"""
    RETURNS void LANGUAGE plpgsql SET plan_cache_mode TO force_generic_plan AS $$
    #variable_conflict use_column
    DECLARE
        counted_from timestamptz;
    BEGIN
        IF of_source <> 'migration' THEN
            SELECT min(starts_at) INTO counted_from FROM usage_quotawindow
             WHERE user_id = person AND ends_at > (SELECT min(hour) FROM unnest(hours) AS h (hour));
        END IF;
        IF counted_from IS NOT NULL THEN
            UPDATE usage_quotawindow w
               SET used_requests = w.used_requests + i.requests,
                   used_tokens = w.used_tokens + i.tokens,
                   used_cost = w.used_cost + i.cost,
                   updated_at = at
              FROM (SELECT q.id, sum(c.requests) AS requests, sum(c.tokens) AS tokens, sum(c.cost) AS cost
                      FROM (SELECT of_models[i] AS model, min(hours[i]) AS hour, sum(coalesce(requests[i], 1)) AS requests,
                                   sum(inputs[i] + outputs[i] + coalesce(reasonings[i], 0)) AS tokens,
                                   coalesce(sum(round(costs[i], 12)), 0) AS cost
                              FROM generate_series(1, cardinality(hours)) AS i
                             WHERE hours[i] >= counted_from
                             GROUP BY of_models[i], cuts[i]) AS c
                      JOIN usage_quotalimit l ON l.user_id = person AND l.api_key_id IS NULL
                           AND l.provider IN ('', providers[c.model]) AND l.model IN ('', models[c.model])
                      JOIN usage_quotawindow q ON q.user_id = person AND q.limit_id = l.id
                           AND q.starts_at <= c.hour AND q.ends_at > c.hour
                     GROUP BY q.id) AS i
             WHERE w.user_id = person AND w.id = i.id;
        END IF;
        IF NOT occupied THEN
            {_ENTER};
            RETURN;
        END IF;
        {_ENTER}
        ON CONFLICT (user_id, hour, provider, model, source) DO UPDATE
           SET request_count = r.request_count + excluded.request_count,
               unpriced_requests = r.unpriced_requests + excluded.unpriced_requests,
               input_tokens = r.input_tokens + excluded.input_tokens,
               output_tokens = r.output_tokens + excluded.output_tokens,
               reasoning_tokens = r.reasoning_tokens + excluded.reasoning_tokens,
               cached_tokens = r.cached_tokens + excluded.cached_tokens,
               total_cost = coalesce(r.total_cost + excluded.total_cost, r.total_cost, excluded.total_cost),
               computed_cost = coalesce(r.computed_cost + excluded.computed_cost, r.computed_cost,
                                        excluded.computed_cost),
               updated_at = excluded.updated_at;
    END $$
"""  # noqa: S608  (constants of ours)
ADD_SIGNATURE = (
    "usage_batch_add(person uuid, of_source text, occupied boolean, at timestamptz, providers text[], models text[],"
    " ids uuid[], of_models integer[], cuts integer[], hours timestamptz[], requests bigint[], unpriced bigint[],"
    " inputs bigint[], outputs bigint[], reasonings bigint[], caches bigint[], costs numeric[], computed numeric[])"
)


class Migration(migrations.Migration):
    dependencies = [("usage", "0015_activity")]

    operations = [
        InvokerFunction(OPEN_SIGNATURE, OPEN),
        InvokerFunction(ADD_SIGNATURE, ADD),
        RemovedFunction(before.SYNC_SIGNATURE, before.SYNC),
    ]
