"""A batch of records counted in one call: as if each had been recorded by itself, at the time it names."""

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

# Arrays of one length, one place for each record. `names` are the client's own ids, null where it gave none, and none
# stands there twice; a record whose name was counted before adds nothing. `happened` is null for now, and so is what a
# clock ahead of ours dates later. New rows are numbered on from `record`. Answers how many records were added.
# The ledger's hours are counted from the last time a window started or ended or a day began (`cuts`), so whatever
# follows the same cut belongs to one window of each limit.
SYNC = """
    RETURNS integer LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    DECLARE
        prefix text := left(record::text, -8);
        zone text;
        named text[];
        first timestamptz;
        cuts timestamptz[];
        added integer;
    BEGIN
        PERFORM usage_lock(person);
        PERFORM usage_catch_up(person, at);
        zone := usage_zone_of(person);
        IF array_length(array_remove(names, NULL), 1) > 0 THEN
            WITH fresh AS (
                INSERT INTO usage_idempotentrequest (id, user_id, scope, key, created_at)
                SELECT gen_random_uuid(), person, 'sync', name, at
                  FROM unnest(names) AS n (name) WHERE name IS NOT NULL
                ON CONFLICT (user_id, scope, key) DO NOTHING
                RETURNING key
            )
            SELECT array_agg(key) INTO named FROM fresh;
        END IF;
        SELECT least(min(h), at) - interval '1 day' INTO first FROM unnest(happened) AS h;
        SELECT array_agg(DISTINCT moment ORDER BY moment) INTO cuts
          FROM (SELECT starts_at FROM usage_quotawindow WHERE user_id = person AND ends_at > first
                 UNION ALL
                SELECT ends_at FROM usage_quotawindow WHERE user_id = person AND ends_at > first
                 UNION ALL
                SELECT usage_midnight(day, zone)
                  FROM (SELECT DISTINCT known.day + near.days AS day
                          FROM (SELECT DISTINCT (least(h, at) AT TIME ZONE zone)::date AS day
                                  FROM unnest(happened) AS h) AS known,
                               generate_series(-1, 1) AS near (days)) AS days
               ) AS moments (moment);

        WITH given AS (
            SELECT g.*, least(g.happened, at) AS moment, cuts[width_bucket(least(g.happened, at), cuts)] AS cut,
                   round(CASE WHEN p.id IS NULL THEN g.listed
                              ELSE g.requests * p.request_price
                                   + ((g.input - g.cached) * p.input_price
                                      + g.cached * coalesce(p.cached_price, p.input_price)
                                      + g.output * p.output_price
                                      + g.reasoning * coalesce(p.reasoning_price, p.output_price)) / 1000000
                         END, 12) AS computed
              FROM unnest(names, providers, models, requests, inputs, outputs, reasonings, caches, reported_costs,
                          computed_costs, happened)
                   AS g (name, provider, model, requests, input, output, reasoning, cached, reported, listed, happened)
              LEFT JOIN usage_modelprice p ON p.provider = g.provider AND p.model = g.model
             WHERE g.name IS NULL OR g.name IN (SELECT unnest(named))
        ), incoming AS MATERIALIZED (
            SELECT provider, model, date_bin('1 hour', moment, cut) AS hour, cut, count(*) AS records,
                   sum(requests) AS requests,
                   coalesce(sum(requests) FILTER (WHERE reported IS NULL AND computed IS NULL), 0) AS unpriced,
                   sum(input) AS input, sum(output) AS output, sum(reasoning) AS reasoning, sum(cached) AS cached,
                   sum(coalesce(round(reported, 12), computed)) AS cost, sum(computed) AS computed
              FROM given
             GROUP BY provider, model, hour, cut
        ), counted AS (
            UPDATE usage_quotawindow w
               SET used_requests = w.used_requests + i.requests,
                   used_tokens = w.used_tokens + i.tokens,
                   used_cost = w.used_cost + i.cost,
                   updated_at = at
              FROM (SELECT q.id, sum(c.requests) AS requests, sum(c.tokens) AS tokens, sum(c.cost) AS cost
                      FROM (SELECT provider, model, cut, sum(requests) AS requests,
                                   sum(input + output + reasoning) AS tokens, coalesce(sum(cost), 0) AS cost
                              FROM incoming
                             GROUP BY provider, model, cut) AS c
                      JOIN usage_quotalimit l ON l.user_id = person AND l.api_key_id IS NULL
                           AND l.provider IN ('', c.provider) AND l.model IN ('', c.model)
                      JOIN usage_quotawindow q ON q.user_id = person AND q.limit_id = l.id
                           AND q.starts_at <= c.cut AND q.ends_at > c.cut
                     WHERE of_source <> 'migration' AND q.ends_at > first
                     GROUP BY q.id) AS i
             WHERE w.user_id = person AND w.id = i.id
        ), entered AS (
            INSERT INTO usage_usagerecord AS r (
                       id, user_id, provider, model, hour, source, request_count, unpriced_requests, input_tokens,
                       output_tokens, reasoning_tokens, cached_tokens, total_cost, computed_cost, created_at, updated_at)
            SELECT (prefix || lpad(to_hex(row_number() OVER ()), 8, '0'))::uuid, person, provider, model, hour, of_source, requests, unpriced, input, output,
                   reasoning, cached, cost, computed, at, at
              FROM incoming
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
                   updated_at = excluded.updated_at
        )
        SELECT coalesce(sum(records), 0) INTO added FROM incoming;
        RETURN added;
    END $$
"""
SYNC_SIGNATURE = (
    "usage_sync(record uuid, person uuid, of_source text, names text[], providers text[], models text[], requests bigint[],"
    " inputs bigint[], outputs bigint[], reasonings bigint[], caches bigint[], reported_costs numeric[],"
    " computed_costs numeric[], happened timestamptz[], at timestamptz)"
)


class Migration(migrations.Migration):
    dependencies = [("usage", "0003_metering")]

    operations = [InvokerFunction(SYNC_SIGNATURE, SYNC)]
