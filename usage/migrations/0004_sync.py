"""A batch of records counted in one call: as if each had been recorded by itself, at the time it names."""

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

# Arrays of one length, one place for each record; `names` are the client's own ids, null where it gave none. A record whose
# name was counted before, or stands twice in the batch, adds nothing. Answers how many were added.
# Records are gathered in bins that neither a window nor a day's start cuts: hours, or quarters of one where those start at
# a quarter (every zone's offset has been a multiple of 15 minutes since 1972). The ledger's hours are counted
# from the last such moment. What a clock ahead of ours dates later than now is counted now.
SYNC = """
    RETURNS integer LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    DECLARE
        zone text;
        first timestamptz;
        last timestamptz;
        width interval;
        named text[];
        added integer;
    BEGIN
        PERFORM usage_lock(person);
        PERFORM usage_catch_up(person, at);
        zone := usage_zone_of(person);
        WITH fresh AS (
            INSERT INTO usage_idempotentrequest (id, user_id, scope, key, created_at)
            SELECT gen_random_uuid(), person, 'sync', name, at
              FROM (SELECT DISTINCT name FROM unnest(names) AS n (name) WHERE name IS NOT NULL) AS distinct_names
            ON CONFLICT (user_id, scope, key) DO NOTHING
            RETURNING key
        )
        SELECT array_agg(key) INTO named FROM fresh;
        SELECT least(min(h), at), least(max(h), at) INTO first, last FROM unnest(happened) AS h;
        SELECT CASE WHEN bool_and(moment = date_trunc('hour', moment))
                    THEN interval '1 hour' ELSE interval '15 minutes' END
          INTO width
          FROM (SELECT starts_at FROM usage_quotawindow WHERE user_id = person AND ends_at > first - interval '1 hour'
                 UNION ALL
                SELECT ends_at FROM usage_quotawindow WHERE user_id = person AND ends_at > first - interval '1 hour'
                 UNION ALL
                -- Summer and winter: half an hour apart on Lord Howe.
                SELECT usage_midnight(make_date(extract(year FROM y.year)::integer, m.month, 1), zone)
                  FROM (VALUES (first), (last)) AS y (year), (VALUES (1), (7)) AS m (month)) AS cuts (moment);

        CREATE TEMPORARY TABLE usage_incoming ON COMMIT DROP AS
        WITH given AS (
            SELECT DISTINCT ON (coalesce(g.name, g.place::text), g.name IS NULL) g.*
              FROM unnest(names, providers, models, requests, inputs, outputs, reasonings, caches, reported_costs,
                          computed_costs, happened)
                   WITH ORDINALITY AS g (name, provider, model, requests, input, output, reasoning, cached, reported,
                                         computed, happened, place)
             WHERE g.name IS NULL OR g.name IN (SELECT unnest(named))
             ORDER BY coalesce(g.name, g.place::text), g.name IS NULL, g.place
        ), priced AS (
            SELECT g.provider, g.model, g.requests, g.input, g.output, g.reasoning, g.cached,
                   date_bin(width, least(g.happened, at), 'epoch') AS bin, g.reported,
                   CASE WHEN p.id IS NULL THEN g.computed
                        ELSE g.requests * p.request_price
                             + ((g.input - g.cached) * p.input_price + g.cached * coalesce(p.cached_price, p.input_price)
                                + g.output * p.output_price
                                + g.reasoning * coalesce(p.reasoning_price, p.output_price)) / 1000000
                   END AS computed
              FROM given g LEFT JOIN usage_modelprice p ON p.provider = g.provider AND p.model = g.model
        )
        SELECT provider, model, bin, count(*) AS records, sum(requests) AS requests,
               coalesce(sum(requests) FILTER (WHERE coalesce(reported, computed) IS NULL), 0) AS unpriced,
               sum(input) AS input, sum(output) AS output, sum(reasoning) AS reasoning, sum(cached) AS cached,
               sum(round(coalesce(reported, computed), 12)) AS cost, sum(round(computed, 12)) AS computed
          FROM priced
         GROUP BY provider, model, bin;

        SELECT coalesce(sum(records), 0) INTO added FROM usage_incoming;
        UPDATE usage_quotawindow w
           SET used_requests = w.used_requests + i.requests,
               used_tokens = w.used_tokens + i.tokens,
               used_cost = w.used_cost + i.cost,
               updated_at = at
          FROM (SELECT q.id, sum(i.requests) AS requests, sum(i.input + i.output + i.reasoning) AS tokens,
                       coalesce(sum(i.cost), 0) AS cost
                  FROM usage_incoming i
                  JOIN usage_quotalimit l ON l.user_id = person AND l.api_key_id IS NULL
                       AND l.provider IN ('', i.provider) AND l.model IN ('', i.model)
                  JOIN usage_quotawindow q ON q.user_id = person AND q.limit_id = l.id
                       AND q.starts_at <= i.bin AND q.ends_at > i.bin
                 WHERE of_source <> 'migration'
                 GROUP BY q.id) AS i
         WHERE w.user_id = person AND w.id = i.id;
        INSERT INTO usage_usagerecord AS r (
                   id, user_id, provider, model, hour, source, request_count, unpriced_requests, input_tokens,
                   output_tokens, reasoning_tokens, cached_tokens, total_cost, computed_cost, created_at, updated_at)
        SELECT gen_random_uuid(), person, i.provider, i.model, h.hour, of_source, sum(i.requests), sum(i.unpriced),
               sum(i.input), sum(i.output), sum(i.reasoning), sum(i.cached), sum(i.cost), sum(i.computed), at, at
          FROM usage_incoming i
          JOIN (SELECT moment AS bin, date_bin('1 hour', moment, latest) AS hour
                  FROM (SELECT is_bin, moment, max(cut) OVER (ORDER BY moment) AS latest
                          FROM (SELECT DISTINCT true, bin, NULL::timestamptz FROM usage_incoming
                                 UNION ALL
                                SELECT false, starts_at, starts_at FROM usage_quotawindow
                                 WHERE user_id = person AND ends_at > first - interval '1 hour'
                                 UNION ALL
                                SELECT false, ends_at, ends_at FROM usage_quotawindow
                                 WHERE user_id = person AND ends_at > first - interval '1 hour'
                                 UNION ALL
                                SELECT false, usage_midnight(day, zone), usage_midnight(day, zone)
                                  FROM (SELECT DISTINCT (bin AT TIME ZONE zone)::date + near AS day
                                          FROM usage_incoming, generate_series(-1, 1) AS near) AS days
                               ) AS moments (is_bin, moment, cut)
                       ) AS marked
                 WHERE is_bin) AS h USING (bin)
         GROUP BY i.provider, i.model, h.hour
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
        DROP TABLE usage_incoming;
        RETURN added;
    END $$
"""
SYNC_SIGNATURE = (
    "usage_sync(person uuid, of_source text, names text[], providers text[], models text[], requests bigint[],"
    " inputs bigint[], outputs bigint[], reasonings bigint[], caches bigint[], reported_costs numeric[],"
    " computed_costs numeric[], happened timestamptz[], at timestamptz)"
)


class Migration(migrations.Migration):
    dependencies = [("usage", "0003_metering")]

    operations = [InvokerFunction(SYNC_SIGNATURE, SYNC)]
