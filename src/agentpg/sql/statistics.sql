-- What was done, how long it took and what it cost. Released executions are not counted.

-- name: window
-- The last days up to now, beginning where agent_statistics begins.
SELECT
    (CURRENT_DATE - %(days)s::integer)::timestamptz AS since,
    now() AS until,
    current_setting('TimeZone') AS time_zone;

-- name: agent_statistics
-- The seven days' statistics of each agent.
SELECT agent_name, total_executions, open, completed, failed, timed_out, cancelled, lost,
       avg_duration_seconds, p95_duration_seconds, llm_calls::bigint, total_tokens::bigint,
       unknown_calls::bigint, unpriced_calls::bigint, cost_usd
FROM {schema}.agent_statistics
ORDER BY agent_name;

-- name: task_counts
-- How many tasks each agent has in each state.
SELECT agent_name, task_type, status, tasks, oldest_created_at
FROM {schema}.task_counts
ORDER BY agent_name, task_type, status;

-- name: llm_usage
-- Tokens and cost since a moment, by day, agent, task type, submitter, provider and model.
SELECT day, agent_name, task_type, submitted_by, provider, model, calls, failed_calls,
       unknown_calls, unpriced_calls, input_tokens::bigint, cache_read_tokens::bigint,
       output_tokens::bigint, reasoning_tokens::bigint, cost_usd
FROM {schema}.llm_usage
WHERE day >= %(since)s
ORDER BY day, agent_name, task_type, submitted_by, provider, model;

-- name: activity
-- The executions of a time, in all, by agent, by agent and task type, by day and agent.
WITH counted AS (
    SELECT
        e.*,
        e.execution_start::date AS day,
        e.attempt > 1 AND EXISTS (
            SELECT
            FROM {schema}.agent_executions earlier
            WHERE earlier.task_id = e.task_id AND earlier.attempt < e.attempt
              AND earlier.outcome IS DISTINCT FROM 'released'
        ) AS is_retry,
        -- A later claim has moved run_at, so only the newest one can tell.
        CASE WHEN t.attempt = e.attempt AND greatest(t.run_at, t.created_at) <= e.execution_start
            THEN extract(epoch FROM e.execution_start - greatest(t.run_at, t.created_at))
        END AS wait_seconds
    FROM {schema}.agent_executions e
    LEFT JOIN {schema}.tasks t ON t.id = e.task_id
    WHERE e.execution_start >= %(since)s AND e.execution_start < %(until)s
      AND e.outcome IS DISTINCT FROM 'released'
)
SELECT
    CASE grouping(agent_name, task_type, day)
        WHEN 7 THEN 'total' WHEN 3 THEN 'agent' WHEN 1 THEN 'type' ELSE 'day'
    END AS level,
    agent_name,
    task_type,
    day,
    count(*) AS executions,
    count(*) FILTER (WHERE execution_end IS NULL) AS open,
    count(*) FILTER (WHERE outcome = 'completed') AS completed,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    count(*) FILTER (WHERE outcome = 'timed_out') AS timed_out,
    count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE outcome = 'lost') AS lost,
    count(*) FILTER (WHERE is_retry) AS retries,
    avg(duration_seconds) AS avg_seconds,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS p50_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds) AS p95_seconds,
    max(duration_seconds) AS max_seconds,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY wait_seconds::float8) AS p50_wait_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY wait_seconds::float8) AS p95_wait_seconds,
    coalesce(sum(llm_calls), 0)::bigint AS llm_calls,
    coalesce(sum(llm_total_tokens), 0)::bigint AS tokens,
    coalesce(sum(llm_unknown_calls), 0)::bigint AS unknown_calls,
    coalesce(sum(llm_unpriced_calls), 0)::bigint AS unpriced_calls,
    sum(cost_usd) AS cost_usd
FROM counted
GROUP BY GROUPING SETS ((), (agent_name), (agent_name, task_type), (agent_name, day))
ORDER BY level, executions DESC, agent_name, task_type, day;

-- name: handed_back
-- The executions of a time that workers handed back, and what they had spent.
SELECT
    count(*) AS executions,
    coalesce(sum(llm_calls), 0)::bigint AS llm_calls,
    coalesce(sum(llm_total_tokens), 0)::bigint AS tokens,
    coalesce(sum(llm_unknown_calls), 0)::bigint AS unknown_calls,
    coalesce(sum(llm_unpriced_calls), 0)::bigint AS unpriced_calls,
    sum(cost_usd) AS cost_usd
FROM {schema}.agent_executions
WHERE execution_start >= %(since)s AND execution_start < %(until)s AND outcome = 'released';

-- name: models
-- The calls to each model made by the executions of a time.
SELECT
    r.provider,
    coalesce(r.response_model, r.model) AS model,
    count(*) AS calls,
    count(*) FILTER (WHERE r.status = 'error') AS failed_calls,
    count(*) FILTER (WHERE r.status = 'lost') AS lost_calls,
    count(*) FILTER (WHERE r.input_tokens IS NULL) AS unknown_calls,
    count(*) FILTER (WHERE r.cost_usd IS NULL) AS unpriced_calls,
    sum(r.input_tokens)::bigint AS input_tokens,
    sum(r.cache_read_tokens)::bigint AS cache_read_tokens,
    sum(r.output_tokens)::bigint AS output_tokens,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY r.duration_seconds) AS p50_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY r.duration_seconds) AS p95_seconds,
    sum(r.cost_usd) AS cost_usd
FROM {schema}.agent_executions e
JOIN {schema}.llm_requests r ON r.task_id = e.task_id AND r.attempt = e.attempt
WHERE e.execution_start >= %(since)s AND e.execution_start < %(until)s
  AND e.outcome IS DISTINCT FROM 'released'
GROUP BY 1, 2
ORDER BY cost_usd DESC NULLS LAST, calls DESC, 1, 2;

-- name: errors
-- The commonest errors of a time; ids and numbers in them are taken as alike.
SELECT
    agent_name,
    task_type,
    outcome,
    left(regexp_replace(regexp_replace(
        CASE
            WHEN starts_with(error_message, '$sealed:') THEN '(sealed)'
            ELSE split_part(error_message, E'\n', 1)
        END,
        '[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}', '…', 'gi'),
        -- Three digits may be an HTTP status, which tells errors apart.
        '\m(?![1-5][0-9]{{2}}\M)(0x[0-9a-f]+|[0-9]+)\M', '#', 'gi'), 200) AS error,
    count(*) AS executions,
    count(DISTINCT task_id) AS tasks,
    max(execution_start) AS last_at,
    (array_agg(task_id ORDER BY execution_start DESC))[1] AS last_task
FROM {schema}.agent_executions
WHERE execution_start >= %(since)s AND execution_start < %(until)s
  AND outcome IN ('failed', 'timed_out')
GROUP BY 1, 2, 3, 4
ORDER BY executions DESC, last_at DESC, 1, 2, 3, 4
LIMIT %(limit)s;

-- name: losses
-- The workers that died during executions of a time.
SELECT
    e.worker,
    w.host,
    w.pid,
    count(*) AS executions,
    array_agg(DISTINCT e.agent_name::text) FILTER (WHERE e.agent_name IS NOT NULL) AS agents,
    max(e.execution_end) AS last_at
FROM {schema}.agent_executions e
LEFT JOIN {schema}.workers w ON w.id = e.worker
WHERE e.execution_start >= %(since)s AND e.execution_start < %(until)s AND e.outcome = 'lost'
GROUP BY e.worker, w.host, w.pid
ORDER BY last_at DESC NULLS LAST, e.worker
LIMIT %(limit)s;

-- name: submissions
-- What became of the tasks that were submitted in a time.
SELECT
    count(*) AS submitted,
    count(*) FILTER (WHERE status = 'completed') AS completed,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled
FROM {schema}.tasks
WHERE created_at >= %(since)s AND created_at < %(until)s;

-- name: knows_agent
-- Whether a task or a worker that has not ended names an agent.
SELECT
    EXISTS (SELECT FROM {schema}.tasks WHERE agent_name = %(agent_name)s)
    OR EXISTS (
        SELECT FROM {schema}.workers w
        CROSS JOIN LATERAL jsonb_array_elements(w.handlers) AS h (pair)
        WHERE w.ended_at IS NULL AND h.pair ->> 0 = %(agent_name)s
    );

-- name: agents
-- Every agent that has tasks or a living worker, with its task types that are at work.
WITH RECURSIVE named AS (
    -- One look into the index for each agent, however many tasks there are.
    (SELECT agent_name FROM {schema}.tasks
     WHERE agent_name IS NOT NULL ORDER BY agent_name LIMIT 1)
    UNION ALL
    SELECT (
        SELECT t.agent_name
        FROM {schema}.tasks t
        WHERE t.agent_name > n.agent_name
        ORDER BY t.agent_name
        LIMIT 1
    )
    FROM named n
    WHERE n.agent_name IS NOT NULL
), handled AS (
    -- A worker that was killed while no other lived is marked by nobody; its silence tells.
    SELECT h.pair ->> 0 AS agent_name, h.pair ->> 1 AS task_type, count(*) AS workers
    FROM {schema}.workers w
    CROSS JOIN LATERAL jsonb_array_elements(w.handlers) AS h (pair)
    WHERE w.ended_at IS NULL AND w.heartbeat_at > now() - make_interval(secs => w.lease_seconds)
    GROUP BY 1, 2
), unfinished AS (
    SELECT
        agent_name,
        task_type,
        count(*) FILTER (WHERE status = 'pending' AND held_reason IS NULL) AS pending,
        count(*) FILTER (WHERE status = 'pending' AND held_reason IS NOT NULL) AS held,
        count(*) FILTER (WHERE status = 'running') AS running,
        count(*) FILTER (WHERE status = 'waiting') AS waiting,
        min(run_at) FILTER (
            WHERE status = 'pending' AND held_reason IS NULL AND run_at <= now()
        ) AS oldest_ready_at
    FROM {schema}.tasks
    WHERE status IN ('pending', 'running', 'waiting')
    GROUP BY 1, 2
), at_work AS (
    SELECT
        agent_name,
        task_type,
        coalesce(h.workers, 0) AS workers,
        coalesce(u.pending, 0) AS pending,
        coalesce(u.held, 0) AS held,
        coalesce(u.running, 0) AS running,
        coalesce(u.waiting, 0) AS waiting,
        u.oldest_ready_at
    FROM handled h
    FULL JOIN unfinished u USING (agent_name, task_type)
)
SELECT agent_name, task_type, workers, pending, held, running, waiting, oldest_ready_at
FROM at_work
UNION ALL
SELECT n.agent_name, NULL, 0, 0, 0, 0, 0, NULL
FROM named n
WHERE n.agent_name IS NOT NULL
  AND NOT EXISTS (SELECT FROM at_work a WHERE a.agent_name = n.agent_name)
ORDER BY 1, 2;
