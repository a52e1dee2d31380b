-- Schedules: what is submitted again and again.

-- name: now
-- The moment from which the next tick of a schedule is found.
SELECT now();

-- name: add
-- A new schedule; no row where the name is taken.
INSERT INTO {schema}.schedules
    (name, agent_name, task_type, payload, priority, max_attempts, on_crash, tenant,
     cron, time_zone, catch_up, declared, next_at)
VALUES (
    %(name)s, %(agent_name)s, %(task_type)s, %(payload)s::text::jsonb, %(priority)s,
    %(max_attempts)s, %(on_crash)s, %(tenant)s, %(cron)s, %(time_zone)s, %(catch_up)s,
    %(declared)s, %(next_at)s
)
ON CONFLICT (name) DO NOTHING
RETURNING name;

-- name: write
-- A schedule as it is wanted now. One that is paused stays so, and the next tick is found
-- anew only where the line or its zone is another.
INSERT INTO {schema}.schedules AS s
    (name, agent_name, task_type, payload, priority, max_attempts, on_crash, tenant,
     cron, time_zone, catch_up, declared, next_at)
VALUES (
    %(name)s, %(agent_name)s, %(task_type)s, %(payload)s::text::jsonb, %(priority)s,
    %(max_attempts)s, %(on_crash)s, %(tenant)s, %(cron)s, %(time_zone)s, %(catch_up)s,
    %(declared)s, %(next_at)s
)
ON CONFLICT (name) DO UPDATE
SET agent_name = excluded.agent_name, task_type = excluded.task_type,
    payload = excluded.payload, priority = excluded.priority,
    max_attempts = excluded.max_attempts, on_crash = excluded.on_crash,
    tenant = excluded.tenant, cron = excluded.cron, time_zone = excluded.time_zone,
    catch_up = excluded.catch_up, declared = excluded.declared,
    next_at = CASE
        WHEN s.cron = excluded.cron AND s.time_zone = excluded.time_zone
        THEN coalesce(s.next_at, excluded.next_at)
        ELSE excluded.next_at
    END,
    problem = NULL,
    updated_at = now()
WHERE (s.agent_name, s.task_type, s.payload, s.priority, s.max_attempts, s.on_crash, s.tenant,
       s.cron, s.time_zone, s.catch_up, s.declared, s.problem)
   IS DISTINCT FROM
      (excluded.agent_name, excluded.task_type, excluded.payload, excluded.priority,
       excluded.max_attempts, excluded.on_crash, excluded.tenant, excluded.cron,
       excluded.time_zone, excluded.catch_up, excluded.declared, NULL)
RETURNING name;

-- name: list
-- All schedules, the next one first.
SELECT name, agent_name, task_type, payload, priority, max_attempts, on_crash, tenant, cron,
       time_zone, catch_up, declared, paused_at, next_at, last_at, last_task_id, problem,
       created_at, updated_at, now() AS read_at
FROM {schema}.schedules
ORDER BY paused_at IS NOT NULL, next_at NULLS LAST, name;

-- name: get
-- One schedule.
SELECT name, agent_name, task_type, payload, priority, max_attempts, on_crash, tenant, cron,
       time_zone, catch_up, declared, paused_at, next_at, last_at, last_task_id, problem,
       created_at, updated_at, now() AS read_at
FROM {schema}.schedules
WHERE name = %(name)s;

-- name: pause
-- Let it fire no more; one that is paused stays as it is.
UPDATE {schema}.schedules
SET paused_at = coalesce(paused_at, now()), updated_at = now()
WHERE name = %(name)s
RETURNING name;

-- name: resume
-- Let it fire again, from now on; guarded by the line of which the next tick was found.
UPDATE {schema}.schedules
SET paused_at = NULL, updated_at = now(), problem = NULL,
    next_at = CASE WHEN paused_at IS NULL AND problem IS NULL THEN next_at ELSE %(next_at)s END
WHERE name = %(name)s AND cron = %(cron)s AND time_zone = %(time_zone)s
RETURNING name;

-- name: run
-- Submit its task now, beside its ticks.
WITH wanted AS MATERIALIZED (
    SELECT * FROM {schema}.schedules WHERE name = %(name)s FOR UPDATE
), submitted AS (
    INSERT INTO {schema}.tasks
        (id, agent_name, task_type, payload, priority, max_attempts, on_crash, tenant)
    SELECT %(id)s, agent_name, task_type, payload, priority, max_attempts, on_crash, tenant
    FROM wanted
    RETURNING id
), noted AS (
    UPDATE {schema}.schedules s SET last_at = now(), last_task_id = %(id)s
    FROM wanted
    WHERE s.name = wanted.name
)
SELECT id FROM submitted;

-- name: remove
-- Delete a schedule; the tasks that it submitted stay.
DELETE FROM {schema}.schedules WHERE name = %(name)s RETURNING name;

-- name: due
-- The schedules that are due, or of which the next tick is to be found, and the first that
-- is not due yet.
SELECT name, cron, time_zone, catch_up, next_at, now() AS now
FROM {schema}.schedules
WHERE paused_at IS NULL AND problem IS NULL
ORDER BY next_at NULLS FIRST
LIMIT %(batch)s;

-- name: fire
-- Move a schedule on and submit the tasks of its ticks, all or nothing. Guarded by all that
-- the decision was made of, so one worker fires a tick; the key of each task, made of the
-- schedule and the tick, guards once more.
WITH due AS MATERIALIZED (
    SELECT *
    FROM {schema}.schedules
    WHERE name = %(name)s AND cron = %(cron)s AND time_zone = %(time_zone)s
      AND catch_up = %(catch_up)s AND next_at IS NOT DISTINCT FROM %(seen)s
      AND paused_at IS NULL AND problem IS NULL
    FOR UPDATE
), fired AS (
    INSERT INTO {schema}.tasks
        (id, agent_name, task_type, payload, priority, max_attempts, on_crash, tenant,
         idempotency_key)
    SELECT t.id, d.agent_name, d.task_type, d.payload, d.priority, d.max_attempts, d.on_crash,
           d.tenant, t.key
    FROM due d, unnest(%(ids)s::uuid[], %(keys)s::text[]) AS t (id, key)
    ON CONFLICT (agent_name, task_type, idempotency_key) WHERE idempotency_key IS NOT NULL
    DO NOTHING
    RETURNING id
), moved AS (
    UPDATE {schema}.schedules s
    SET next_at = %(next_at)s,
        problem = %(problem)s,
        last_at = CASE WHEN n.id IS NULL THEN s.last_at ELSE %(last_at)s END,
        last_task_id = coalesce(n.id, s.last_task_id)
    FROM due d LEFT JOIN (SELECT id FROM fired ORDER BY id DESC LIMIT 1) AS n ON true
    WHERE s.name = d.name
    RETURNING s.name
)
SELECT (SELECT count(*) FROM fired) AS fired FROM moved;

-- name: set_aside
-- A schedule that cannot fire, with the reason; it is asked no more until it is changed.
UPDATE {schema}.schedules
SET problem = %(problem)s, next_at = NULL
WHERE name = %(name)s AND cron = %(cron)s AND time_zone = %(time_zone)s
RETURNING name;

-- name: state
-- How many schedules there are, and those that need a look. Between a tick and its task
-- there is less than a second where a worker lives.
SELECT
    count(*) AS total,
    count(*) FILTER (WHERE s.paused_at IS NOT NULL) AS paused,
    count(*) FILTER (
        WHERE s.paused_at IS NULL AND s.next_at < now() - interval '1 minute'
    ) AS overdue,
    count(*) FILTER (WHERE s.paused_at IS NULL AND s.problem IS NOT NULL) AS broken,
    coalesce(
        array_agg(s.name::text ORDER BY s.name) FILTER (WHERE t.status = 'failed'), '{{}}'
    ) AS failed
FROM {schema}.schedules AS s
LEFT JOIN {schema}.tasks AS t ON t.id = s.last_task_id;
