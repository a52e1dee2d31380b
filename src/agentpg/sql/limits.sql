-- Limits and pauses of agents: what people and code say.

-- name: set
-- Say a limit; one that is there for the same tasks is changed.
INSERT INTO {schema}.limits
    (agent_name, task_type, key, concurrency, rate, period_seconds, declared_by)
VALUES (
    %(agent_name)s, %(task_type)s, %(key)s, %(concurrency)s, %(rate)s, %(period_seconds)s,
    'operator'
)
ON CONFLICT (agent_name, task_type, key) DO UPDATE
SET concurrency = excluded.concurrency, rate = excluded.rate,
    period_seconds = excluded.period_seconds, declared_by = 'operator', declared_at = now();

-- name: declare
-- What the code of a worker says, unless an operator has said otherwise. True for a change.
INSERT INTO {schema}.limits AS l
    (agent_name, task_type, key, concurrency, rate, period_seconds, declared_by)
VALUES (
    %(agent_name)s, %(task_type)s, %(key)s, %(concurrency)s, %(rate)s, %(period_seconds)s, 'code'
)
ON CONFLICT (agent_name, task_type, key) DO UPDATE
SET concurrency = excluded.concurrency, rate = excluded.rate,
    period_seconds = excluded.period_seconds, declared_at = now()
WHERE l.declared_by = 'code' AND (l.concurrency, l.rate, l.period_seconds)
    IS DISTINCT FROM (excluded.concurrency, excluded.rate, excluded.period_seconds);

-- name: remove
-- Lift a limit.
DELETE FROM {schema}.limits
WHERE agent_name = %(agent_name)s AND task_type IS NOT DISTINCT FROM %(task_type)s
  AND key IS NOT DISTINCT FROM %(key)s
RETURNING declared_by;

-- name: list
-- All limits, or those of one agent.
SELECT agent_name, task_type, key, concurrency, rate, period_seconds, declared_by, declared_at
FROM {schema}.limits
WHERE %(agent_name)s::text IS NULL OR agent_name = %(agent_name)s
ORDER BY agent_name, task_type NULLS FIRST, key NULLS FIRST;

-- name: pause
-- Have nobody claim an agent's tasks; one that is paused already stays as it is.
INSERT INTO {schema}.paused_agents (agent_name, reason) VALUES (%(agent_name)s, %(reason)s)
ON CONFLICT (agent_name) DO NOTHING
RETURNING agent_name;

-- name: resume
-- Have them claimed again.
DELETE FROM {schema}.paused_agents WHERE agent_name = %(agent_name)s RETURNING agent_name;

-- name: paused
-- Agents that are paused.
SELECT agent_name, paused_at, paused_by, reason FROM {schema}.paused_agents ORDER BY agent_name;

-- name: tell
-- Wake idle workers: what they may do has changed.
SELECT pg_notify(%(channel)s, '');
