-- What the demonstration looks at.

-- name: progress
-- Tasks of the demonstration by agent and state.
SELECT agent_name, status, count(*) AS tasks
FROM {schema}.tasks
WHERE created_at >= %(since)s
GROUP BY agent_name, status
ORDER BY agent_name, status;

-- name: busiest_worker
-- The living worker that runs the most tasks at this moment.
SELECT w.id, w.pid, count(*) AS running
FROM {schema}.workers w
JOIN {schema}.tasks t ON t.worker = w.id AND t.status = 'running'
WHERE w.ended_at IS NULL AND w.pid = ANY (%(pids)s::int[])
GROUP BY w.id, w.pid
ORDER BY running DESC
LIMIT 1;

-- name: lost_with
-- The tasks that a dead worker took with it, and what has become of them.
SELECT t.id, t.agent_name, t.task_type, t.payload ->> 'path' AS path, t.status, t.attempt
FROM {schema}.agent_executions e
JOIN {schema}.tasks t ON t.id = e.task_id
WHERE e.worker = %(worker)s AND e.outcome = 'lost'
ORDER BY t.id;
