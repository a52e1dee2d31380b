-- The claim from lanes: one worker at a time looks, decides and takes. All is one transaction
-- of short statements, each of which sees what the worker before it has committed.

-- name: lock
-- Be the only one that claims from lanes; false while another does.
SELECT pg_try_advisory_xact_lock(
    hashtextextended('agentpg lanes ' || current_database() || ' ' || %(schema)s, 0)
);

-- name: paused
-- Agents that nobody claims for.
SELECT agent_name FROM {schema}.paused_agents;

-- name: limits
-- The limits of these agents, and what was started under each within its period: for each
-- value of its key how many, and the seconds until the oldest of them leave the period.
SELECT l.id, l.agent_name, l.task_type, l.concurrency, l.rate, s.value, s.tasks, s.seconds
FROM {schema}.limits l
LEFT JOIN LATERAL (
    SELECT value, sum(tasks) AS tasks,
           extract(epoch FROM min(started_at) - now())::float8 + l.period_seconds AS seconds
    FROM {schema}.limit_starts
    WHERE limit_id = l.id AND started_at > now() - make_interval(secs => l.period_seconds)
    GROUP BY value
) s ON l.rate IS NOT NULL
WHERE l.agent_name = ANY (%(agents)s);

-- name: running
-- What runs now, by lane; NULL is no lane.
SELECT agent_name, task_type, lane, count(*)
FROM {schema}.tasks
WHERE status = 'running'
GROUP BY agent_name, task_type, lane;

-- name: due
-- Lanes between these bounds, the next `most` of them in the order of the bounds, with how
-- many tasks are due by priority. One look into the index finds each lane, however many
-- tasks it has; of those no more are counted than may be taken.
WITH RECURSIVE steps (number, lane, found, hit) AS (
    SELECT 1, (%(lows)s::text[])[1] COLLATE "C", 0, false
    UNION ALL
    SELECT
        s.number + (next.lane IS NULL)::int,
        coalesce(next.lane, (%(lows)s::text[])[s.number + 1]),
        s.found + (next.lane IS NOT NULL)::int,
        next.lane IS NOT NULL
    FROM steps s
    CROSS JOIN LATERAL (
        SELECT (
            SELECT t.lane
            FROM {schema}.tasks t
            WHERE t.status = 'pending' AND t.held_reason IS NULL
              AND t.lane > s.lane AND t.lane <= (%(highs)s::text[])[s.number]
            ORDER BY t.lane
            LIMIT 1
        ) AS lane
    ) next
    WHERE s.number <= cardinality(%(lows)s::text[]) AND s.found < %(most)s
), found AS MATERIALIZED (
    SELECT lane FROM steps WHERE hit
)
SELECT f.lane, d.priority, d.tasks
FROM found f
LEFT JOIN LATERAL (
    SELECT h.priority, count(*) AS tasks
    FROM (
        SELECT t.priority
        FROM {schema}.tasks t
        WHERE t.status = 'pending' AND t.held_reason IS NULL AND t.lane = f.lane
          AND t.run_at <= now()
        ORDER BY t.priority, t.run_at, t.id
        LIMIT greatest(8, 2 * %(room)s / (SELECT count(*) FROM found))
    ) h
    GROUP BY h.priority
) d ON true;

-- name: plain_due
-- The same for tasks that stand in no lane, from the marks of the claim on.
SELECT mark.priority, (
    SELECT count(*)
    FROM (
        SELECT
        FROM {schema}.tasks t
        WHERE t.status = 'pending' AND t.held_reason IS NULL AND t.lane IS NULL
          AND t.priority = mark.priority AND (t.run_at, t.id) >= (mark.run_at, mark.id)
          AND t.run_at <= now()
          AND CASE
              WHEN t.agent_name || chr(31) || t.task_type = ANY (%(handlers)s::text[]) THEN true
              ELSE false
          END
        ORDER BY t.run_at, t.id
        LIMIT %(room)s
    ) h
)
FROM unnest(%(priorities)s::int2[], %(run_ats)s::timestamptz[], %(ids)s::uuid[])
    AS mark (priority, run_at, id);

-- name: claim
-- Take so many tasks from each of these lanes, open their executions, and note the starts
-- under limits with a rate. The moment is that of this statement: what it counted as ended
-- had ended by then. The rest is as in the claim without lanes.
WITH ready AS MATERIALIZED (
    SELECT t.id
    FROM unnest(%(lanes)b::text[], %(shares)b::int[]) AS s (lane, share)
    CROSS JOIN LATERAL (
        SELECT id
        FROM {schema}.tasks
        WHERE status = 'pending' AND held_reason IS NULL AND lane = s.lane AND run_at <= now()
          AND EXISTS (
              SELECT FROM {schema}.workers w WHERE w.id = %(worker)s AND w.ended_at IS NULL
          )
        ORDER BY priority, run_at, id
        LIMIT s.share
        FOR UPDATE SKIP LOCKED
    ) t
), claimed AS (
    UPDATE {schema}.tasks t
    SET status = 'running',
        attempt = t.attempt + 1,
        worker = %(worker)s,
        started_at = statement_timestamp(),
        on_crash = CASE
            WHEN t.agent_name || chr(31) || t.task_type = ANY (%(not_twice)s::text[]) THEN 'fail'
            ELSE t.on_crash
        END
    FROM ready
    WHERE t.id = ready.id
    RETURNING t.*
), opened AS (
    INSERT INTO {schema}.agent_executions
        (task_id, attempt, agent_name, task_type, worker, execution_start)
    SELECT id, attempt, agent_name, task_type, worker, statement_timestamp()
    FROM claimed
), started AS (
    INSERT INTO {schema}.limit_starts AS s (limit_id, value, started_at, tasks)
    SELECT r.limit_id, r.value, to_timestamp(
        ceil(extract(epoch FROM statement_timestamp())::float8 / l.period_seconds * 100)
        * l.period_seconds / 100
    ), count(*)
    FROM unnest(
        %(rated_lanes)b::text[], %(rated_limits)b::int[], %(rated_values)b::text[]
    ) AS r (lane, limit_id, value)
    JOIN claimed c ON c.lane = r.lane
    JOIN {schema}.limits l ON l.id = r.limit_id
    GROUP BY 1, 2, 3
    ON CONFLICT (limit_id, value, started_at) DO UPDATE SET tasks = s.tasks + excluded.tasks
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

-- name: sort_plain
-- Put the next tasks into lanes that belong in one and stand in none: a plain INSERT made
-- them, or a limit came after them. Only the head of the queue is looked through. The CASE
-- keeps the planner from looking for them once more by their state.
WITH ruled AS MATERIALIZED (
    SELECT array_agg(agent_name) FILTER (WHERE task_type IS NULL) AS agents,
           array_agg(agent_name || chr(31) || task_type) AS handlers
    FROM {schema}.ruled
), head AS MATERIALIZED (
    SELECT ctid AS place, (
        tenant IS NOT NULL
        OR agent_name = ANY ((SELECT agents FROM ruled)::text[])
        OR agent_name || chr(31) || task_type = ANY ((SELECT handlers FROM ruled)::text[])
    ) IS TRUE AS in_lane
    FROM {schema}.tasks
    WHERE status = 'pending' AND held_reason IS NULL AND lane IS NULL
    ORDER BY priority, run_at, id
    LIMIT %(batch)s
), unsorted AS MATERIALIZED (
    SELECT t.ctid AS place, t.id
    FROM head
    JOIN {schema}.tasks t ON t.ctid = head.place
    WHERE head.in_lane
      AND CASE WHEN t.status = 'pending' AND t.lane IS NULL THEN true ELSE false END
    FOR UPDATE OF t SKIP LOCKED
)
SELECT {schema}.sort_tasks(array_agg(place)), array_agg(id)::text FROM unsorted;

-- name: sort_lanes
-- Put the next tasks of these lanes where they belong now that a limit came or went.
WITH stale AS MATERIALIZED (
    SELECT t.place, t.id
    FROM unnest(%(lanes)b::text[]) AS s (lane)
    CROSS JOIN LATERAL (
        SELECT ctid AS place, id
        FROM {schema}.tasks
        WHERE status = 'pending' AND held_reason IS NULL AND lane = s.lane
        ORDER BY priority, run_at, id
        LIMIT %(batch)s
        FOR UPDATE SKIP LOCKED
    ) t
)
SELECT {schema}.sort_tasks(array_agg(place)), array_agg(id)::text FROM stale;

-- name: held
-- Those of the tasks that were put into lanes just now which lack the key of a limit.
SELECT t.id, t.agent_name, t.task_type, t.held_reason
FROM {schema}.tasks t
WHERE t.id = ANY (%(ids)s::text::uuid[]) AND t.status = 'pending' AND t.held_reason IS NOT NULL
  AND EXISTS (SELECT FROM {schema}.limits WHERE key IS NOT NULL)
ORDER BY t.id;

-- name: sort_running
-- The same for what runs, so that a limit that came later counts it. One that is being
-- settled is passed over.
WITH running AS MATERIALIZED (
    SELECT ctid AS place, agent_name, task_type, lane
    FROM {schema}.tasks WHERE status = 'running'
), stale AS MATERIALIZED (
    SELECT t.ctid AS place
    FROM running r
    JOIN unnest(%(agents)b::text[], %(types)b::text[], %(lanes)b::text[])
        AS s (agent_name, task_type, lane)
      ON r.agent_name = s.agent_name AND r.task_type = s.task_type
     AND r.lane IS NOT DISTINCT FROM s.lane COLLATE "C"
    JOIN {schema}.tasks t ON t.ctid = r.place
    WHERE CASE WHEN t.status = 'running' THEN true ELSE false END
    FOR UPDATE OF t SKIP LOCKED
)
SELECT {schema}.sort_tasks(array_agg(place)) FROM stale;

-- name: forget_starts
-- Starts that no limit counts any more.
DELETE FROM {schema}.limit_starts s
WHERE NOT EXISTS (
    SELECT FROM {schema}.limits l
    WHERE l.id = s.limit_id
      AND s.started_at > now() - make_interval(secs => l.period_seconds)
);
