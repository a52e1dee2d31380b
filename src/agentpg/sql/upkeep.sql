-- What keeps the engine whole when workers die.

-- name: observe
-- The heartbeat of every worker that is thought to live, and whether tasks of the dead wait
-- to be put back.
SELECT id, heartbeat, lease_seconds, EXISTS (
    SELECT
    FROM {schema}.tasks t
    WHERE t.status = 'running' AND t.worker IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM {schema}.workers w WHERE w.id = t.worker AND w.ended_at IS NULL
      )
) AS orphans
FROM {schema}.workers
WHERE ended_at IS NULL;

-- name: declare_lost
-- A worker whose heartbeat stood still for a whole lease; guarded by that heartbeat.
UPDATE {schema}.workers SET ended_at = now(), ended_how = 'lost', running = 0
WHERE id = %(worker)s AND heartbeat = %(heartbeat)s AND ended_at IS NULL
RETURNING id;

-- name: put_back
-- Tasks of workers that live no more: close their executions as lost and put them back,
-- marked suspect, or end them where they must not run again. In no order: it skips what
-- others have locked, so it waits for none of them.
WITH orphaned AS MATERIALIZED (
    SELECT t.id, t.attempt
    FROM {schema}.tasks t
    WHERE t.status = 'running' AND t.worker IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM {schema}.workers w WHERE w.id = t.worker AND w.ended_at IS NULL
      )
    LIMIT 1000
    FOR UPDATE OF t SKIP LOCKED
), counted AS MATERIALIZED (
    SELECT o.id, o.attempt, 1 + (
        SELECT count(*)
        FROM {schema}.agent_executions e
        WHERE e.task_id = o.id AND e.outcome = 'lost'
    ) AS losses
    FROM orphaned o
), closed AS (
    UPDATE {schema}.agent_executions e
    SET execution_end = now(), outcome = 'lost', error_message = 'its worker died'
    FROM orphaned o
    WHERE e.task_id = o.id AND e.attempt = o.attempt AND e.execution_end IS NULL
    RETURNING e.task_id, e.attempt
), unanswered AS (
    UPDATE {schema}.llm_requests r
    SET status = 'lost', ended_at = now(), error_message = 'its worker died'
    -- From the closed ones, so that an execution is locked before its requests, as by a
    -- call that ends: the two never wait for each other.
    FROM closed c
    WHERE r.task_id = c.task_id AND r.attempt = c.attempt AND r.status = 'open'
), moved AS (
    UPDATE {schema}.tasks t
    SET status = CASE
            WHEN t.cancel_requested_at IS NOT NULL THEN 'cancelled'
            WHEN t.on_crash = 'fail' OR c.losses >= %(losses_to_quarantine)s THEN 'failed'
            ELSE 'pending'
        END,
        finished_at = CASE
            WHEN t.cancel_requested_at IS NOT NULL OR t.on_crash = 'fail'
              OR c.losses >= %(losses_to_quarantine)s THEN now()
        END,
        error_message = CASE
            WHEN t.on_crash = 'fail'
            THEN 'its worker died, and it must not run twice (on_crash = fail)'
            WHEN c.losses >= %(losses_to_quarantine)s
            THEN format('quarantined after %%s lost executions: its worker died each time', c.losses)
            ELSE 'its worker died'
        END,
        suspect = true,
        worker = NULL
    FROM counted c
    WHERE t.id = c.id AND t.attempt = c.attempt
    RETURNING t.id, t.attempt, t.status
)
SELECT id, attempt, status FROM moved;

-- name: give_up_calls
-- Calls that are open though their execution has ended: opened in the very moment of the
-- rescue, which could not see them, or left by a worker that died between settling and
-- closing them. After the rescue, in its transaction: what it closed opens no call any more.
-- The block range index on started_at keeps this from reading the whole history.
WITH forgotten AS MATERIALIZED (
    SELECT r.id
    FROM {schema}.llm_requests r
    JOIN {schema}.agent_executions e ON e.task_id = r.task_id AND e.attempt = r.attempt
    WHERE r.status = 'open'
      AND r.started_at >= now() - interval '1 day'
      AND e.execution_end IS NOT NULL
    -- Whoever holds one of them is ending it.
    FOR UPDATE OF r SKIP LOCKED
)
UPDATE {schema}.llm_requests r
SET status = 'lost', ended_at = now(), error_message = 'its attempt ended first'
FROM forgotten f
WHERE r.id = f.id AND r.status = 'open';

-- name: wake
-- Tell idle workers that there is something to do.
SELECT pg_notify(%(channel)s, '');

-- name: forget_workers
-- Rows of workers that ended long ago.
DELETE FROM {schema}.workers
WHERE id IN (
    SELECT id
    FROM {schema}.workers
    WHERE ended_at < now() - %(keep)s::interval
    LIMIT 1000
)
RETURNING id;
