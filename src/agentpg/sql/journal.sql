-- What attempts tell while they run.

-- name: note_progress
-- How far attempts are. Named by task, attempt and worker, and only while they are open:
-- a worker that lost its task writes nothing. No index holds what this changes.
UPDATE {schema}.agent_executions e
SET progress = p.fraction, progress_text = p.text, progress_at = now()
FROM unnest(
    %(ids)b::uuid[], %(attempts)b::int[], %(workers)b::uuid[], %(fractions)b::float8[],
    %(texts)b::text[]
) AS p (task_id, attempt, worker, fraction, text)
WHERE e.task_id = p.task_id AND e.attempt = p.attempt AND e.worker = p.worker
  AND e.execution_end IS NULL;

-- name: keep_lines
-- Log lines of attempts, each so many seconds old. A worker that lost its task adds to its
-- own attempt at most. A repeat adds nothing.
INSERT INTO {schema}.task_events (task_id, attempt, number, at, level, message)
SELECT l.task_id, l.attempt, l.number, now() - l.age * interval '1 second', l.level, l.message
FROM unnest(
    %(ids)b::uuid[], %(attempts)b::int[], %(workers)b::uuid[], %(numbers)b::int[],
    %(ages)b::float8[], %(levels)b::text[], %(messages)b::text[]
) AS l (task_id, attempt, worker, number, age, level, message)
JOIN {schema}.agent_executions e
  ON e.task_id = l.task_id AND e.attempt = l.attempt AND e.worker = l.worker
ON CONFLICT DO NOTHING;
