-- Throw-away installations for tests.

-- name: create_database
-- A database like another one, which its owner may drop.
CREATE DATABASE {database} TEMPLATE {template} OWNER {owner};

-- name: mark_database
-- Say that nothing in a database is to be kept. Without it no clock is moved there.
ALTER DATABASE {database} SET agentpg.testing = 'on';

-- name: set_search_path
-- Unqualified names in a database mean the tables of the schema, as `migrate` sees to.
ALTER DATABASE {database} SET search_path = {schema}, public;

-- name: drop_database
-- End a database with all its connections.
DROP DATABASE {database} WITH (FORCE);

-- name: is_marked
-- Whether nothing in this database is to be kept.
SELECT coalesce(current_setting('agentpg.testing', true), '') = 'on';

-- name: advance
-- What waits for a time comes so much nearer to it, as if the clock had gone on. The guard
-- is here too, so that no mistake of a caller can move what is waited for in production.
UPDATE {schema}.tasks
SET run_at = run_at - %(by)s::interval
WHERE status = 'pending' AND current_setting('agentpg.testing', true) = 'on'
RETURNING id;

-- name: advance_schedules
-- The same for schedules. A tick that has fired gives its moment free: with the next day, the
-- same moment comes once more. Its task's key stays one of its own by the task's id.
WITH moved AS (
    UPDATE {schema}.schedules
    SET next_at = next_at - %(by)s::interval
    WHERE current_setting('agentpg.testing', true) = 'on'
    RETURNING *
)
UPDATE {schema}.tasks t
SET idempotency_key = t.idempotency_key || ' ' || t.id
FROM moved s
WHERE t.agent_name = s.agent_name AND t.task_type = s.task_type
  AND starts_with(t.idempotency_key, 'schedule ' || s.name || ' ')
  AND right(t.idempotency_key, 1) = 'Z';

-- name: advance_starts
-- The same for what was started under limits with a rate. The groups are made when all old
-- rows are gone, so that none is in the way of a new one.
WITH old AS (
    DELETE FROM {schema}.limit_starts
    WHERE current_setting('agentpg.testing', true) = 'on'
    RETURNING *
)
INSERT INTO {schema}.limit_starts (limit_id, value, started_at, tasks)
SELECT limit_id, value, started_at - %(by)s::interval, sum(tasks)
FROM old
GROUP BY 1, 2, 3;

-- name: set_aside
-- Hold all tasks but one that could be claimed.
UPDATE {schema}.tasks SET held_reason = 'set aside by agentpg.testing'
WHERE status = 'pending' AND held_reason IS NULL AND id <> %(id)s
RETURNING id;

-- name: set_schedules_aside
-- Pause all schedules, so that none submits anything.
UPDATE {schema}.schedules SET paused_at = now() WHERE paused_at IS NULL RETURNING name;

-- name: take_up
-- Release what was set aside.
UPDATE {schema}.tasks SET held_reason = NULL
WHERE id = ANY (%(ids)b::uuid[]) AND held_reason = 'set aside by agentpg.testing';

-- name: take_schedules_up
-- Let the schedules that were set aside go on as if nothing had been.
UPDATE {schema}.schedules SET paused_at = NULL WHERE name = ANY (%(names)s::text[]);

-- name: left
-- What a worker with these handlers has still to do now: tasks, and schedules to look at or,
-- of those that its app declares, to write.
-- And tasks for a later time, and those that it will not do: held, without a handler, or kept
-- back by a pause of their agent or by a limit's rate. A limit of running tasks keeps nothing
-- back for long.
WITH unfinished AS MATERIALIZED (
    SELECT status, held_reason, agent_name, lane,
           status = 'pending' AND held_reason IS NULL AND run_at <= now() AS is_due,
           agent_name || chr(31) || task_type = ANY (%(handlers)b::text[]) AS is_known
    FROM {schema}.tasks
    WHERE status IN ('pending', 'running')
), full_lanes AS MATERIALIZED (
    SELECT DISTINCT t.lane
    FROM (SELECT DISTINCT lane FROM unfinished WHERE is_due) t
    -- Behind agent, type and tenant a lane names its limits as id or id=value.
    CROSS JOIN unnest((string_to_array(t.lane, chr(31)))[4:]) AS g (name)
    JOIN {schema}.limits l ON l.id::text = split_part(g.name, '=', 1)
    WHERE l.rate <= (
        SELECT sum(s.tasks)
        FROM {schema}.limit_starts s
        WHERE s.limit_id = l.id AND s.started_at > now() - make_interval(secs => l.period_seconds)
          AND s.value = CASE
              WHEN l.key IS NULL THEN '' ELSE substr(g.name, strpos(g.name, '=') + 1)
          END
    )
), sorted AS (
    SELECT *, is_due AND is_known AND (
        agent_name IN (SELECT agent_name FROM {schema}.paused_agents)
        OR lane IN (SELECT lane FROM full_lanes)
    ) IS TRUE AS is_kept_back
    FROM unfinished
)
SELECT count(*) FILTER (WHERE status = 'running' OR is_due AND is_known AND NOT is_kept_back) + (
           SELECT count(*)
           FROM {schema}.schedules
           WHERE paused_at IS NULL AND problem IS NULL AND coalesce(next_at <= now(), true)
       ) + (
           SELECT count(*)
           FROM unnest(%(declared)s::text[]) AS d (name)
           WHERE d.name NOT IN (SELECT name FROM {schema}.schedules)
       ) AS now,
       count(*) FILTER (WHERE status = 'pending' AND NOT is_due AND held_reason IS NULL) AS later,
       count(*) FILTER (WHERE held_reason IS NOT NULL) AS held,
       count(*) FILTER (WHERE is_due AND NOT is_known) AS unhandled,
       count(*) FILTER (WHERE is_kept_back) AS kept_back
FROM sorted;

-- name: outcomes
-- How the executions of some workers ended, and how many of each.
SELECT outcome, count(*)
FROM {schema}.agent_executions
WHERE worker = ANY (%(workers)b::uuid[]) AND outcome IS NOT NULL
GROUP BY outcome;
