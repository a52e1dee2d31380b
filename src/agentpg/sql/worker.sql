-- What a worker says to the database: register, claim, settle, beat, leave.

-- name: register
-- Announce a worker; from now on it must beat.
INSERT INTO {schema}.workers (id, host, pid, version, concurrency, lease_seconds, handlers)
VALUES (%(id)s, %(host)s, %(pid)s, %(version)s, %(concurrency)s, %(lease_seconds)s, %(handlers)s);

-- name: leave
-- A worker that stopped by itself.
UPDATE {schema}.workers SET ended_at = now(), ended_how = 'stopped', running = 0
WHERE id = %(worker)s AND ended_at IS NULL;

-- name: claim
-- Take the next tasks and open their executions. For each priority, the more urgent first,
-- the scan begins at the mark, so that it does not walk the entries of tasks that were
-- claimed before: while a snapshot is held they are dead and cannot be removed.
-- The CTE is materialized because the planner might else run the locking scan more than
-- once and take more than the limit. The CASE hides the comparison from the planner, which
-- would take it for rare and read and sort the whole backlog instead of the head of the
-- index. The locked rows cannot move, so they are updated where they are.
-- Of those that belong in a lane none is claimed: they are put there. If some were, a row
-- without an id says so, with their number as its attempt and their ids as its payload.
WITH ready AS MATERIALIZED (
    SELECT due.*
    FROM unnest(%(priorities)s::int2[], %(run_ats)s::timestamptz[], %(ids)s::uuid[])
        AS mark (priority, run_at, id)
    CROSS JOIN LATERAL (
        SELECT t.ctid, t.id, (
            t.tenant IS NOT NULL
            OR t.agent_name || chr(31) || t.task_type
                = ANY ((SELECT CASE WHEN EXISTS (SELECT FROM {schema}.ruled)
                        THEN {schema}.ruled_among(%(handlers)s::text[]) END)::text[])
        ) IS TRUE AS in_lane
        FROM {schema}.tasks t
        WHERE t.status = 'pending' AND t.held_reason IS NULL AND t.lane IS NULL
          AND t.priority = mark.priority AND (t.run_at, t.id) >= (mark.run_at, mark.id)
          AND t.run_at <= now()
          AND CASE
              WHEN t.agent_name || chr(31) || t.task_type = ANY (%(handlers)s::text[]) THEN true
              ELSE false
          END
        ORDER BY t.run_at, t.id
        LIMIT %(batch)s
        FOR UPDATE SKIP LOCKED
    ) due
    WHERE EXISTS (
        SELECT FROM {schema}.workers w WHERE w.id = %(worker)s AND w.ended_at IS NULL
    )
    LIMIT %(batch)s
), claimed AS (
    UPDATE {schema}.tasks t
    SET status = 'running',
        attempt = t.attempt + 1,
        worker = %(worker)s,
        started_at = now(),
        on_crash = CASE
            WHEN t.agent_name || chr(31) || t.task_type = ANY (%(not_twice)s::text[]) THEN 'fail'
            ELSE t.on_crash
        END
    FROM ready
    WHERE t.ctid = ready.ctid AND NOT ready.in_lane
    RETURNING t.id, t.agent_name, t.task_type, t.attempt, t.payload, t.errors, t.crashes,
        t.max_attempts, t.on_crash, t.suspect, t.tenant, t.parent_id, t.priority, t.run_at
), opened AS (
    INSERT INTO {schema}.agent_executions
        (task_id, attempt, agent_name, task_type, worker, execution_start)
    SELECT id, attempt, agent_name, task_type, %(worker)s, now() FROM claimed
), sorted AS MATERIALIZED (
    SELECT {schema}.sort_tasks(array_agg(ctid)) AS number, array_agg(id)::text AS ids
    FROM ready WHERE in_lane
    HAVING count(*) > 0
)
SELECT
    id, agent_name, task_type, attempt, payload::text, errors, crashes,
    CASE WHEN suspect THEN (
        SELECT count(*)
        FROM {schema}.agent_executions e
        WHERE e.task_id = claimed.id AND e.outcome = 'lost'
    ) ELSE 0 END AS losses,
    max_attempts, on_crash, suspect, tenant, parent_id, priority, run_at::text
FROM claimed
UNION ALL
SELECT NULL, NULL, NULL, number, ids, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM sorted;

-- name: waits_in_lane
-- Whether something waits in a lane; what a look tells too, without what makes one dear.
SELECT {schema}.waits_in_lane(%(handlers)s::text[]);

-- name: look
-- For each priority that has pending tasks, where the first due one is that these handlers
-- take. Walks what the claim steps over, so it runs seldom. One row, with the database's
-- time, if there is none. Each says too whether something waits in a lane, and in how many
-- seconds the next task of the priority comes due.
WITH RECURSIVE first AS (
    (
        SELECT priority, run_at, id
        FROM {schema}.tasks
        WHERE status = 'pending' AND held_reason IS NULL AND lane IS NULL
        ORDER BY priority, run_at, id
        LIMIT 1
    )
    UNION ALL
    SELECT following.*
    FROM first
    CROSS JOIN LATERAL (
        SELECT t.priority, t.run_at, t.id
        FROM {schema}.tasks t
        WHERE t.status = 'pending' AND t.held_reason IS NULL AND t.lane IS NULL
          AND t.priority > first.priority
        ORDER BY t.priority, t.run_at, t.id
        LIMIT 1
    ) following
)
SELECT
    (now() - %(margin)s)::text,
    {schema}.waits_in_lane(%(handlers)s::text[]),
    first.priority, due.run_at::text, due.id, later.seconds
FROM (VALUES (true)) AS always (so)
LEFT JOIN first ON so
LEFT JOIN LATERAL (
    SELECT t.run_at, t.id
    FROM {schema}.tasks t
    WHERE t.status = 'pending' AND t.held_reason IS NULL AND lane IS NULL
      AND t.priority = first.priority AND (t.run_at, t.id) >= (first.run_at, first.id)
      AND t.run_at <= now()
      AND CASE
          WHEN t.agent_name || chr(31) || t.task_type = ANY (%(handlers)s::text[]) THEN true
          ELSE false
      END
    ORDER BY t.run_at, t.id
    LIMIT 1
) due ON true
LEFT JOIN LATERAL (
    SELECT extract(epoch FROM t.run_at - now())::float8 AS seconds
    FROM {schema}.tasks t
    WHERE t.status = 'pending' AND t.held_reason IS NULL AND t.lane IS NULL
      AND t.priority = first.priority
      AND t.run_at > now() AND t.run_at < now() + interval '1 hour'
    ORDER BY t.run_at, t.id
    LIMIT 1
) later ON true;

-- name: lift_attempts
-- A task that was deleted and submitted again under its old id begins after the attempts
-- that are on record, since (task, attempt) names one try for ever.
UPDATE {schema}.tasks t
SET attempt = e.attempt
FROM (
    SELECT task_id, max(attempt) AS attempt
    FROM {schema}.agent_executions
    WHERE task_id IN (
        (SELECT id
        FROM {schema}.tasks
        WHERE status = 'pending' AND held_reason IS NULL AND lane IS NULL AND run_at <= now()
        ORDER BY priority, run_at, id
        LIMIT 10000)
        UNION ALL
        (SELECT id
        FROM {schema}.tasks
        WHERE status = 'pending' AND held_reason IS NULL AND lane > ''
        ORDER BY lane, priority, run_at, id
        LIMIT 10000)
    )
    GROUP BY task_id
) e
WHERE t.id = e.task_id AND t.status = 'pending' AND t.attempt < e.attempt;

-- name: settle
-- Move tasks on and close their executions, of these workers and attempts only.
-- The row is found by its primary key; the guard by worker can use no index, and worker
-- is NULL unless the task is running.
WITH settled AS MATERIALIZED (
    SELECT *
    FROM unnest(
        %(workers)b::uuid[], %(ids)b::uuid[], %(attempts)b::int[], %(statuses)b::text[],
        %(outcomes)b::text[], %(results)b::text[], %(error_messages)b::text[],
        %(attempt_errors)b::text[], %(seconds)b::float8[],
        %(delays)b::float8[], %(errors)b::int[], %(crashes)b::int[], %(max_attempts)b::int[],
        %(suspects)b::bool[]
    ) AS s (worker, id, attempt, status, outcome, result, error_message, attempt_error,
            seconds, delay, errors, crashes, max_attempts, suspect)
), moved AS (
    UPDATE {schema}.tasks t
    SET status = CASE
            WHEN s.status = 'pending' AND t.cancel_requested_at IS NOT NULL THEN 'cancelled'
            ELSE s.status
        END,
        finished_at = CASE
            WHEN s.status <> 'pending' OR t.cancel_requested_at IS NOT NULL THEN now()
        END,
        run_at = CASE
            WHEN s.status = 'pending' AND s.delay > 0
            THEN now() + s.delay * interval '1 second'
            ELSE t.run_at
        END,
        result = s.result::jsonb,
        error_message = s.error_message,
        errors = t.errors + s.errors,
        crashes = t.crashes + s.crashes,
        max_attempts = CASE
            WHEN s.max_attempts IS NULL THEN t.max_attempts
            ELSE greatest(coalesce(t.max_attempts, s.max_attempts), t.errors + s.errors)
        END,
        suspect = coalesce(s.suspect, t.suspect),
        worker = NULL
    FROM settled s
    WHERE t.id = s.id AND t.worker = s.worker AND t.attempt = s.attempt
    RETURNING t.id, t.attempt, s.outcome, s.seconds, s.attempt_error
), closed AS (
    UPDATE {schema}.agent_executions e
    SET execution_end = now(),
        duration_seconds = m.seconds,
        outcome = m.outcome,
        error_message = m.attempt_error
    FROM moved m
    WHERE e.task_id = m.id AND e.attempt = m.attempt
)
SELECT id FROM moved;

-- name: complete
-- The settle of attempts that completed, which nearly all are: fewer columns, same guards.
-- The worker is a column, since the planner would begin with "all tasks of this worker".
WITH settled AS MATERIALIZED (
    SELECT s.*, %(worker)s::uuid AS worker
    FROM unnest(
        %(ids)b::uuid[], %(attempts)b::int[], %(results)b::text[], %(seconds)b::float8[]
    ) AS s (id, attempt, result, seconds)
), moved AS (
    UPDATE {schema}.tasks t
    SET status = 'completed',
        finished_at = now(),
        result = s.result::jsonb,
        error_message = NULL,
        suspect = false,
        worker = NULL
    FROM settled s
    WHERE t.id = s.id AND t.worker = s.worker AND t.attempt = s.attempt
    RETURNING t.id, t.attempt, s.seconds
), closed AS (
    UPDATE {schema}.agent_executions e
    SET execution_end = now(), duration_seconds = m.seconds, outcome = 'completed'
    FROM moved m
    WHERE e.task_id = m.id AND e.attempt = m.attempt
)
SELECT id FROM moved;

-- name: beat
-- A sign of life. No row means that others have declared this worker dead.
UPDATE {schema}.workers
SET heartbeat = heartbeat + 1, heartbeat_at = now(), idle = %(idle)s, running = %(running)s
WHERE id = %(worker)s AND ended_at IS NULL
RETURNING heartbeat;

-- name: note_idle
-- Ask to be notified of new tasks.
UPDATE {schema}.workers SET idle = true WHERE id = %(worker)s AND NOT idle;

-- name: check_held
-- Of the attempts that the worker holds: those it lost, and those to be cancelled.
SELECT h.id, h.attempt, t.id IS NULL AS lost
FROM unnest(%(ids)b::uuid[], %(attempts)b::int[]) AS h (id, attempt)
LEFT JOIN {schema}.tasks t
    ON t.id = h.id AND t.attempt = h.attempt AND t.worker = %(worker)s
WHERE t.id IS NULL OR t.cancel_requested_at IS NOT NULL;

-- name: find_forgotten
-- Tasks that the database says this worker runs and the worker does not know of: the
-- answer to a claim was lost with the connection.
SELECT id, attempt
FROM {schema}.tasks
WHERE status = 'running' AND worker = %(worker)s AND id <> ALL (%(ids)b::uuid[]);
