"""`usage_close_days`: days that are over, summed once, so that a report of everything does not read every hour of it.

A person's hours lie apart in the ledger, each on a page of its own; their closed days are few and lie together. They are
made when the person looks: a job would make those of everybody.

Whatever adds to a day that may be closed calls `usage_reopen_days` in its transaction: up to then the day was closed
without it, from then on it is not closed before that transaction ends.
"""

from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import wavelength.ids
from wavelength.tenancy.operations import InvokerFunction, IsolateTenant, RemovedFunction, changed

metering = import_module("usage.migrations.0003_metering")
report = import_module("usage.migrations.0008_report")
batches = import_module("usage.migrations.0016_batches")

_LOCKED = "hashtextextended('closed days of ' || person::text, 0)"

# Closes what was over four days before `at`, a week or more at a time, and answers the newest closed day, null where none
# is. Where something is being told late it leaves the days as they are; it waits for nobody.
CLOSE = f"""
    RETURNS date LANGUAGE plpgsql AS $$
    DECLARE
        over CONSTANT date := usage_day_of(least(at, now()), of_zone) - 4;
        closed date;
        closed_in text;
        oldest timestamptz;
        locked boolean := false;
    BEGIN
        LOOP
            SELECT c.day, c.zone INTO closed, closed_in
              FROM usage_closedday c WHERE c.user_id = person ORDER BY c.day DESC LIMIT 1;
            IF closed_in <> of_zone THEN
                closed := NULL;
            ELSIF closed > over - 7 THEN
                RETURN closed;
            END IF;
            SELECT min(r.hour) INTO oldest FROM usage_usagerecord r
             WHERE r.user_id = person
               AND r.hour >= coalesce((closed + 1)::timestamp AT TIME ZONE of_zone, '-infinity');
            EXIT WHEN oldest IS NULL OR (oldest AT TIME ZONE of_zone)::date > over - 7
                OR current_setting('transaction_read_only')::boolean;
            IF locked THEN
                DELETE FROM usage_closedday WHERE user_id = person AND zone <> of_zone;
                INSERT INTO usage_closedday (
                           id, user_id, day, zone, provider, model, source, request_count, unpriced_requests,
                           input_tokens, output_tokens, reasoning_tokens, cached_tokens, total_cost)
                SELECT gen_random_uuid(), person, (r.hour AT TIME ZONE of_zone)::date AS day, of_zone, r.provider,
                       r.model, r.source, sum(r.request_count), sum(r.unpriced_requests), sum(r.input_tokens),
                       sum(r.output_tokens), sum(r.reasoning_tokens), sum(r.cached_tokens), sum(r.total_cost)
                  FROM usage_usagerecord r
                 WHERE r.user_id = person AND r.hour < (over + 2)::timestamp AT TIME ZONE of_zone
                   AND r.hour >= coalesce(closed::timestamp AT TIME ZONE of_zone, '-infinity')
                   AND (r.hour AT TIME ZONE of_zone)::date <= over
                   AND (r.hour AT TIME ZONE of_zone)::date > coalesce(closed, '-infinity')
                 GROUP BY r.provider, r.model, r.source, (r.hour AT TIME ZONE of_zone)::date;
                SELECT max(c.day) INTO closed FROM usage_closedday c WHERE c.user_id = person;
                EXIT;
            END IF;
            -- Whoever held it may have changed what was read above.
            locked := pg_try_advisory_xact_lock({_LOCKED});
            EXIT WHEN NOT locked;
        END LOOP;
        RETURN closed;
    END $$
"""  # noqa: S608  (a constant of ours)
CLOSE_SIGNATURE = "usage_close_days(person uuid, of_zone text, at timestamptz)"

# The day of `since` and all after it are read from the ledger again; so are the two days before, for it may be
# another day in the person's zone. Nothing of the last day is closed in any zone: callers need not ask for it.
REOPEN = f"""
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF since < now() - interval '1 day' THEN
            PERFORM pg_advisory_xact_lock_shared({_LOCKED});
            DELETE FROM usage_closedday WHERE user_id = person AND day >= (since AT TIME ZONE 'UTC')::date - 2;
        END IF;
    END $$
"""  # noqa: S608  (a constant of ours)
REOPEN_SIGNATURE = "usage_reopen_days(person uuid, since timestamptz)"

# Every figure of the report of `starts` to `ends`, each part in rows of its own: 'total', by 'provider', by 'model' of
# a provider, by 'day', and 'record': a model's day. A row of the ledger belongs where its hour starts. An empty
# filter is none; a cost is null where nothing is known of it. Planned for each call: a plan for any period would expect
# a handful of rows, and sort what there is instead of hashing it. A report of everything begins with the closed days.
FIGURES = """
    RETURNS TABLE (part text, day date, provider text, model text, requests bigint, input bigint, output bigint,
                   reasoning bigint, cost numeric)
    LANGUAGE plpgsql SET plan_cache_mode = 'force_custom_plan' AS $$
    #variable_conflict use_column
    DECLARE
        closed date;
        since timestamptz := starts;
    BEGIN
        IF starts = 'epoch' THEN
            closed := usage_close_days(person, zone, ends);
        END IF;
        IF closed IS NULL THEN
            closed := '-infinity';
        ELSE
            closed := least(closed, usage_day_of(ends, zone) - 4);
            since := closed::timestamp AT TIME ZONE zone;
        END IF;
        RETURN QUERY
        WITH days AS (
            SELECT c.day, c.provider, c.model, c.request_count AS requests, c.input_tokens AS input,
                   c.output_tokens AS output, c.reasoning_tokens AS reasoning, c.total_cost AS cost
              FROM usage_closedday c
             WHERE c.user_id = person AND c.day <= closed
             UNION ALL
            SELECT (r.hour AT TIME ZONE zone)::date, r.provider, r.model, r.request_count, r.input_tokens,
                   r.output_tokens, r.reasoning_tokens, r.total_cost
              FROM usage_usagerecord r
             WHERE r.user_id = person AND r.hour >= since AND r.hour <= ends
               AND (r.hour AT TIME ZONE zone)::date > closed
        ), wanted AS MATERIALIZED (
            SELECT day, provider, model, sum(requests) AS requests, sum(input) AS input, sum(output) AS output,
                   sum(reasoning) AS reasoning, sum(cost) AS cost
              FROM days
             WHERE of_provider IN ('', provider) AND of_model IN ('', model)
             GROUP BY 1, 2, 3
        ), parts AS (
            SELECT CASE grouping(day, provider, model)
                       WHEN 7 THEN 'total'
                       WHEN 5 THEN 'provider'
                       WHEN 4 THEN 'model'
                       WHEN 3 THEN 'day'
                       ELSE 'record'
                   END AS part, day, provider, model, sum(requests) AS requests, sum(input) AS input,
                   sum(output) AS output, sum(reasoning) AS reasoning, sum(cost) AS cost
              FROM wanted
             GROUP BY GROUPING SETS ((), (provider), (provider, model), (day), (day, provider, model))
        )
        SELECT p.part, p.day, p.provider::text, p.model::text, coalesce(p.requests, 0)::bigint,
               coalesce(p.input, 0)::bigint, coalesce(p.output, 0)::bigint, coalesce(p.reasoning, 0)::bigint,
               trim_scale(p.cost)
          FROM parts p;
    END $$
"""
FIGURES_SIGNATURE = (
    "usage_figures(person uuid, starts timestamptz, ends timestamptz, zone text, of_provider text, of_model text)"
)

COUNT = changed(
    metering.COUNT,
    "        INSERT INTO usage_usagerecord AS r (",
    "        IF happened < now() - interval '1 day' THEN\n"
    "            PERFORM usage_reopen_days(person, happened);\n"
    "        END IF;\n"
    "        INSERT INTO usage_usagerecord AS r (",
)
EARLIEST = "earliest CONSTANT timestamptz := (SELECT min(hour) FROM unnest(hours) AS h (hour));"
ADD = batches.ADD
for old, new in (
    ("        counted_from timestamptz;\n", f"        counted_from timestamptz;\n        {EARLIEST}\n"),
    ("ends_at > (SELECT min(hour) FROM unnest(hours) AS h (hour));", "ends_at > earliest;"),
    ("        IF NOT occupied", "        PERFORM usage_reopen_days(person, earliest);\n        IF NOT occupied"),
):
    ADD = changed(ADD, old, new)
REPORT = changed(
    report.REPORT,
    "usage_figures(person, span.starts, span.ends, NULL, NULL, zone, of_provider, of_model, '',\n"
    "                                     false) AS f",
    "usage_figures(person, span.starts, span.ends, zone, of_provider, of_model) AS f",
)


class Migration(migrations.Migration):
    dependencies = [("usage", "0018_quotanotice"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="ClosedDay",
            fields=[
                (
                    "id",
                    models.UUIDField(default=wavelength.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                ("day", models.DateField()),
                ("zone", models.CharField(max_length=64)),
                ("provider", models.CharField(max_length=200)),
                ("model", models.CharField(max_length=200)),
                (
                    "source",
                    models.CharField(
                        choices=[("client", "Client"), ("gateway", "Gateway"), ("migration", "Hand-over")],
                        max_length=16,
                    ),
                ),
                ("request_count", models.BigIntegerField()),
                ("unpriced_requests", models.BigIntegerField()),
                ("input_tokens", models.BigIntegerField()),
                ("output_tokens", models.BigIntegerField()),
                ("reasoning_tokens", models.BigIntegerField()),
                ("cached_tokens", models.BigIntegerField()),
                ("total_cost", models.DecimalField(decimal_places=12, max_digits=36, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["user", "day", "provider", "model", "source"], name="closedday_unique"
                    )
                ],
            },
        ),
        IsolateTenant("ClosedDay"),
        InvokerFunction(CLOSE_SIGNATURE, CLOSE),
        InvokerFunction(REOPEN_SIGNATURE, REOPEN),
        InvokerFunction(metering.COUNT_SIGNATURE, COUNT, before=metering.COUNT),
        InvokerFunction(batches.ADD_SIGNATURE, ADD, before=batches.ADD),
        InvokerFunction(FIGURES_SIGNATURE, FIGURES),
        InvokerFunction(report.REPORT_SIGNATURE, REPORT, before=report.REPORT),
        RemovedFunction(report.FIGURES_SIGNATURE, report.FIGURES),
    ]
