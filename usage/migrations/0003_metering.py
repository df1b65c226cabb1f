"""Recording, reserving and settling: each one call of one function, so one round trip and one transaction.

Nothing is counted twice: everything happens under the person's lock (`usage_lock`), where looking whether something was
counted already and counting it cannot be parted. Our own SQLSTATEs say what a caller did wrong:
WL404 (no such key or reservation), WL409 (the reservation is closed), WL422 (another body under a known name).
They keep their plans: PostgreSQL would take those for dearer than they are and plan most statements anew in every
call, which took more than half of its time.
"""

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

# Serves the person for the rest of the transaction. With it each of the calls below is one round trip, and their lock is
# never held while an answer travels.
SERVE = """
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('SET LOCAL app.user_id = %L', person);
    END $$
"""

# And makes whatever else is done for them wait for its end.
BEGIN = """
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM usage_serve(person);
        PERFORM usage_lock(person);
    END $$
"""

# Adds to the windows that hold `happened` and to the ledger; answers the hour's record as the API shows it.
# What a reservation `held` in its windows comes free at once: a window that changed twice would have PostgreSQL look
# its limit up again. Whoever calls it holds the lock and has opened today's windows. Hours are counted from the last time a
# window started or ended, so that none belongs to two; on days without windows of their own also from midnight.
COUNT = """
    RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        price usage_modelprice;
        computed numeric := computed_cost;
        cost numeric;
        counted uuid[];
        latest timestamptz;
        day_is_open boolean;
        answer text;
    BEGIN
        SELECT * INTO price FROM usage_modelprice p WHERE p.provider = of_provider AND p.model = of_model;
        IF FOUND THEN
            computed := requests * price.request_price
                + ((input - cached) * price.input_price + cached * coalesce(price.cached_price, price.input_price)
                   + output * price.output_price
                   + reasoning * coalesce(price.reasoning_price, price.output_price)) / 1000000;
        END IF;
        cost := round(coalesce(reported_cost, computed), 12);
        WITH changed AS (
            UPDATE usage_quotawindow w
               SET used_requests = w.used_requests + requests,
                   used_tokens = w.used_tokens + input + output + reasoning,
                   used_cost = w.used_cost + coalesce(cost, 0),
                   reserved_requests = w.reserved_requests - CASE WHEN w.id = ANY (held) THEN 1 ELSE 0 END,
                   reserved_tokens = w.reserved_tokens - CASE WHEN w.id = ANY (held) THEN held_tokens ELSE 0 END,
                   reserved_cost = w.reserved_cost - CASE WHEN w.id = ANY (held) THEN held_cost ELSE 0 END,
                   updated_at = at
              FROM usage_quotalimit l
             WHERE l.user_id = person AND l.provider IN ('', of_provider) AND l.model IN ('', of_model)
               AND (l.api_key_id IS NULL OR l.api_key_id = through_key)
               AND w.user_id = person AND w.limit_id = l.id AND w.ends_at > happened AND w.starts_at <= happened
               AND of_source <> 'migration'
            RETURNING w.id, w.starts_at, l.period
        )
        SELECT array_agg(id), max(starts_at), coalesce(bool_or(period = 'daily'), false)
          INTO counted, latest, day_is_open FROM changed;
        IF NOT held <@ coalesce(counted, '{}') THEN
            UPDATE usage_quotawindow
               SET reserved_requests = reserved_requests - 1,
                   reserved_tokens = reserved_tokens - held_tokens,
                   reserved_cost = reserved_cost - held_cost
             WHERE user_id = person AND id = ANY (held) AND id <> ALL (coalesce(counted, '{}'));
        END IF;
        IF NOT day_is_open THEN
            latest := greatest(
                latest,
                (SELECT max(ends_at) FROM usage_quotawindow WHERE user_id = person AND ends_at <= happened),
                usage_midnight(usage_day_of(happened, usage_zone_of(person)), usage_zone_of(person)));
        END IF;
        INSERT INTO usage_usagerecord AS r (
                   id, user_id, provider, model, hour, source, request_count, unpriced_requests, input_tokens,
                   output_tokens, reasoning_tokens, cached_tokens, total_cost, computed_cost, created_at, updated_at)
        VALUES (record, person, of_provider, of_model, date_bin('1 hour', happened, latest), of_source, requests,
                CASE WHEN cost IS NULL THEN requests ELSE 0 END, input, output, reasoning, cached, cost, computed,
                at, at)
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
        RETURNING json_build_object(
                   'id', r.id, 'userId', r.user_id, 'provider', r.provider, 'model', r.model,
                   'requestCount', r.request_count,
                   'totalTokens', r.input_tokens + r.output_tokens + r.reasoning_tokens,
                   'inputTokens', r.input_tokens, 'outputTokens', r.output_tokens,
                   'reasoningTokens', r.reasoning_tokens, 'totalCost', trim_scale(r.total_cost),
                   'date', to_char(r.hour AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
                   'hour', extract(hour FROM r.hour AT TIME ZONE 'UTC')::integer,
                   'createdAt', to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   'updatedAt', to_char(r.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))::text
          INTO answer;
        RETURN answer;
    END $$
"""
COUNT_SIGNATURE = (
    "usage_count(record uuid, person uuid, of_provider text, of_model text, of_source text, requests bigint,"
    " input bigint, output bigint, reasoning bigint, cached bigint, reported_cost numeric, computed_cost numeric,"
    " through_key uuid, held uuid[], held_tokens bigint, held_cost numeric, happened timestamptz, at timestamptz)"
)

# Every key has limits of its own, if only to be counted by: without any it is no key of this person's.
KNOW_KEY = """
    RETURNS void LANGUAGE plpgsql STABLE AS $$
    BEGIN
        IF through_key IS NOT NULL AND NOT EXISTS (
            SELECT FROM usage_quotalimit WHERE user_id = person AND api_key_id = through_key
        ) THEN
            RAISE EXCEPTION 'There is no such key.' USING ERRCODE = 'WL404';
        END IF;
    END $$
"""

# One request, or a few of one model, counted once. `happened` is null for now; what a clock ahead of ours dates later
# than now is counted now.
RECORD = """
    RETURNS text LANGUAGE plpgsql SET plan_cache_mode TO force_generic_plan AS $$
    DECLARE
        known usage_idempotentrequest;
        answer text;
    BEGIN
        PERFORM usage_begin(person);
        at := coalesce(at, now());
        IF idempotency IS NOT NULL THEN
            SELECT * INTO known FROM usage_idempotentrequest
             WHERE user_id = person AND scope = 'request' AND key = idempotency;
            IF FOUND THEN
                IF known.digest <> body_digest THEN
                    RAISE EXCEPTION 'Another request came under this key.' USING ERRCODE = 'WL422';
                END IF;
                RETURN known.answer;
            END IF;
        END IF;
        IF through_key IS NOT NULL THEN
            PERFORM usage_know_key(person, through_key);
        END IF;
        PERFORM usage_catch_up(person, at);
        answer := usage_count(record, person, of_provider, of_model, of_source, requests, input, output, reasoning,
                              cached, reported_cost, computed_cost, through_key, NULL, 0, 0, least(happened, at), at);
        IF idempotency IS NOT NULL THEN
            INSERT INTO usage_idempotentrequest (id, user_id, scope, key, digest, answer, created_at)
            VALUES (gen_random_uuid(), person, 'request', idempotency, body_digest, answer, at);
        END IF;
        RETURN answer;
    END $$
"""
RECORD_SIGNATURE = (
    "usage_record(record uuid, person uuid, of_provider text, of_model text, of_source text, requests bigint,"
    " input bigint, output bigint, reasoning bigint, cached bigint, reported_cost numeric, computed_cost numeric,"
    " through_key uuid, idempotency text, body_digest text, happened timestamptz, at timestamptz)"
)

# Whether a limit would be passed, or is used up already: one on tokens or cost is so even for a request that expects
# to take none. Null where there is no limit.
IS_FULL = """
    RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
        SELECT taken + asked > allowed OR taken >= allowed
    $$
"""

# What stands in the way of one more request, as JSON, null when nothing does: each limit that is full, and a tier that
# lacks the model.
REFUSALS = """
    RETURNS json LANGUAGE sql STABLE AS $$
        WITH wanted AS (
            SELECT l.period, l.provider, l.model, l.api_key_id, w.ends_at, v.*
              FROM usage_quotalimit l
              JOIN usage_quotawindow w ON w.user_id = l.user_id AND w.limit_id = l.id,
                   LATERAL (VALUES
                       ('requests', l.request_limit::numeric, w.used_requests + w.reserved_requests, 1),
                       ('tokens', least(l.token_limit, l.own_token_limit), w.used_tokens + w.reserved_tokens, tokens),
                       ('cost', least(l.cost_limit, l.own_cost_limit), w.used_cost + w.reserved_cost, cost)
                   ) AS v (kind, allowed, taken, asked)
             WHERE l.user_id = person AND l.provider IN ('', of_provider) AND l.model IN ('', of_model)
               AND (l.api_key_id IS NULL OR l.api_key_id = through_key)
               AND w.user_id = person AND w.starts_at <= at AND w.ends_at > at
               AND usage_is_full(v.allowed, v.taken, v.asked)
        ), refusals AS (
            SELECT kind, period::text, provider::text, model::text, api_key_id, allowed, taken, ends_at FROM wanted
             UNION ALL
            SELECT 'access', NULL, a.provider, a.model, NULL, NULL, NULL, NULL
              FROM (SELECT provider, model, tier FROM usage_modelaccess
                     WHERE provider = of_provider AND model IN ('', of_model)
                     ORDER BY model DESC LIMIT 1) AS a
              JOIN accounts_user u ON u.id = person
             WHERE a.tier = 'pro' AND u.tier = 'free'
        )
        SELECT json_agg(refusals ORDER BY kind, period, provider, model) FROM refusals
    $$
"""
REFUSALS_SIGNATURE = (
    "usage_refusals(person uuid, of_provider text, of_model text, tokens bigint, cost numeric, through_key uuid,"
    " at timestamptz)"
)

# Sets aside room for one request in every limit that applies to it, or in none and says why.
RESERVE = """
    RETURNS json LANGUAGE plpgsql SET plan_cache_mode TO force_generic_plan AS $$
    DECLARE
        cost CONSTANT numeric := usage_estimate(given_cost, of_provider, of_model, tokens, listed_cost);
        refusals json;
        full_up boolean;
        held uuid[];
    BEGIN
        PERFORM usage_serve(person);
        at := coalesce(at, now());
        IF through_key IS NOT NULL THEN
            PERFORM usage_know_key(person, through_key);
        END IF;
        -- What is open at `at` stays open: nobody need wait for the look at it.
        PERFORM usage_catch_up(person, at);
        PERFORM usage_lock(person);
        IF EXISTS (SELECT FROM usage_modelaccess WHERE provider = of_provider AND model IN ('', of_model)) THEN
            refusals := usage_refusals(person, of_provider, of_model, tokens, cost, through_key, at);
        END IF;
        WITH applicable AS MATERIALIZED (
            SELECT w.id, usage_is_full(l.request_limit, w.used_requests + w.reserved_requests, 1)
                   OR usage_is_full(least(l.token_limit, l.own_token_limit), w.used_tokens + w.reserved_tokens, tokens)
                   OR usage_is_full(least(l.cost_limit, l.own_cost_limit), w.used_cost + w.reserved_cost, cost)
                   AS is_full
              FROM usage_quotalimit l
              JOIN usage_quotawindow w ON w.user_id = person AND w.limit_id = l.id
                   AND w.ends_at > at AND w.starts_at <= at
             WHERE l.user_id = person AND l.provider IN ('', of_provider) AND l.model IN ('', of_model)
               AND (l.api_key_id IS NULL OR l.api_key_id = through_key)
        ), reserved AS (
            UPDATE usage_quotawindow w
               SET reserved_requests = w.reserved_requests + 1,
                   reserved_tokens = w.reserved_tokens + tokens,
                   reserved_cost = w.reserved_cost + cost
              FROM applicable a
             WHERE w.user_id = person AND w.id = a.id AND refusals IS NULL
               AND NOT EXISTS (SELECT FROM applicable WHERE is_full)
            RETURNING w.id
        )
        SELECT (SELECT bool_or(is_full) FROM applicable), (SELECT coalesce(array_agg(id), '{}') FROM reserved)
          INTO full_up, held;
        IF full_up THEN
            refusals := usage_refusals(person, of_provider, of_model, tokens, cost, through_key, at);
        END IF;
        IF refusals IS NOT NULL THEN
            RETURN json_build_object('refusals', refusals);
        END IF;
        INSERT INTO usage_reservation (id, user_id, provider, model, api_key_id, tokens, cost, created_at, expires_at,
                                       windows)
        VALUES (reservation, person, of_provider, of_model, through_key, tokens, cost, at,
                at + lifetime * interval '1 second', held);
        RETURN json_build_object('id', reservation, 'expiresAt',
            to_char((at + lifetime * interval '1 second') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
    END $$
"""
RESERVE_SIGNATURE = (
    "usage_reserve(reservation uuid, person uuid, of_provider text, of_model text, tokens bigint, given_cost numeric,"
    " listed_cost numeric, through_key uuid, lifetime integer, at timestamptz)"
)

# Puts the real figures in the place of the estimate, in the windows in which it was reserved. Late figures, after
# the reservation expired or was released, are added all the same: what was used was used.
SETTLE = """
    RETURNS text LANGUAGE plpgsql SET plan_cache_mode TO force_generic_plan AS $$
    DECLARE
        known usage_reservation;
        result text;
    BEGIN
        PERFORM usage_begin(person);
        at := coalesce(at, now());
        SELECT * INTO known FROM usage_reservation WHERE user_id = person AND id = reservation;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'There is no such reservation.' USING ERRCODE = 'WL404';
        END IF;
        IF known.state = 'settled' THEN
            IF known.digest <> body_digest THEN
                RAISE EXCEPTION 'The reservation is settled already.' USING ERRCODE = 'WL409';
            END IF;
            RETURN known.answer;
        END IF;
        result := usage_count(record, person, of_provider, of_model, of_source, requests, input, output, reasoning,
                              cached, reported_cost, computed_cost, coalesce(through_key, known.api_key_id),
                              CASE WHEN known.state = 'open' THEN known.windows END, known.tokens, known.cost,
                              known.created_at, at);
        UPDATE usage_reservation SET state = 'settled', closed_at = at, digest = body_digest, answer = result
         WHERE user_id = person AND id = reservation;
        RETURN result;
    END $$
"""
SETTLE_SIGNATURE = (
    "usage_settle(reservation uuid, record uuid, person uuid, of_provider text, of_model text, of_source text,"
    " requests bigint, input bigint, output bigint, reasoning bigint, cached bigint, reported_cost numeric,"
    " computed_cost numeric, through_key uuid, body_digest text, at timestamptz)"
)

# Gives an unused reservation back; once released or expired, again is as good as once.
RELEASE = """
    RETURNS void LANGUAGE plpgsql SET plan_cache_mode TO force_generic_plan AS $$
    DECLARE
        known usage_reservation;
    BEGIN
        PERFORM usage_begin(person);
        at := coalesce(at, now());
        SELECT * INTO known FROM usage_reservation WHERE user_id = person AND id = reservation;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'There is no such reservation.' USING ERRCODE = 'WL404';
        END IF;
        IF known.state = 'settled' THEN
            RAISE EXCEPTION 'The reservation is settled already.' USING ERRCODE = 'WL409';
        END IF;
        IF known.state = 'open' THEN
            PERFORM usage_free(person, ARRAY[reservation]);
            UPDATE usage_reservation SET state = 'released', closed_at = at
             WHERE user_id = person AND id = reservation;
        END IF;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0002_windows")]

    operations = [
        InvokerFunction("usage_serve(person uuid)", SERVE),
        InvokerFunction("usage_begin(person uuid)", BEGIN),
        InvokerFunction(COUNT_SIGNATURE, COUNT),
        InvokerFunction("usage_know_key(person uuid, through_key uuid)", KNOW_KEY),
        InvokerFunction(RECORD_SIGNATURE, RECORD),
        InvokerFunction("usage_is_full(allowed numeric, taken numeric, asked numeric)", IS_FULL),
        InvokerFunction(REFUSALS_SIGNATURE, REFUSALS),
        InvokerFunction(RESERVE_SIGNATURE, RESERVE),
        InvokerFunction(SETTLE_SIGNATURE, SETTLE),
        InvokerFunction("usage_release(reservation uuid, person uuid, at timestamptz)", RELEASE),
    ]
