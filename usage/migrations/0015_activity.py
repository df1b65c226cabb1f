"""What the usage page shows: a range of days on the person's calendar, and its figures from one scan of the ledger.

The API's report keeps its own functions (0008_report.py): its answers are part of a contract.
"""

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

# Where a range lies, the one before it to compare with (up to the same point of it where the range goes on), and in what
# units it is drawn: hours, days, weeks, months or years by its length. `first` and `last` are those of a custom range.
# A month in progress keeps the places of the days to come.
RANGE = """
    LANGUAGE plpgsql STABLE AS $$
    DECLARE
        today date;
        before_day date;
        over timestamptz;
        days integer;
    BEGIN
        zone := usage_zone_of(person);
        today := usage_day_of(at, zone);
        first_day := today;
        last_day := today;
        CASE period
            WHEN 'today' THEN
                before_day := today - 1;
            WHEN 'week' THEN
                first_day := today - 6;
                before_day := today - 13;
            WHEN '30days' THEN
                first_day := today - 29;
                before_day := today - 59;
            WHEN 'month' THEN
                first_day := date_trunc('month', today::timestamp);
                last_day := first_day + interval '1 month' - interval '1 day';
                before_day := first_day - interval '1 month';
            WHEN 'last-month' THEN
                first_day := date_trunc('month', today::timestamp) - interval '1 month';
                last_day := first_day + interval '1 month' - interval '1 day';
                before_day := first_day - interval '1 month';
            WHEN 'custom' THEN
                first_day := first;
                last_day := last;
                before_day := first - (last - first + 1);
            WHEN 'all' THEN
                SELECT least((min(r.hour) AT TIME ZONE zone)::date, today - 13) INTO first_day
                  FROM usage_usagerecord r WHERE r.user_id = person;
        END CASE;
        starts := usage_midnight(first_day, zone);
        over := usage_midnight(last_day + 1, zone);
        ends := least(at, over - interval '1 microsecond');
        IF before_day IS NOT NULL THEN
            before_starts := usage_midnight(before_day, zone);
            before_ends := CASE WHEN over <= at THEN starts ELSE least(starts, before_starts + (at - starts)) END;
        END IF;
        days := last_day - first_day + 1;
        unit := CASE WHEN days <= 2 THEN 'hour' WHEN days <= 92 THEN 'day' WHEN days <= 400 THEN 'week'
                     WHEN days <= 3700 THEN 'month' ELSE 'year' END;
    END $$
"""
RANGE_SIGNATURE = (
    "usage_range(person uuid, period text, first date, last date, at timestamptz, OUT starts timestamptz,"
    " OUT ends timestamptz, OUT before_starts timestamptz, OUT before_ends timestamptz, OUT zone text, OUT unit text,"
    " OUT first_day date, OUT last_day date)"
)

# Every figure of the page, each part in rows of its own: 'total', 'before', by 'provider', by 'model' of a provider, by
# 'source', by 'day', by 'hour' (where that is the unit); 'stack': by unit and by provider or model, those beyond the
# dearest `most` together, `place` being their rank; 'heat': by weekday and hour of the day, `place` counting hours from
# Monday's first; 'line': the unit's finest rows, newest first, `listed` of them after `skipped`, `place` being how many
# there are; 'choice': all that could be filtered by. An empty filter is none; a cost is null where nothing is
# known of it. A row of the ledger belongs where its hour starts. Planned for each call, as usage_figures is.
ACTIVITY = """
    RETURNS TABLE (part text, day date, hour timestamptz, place bigint, provider text, model text, source text,
                   requests bigint, unpriced bigint, input bigint, output bigint, reasoning bigint, cached bigint,
                   cost numeric)
    LANGUAGE plpgsql STABLE SET plan_cache_mode = 'force_custom_plan' AS $$
    #variable_conflict use_column
    DECLARE
        since timestamptz := coalesce(before_starts, starts);
    BEGIN
        RETURN QUERY
        WITH ledger AS MATERIALIZED (
            SELECT r.hour >= starts AS present, r.hour AT TIME ZONE zone AS local, r.hour, r.provider, r.model,
                   r.source, r.request_count, r.unpriced_requests, r.input_tokens, r.output_tokens,
                   r.reasoning_tokens, r.cached_tokens, r.total_cost
              FROM usage_usagerecord r
             WHERE r.user_id = person AND r.hour >= since AND r.hour <= ends
               AND (r.hour >= starts OR r.hour < before_ends)
        ), days AS MATERIALIZED (
            SELECT present, local::date AS day,
                   CASE WHEN unit = 'hour' THEN date_bin('1 hour', hour, starts) END AS hour, provider, model, source,
                   sum(request_count) AS requests, sum(unpriced_requests) AS unpriced, sum(input_tokens) AS input,
                   sum(output_tokens) AS output, sum(reasoning_tokens) AS reasoning, sum(cached_tokens) AS cached,
                   sum(total_cost) AS cost
              FROM ledger
             GROUP BY 1, 2, 3, 4, 5, 6
        ), wanted AS MATERIALIZED (
            SELECT *, date_trunc(unit, coalesce(hour AT TIME ZONE zone, day::timestamp))::date AS slot,
                   CASE stacked_by WHEN 'model' THEN model ELSE '' END AS kind
              FROM days
             WHERE of_provider IN ('', provider) AND of_model IN ('', model) AND of_source IN ('', source)
        ), ranked AS (
            SELECT provider, kind,
                   row_number() OVER (ORDER BY coalesce(sum(cost), 0) DESC, sum(requests) DESC,
                                               provider COLLATE "C", kind COLLATE "C") AS place
              FROM wanted WHERE present
             GROUP BY provider, kind
        ), lines AS (
            SELECT slot, hour, count(*) OVER () AS place, provider, model, source,
                   sum(requests) AS requests, sum(unpriced) AS unpriced, sum(input) AS input, sum(output) AS output,
                   sum(reasoning) AS reasoning, sum(cached) AS cached, sum(cost) AS cost
              FROM wanted WHERE present
             GROUP BY slot, hour, provider, model, source
             ORDER BY slot DESC, hour DESC, provider COLLATE "C", model COLLATE "C", source COLLATE "C"
            OFFSET skipped LIMIT listed
        ), parts AS (
            SELECT CASE grouping(day, hour, provider, model, source)
                       WHEN 31 THEN 'total'
                       WHEN 27 THEN 'provider'
                       WHEN 25 THEN 'model'
                       WHEN 30 THEN 'source'
                       WHEN 15 THEN 'day'
                       ELSE 'hour'
                   END AS part, day, hour, NULL::bigint AS place, provider, model, source,
                   sum(requests) AS requests, sum(unpriced) AS unpriced, sum(input) AS input, sum(output) AS output,
                   sum(reasoning) AS reasoning, sum(cached) AS cached, sum(cost) AS cost
              FROM wanted WHERE present
             GROUP BY GROUPING SETS ((), (provider), (provider, model), (source), (day), (hour))
             UNION ALL
            SELECT 'before', NULL, NULL, NULL, NULL, NULL, NULL,
                   sum(requests), sum(unpriced), sum(input), sum(output), sum(reasoning), sum(cached), sum(cost)
              FROM wanted WHERE NOT present
             UNION ALL
            SELECT 'stack', w.slot, w.hour, least(r.place, most + 1), CASE WHEN r.place <= most THEN w.provider END,
                   CASE WHEN r.place <= most THEN w.kind END, NULL,
                   sum(requests), sum(unpriced), sum(input), sum(output), sum(reasoning), sum(cached), sum(cost)
              FROM wanted w JOIN ranked r USING (provider, kind)
             WHERE w.present
             GROUP BY 1, 2, 3, 4, 5, 6
             UNION ALL
            SELECT 'heat', NULL, NULL, (extract(isodow FROM local) - 1) * 24 + extract(hour FROM local), NULL, NULL,
                   NULL, sum(request_count), NULL, NULL, NULL, NULL, NULL, NULL
              FROM ledger
             WHERE present AND unit <> 'hour'
               AND of_provider IN ('', provider) AND of_model IN ('', model) AND of_source IN ('', source)
             GROUP BY 4
             UNION ALL
            SELECT 'line', slot, hour, place, provider, model, source,
                   requests, unpriced, input, output, reasoning, cached, cost
              FROM lines
             UNION ALL
            SELECT DISTINCT 'choice', NULL::date, NULL::timestamptz, NULL::bigint, provider, model, source,
                   NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric,
                   NULL::numeric
              FROM days WHERE present
        )
        SELECT p.part, p.day, p.hour, p.place::bigint, p.provider::text, p.model::text, p.source::text,
               coalesce(p.requests, 0)::bigint, coalesce(p.unpriced, 0)::bigint, coalesce(p.input, 0)::bigint,
               coalesce(p.output, 0)::bigint, coalesce(p.reasoning, 0)::bigint, coalesce(p.cached, 0)::bigint,
               trim_scale(p.cost)
          FROM parts p WHERE p.part <> 'hour' OR p.hour IS NOT NULL;
    END $$
"""
ACTIVITY_SIGNATURE = (
    "usage_activity(person uuid, starts timestamptz, ends timestamptz, before_starts timestamptz,"
    " before_ends timestamptz, zone text, unit text, of_provider text, of_model text, of_source text,"
    " stacked_by text, most integer, skipped bigint, listed integer)"
)


class Migration(migrations.Migration):
    dependencies = [("usage", "0014_advice")]

    operations = [InvokerFunction(RANGE_SIGNATURE, RANGE), InvokerFunction(ACTIVITY_SIGNATURE, ACTIVITY)]
