"""What people used before they had an account: a hand-over's answers, in the ledger at their own times."""

from usage.models import NAME_LENGTH, Source

# The provider is the model's part before the slash; what has none went through OpenRouter. Hours are those of
# the person's zone, so that each belongs to one of their days.
_RECORD = f"""
    WITH added AS (
        INSERT INTO usage_usagerecord AS r (
                   id, user_id, provider, model, hour, source, request_count, unpriced_requests, input_tokens,
                   output_tokens, reasoning_tokens, cached_tokens, total_cost)
        SELECT gen_random_uuid(), %(user)s,
               left(CASE split_part(model, '/', 1) WHEN model THEN 'openrouter' WHEN '' THEN 'openrouter'
                         WHEN 'x-ai' THEN 'xai' ELSE split_part(model, '/', 1) END, {NAME_LENGTH}),
               left(coalesce(nullif(model, ''), 'unknown'), {NAME_LENGTH}), hour, '{Source.MIGRATION}',
               count(*), count(*) FILTER (WHERE cost IS NULL), sum(input), sum(output), sum(reasoning), 0, sum(cost)
          FROM (SELECT coalesce(model, '') AS model, date_trunc('hour', sent_at, zone) AS hour, cost,
                       coalesce(input_tokens, 0) AS input, coalesce(output_tokens, 0) AS output,
                       coalesce(reasoning_tokens, 0) AS reasoning
                  FROM ({{answers}}) AS answers, usage_zone_of(%(user)s) AS zone) AS hourly
         GROUP BY model, hour
        ON CONFLICT (user_id, hour, provider, model, source) DO UPDATE
           SET request_count = r.request_count + excluded.request_count,
               unpriced_requests = r.unpriced_requests + excluded.unpriced_requests,
               input_tokens = r.input_tokens + excluded.input_tokens,
               output_tokens = r.output_tokens + excluded.output_tokens,
               reasoning_tokens = r.reasoning_tokens + excluded.reasoning_tokens,
               total_cost = coalesce(r.total_cost + excluded.total_cost, r.total_cost, excluded.total_cost),
               updated_at = now()
        RETURNING hour
    )
    SELECT usage_reopen_days(%(user)s, min(hour)) FROM added
"""  # noqa: S608  (constants of ours)


def recording(answers: str) -> str:
    """The statement that adds models' answers to the ledger of the person %(user)s.

    Run it in the transaction that stores them for the first time. `answers` is a query with the columns model, sent_at,
    cost (as the client reported it), input_tokens, output_tokens and reasoning_tokens, a row for each answer.
    No quota counts them, so it needs no lock of usage.
    """
    return _RECORD.format(answers=answers)
