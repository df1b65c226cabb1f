"""The usage report: what one person used in a period, from one scan of their stretch of the ledger.

The rows are first summed by day, provider, model and source; every figure is a sum of those few. Other people's rows
cost nothing: the unique index leads with the person and the hour.
"""

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

# Where a period lies, and the one before it to compare with, up to the same point of it; no one before all.
# `recent` is the last 30 days.
SPAN = """
    LANGUAGE plpgsql STABLE AS $$
    DECLARE
        today date := usage_day_of(at, zone);
    BEGIN
        ends := at;
        CASE period
            WHEN 'today' THEN
                starts := usage_midnight(today, zone);
                before_starts := usage_midnight(today - 1, zone);
            WHEN 'week' THEN
                starts := at - interval '168 hours';
                before_starts := starts - interval '168 hours';
            WHEN 'recent' THEN
                starts := usage_midnight(today - 29, zone);
                before_starts := usage_midnight(today - 59, zone);
            WHEN 'month' THEN
                starts := usage_midnight(date_trunc('month', today)::date, zone);
                before_starts := usage_midnight((date_trunc('month', today) - interval '1 month')::date, zone);
            WHEN 'all' THEN
                starts := 'epoch';
        END CASE;
        before_ends := least(starts, before_starts + (at - starts));
    END $$
"""
SPAN_SIGNATURE = (
    "usage_span(period text, zone text, at timestamptz, OUT starts timestamptz, OUT ends timestamptz,"
    " OUT before_starts timestamptz, OUT before_ends timestamptz)"
)

# Every figure of a report, each part in rows of its own: 'total', 'before', by 'provider', by 'model' of a provider,
# by 'source', by 'day', by 'hour' (where asked for), and 'record': a model's day; 'choice' names all that could be
# filtered by. A row of the ledger belongs where its hour starts. An empty filter is none; a cost is null where nothing
# is known of it. Planned for each call: a plan for
# any period would expect a handful of rows, and sort what there is instead of hashing it.
FIGURES = """
    RETURNS TABLE (part text, day date, hour timestamptz, provider text, model text, source text, requests bigint,
                   unpriced bigint, input bigint, output bigint, reasoning bigint, cached bigint, cost numeric)
    LANGUAGE plpgsql STABLE SET plan_cache_mode = 'force_custom_plan' AS $$
    #variable_conflict use_column
    DECLARE
        since timestamptz := coalesce(before_starts, starts);
    BEGIN
        RETURN QUERY
        WITH days AS MATERIALIZED (
            SELECT r.hour >= starts AS present, (r.hour AT TIME ZONE zone)::date AS day,
                   CASE WHEN hourly THEN r.hour END AS hour, r.provider, r.model, r.source,
                   sum(r.request_count) AS requests, sum(r.unpriced_requests) AS unpriced,
                   sum(r.input_tokens) AS input, sum(r.output_tokens) AS output, sum(r.reasoning_tokens) AS reasoning,
                   sum(r.cached_tokens) AS cached, sum(r.total_cost) AS cost
              FROM usage_usagerecord r
             WHERE r.user_id = person AND r.hour >= since AND r.hour <= ends
               AND (r.hour >= starts OR r.hour < before_ends)
             GROUP BY 1, 2, 3, 4, 5, 6
        ), wanted AS (
            SELECT * FROM days
             WHERE of_provider IN ('', provider) AND of_model IN ('', model) AND of_source IN ('', source)
        ), parts AS (
            SELECT CASE grouping(day, hour, provider, model, source)
                       WHEN 31 THEN 'total'
                       WHEN 27 THEN 'provider'
                       WHEN 25 THEN 'model'
                       WHEN 30 THEN 'source'
                       WHEN 15 THEN 'day'
                       WHEN 23 THEN 'hour'
                       ELSE 'record'
                   END AS part, day, hour, provider, model, source,
                   sum(requests) AS requests, sum(unpriced) AS unpriced, sum(input) AS input, sum(output) AS output,
                   sum(reasoning) AS reasoning, sum(cached) AS cached, sum(cost) AS cost
              FROM wanted WHERE present
             GROUP BY GROUPING SETS ((), (provider), (provider, model), (source), (day), (hour), (day, provider, model))
             UNION ALL
            SELECT 'before', NULL, NULL, NULL, NULL, NULL,
                   sum(requests), sum(unpriced), sum(input), sum(output), sum(reasoning), sum(cached), sum(cost)
              FROM wanted WHERE NOT present
             UNION ALL
            SELECT DISTINCT 'choice', NULL::date, NULL::timestamptz, provider, model, source,
                   NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric,
                   NULL::numeric
              FROM days WHERE present
        )
        SELECT p.part, p.day, p.hour, p.provider::text, p.model::text, p.source::text,
               coalesce(p.requests, 0)::bigint, coalesce(p.unpriced, 0)::bigint, coalesce(p.input, 0)::bigint,
               coalesce(p.output, 0)::bigint, coalesce(p.reasoning, 0)::bigint, coalesce(p.cached, 0)::bigint,
               trim_scale(p.cost)
          FROM parts p WHERE p.part <> 'hour' OR p.hour IS NOT NULL;
    END $$
"""
FIGURES_SIGNATURE = (
    "usage_figures(person uuid, starts timestamptz, ends timestamptz, before_starts timestamptz,"
    " before_ends timestamptz, zone text, of_provider text, of_model text, of_source text, hourly boolean)"
)

# What GET /api/profile/usage answers (API.md), as text.
REPORT = """
    RETURNS json LANGUAGE plpgsql AS $$
    DECLARE
        utc CONSTANT text := 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
        zone text := usage_zone_of(person);
        span record := usage_span(of_period, zone, at);
        quotas json := (
            SELECT coalesce(json_agg(json_build_object(
                       'type', q.period, 'provider', nullif(q.provider, ''), 'model', nullif(q.model, ''),
                       'requestLimit', q.request_limit, 'tokenLimit', q.token_limit,
                       'costLimit', trim_scale(q.cost_limit), 'usedRequests', q.used_requests,
                       'usedTokens', q.used_tokens, 'usedCost', trim_scale(q.used_cost),
                       'resetAt', to_char(q.ends_at AT TIME ZONE 'UTC', utc))), '[]')
              FROM usage_quotas(person, at) AS q
             WHERE q.api_key_id IS NULL);
    BEGIN
        RETURN (
            WITH figures AS MATERIALIZED (
                SELECT f.*, f.input + f.output + f.reasoning AS tokens
                  FROM usage_figures(person, span.starts, span.ends, NULL, NULL, zone, of_provider, of_model, '',
                                     false) AS f
            ), models AS (
                SELECT model, sum(requests) AS requests, sum(tokens) AS tokens, coalesce(sum(cost), 0) AS cost
                  FROM figures WHERE part = 'model'
                 GROUP BY model
                 ORDER BY cost DESC, requests DESC, model
                 LIMIT 10
            )
            SELECT json_build_object(
                'period', of_period,
                'dateRange', json_build_object('start', to_char(span.starts AT TIME ZONE 'UTC', utc),
                                               'end', to_char(span.ends AT TIME ZONE 'UTC', utc)),
                'totals', (
                    SELECT json_build_object(
                               'requests', requests,
                               'tokens', json_build_object('total', tokens, 'input', input, 'output', output,
                                                           'reasoning', reasoning),
                               'cost', coalesce(cost, 0))
                      FROM figures WHERE part = 'total'),
                'breakdown', json_build_object(
                    'providers', (
                        SELECT coalesce(json_agg(json_build_object('provider', provider, 'requests', requests,
                                                                   'tokens', tokens, 'cost', coalesce(cost, 0))
                                                 ORDER BY coalesce(cost, 0) DESC, requests DESC, provider), '[]')
                          FROM figures WHERE part = 'provider'),
                    'models', (
                        SELECT coalesce(json_agg(json_build_object('model', model, 'requests', requests,
                                                                   'tokens', tokens, 'cost', cost)
                                                 ORDER BY cost DESC, requests DESC, model), '[]')
                          FROM models)),
                'dailyUsage', (
                    SELECT coalesce(json_agg(json_build_object('date', day, 'requests', requests, 'tokens', tokens,
                                                               'cost', coalesce(cost, 0)) ORDER BY day), '[]')
                      FROM figures WHERE part = 'day'),
                'quotaLimits', quotas,
                'rawData', (
                    SELECT coalesce(json_agg(json_build_object(
                               'provider', provider, 'model', model, 'date', day, 'requests', requests,
                               'tokens', json_build_object('total', tokens, 'input', input, 'output', output,
                                                           'reasoning', reasoning),
                               'cost', cost) ORDER BY day, provider, model), '[]')
                      FROM figures WHERE part = 'record')));
    END $$
"""
REPORT_SIGNATURE = "usage_report(person uuid, of_period text, of_provider text, of_model text, at timestamptz)"

# The same for the person of a session, in one round trip.
REPORT_OF_SESSION = """
    RETURNS json LANGUAGE plpgsql AS $$
    DECLARE
        person accounts_user := enter(wanted, stamp);
    BEGIN
        IF person.id IS NULL THEN
            RETURN NULL;
        END IF;
        RETURN usage_report(person.id, of_period, of_provider, of_model, now());
    END $$
"""
REPORT_OF_SESSION_SIGNATURE = (
    "usage_report_of_session(wanted text, stamp text, of_period text, of_provider text, of_model text)"
)


class Migration(migrations.Migration):
    dependencies = [("usage", "0012_outlook"), ("accounts", "0004_enter")]

    operations = [
        InvokerFunction(SPAN_SIGNATURE, SPAN),
        InvokerFunction(FIGURES_SIGNATURE, FIGURES),
        InvokerFunction(REPORT_SIGNATURE, REPORT),
        InvokerFunction(REPORT_OF_SESSION_SIGNATURE, REPORT_OF_SESSION),
    ]
