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

-- name: advance_starts
-- The same for the starts that a rate counts. They are sorted so that all are gone before the
-- first is written again, which may have the moment of another one.
WITH gone AS (
    DELETE FROM {schema}.limit_starts
    WHERE current_setting('agentpg.testing', true) = 'on'
    RETURNING *
)
INSERT INTO {schema}.limit_starts (limit_id, value, started_at, tasks)
SELECT limit_id, value, started_at - %(by)s::interval, tasks
FROM gone
ORDER BY started_at;

-- name: set_aside
-- Hold all tasks but one that could be claimed.
UPDATE {schema}.tasks SET held_reason = 'set aside by agentpg.testing'
WHERE status = 'pending' AND held_reason IS NULL AND id <> %(id)s
RETURNING id;

-- name: take_up
-- Release what was set aside.
UPDATE {schema}.tasks SET held_reason = NULL
WHERE id = ANY (%(ids)b::uuid[]) AND held_reason = 'set aside by agentpg.testing';

-- name: left
-- Tasks that a worker with these handlers has still to do: now, at a later time, not before
-- they or their agent are released, or not at all because nobody has a handler for them.
SELECT count(*) FILTER (WHERE status = 'running' OR is_free AND is_due AND is_known) AS now,
       count(*) FILTER (WHERE is_free AND NOT is_due) AS later,
       count(*) FILTER (WHERE is_held) AS held,
       count(*) FILTER (WHERE is_free AND is_due AND NOT is_known) AS unhandled
FROM (
    SELECT status, is_held,
           status = 'pending' AND NOT is_held AS is_free,
           run_at <= now() AS is_due,
           agent_name || chr(31) || task_type = ANY (%(handlers)b::text[]) AS is_known
    FROM {schema}.tasks t
    CROSS JOIN LATERAL (
        SELECT held_reason IS NOT NULL OR status = 'pending' AND EXISTS (
            SELECT FROM {schema}.paused_agents p WHERE p.agent_name = t.agent_name
        ) AS is_held
    ) h
    WHERE status IN ('pending', 'running')
) t;

-- name: outcomes
-- How the executions of some workers ended, and how many of each.
SELECT outcome, count(*)
FROM {schema}.agent_executions
WHERE worker = ANY (%(workers)b::uuid[]) AND outcome IS NOT NULL
GROUP BY outcome;
