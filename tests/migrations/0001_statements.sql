-- Statements of the release that made 0001_recorded.sql, as they were: its workers and clients go
-- on while the schema is upgraded under them. Kept as they are.

-- name: register
-- Announce a worker; from now on it must beat.
INSERT INTO {schema}.workers (id, host, pid, version, concurrency, lease_seconds, handlers)
VALUES (%(id)s, %(host)s, %(pid)s, %(version)s, %(concurrency)s, %(lease_seconds)s, %(handlers)s);

-- name: leave
-- A worker that stopped by itself.
UPDATE {schema}.workers SET ended_at = now(), ended_how = 'stopped', running = 0
WHERE id = %(worker)s AND ended_at IS NULL;

-- name: claim
-- Take the next tasks and open their executions. The CTE is materialized because the
-- planner might else run the locking scan more than once and take more than the limit.
-- The CASE hides the comparison from the planner, which would take it for rare and read
-- and sort the whole backlog instead of the head of the index.
WITH ready AS MATERIALIZED (
    SELECT id
    FROM {schema}.tasks
    WHERE status = 'pending' AND held_reason IS NULL AND run_at <= now()
      AND EXISTS (
          SELECT FROM {schema}.workers w WHERE w.id = %(worker)s AND w.ended_at IS NULL
      )
      AND CASE
          WHEN agent_name || chr(31) || task_type = ANY (%(handlers)b::text[]) THEN true
          ELSE false
      END
    ORDER BY priority, run_at, id
    LIMIT %(batch)s
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE {schema}.tasks t
    SET status = 'running',
        attempt = t.attempt + 1,
        worker = %(worker)s,
        started_at = now(),
        on_crash = CASE
            WHEN t.agent_name || chr(31) || t.task_type = ANY (%(not_twice)b::text[]) THEN 'fail'
            ELSE t.on_crash
        END
    FROM ready
    WHERE t.id = ready.id
    RETURNING t.*
), opened AS (
    INSERT INTO {schema}.agent_executions
        (task_id, attempt, agent_name, task_type, worker, execution_start)
    SELECT id, attempt, agent_name, task_type, worker, now() FROM claimed
)
SELECT
    id, agent_name, task_type, attempt, payload::text, errors, crashes,
    CASE WHEN suspect THEN (
        SELECT count(*)
        FROM {schema}.agent_executions e
        WHERE e.task_id = claimed.id AND e.outcome = 'lost'
    ) ELSE 0 END AS losses,
    max_attempts, on_crash, suspect, tenant, parent_id
FROM claimed
ORDER BY priority, run_at, id;

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
WITH settled AS MATERIALIZED (
    SELECT *
    FROM unnest(
        %(workers)b::uuid[], %(ids)b::uuid[], %(attempts)b::int[], %(results)b::text[],
        %(seconds)b::float8[]
    ) AS s (worker, id, attempt, result, seconds)
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

-- name: close_requests
-- LLM calls that were under way when their attempt was broken off.
UPDATE {schema}.llm_requests
SET status = 'lost', ended_at = now(), error_message = 'its attempt ended first'
WHERE status = 'open'
  AND (task_id, attempt) IN (
      SELECT * FROM unnest(%(ids)b::uuid[], %(attempts)b::int[])
  );

-- name: beat
-- A sign of life. No row means that others have declared this worker dead.
UPDATE {schema}.workers
SET heartbeat = heartbeat + 1, heartbeat_at = now(), idle = %(idle)s, running = %(running)s
WHERE id = %(worker)s AND ended_at IS NULL
RETURNING heartbeat;

-- name: submit
-- Submit tasks; one whose idempotency key was used already is left out of the answer.
INSERT INTO {schema}.tasks
    (id, agent_name, task_type, payload, priority, run_at, idempotency_key, max_attempts,
     on_crash, tenant, parent_id)
SELECT id, agent_name, task_type, payload::jsonb, priority,
       coalesce(run_at, now() + delay * interval '1 second'),
       idempotency_key, max_attempts, on_crash, tenant, parent_id
FROM unnest(
    %(ids)b::uuid[], %(agent_names)b::text[], %(task_types)b::text[], %(payloads)b::text[],
    %(priorities)b::int[], %(run_ats)b::timestamptz[], %(delays)b::float8[], %(keys)b::text[],
    %(max_attempts)b::int[], %(on_crashes)b::text[], %(tenants)b::text[], %(parents)b::uuid[]
) AS n (id, agent_name, task_type, payload, priority, run_at, delay, idempotency_key,
        max_attempts, on_crash, tenant, parent_id)
ON CONFLICT (agent_name, task_type, idempotency_key) WHERE idempotency_key IS NOT NULL
DO NOTHING
RETURNING id;

-- name: submit_one
-- Submit one task, as `submit` does; without arrays it costs the server half.
INSERT INTO {schema}.tasks
    (id, agent_name, task_type, payload, priority, run_at, idempotency_key, max_attempts,
     on_crash, tenant, parent_id)
VALUES (
    %(id)s, %(agent_name)s, %(task_type)s, %(payload)s::text::jsonb, %(priority)s,
    coalesce(%(run_at)s, now() + %(delay)s * interval '1 second'), %(key)s, %(max_attempts)s,
    %(on_crash)s, %(tenant)s, %(parent)s
)
ON CONFLICT (agent_name, task_type, idempotency_key) WHERE idempotency_key IS NOT NULL
DO NOTHING
RETURNING id;

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

-- name: declare_lost
-- A worker whose heartbeat stood still for a whole lease; guarded by that heartbeat.
UPDATE {schema}.workers SET ended_at = now(), ended_how = 'lost', running = 0
WHERE id = %(worker)s AND heartbeat = %(heartbeat)s AND ended_at IS NULL
RETURNING id;

-- name: put_back
-- Tasks of workers that live no more: close their executions as lost and put them back,
-- marked suspect, or end them where they must not run again.
WITH orphaned AS MATERIALIZED (
    SELECT t.id, t.attempt
    FROM {schema}.tasks t
    WHERE t.status = 'running' AND t.worker IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM {schema}.workers w WHERE w.id = t.worker AND w.ended_at IS NULL
      )
    ORDER BY t.id
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
