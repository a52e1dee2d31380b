-- Retrying many failed tasks, and releasing many held ones. All that failed after the moment of the preview stay out, so
-- that one which fails again is not opened twice.

-- name: count_failed
-- Failed tasks that match, by agent and type; a NULL parameter matches all.
SELECT agent_name, task_type, count(*) AS tasks, min(finished_at) AS first_failed_at,
       max(finished_at) AS last_failed_at,
       (array_agg(
           CASE WHEN starts_with(error_message, '$sealed:') THEN '(sealed)' ELSE error_message END
           ORDER BY finished_at DESC
       ))[1] AS last_error,
       now() AS counted_at
FROM {schema}.tasks
WHERE status = 'failed'
  AND (%(agent_name)s::text IS NULL OR agent_name = %(agent_name)s)
  AND (%(task_type)s::text IS NULL OR task_type = %(task_type)s)
GROUP BY agent_name, task_type
ORDER BY tasks DESC, agent_name, task_type;

-- name: retry_failed
-- Open the next of them again, as `retry` does with one.
WITH next AS MATERIALIZED (
    SELECT id
    FROM {schema}.tasks
    WHERE status = 'failed' AND (finished_at IS NULL OR finished_at <= %(until)s)
      AND (%(agent_name)s::text IS NULL OR agent_name = %(agent_name)s)
      AND (%(task_type)s::text IS NULL OR task_type = %(task_type)s)
    ORDER BY created_at
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
), reopened AS (
    UPDATE {schema}.tasks t
    SET status = 'pending', run_at = now(), finished_at = NULL, result = NULL,
        error_message = NULL, errors = 0, crashes = 0, cancel_requested_at = NULL,
        held_reason = NULL
    FROM next
    WHERE t.id = next.id
    RETURNING t.id
), told AS (
    SELECT pg_notify(%(channel)s, '') FROM reopened LIMIT 1
)
SELECT count(reopened.id)::int FROM reopened LEFT JOIN told ON true;

-- name: count_held
-- Held tasks that match, by agent, type and reason; a NULL parameter matches all.
SELECT agent_name, task_type, held_reason AS reason, count(*) AS tasks,
       min(created_at) AS first_created_at, now() AS counted_at
FROM {schema}.tasks
WHERE held_reason IS NOT NULL AND status IN ('pending', 'waiting')
  AND (%(agent_name)s::text IS NULL OR agent_name = %(agent_name)s)
  AND (%(task_type)s::text IS NULL OR task_type = %(task_type)s)
  AND (%(reason)s::text IS NULL OR starts_with(held_reason, %(reason)s))
GROUP BY agent_name, task_type, held_reason
ORDER BY tasks DESC, agent_name, task_type, held_reason;

-- name: release_held
-- Let the next of them be claimed again, as `release` does with one.
WITH next AS MATERIALIZED (
    SELECT id
    FROM {schema}.tasks
    WHERE held_reason IS NOT NULL AND status IN ('pending', 'waiting')
      AND created_at <= %(until)s
      AND (%(agent_name)s::text IS NULL OR agent_name = %(agent_name)s)
      AND (%(task_type)s::text IS NULL OR task_type = %(task_type)s)
      AND (%(reason)s::text IS NULL OR starts_with(held_reason, %(reason)s))
    ORDER BY created_at
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
), released AS (
    UPDATE {schema}.tasks t SET held_reason = NULL
    FROM next
    WHERE t.id = next.id
    RETURNING t.id
), told AS (
    SELECT pg_notify(%(channel)s, '') FROM released LIMIT 1
)
SELECT count(released.id)::int FROM released LEFT JOIN told ON true;
