-- name: open_call
-- Write down a call before it is made, and count it as unknown and unpriced. True if the
-- row is there: a repeat counts nothing more, and an attempt that has ended opens no call.
WITH opened AS (
    INSERT INTO {schema}.llm_requests AS r (id, task_id, attempt, agent_name, provider, model)
    SELECT %(id)s, e.task_id, e.attempt, %(agent_name)s, %(provider)s, %(model)s
    FROM {schema}.agent_executions e
    WHERE e.task_id = %(task_id)s AND e.attempt = %(attempt)s AND e.execution_end IS NULL
    FOR NO KEY UPDATE
    -- An update, so that a repeat sees the row even when the first one has only just committed.
    ON CONFLICT (id) DO UPDATE SET status = r.status
    RETURNING task_id, attempt, xmax = 0 AS is_new
), counted AS (
    UPDATE {schema}.agent_executions e
       SET llm_calls = e.llm_calls + 1,
           llm_unknown_calls = e.llm_unknown_calls + 1,
           llm_unpriced_calls = e.llm_unpriced_calls + 1
      FROM opened o
     WHERE o.is_new AND e.task_id = o.task_id AND e.attempt = o.attempt
)
SELECT EXISTS (SELECT FROM opened);

-- name: close_call
-- End a call and count on its execution what became known. A call that was given up as
-- lost may still end, once; one that has ended does not end again.
WITH execution AS MATERIALIZED (
    -- Locked first, as by the rescue, so that the two never wait for each other.
    SELECT FROM {schema}.agent_executions
    WHERE task_id = %(task_id)s AND attempt = %(attempt)s
    FOR NO KEY UPDATE
), closed AS (
    UPDATE {schema}.llm_requests
       SET status = %(status)s,
           ended_at = now(),
           duration_seconds = %(duration_seconds)s,
           response_model = %(response_model)s,
           response_id = %(response_id)s,
           input_tokens = %(input_tokens)s,
           cache_read_tokens = %(cache_read_tokens)s,
           cache_write_tokens = %(cache_write_tokens)s,
           output_tokens = %(output_tokens)s,
           reasoning_tokens = %(reasoning_tokens)s,
           cost_usd = %(cost_usd)s,
           cost_source = %(cost_source)s,
           finish_reason = %(finish_reason)s,
           error_message = %(error_message)s
     WHERE id = %(id)s AND status IN ('open', 'lost')
       AND (SELECT count(*) FROM execution) >= 0
    RETURNING *
)
UPDATE {schema}.agent_executions e
   SET llm_unknown_calls = e.llm_unknown_calls - (c.input_tokens IS NOT NULL)::int,
       llm_unpriced_calls = e.llm_unpriced_calls - (c.cost_usd IS NOT NULL)::int,
       llm_total_tokens = e.llm_total_tokens + coalesce(c.input_tokens + c.output_tokens, 0),
       llm_input_tokens = e.llm_input_tokens + coalesce(c.input_tokens, 0),
       llm_cached_tokens = e.llm_cached_tokens + coalesce(c.cache_read_tokens, 0),
       llm_output_tokens = e.llm_output_tokens + coalesce(c.output_tokens, 0),
       llm_reasoning_tokens = e.llm_reasoning_tokens + coalesce(c.reasoning_tokens, 0),
       cost_usd = CASE WHEN c.cost_usd IS NULL THEN e.cost_usd
                       ELSE coalesce(e.cost_usd, 0) + c.cost_usd END
  FROM closed c
 WHERE e.task_id = c.task_id AND e.attempt = c.attempt;

-- name: give_up_call
-- Give up a call that was still open when its attempt ended; it may have been paid for.
UPDATE {schema}.llm_requests
   SET status = 'lost',
       ended_at = now(),
       error_message = 'the attempt ended before this call did'
 WHERE id = %(id)s AND status = 'open';

-- name: give_up_calls
-- Give up all calls that these attempts left open. A statement of its own, in the transaction
-- that has just closed their executions: the closing waited for an opening that was under way
-- but could not see its row, and later ones open nothing. So an execution is locked before
-- its calls, as by a call that ends, and the two never wait for each other.
UPDATE {schema}.llm_requests r
   SET status = 'lost', ended_at = now(), error_message = %(reason)s
  FROM unnest(%(ids)b::uuid[], %(attempts)b::int[]) AS ended (task_id, attempt)
 WHERE r.task_id = ended.task_id AND r.attempt = ended.attempt AND r.status = 'open';

-- name: ledger_differences
-- Executions since a time (NULL: all) whose counters are not the sums of their calls.
SELECT e.task_id, e.attempt,
       e.llm_calls, coalesce(r.calls, 0) AS calls,
       e.llm_unknown_calls, coalesce(r.unknown_calls, 0) AS unknown_calls,
       e.llm_unpriced_calls, coalesce(r.unpriced_calls, 0) AS unpriced_calls,
       e.llm_total_tokens, coalesce(r.input_tokens + r.output_tokens, 0) AS total_tokens,
       e.cost_usd, r.cost_usd AS calls_cost_usd
FROM {schema}.agent_executions e
LEFT JOIN (
    SELECT task_id, attempt,
           count(*) AS calls,
           count(*) FILTER (WHERE input_tokens IS NULL) AS unknown_calls,
           count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_calls,
           coalesce(sum(input_tokens), 0) AS input_tokens,
           coalesce(sum(cache_read_tokens), 0) AS cached_tokens,
           coalesce(sum(output_tokens), 0) AS output_tokens,
           coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
           sum(cost_usd) AS cost_usd
    FROM {schema}.llm_requests
    WHERE started_at >= coalesce(%(since)s, '-infinity'::timestamptz)
    GROUP BY task_id, attempt
) r ON r.task_id = e.task_id AND r.attempt = e.attempt
WHERE NOT e.adopted
  AND e.execution_start >= coalesce(%(since)s, '-infinity'::timestamptz)
  AND (e.llm_calls, e.llm_unknown_calls, e.llm_unpriced_calls,
       e.llm_total_tokens, e.llm_input_tokens, e.llm_cached_tokens,
       e.llm_output_tokens, e.llm_reasoning_tokens, e.cost_usd)
      IS DISTINCT FROM
      (coalesce(r.calls, 0), coalesce(r.unknown_calls, 0), coalesce(r.unpriced_calls, 0),
       coalesce(r.input_tokens + r.output_tokens, 0), coalesce(r.input_tokens, 0),
       coalesce(r.cached_tokens, 0), coalesce(r.output_tokens, 0),
       coalesce(r.reasoning_tokens, 0), r.cost_usd)
ORDER BY e.task_id, e.attempt;
