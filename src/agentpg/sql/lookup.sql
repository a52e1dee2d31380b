-- Reading tasks, executions and LLM requests.

-- name: get_task
-- One task.
SELECT id, agent_name, task_type, status, created_at, payload, result, error_message, priority,
       run_at, attempt, errors, crashes, max_attempts, started_at, finished_at,
       cancel_requested_at, worker, idempotency_key, tenant, parent_id, submitted_by,
       held_reason, suspect, adopted
FROM {schema}.tasks
WHERE id = %(id)s;

-- name: list_tasks
-- The newest tasks that match; a NULL parameter matches all.
SELECT id, agent_name, task_type, status, created_at, payload, result, error_message, priority,
       run_at, attempt, errors, crashes, max_attempts, started_at, finished_at,
       cancel_requested_at, worker, idempotency_key, tenant, parent_id, submitted_by,
       held_reason, suspect, adopted
FROM {schema}.tasks
WHERE (%(agent_name)s::text IS NULL OR agent_name = %(agent_name)s)
  AND (%(task_type)s::text IS NULL OR task_type = %(task_type)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(held)s::boolean IS NULL OR (held_reason IS NOT NULL) = %(held)s)
  AND (%(submitted_by)s::text IS NULL OR submitted_by = %(submitted_by)s)
ORDER BY created_at DESC NULLS LAST, id DESC
LIMIT %(limit)s;

-- name: executions
-- The tries of one task, in order.
SELECT task_id, attempt, agent_name, task_type, worker, execution_start, execution_end,
       duration_seconds, outcome, error_message, llm_calls, llm_total_tokens,
       llm_unknown_calls, llm_unpriced_calls, cost_usd, progress, progress_text, progress_at
FROM {schema}.agent_executions
WHERE task_id = %(id)s
ORDER BY attempt;

-- name: llm_requests
-- The calls to language models of one task, in order.
SELECT id, task_id, attempt, provider, model, response_model, status, started_at, ended_at,
       duration_seconds, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
       reasoning_tokens, cost_usd, cost_source, finish_reason, error_message
FROM {schema}.llm_requests
WHERE task_id = %(id)s
ORDER BY started_at, id;

-- name: task_events
-- The log lines of one task that come after a certain one, in order.
SELECT task_id, attempt, number, at, level, message
FROM {schema}.task_events
WHERE task_id = %(id)s AND (attempt, number) > (%(attempt)s, %(number)s)
ORDER BY attempt, number
LIMIT %(limit)s;

-- name: progress
-- How far the newest attempt of a task says it is.
SELECT attempt, progress AS fraction, progress_text AS text, progress_at AS at
FROM (
    SELECT attempt, progress, progress_text, progress_at
    FROM {schema}.agent_executions
    WHERE task_id = %(id)s
    ORDER BY attempt DESC
    LIMIT 1
) newest
WHERE progress_at IS NOT NULL;

-- name: workers
-- Workers that live, and those that ended within the last day.
SELECT id, host, pid, version, concurrency, lease_seconds, handlers, started_at, heartbeat_at,
       idle, running, ended_at, ended_how
FROM {schema}.workers
WHERE ended_at IS NULL OR ended_at > now() - interval '1 day'
ORDER BY ended_at IS NOT NULL, started_at DESC;

-- name: unfinished_counts
-- Tasks that have not ended, by state.
SELECT
    count(*) FILTER (WHERE status = 'pending' AND held_reason IS NULL AND run_at <= now()) AS ready,
    count(*) FILTER (WHERE status = 'pending' AND held_reason IS NULL AND run_at > now()) AS delayed,
    count(*) FILTER (WHERE held_reason IS NOT NULL) AS held,
    count(*) FILTER (WHERE status = 'running') AS running,
    count(*) FILTER (WHERE status = 'waiting') AS waiting,
    min(run_at) FILTER (
        WHERE status = 'pending' AND held_reason IS NULL AND run_at <= now()
    ) AS oldest_ready
FROM {schema}.tasks
WHERE status IN ('pending', 'running', 'waiting');

-- name: finished_counts
-- Tasks that ended within the last day, by state.
SELECT status, count(*) AS tasks
FROM {schema}.tasks
WHERE created_at > now() - interval '1 day' AND status IN ('completed', 'failed', 'cancelled')
GROUP BY status;

-- name: nobody_knows
-- Pending tasks whose agent and type no living worker handles.
SELECT p.agent_name, p.task_type, p.tasks
FROM (
    SELECT agent_name, task_type, count(*) AS tasks
    FROM {schema}.tasks
    WHERE status = 'pending' AND held_reason IS NULL
    GROUP BY agent_name, task_type
) p
WHERE NOT EXISTS (
    SELECT
    FROM {schema}.workers w
    WHERE w.ended_at IS NULL AND w.handlers @> jsonb_build_array(
        jsonb_build_array(p.agent_name, p.task_type)
    )
)
ORDER BY p.tasks DESC;
