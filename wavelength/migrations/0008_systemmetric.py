"""Figures about the whole service, and `collect_metrics`, which counts them where the rows of people are.

Nothing that it reads leaves it: it writes into `wavelength_systemmetric` and answers how many rows it changed. Labels are
words of ours, and names of models as they stand in price lists (docs/decisions/figures-that-tell-of-nobody.md).
"""

from django.db import migrations, models

from wavelength.tenancy.operations import DefinerFunction

# `hours` counts what happened in each hour from `since` to before `until`, `days` who was active in each day and its
# last 7 and 30, and of whom signed up in which week. A repeat writes the same rows and answers 0.
COLLECT = r"""
    RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        counted CONSTANT text[] := ARRAY[
            'registrations', 'event', 'active.hour', 'handover', 'usage.requests', 'usage.tokens', 'usage.cost'];
        changed bigint := 0;
    BEGIN
        -- One at a time: two would write the same rows.
        PERFORM pg_advisory_xact_lock(hashtext('collect_metrics'));
        IF part = 'hours' THEN
            since := date_trunc('hour', since, 'UTC');
            until := date_trunc('hour', until, 'UTC');
            WITH events AS MATERIALIZED (
                SELECT date_trunc('hour', e.at, 'UTC') AS hour, e.user_id, e.kind, e.actor,
                       CASE WHEN e.kind = 'account.created' THEN e.details ->> 'way' END AS way
                  FROM accounts_auditevent e
                 WHERE e.at >= since AND e.at < until
            ),
            handovers AS MATERIALIZED (
                SELECT date_trunc('hour', h.started_at, 'UTC') AS hour, h.user_id, h.source,
                       CASE WHEN h.finished_at IS NOT NULL THEN CASE h.error_count WHEN 0 THEN 'complete' ELSE 'partly' END
                            WHEN h.moved_at < statement_timestamp() - interval '1 minute' THEN 'stopped' END AS outcome
                  FROM chats_handover h
                 WHERE h.started_at >= since AND h.started_at < until
            ),
            ledger AS MATERIALIZED (
                SELECT date_trunc('hour', r.hour, 'UTC') AS hour, r.user_id, r.request_count,
                       r.input_tokens + r.output_tokens + r.reasoning_tokens AS tokens, coalesce(r.total_cost, 0) AS cost,
                       -- A name that only its sender knows could tell of them: it has no price, or looks like no name.
                       CASE WHEN r.computed_cost IS NOT NULL
                             AND r.provider ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'
                             AND r.model ~ '^[A-Za-z0-9][A-Za-z0-9._:+/-]{0,99}$'
                             AND r.model !~* '[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}'
                            THEN r.provider || '/' || r.model ELSE 'unlisted' END AS label
                  FROM usage_usagerecord r
                 WHERE r.hour >= since AND r.hour < until AND r.source <> 'migration'
            ),
            used AS (
                SELECT hour, label, sum(request_count) AS requests, sum(tokens) AS tokens, sum(cost) AS cost
                  FROM ledger GROUP BY 1, 2
            ),
            fresh (name, hour, label, value) AS (
                SELECT 'registrations', hour, CASE WHEN way ~ '^[a-z_]{1,32}$' THEN way ELSE 'other' END, count(*)::numeric
                  FROM events WHERE kind = 'account.created' GROUP BY 2, 3
                 UNION ALL
                SELECT 'event', hour, CASE WHEN kind ~ '^[a-z._]{1,64}$' THEN kind ELSE 'other' END, count(*)
                  FROM events WHERE kind <> 'account.created' GROUP BY 2, 3
                 UNION ALL
                SELECT 'active.hour', hour, '', count(DISTINCT user_id)
                  FROM (SELECT hour, user_id FROM events WHERE actor = 'owner' AND kind <> 'account.created'
                         UNION ALL SELECT hour, user_id FROM handovers WHERE source IN ('migration', 'sync')
                         UNION ALL SELECT hour, user_id FROM ledger) AS active
                 GROUP BY 2
                 UNION ALL
                SELECT 'handover', hour, outcome, count(*)
                  FROM handovers WHERE source IN ('migration', 'command') AND outcome IS NOT NULL GROUP BY 2, 3
                 UNION ALL SELECT 'usage.requests', hour, label, requests FROM used
                 UNION ALL SELECT 'usage.tokens', hour, label, tokens FROM used
                 UNION ALL SELECT 'usage.cost', hour, label, cost FROM used WHERE cost <> 0
            ),
            gone AS (
                DELETE FROM wavelength_systemmetric m
                 WHERE m.name = ANY (counted) AND m.hour >= since AND m.hour < until
                   AND NOT EXISTS (SELECT FROM fresh f WHERE f.name = m.name AND f.hour = m.hour AND f.label = m.label)
                RETURNING 1
            ),
            kept AS (
                INSERT INTO wavelength_systemmetric AS m (name, hour, label, value)
                SELECT f.name, f.hour, f.label, f.value FROM fresh f
                ON CONFLICT (name, hour, label) DO UPDATE SET value = EXCLUDED.value WHERE m.value <> EXCLUDED.value
                RETURNING 1
            )
            SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept) INTO changed;
        ELSIF part = 'days' THEN
            since := date_trunc('day', since, 'UTC');
            until := date_trunc('day', until, 'UTC');
            WITH days AS (
                SELECT day FROM generate_series(since, until - interval '1 second', interval '1 day') AS day
            ),
            weeks AS (
                SELECT DISTINCT date_trunc('week', day, 'UTC') AS week FROM days
            ),
            active AS MATERIALIZED (
                SELECT DISTINCT user_id, date_trunc('day', at, 'UTC') AS day
                  FROM (SELECT e.user_id, e.at FROM accounts_auditevent e
                         WHERE e.actor = 'owner' AND e.kind <> 'account.created'
                         UNION ALL
                        SELECT h.user_id, h.started_at FROM chats_handover h WHERE h.source IN ('migration', 'sync')
                         UNION ALL
                        SELECT r.user_id, r.hour FROM usage_usagerecord r WHERE r.source <> 'migration') AS acts (user_id, at)
                 WHERE at >= least(since - interval '29 days', date_trunc('week', since, 'UTC')) AND at < until
            ),
            joined AS MATERIALIZED (
                SELECT u.id, date_trunc('week', u.created_at, 'UTC') AS week
                  FROM accounts_user u
                 WHERE u.created_at >= date_trunc('week', since, 'UTC') - interval '12 weeks' AND u.created_at < until
            ),
            fresh (name, hour, label, value) AS (
                SELECT spans.name, d.day, '', (SELECT count(DISTINCT a.user_id)::numeric FROM active a
                                                WHERE a.day > d.day - spans.span AND a.day <= d.day)
                  FROM days d, (VALUES ('active.day', interval '1 day'), ('active.week', interval '7 days'),
                                       ('active.month', interval '30 days')) AS spans (name, span)
                 UNION ALL
                SELECT 'cohort.size', j.week, '', count(*) FROM joined j JOIN weeks USING (week) GROUP BY 2
                 UNION ALL
                SELECT 'cohort.active', j.week, to_char(extract(epoch FROM w.week - j.week) / 604800, 'FM00'),
                       count(DISTINCT a.user_id)
                  FROM weeks w
                  JOIN joined j ON j.week <= w.week AND j.week >= w.week - interval '12 weeks'
                  LEFT JOIN active a ON a.user_id = j.id AND a.day >= w.week AND a.day < w.week + interval '7 days'
                 GROUP BY 2, 3
            ),
            kept AS (
                INSERT INTO wavelength_systemmetric AS m (name, hour, label, value)
                SELECT f.name, f.hour, f.label, f.value FROM fresh f
                ON CONFLICT (name, hour, label) DO UPDATE SET value = EXCLUDED.value WHERE m.value <> EXCLUDED.value
                RETURNING 1
            )
            SELECT count(*) FROM kept INTO changed;
        END IF;
        RETURN changed;
    END
    $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("wavelength", "0007_prune_old"),
        ("accounts", "0010_auditevent_at"),
        ("chats", "0006_handover_started"),
        ("usage", "0017_live"),
    ]

    operations = [
        migrations.CreateModel(
            name="SystemMetric",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "name", "hour", "label", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=32)),
                ("hour", models.DateTimeField()),
                ("label", models.CharField(blank=True, max_length=200)),
                ("value", models.DecimalField(decimal_places=12, max_digits=36)),
            ],
        ),
        DefinerFunction("collect_metrics(part text, since timestamptz, until timestamptz)", COLLECT),
    ]
