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
