-- What the doctor asks of the engine's tables. Each question reads so many rows at most, the
-- ones that matter first.

-- name: ready
-- Tasks that could run now, of those that were submitted first, by agent and type: how many, since
-- when the oldest waits, how many workers that beat have a handler for it, whether the agent is
-- paused, and whether a limit makes some wait.
WITH first AS MATERIALIZED (
    SELECT agent_name, task_type, greatest(run_at, created_at) AS ready_at
    FROM {schema}.tasks
    WHERE status = 'pending' AND held_reason IS NULL AND run_at <= now()
    ORDER BY created_at
    LIMIT %(most)s
), together AS (
    SELECT agent_name, task_type, count(*) AS tasks, min(ready_at) AS oldest_at
    FROM first
    GROUP BY agent_name, task_type
)
SELECT
    coalesce(t.agent_name::text, '') AS agent,
    coalesce(t.task_type::text, '') AS type,
    t.tasks,
    extract(epoch FROM now() - t.oldest_at)::float8 AS oldest_seconds,
    (
        SELECT count(*)
        FROM {schema}.workers AS w
        WHERE w.ended_at IS NULL
          AND w.heartbeat_at > now() - make_interval(secs => w.lease_seconds)
          AND w.handlers @> jsonb_build_array(jsonb_build_array(t.agent_name, t.task_type))
    ) AS workers,
    (
        SELECT extract(epoch FROM now() - p.paused_at)::float8
        FROM {schema}.paused_agents AS p
        WHERE p.agent_name = t.agent_name
    ) AS paused_seconds,
    EXISTS (
        SELECT
        FROM {schema}.limits AS l
        WHERE l.agent_name = t.agent_name AND (l.task_type IS NULL OR l.task_type = t.task_type)
    ) AS limited
FROM together AS t
ORDER BY t.oldest_at
LIMIT 100;

-- name: alive
-- How many workers beat.
SELECT count(*)::int
FROM {schema}.workers
WHERE ended_at IS NULL AND heartbeat_at > now() - make_interval(secs => lease_seconds);

-- name: gone
-- Tasks that run on a worker that is no more, or has been silent for two of its leases: those
-- that live would have put them back within one.
SELECT
    r.worker,
    w.host,
    w.pid AS process,
    r.tasks,
    r.agents,
    r.example,
    extract(epoch FROM now() - coalesce(w.ended_at, w.heartbeat_at, r.oldest_at))::float8
        AS silent_seconds
FROM (
    SELECT
        t.worker,
        count(*) AS tasks,
        array_agg(DISTINCT t.agent_name::text) AS agents,
        (array_agg(t.id ORDER BY t.started_at))[1] AS example,
        min(t.started_at) AS oldest_at
    FROM (
        SELECT worker, agent_name, id, started_at
        FROM {schema}.tasks
        WHERE status = 'running' AND worker IS NOT NULL
        LIMIT %(most)s
    ) AS t
    GROUP BY t.worker
) AS r
LEFT JOIN {schema}.workers AS w ON w.id = r.worker
WHERE w.id IS NULL OR w.ended_at < now() - make_interval(secs => w.lease_seconds)
   OR (w.ended_at IS NULL AND w.heartbeat_at < now() - make_interval(secs => 2 * w.lease_seconds))
ORDER BY r.oldest_at
LIMIT 100;

-- name: lost
-- Workers that died within the last hour, with the executions that were lost with them.
SELECT
    w.host,
    w.pid AS process,
    extract(epoch FROM now() - w.ended_at)::float8 AS ago_seconds,
    (
        SELECT count(*)
        FROM (
            SELECT worker
            FROM {schema}.agent_executions
            WHERE execution_start > now() - interval '1 day' AND outcome = 'lost'
            LIMIT %(most)s
        ) AS e
        WHERE e.worker = w.id
    ) AS executions
FROM {schema}.workers AS w
WHERE w.ended_how = 'lost' AND w.ended_at > now() - interval '1 hour'
ORDER BY w.ended_at DESC
LIMIT 20;

-- name: failing
-- How the executions of the last hour ended, by agent and type, with the newest error.
SELECT
    coalesce(agent_name::text, '') AS agent,
    coalesce(task_type::text, '') AS type,
    count(*) AS ended,
    count(*) FILTER (WHERE outcome IN ('failed', 'timed_out')) AS failed,
    (array_agg(CASE
        WHEN starts_with(error_message, '$sealed:') THEN '(sealed)'
        ELSE left(split_part(error_message, E'\n', 1), 200)
    END ORDER BY execution_start DESC)
        FILTER (WHERE outcome IN ('failed', 'timed_out')))[1] AS error,
    (array_agg(task_id ORDER BY execution_start DESC)
        FILTER (WHERE outcome IN ('failed', 'timed_out')))[1] AS example
FROM (
    SELECT agent_name, task_type, outcome, error_message, execution_start, task_id
    FROM {schema}.agent_executions
    WHERE execution_start > now() - interval '1 hour'
      AND outcome IN ('completed', 'failed', 'timed_out')
    LIMIT %(most)s
) AS e
GROUP BY agent_name, task_type
ORDER BY 4 DESC
LIMIT 100;

-- name: quarantined
-- Tasks of the last week that were set aside within a day, since their processes died each time.
SELECT
    coalesce(agent_name::text, '') AS agent,
    coalesce(task_type::text, '') AS type,
    count(*) AS tasks,
    (array_agg(id ORDER BY finished_at DESC))[1] AS example,
    (array_agg(left(error_message, 200) ORDER BY finished_at DESC))[1] AS error
FROM (
    SELECT agent_name, task_type, id, finished_at, error_message
    FROM {schema}.tasks
    WHERE status = 'failed' AND created_at > now() - interval '7 days'
    ORDER BY created_at DESC
    LIMIT %(most)s
) AS t
WHERE finished_at > now() - interval '1 day' AND error_message LIKE 'quarantined after %%'
GROUP BY agent_name, task_type
ORDER BY 3 DESC
LIMIT 20;

-- name: unfitting
-- Rows of the last day that do not fit each other, of so many that were looked at: what is not
-- a minute old may be on its way.
SELECT
    'execution without a task' AS kind, count(*) AS found, min(e.task_id::text) AS example
FROM (
    SELECT task_id
    FROM {schema}.agent_executions
    WHERE execution_start > now() - interval '1 day' AND NOT adopted
    LIMIT %(most)s
) AS e
WHERE NOT EXISTS (SELECT FROM {schema}.tasks AS t WHERE t.id = e.task_id)
UNION ALL
SELECT 'open execution of a task that does not run', count(*), min(e.task_id::text)
FROM (
    SELECT task_id, attempt
    FROM {schema}.agent_executions
    WHERE execution_start > now() - interval '1 day'
      AND execution_start < now() - interval '1 minute'
      AND execution_end IS NULL AND NOT adopted
    LIMIT %(most)s
) AS e
JOIN {schema}.tasks AS t ON t.id = e.task_id
WHERE t.status <> 'running' OR t.attempt <> e.attempt
UNION ALL
SELECT 'running task without an open execution', count(*), min(t.id::text)
FROM (
    SELECT id, attempt
    FROM {schema}.tasks
    WHERE status = 'running' AND worker IS NOT NULL
      AND started_at < now() - interval '1 minute'
    LIMIT %(most)s
) AS t
WHERE NOT EXISTS (
    SELECT
    FROM {schema}.agent_executions AS e
    WHERE e.task_id = t.id AND e.attempt = t.attempt AND e.execution_end IS NULL
)
UNION ALL
SELECT 'open call of an execution that has ended', count(*), min(r.task_id::text)
FROM (
    SELECT task_id, attempt
    FROM {schema}.llm_requests
    WHERE started_at > now() - interval '1 day' AND started_at < now() - interval '1 minute'
      AND status = 'open'
    LIMIT %(most)s
) AS r
JOIN {schema}.agent_executions AS e ON e.task_id = r.task_id AND e.attempt = r.attempt
WHERE e.execution_end < now() - interval '1 minute';

-- name: held
-- Tasks that nobody runs until they are released, by why.
SELECT
    held_reason AS reason,
    count(*) AS tasks,
    (array_agg(DISTINCT agent_name::text))[1:5] AS agents,
    extract(epoch FROM now() - min(created_at))::float8 AS oldest_seconds,
    (array_agg(id ORDER BY created_at))[1] AS example
FROM (
    SELECT held_reason, agent_name, created_at, id
    FROM {schema}.tasks
    WHERE status IN ('pending', 'waiting') AND held_reason IS NOT NULL
    LIMIT %(most)s
) AS t
GROUP BY held_reason
ORDER BY 4 DESC
LIMIT 20;

-- name: waiting
-- Tasks that wait, by agent and type.
SELECT
    coalesce(agent_name::text, '') AS agent,
    coalesce(task_type::text, '') AS type,
    count(*) AS tasks,
    extract(epoch FROM now() - min(coalesce(started_at, created_at)))::float8 AS oldest_seconds,
    (array_agg(id ORDER BY created_at))[1] AS example
FROM (
    SELECT agent_name, task_type, started_at, created_at, id
    FROM {schema}.tasks
    WHERE status = 'waiting' AND held_reason IS NULL
    LIMIT %(most)s
) AS t
GROUP BY agent_name, task_type
ORDER BY 4 DESC
LIMIT 20;

-- name: schedules
-- Schedules that need a look: broken, overdue, paused, or whose last task failed.
SELECT
    s.name::text,
    s.problem,
    extract(epoch FROM now() - s.paused_at)::float8 AS paused_seconds,
    CASE WHEN s.paused_at IS NULL AND s.problem IS NULL
        THEN extract(epoch FROM now() - s.next_at)::float8
    END AS late_seconds,
    t.status = 'failed' AS failed,
    s.last_task_id
FROM {schema}.schedules AS s
LEFT JOIN {schema}.tasks AS t ON t.id = s.last_task_id
WHERE s.problem IS NOT NULL OR s.paused_at IS NOT NULL OR t.status = 'failed'
   OR s.next_at < now() - interval '1 minute'
ORDER BY s.name
LIMIT 100;

-- name: workers
-- The releases of the workers that beat.
SELECT
    version::text,
    count(*)::int AS workers,
    (array_agg(host::text ORDER BY started_at))[1] AS host,
    (array_agg(pid ORDER BY started_at))[1] AS process
FROM {schema}.workers
WHERE ended_at IS NULL AND heartbeat_at > now() - make_interval(secs => lease_seconds)
GROUP BY version
ORDER BY version;

-- name: calls
-- The calls to language models that began within a time, by agent and model, of so many that
-- were read, with how many hours these span.
WITH made AS MATERIALIZED (
    SELECT agent_name, coalesce(model, response_model) AS model, status, cost_usd, started_at,
           error_message, task_id
    FROM {schema}.llm_requests
    WHERE started_at > now() - %(since)s::interval AND started_at <= now() - %(until)s::interval
    LIMIT %(most)s
)
SELECT
    agent_name::text AS agent,
    coalesce(model::text, '–') AS model,
    count(*) AS calls,
    count(*) FILTER (WHERE status IN ('error', 'lost')) AS failed,
    coalesce(sum(cost_usd), 0)::float8 AS cost_usd,
    (
        SELECT extract(epoch FROM max(started_at) - min(started_at))::float8 / 3600 FROM made
    ) AS hours,
    (array_agg(CASE
        WHEN starts_with(error_message, '$sealed:') THEN '(sealed)'
        ELSE left(split_part(error_message, E'\n', 1), 200)
    END ORDER BY started_at DESC)
        FILTER (WHERE status = 'error'))[1] AS error
FROM made
GROUP BY agent_name, coalesce(model::text, '–')
ORDER BY 3 DESC
LIMIT 100;

-- name: present
-- The parts that the schema has, with a trigger's table and whether the trigger is switched off, and
-- whether a crash empties a table.
WITH here AS MATERIALIZED (
    SELECT oid FROM pg_namespace WHERE nspname = %(schema)s
)
SELECT
    CASE relkind WHEN 'i' THEN 'index' WHEN 'v' THEN 'view' ELSE 'table' END AS kind,
    relname::text AS name,
    '' AS "table",
    false AS off,
    relpersistence = 'u' AS unlogged
FROM pg_class
WHERE relnamespace = (SELECT oid FROM here) AND relkind IN ('r', 'p', 'i', 'v')
UNION ALL
SELECT 'trigger', tgname::text, relname::text, tgenabled IN ('D', 'R'), false
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = (SELECT oid FROM here) AND NOT t.tgisinternal
UNION ALL
SELECT 'function', proname::text, '', false, false
FROM pg_proc
WHERE pronamespace = (SELECT oid FROM here)
ORDER BY 1, 2;
