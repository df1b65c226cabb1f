"""Days, months and the windows of quotas: which there are, and what they hold.

A window is a new row, so nothing is ever reset and history stays. Whoever changes usage, limits or windows holds the
person's lock (`usage_lock`) until the end of the transaction, so all that is done for one person has an order
and nothing can deadlock; people never wait for each other. Functions that depend on time take `at`.
"""

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

# A person's own lock, held to the end of the transaction. Their windows' rows would serialise them as well.
LOCK = """
    RETURNS void LANGUAGE sql AS $$
        SELECT pg_advisory_xact_lock(hashtextextended('usage of ' || person::text, 0))
    $$
"""

# The first instant of a calendar day. Where midnight is skipped (Cairo in spring), PostgreSQL answers when
# the clocks change, which is it; where the clocks show midnight twice (Havana in autumn), it answers the second.
MIDNIGHT = """
    RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
    DECLARE
        midnight timestamptz := day::timestamp AT TIME ZONE zone;
        back interval;
    BEGIN
        FOREACH back IN ARRAY ARRAY['3 hours', '2 hours', '1 hour', '30 minutes']::interval[] LOOP
            IF (midnight - back) AT TIME ZONE zone = day::timestamp THEN
                RETURN midnight - back;
            END IF;
        END LOOP;
        RETURN midnight;
    END $$
"""

# The calendar day that an instant belongs to. Where clocks go back over midnight, the evening that
# comes twice belongs to the new day the second time, so that days never interleave.
DAY_OF = """
    RETURNS date LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
    DECLARE
        day date := (at AT TIME ZONE zone)::date;
    BEGIN
        RETURN CASE WHEN at >= usage_midnight(day + 1, zone) THEN day + 1
                    WHEN at < usage_midnight(day, zone) THEN day - 1
                    ELSE day END;
    END $$
"""

# The person's time zone. One that PostgreSQL does not know must not stop the metering.
ZONE_OF = """
    RETURNS text LANGUAGE plpgsql STABLE AS $$
    DECLARE
        zone text;
    BEGIN
        SELECT nullif(timezone, '') INTO zone FROM accounts_profile WHERE user_id = person;
        PERFORM now() AT TIME ZONE zone;
        RETURN coalesce(zone, 'UTC');
    EXCEPTION WHEN invalid_parameter_value THEN
        RETURN 'UTC';
    END $$
"""

# Opens a window for each limit that has none at `at`, holding what the ledger has of its time already, and
# what open reservations of its time hold. All limits of a period share their windows, so one that is new joins the open one.
# A window follows the calendar of the person's zone, but begins no sooner than the one before ended. Where that is
# in the middle of a day or month, the zone has changed: then it takes in the next one too rather than be
# shorter than any day (23 hours) or month, so that no journey around the world refills a quota.
OPEN_WINDOWS = """
    RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        zone text := usage_zone_of(person);
        first_day date;
        next_day date;
        step interval;
        shortest interval;
        of_period text;
        opens timestamptz;
        closes timestamptz;
        begun timestamptz;
        ending timestamptz;
        earlier timestamptz;
        later timestamptz;
    BEGIN
        FOR of_period IN
            SELECT DISTINCT l.period FROM usage_quotalimit l
             WHERE l.user_id = person
               AND NOT EXISTS (SELECT FROM usage_quotawindow w
                                WHERE w.user_id = person AND w.limit_id = l.id
                                  AND w.starts_at <= at AND w.ends_at > at)
        LOOP
            first_day := usage_day_of(at, zone);
            step := '1 day';
            shortest := '23 hours';
            IF of_period = 'monthly' THEN
                first_day := date_trunc('month', first_day);
                step := '1 month';
                shortest := '27 days';
            END IF;
            next_day := first_day + step;
            opens := usage_midnight(first_day, zone);
            closes := usage_midnight(next_day, zone);
            SELECT max(w.starts_at) FILTER (WHERE w.starts_at <= at AND w.ends_at > at),
                   max(w.ends_at) FILTER (WHERE w.starts_at <= at AND w.ends_at > at),
                   max(w.ends_at) FILTER (WHERE w.ends_at <= at), min(w.starts_at) FILTER (WHERE w.starts_at > at)
              INTO begun, ending, earlier, later
              FROM usage_quotawindow w JOIN usage_quotalimit l ON l.user_id = person AND l.id = w.limit_id
             WHERE w.user_id = person AND w.ends_at > opens AND l.period = of_period;
            IF begun IS NOT NULL THEN
                opens := begun;
                closes := ending;
            ELSE
                IF earlier > opens THEN
                    opens := earlier;
                    WHILE closes - opens < shortest LOOP
                        next_day := next_day + step;
                        closes := usage_midnight(next_day, zone);
                    END LOOP;
                END IF;
                closes := least(closes, later);
            END IF;
            WITH opened AS (
                INSERT INTO usage_quotawindow (id, user_id, limit_id, starts_at, ends_at, used_requests, used_tokens,
                                               used_cost, reserved_requests, reserved_tokens, reserved_cost)
                SELECT gen_random_uuid(), person, l.id, opens, closes, used.requests, used.tokens, used.cost,
                       held.requests, held.tokens, held.cost
                  FROM usage_quotalimit l,
                       LATERAL (
                           SELECT coalesce(sum(r.request_count), 0) AS requests,
                                  coalesce(sum(r.input_tokens + r.output_tokens + r.reasoning_tokens), 0) AS tokens,
                                  coalesce(sum(r.total_cost), 0) AS cost
                             FROM usage_usagerecord r
                            WHERE r.user_id = person AND r.hour >= opens AND r.hour < closes
                              AND r.source <> 'migration'
                              AND l.api_key_id IS NULL  -- the ledger knows no keys
                              AND l.provider IN ('', r.provider) AND l.model IN ('', r.model)) AS used,
                       LATERAL (
                           SELECT count(*) AS requests, coalesce(sum(h.tokens), 0) AS tokens,
                                  coalesce(sum(h.cost), 0) AS cost
                             FROM usage_reservation h
                            WHERE h.user_id = person AND h.state = 'open'
                              AND h.created_at >= opens AND h.created_at < closes
                              AND (l.api_key_id IS NULL OR l.api_key_id = h.api_key_id)
                              AND l.provider IN ('', h.provider) AND l.model IN ('', h.model)) AS held
                 WHERE l.user_id = person AND l.period = of_period
                   AND NOT EXISTS (SELECT FROM usage_quotawindow w
                                    WHERE w.user_id = person AND w.limit_id = l.id
                                      AND w.starts_at <= at AND w.ends_at > at)
                RETURNING id, limit_id
            )
            UPDATE usage_reservation h
               SET windows = h.windows || joined.ids
              FROM (SELECT o.id, array_agg(opened.id) AS ids
                      FROM opened
                      JOIN usage_quotalimit l ON l.user_id = person AND l.id = opened.limit_id
                      JOIN usage_reservation o ON o.user_id = person AND o.state = 'open'
                           AND o.created_at >= opens AND o.created_at < closes
                           AND (l.api_key_id IS NULL OR l.api_key_id = o.api_key_id)
                           AND l.provider IN ('', o.provider) AND l.model IN ('', o.model)
                     GROUP BY o.id) AS joined
             WHERE h.user_id = person AND h.id = joined.id;
        END LOOP;
    END $$
"""

# Gives back what these reservations hold, wherever their windows are.
FREE = """
    RETURNS void LANGUAGE sql AS $$
        WITH held AS (
            SELECT w.id, count(*) AS requests, sum(r.tokens) AS tokens, sum(r.cost) AS cost
              FROM usage_reservation r, unnest(r.windows) AS w (id)
             WHERE r.user_id = person AND r.id = ANY (reservations)
             GROUP BY w.id
        )
        UPDATE usage_quotawindow w
           SET reserved_requests = w.reserved_requests - held.requests,
               reserved_tokens = w.reserved_tokens - held.tokens,
               reserved_cost = w.reserved_cost - held.cost
          FROM held WHERE w.user_id = person AND w.id = held.id
    $$
"""

# Whatever was reserved and not heard of in time comes free; answers how many.
EXPIRE = """
    RETURNS integer LANGUAGE plpgsql AS $$
    DECLARE
        late uuid[];
    BEGIN
        PERFORM usage_lock(person);
        SELECT array_agg(id) INTO late
          FROM usage_reservation WHERE user_id = person AND state = 'open' AND expires_at <= at;
        IF late IS NULL THEN
            RETURN 0;
        END IF;
        PERFORM usage_free(person, late);
        UPDATE usage_reservation SET state = 'expired', closed_at = at WHERE user_id = person AND id = ANY (late);
        RETURN cardinality(late);
    END $$
"""

# Brings windows and reservations up to `at`; takes the lock only when there is something to do.
CATCH_UP = """
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM usage_quotalimit l
                    WHERE l.user_id = person
                      AND NOT EXISTS (SELECT FROM usage_quotawindow w
                                       WHERE w.user_id = person AND w.limit_id = l.id
                                         AND w.starts_at <= at AND w.ends_at > at))
        THEN
            PERFORM usage_lock(person);
            PERFORM usage_open_windows(person, at);
        END IF;
        IF EXISTS (SELECT FROM usage_reservation
                    WHERE user_id = person AND state = 'open' AND expires_at <= at)
        THEN
            PERFORM usage_expire(person, at);
        END IF;
    END $$
"""

# Every limit of a person with its window at `at`; of the tier's limit and the person's own budget the lower holds.
QUOTAS = """
    RETURNS TABLE (limit_id uuid, period text, provider text, model text, api_key_id uuid, tier text,
                   request_limit bigint, token_limit bigint, cost_limit numeric,
                   own_token_limit bigint, own_cost_limit numeric,
                   used_requests bigint, used_tokens bigint, used_cost numeric,
                   reserved_requests bigint, reserved_tokens bigint, reserved_cost numeric,
                   starts_at timestamptz, ends_at timestamptz)
    LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    BEGIN
        PERFORM usage_catch_up(person, at);
        RETURN QUERY
        SELECT l.id, l.period::text, l.provider::text, l.model::text, l.api_key_id, l.tier::text,
               l.request_limit, least(l.token_limit, l.own_token_limit), least(l.cost_limit, l.own_cost_limit),
               l.own_token_limit, l.own_cost_limit,
               w.used_requests, w.used_tokens, w.used_cost, w.reserved_requests, w.reserved_tokens, w.reserved_cost,
               w.starts_at, w.ends_at
          FROM usage_quotalimit l
          JOIN usage_quotawindow w ON w.user_id = l.user_id AND w.limit_id = l.id
         WHERE l.user_id = person AND w.user_id = person AND w.starts_at <= at AND w.ends_at > at
         ORDER BY l.api_key_id NULLS FIRST, l.provider, l.model, l.period, l.id;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_initial"), ("accounts", "0001_initial")]

    operations = [
        InvokerFunction("usage_lock(person uuid)", LOCK),
        InvokerFunction("usage_midnight(day date, zone text)", MIDNIGHT),
        InvokerFunction("usage_day_of(at timestamptz, zone text)", DAY_OF),
        InvokerFunction("usage_zone_of(person uuid)", ZONE_OF),
        InvokerFunction("usage_open_windows(person uuid, at timestamptz)", OPEN_WINDOWS),
        InvokerFunction("usage_free(person uuid, reservations uuid[])", FREE),
        InvokerFunction("usage_expire(person uuid, at timestamptz)", EXPIRE),
        InvokerFunction("usage_catch_up(person uuid, at timestamptz)", CATCH_UP),
        InvokerFunction("usage_quotas(person uuid, at timestamptz)", QUOTAS),
    ]
