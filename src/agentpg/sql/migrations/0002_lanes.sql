-- Limits, turns and pauses: tasks that one of them concerns stand in a lane.
-- works with: 1
--
-- The first release claims by the index that is narrowed here. On this schema it finds the
-- pending ones by their state instead, which is slower behind a large backlog, and it knows
-- no limits: they hold when its last worker has stopped.
-- The new indexes have few entries, yet making them reads the table once each. Meanwhile
-- others wait: for two million finished tasks (473 MB on PostgreSQL 15, two busy cores) 0.6 s
-- where memory holds them, and 2 s where they come from the disk.

ALTER TABLE tasks ADD COLUMN lane text COLLATE "C";

CREATE INDEX tasks_plain_idx ON tasks (priority, run_at, id)
    WHERE status = 'pending' AND held_reason IS NULL AND lane IS NULL;
CREATE INDEX tasks_lane_idx ON tasks (lane, priority, run_at, id)
    WHERE status = 'pending' AND held_reason IS NULL AND lane IS NOT NULL;
-- In the transaction that holds the lock anyway.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX tasks_ready_idx;
-- No statement names an index.
-- squawk-ignore renaming-object
ALTER INDEX tasks_plain_idx RENAME TO tasks_ready_idx;

-- How many tasks of an agent may run at a time, and how many may start within a period.
-- One row with a key is a limit of its own for each value of the key.
CREATE TABLE limits (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_name      varchar(100) NOT NULL,
    task_type       varchar(100),                           -- NULL: all types together
    key             varchar(100),                           -- 'tenant', or a field of the payload
    concurrency     integer,                                -- running at a time; NULL: any number
    rate            integer,                                -- starts within a period; NULL: any number
    period_seconds  double precision,
    declared_by     varchar(10) NOT NULL DEFAULT 'operator',-- 'code' never changes an operator's
    declared_at     timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT limits_are_one_for_each UNIQUE NULLS NOT DISTINCT (agent_name, task_type, key),
    CONSTRAINT limits_names_are_given CHECK (agent_name <> '' AND task_type <> '' AND key <> ''),
    CONSTRAINT limits_limit_something CHECK (concurrency IS NOT NULL OR rate IS NOT NULL),
    CONSTRAINT limits_are_above_zero CHECK (concurrency >= 1 AND rate >= 1 AND period_seconds > 0),
    CONSTRAINT limits_rate_has_a_period CHECK ((rate IS NULL) = (period_seconds IS NULL)),
    CONSTRAINT limits_declared_by_is_known CHECK (declared_by IN ('code', 'operator'))
);

-- What was started lately under a limit with a rate; older than its period it is deleted.
-- One row for each hundredth of the period, so that there are few.
CREATE TABLE limit_starts (
    limit_id        integer NOT NULL,
    value           text COLLATE "C" NOT NULL,              -- of the limit's key; '' without one
    started_at      timestamptz NOT NULL,                   -- the end of that hundredth
    tasks           integer NOT NULL,

    PRIMARY KEY (limit_id, value, started_at)
);

-- Agents whose tasks nobody claims until they are resumed.
CREATE TABLE paused_agents (
    agent_name      varchar(100) PRIMARY KEY,
    paused_at       timestamptz NOT NULL DEFAULT now(),
    paused_by       varchar(100) NOT NULL DEFAULT session_user,
    reason          text,

    CONSTRAINT paused_agents_name_is_given CHECK (agent_name <> '')
);

-- Agents, or single types of theirs, whose tasks stand in lanes even without a tenant.
CREATE VIEW ruled AS
SELECT agent_name, task_type FROM limits
UNION ALL
SELECT agent_name, NULL FROM paused_agents;

-- The lane that a task stands in, NULL for none: agent, type, tenant, and each limit that it
-- counts in as id or id=value, each with a U+001F behind it. `gap` says which key of a limit it lacks.
-- A long value is told by its hash, since an index entry must not be long.
-- With its owner's rights: who submits need not read the limits of all agents.
CREATE FUNCTION place_of(
    agent_name text, task_type text, tenant text, payload jsonb, OUT lane text, OUT gap text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
-- The caller's connection may plan anew for each row.
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    mark   CONSTANT text := chr(31);
    groups text;
BEGIN
    SELECT string_agg(mark || l.id || CASE
               WHEN l.key IS NULL THEN ''
               WHEN octet_length(v.value) > 40 OR strpos(v.value, mark) > 0
               THEN '=#' || md5(v.value)
               ELSE '=' || coalesce(v.value, '')
           END, '' ORDER BY l.id),
           min(format(CASE WHEN l.key = 'tenant' THEN 'the task has no %1$s'
                           ELSE 'the payload has no %1$s' END
                      || ', by which a limit of %2$s counts', l.key, l.agent_name))
           FILTER (WHERE l.key IS NOT NULL AND v.value IS NULL)
      INTO groups, gap
      FROM limits l
     CROSS JOIN LATERAL (SELECT CASE WHEN l.key = 'tenant' THEN place_of.tenant
                                     ELSE place_of.payload ->> l.key END AS value) v
     WHERE l.agent_name = place_of.agent_name
       AND (l.task_type IS NULL OR l.task_type = place_of.task_type);
    IF groups <> '' OR tenant IS NOT NULL
       OR EXISTS (SELECT FROM paused_agents p WHERE p.agent_name = place_of.agent_name) THEN
        lane := agent_name || mark || task_type || mark
             || replace(coalesce(tenant, ''), mark, ' ') || coalesce(groups, '') || mark;
    END IF;
END
$$;

-- The same for one that is submitted; what a limit counts by must be there.
CREATE FUNCTION lane_of(agent_name text, task_type text, tenant text, payload jsonb) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_variable
DECLARE
    place record;
BEGIN
    SELECT * INTO place FROM place_of(agent_name, task_type, tenant, payload);
    IF place.gap IS NOT NULL THEN
        RAISE check_violation USING MESSAGE = place.gap, CONSTRAINT = 'limits_key_is_given',
            HINT = 'Give it with the task, or remove the limit.';
    END IF;
    RETURN place.lane;
END
$$;

-- Which of these handlers, each agent and type joined by U+001F, a limit or a pause concerns.
CREATE FUNCTION ruled_among(handlers text[]) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN (
        SELECT array_agg(h.handler)
        FROM unnest(handlers) AS h (handler)
        JOIN ruled r ON r.agent_name = split_part(h.handler, chr(31), 1)
            AND (r.task_type IS NULL OR r.task_type = split_part(h.handler, chr(31), 2))
    );
END
$$;

-- Puts tasks, which the caller has locked, into the lanes that they belong in; one that waits
-- and lacks a key is held. Returns their number.
CREATE FUNCTION sort_tasks(places tid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    number integer;
BEGIN
    UPDATE tasks t
       SET (lane, held_reason) = (
               SELECT p.lane, CASE WHEN t.status = 'pending' THEN p.gap ELSE t.held_reason END
               FROM place_of(t.agent_name, t.task_type, t.tenant, t.payload) p
           )
     WHERE t.ctid = ANY (places);
    GET DIAGNOSTICS number = ROW_COUNT;
    RETURN number;
END
$$;

-- Whether a task waits in a lane of one of these handlers whose agent is not paused.
CREATE FUNCTION waits_in_lane(handlers text[]) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    first text;
BEGIN
    SELECT lane INTO first FROM tasks
     WHERE status = 'pending' AND held_reason IS NULL AND lane > ''
     ORDER BY lane LIMIT 1;
    RETURN first IS NOT NULL AND EXISTS (
        SELECT FROM unnest(handlers) AS h (handler)
        WHERE split_part(h.handler, chr(31), 1) NOT IN (SELECT agent_name FROM paused_agents)
          AND (
              SELECT t.lane FROM tasks t
              WHERE t.status = 'pending' AND t.held_reason IS NULL
                AND t.lane > h.handler || chr(31) AND t.lane < h.handler || chr(32)
              ORDER BY t.lane LIMIT 1
          ) IS NOT NULL
    );
END
$$;

-- Submits one task and returns its id. With an idempotency key, a repeat returns the
-- first task's id, and another payload under the same key is an error.
CREATE OR REPLACE FUNCTION submit(
    agent_name       text,
    task_type        text,
    payload          jsonb DEFAULT NULL,
    priority         integer DEFAULT 100,
    run_at           timestamptz DEFAULT now(),
    idempotency_key  text DEFAULT NULL,
    max_attempts     integer DEFAULT NULL,
    on_crash         text DEFAULT 'retry',
    tenant           text DEFAULT NULL,
    parent_id        uuid DEFAULT NULL,
    id               uuid DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    submitted uuid;
    first     record;
BEGIN
    INSERT INTO tasks (id, agent_name, task_type, payload, priority, run_at,
                       idempotency_key, max_attempts, on_crash, tenant, parent_id, lane)
    VALUES (coalesce(submit.id, uuid7()), submit.agent_name, submit.task_type, submit.payload,
            submit.priority, submit.run_at, submit.idempotency_key, submit.max_attempts,
            submit.on_crash, submit.tenant, submit.parent_id,
            lane_of(submit.agent_name, submit.task_type, submit.tenant, submit.payload))
    ON CONFLICT (agent_name, task_type, idempotency_key) WHERE idempotency_key IS NOT NULL
    DO NOTHING
    RETURNING tasks.id INTO submitted;
    IF submitted IS NOT NULL THEN
        RETURN submitted;
    END IF;
    SELECT t.id, t.payload INTO STRICT first FROM tasks t
     WHERE t.agent_name = submit.agent_name AND t.task_type = submit.task_type
       AND t.idempotency_key = submit.idempotency_key;
    IF first.payload IS DISTINCT FROM submit.payload THEN
        RAISE unique_violation USING
            MESSAGE = format('the idempotency key %s of %s/%s was used for another payload, by task %s',
                             submit.idempotency_key, submit.agent_name, submit.task_type, first.id),
            HINT = 'Use a new key for new work; the same key means the same work.';
    END IF;
    RETURN first.id;
END
$$;

REVOKE ALL ON FUNCTION place_of(text, text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION lane_of(text, text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION ruled_among(text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sort_tasks(tid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION waits_in_lane(text[]) FROM PUBLIC;
