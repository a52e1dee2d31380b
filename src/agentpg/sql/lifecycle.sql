-- What people and programs do to tasks.

-- name: submit
-- Submit tasks; one whose idempotency key was used already is left out of the answer.
-- Whether anything is ruled is read once for all.
INSERT INTO {schema}.tasks
    (id, agent_name, task_type, payload, priority, run_at, idempotency_key, max_attempts,
     on_crash, tenant, parent_id, lane)
SELECT id, agent_name, task_type, payload::jsonb, priority,
       coalesce(run_at, now() + delay * interval '1 second'),
       idempotency_key, max_attempts, on_crash, tenant, parent_id,
       CASE
           WHEN tenant IS NOT NULL
             OR agent_name = ANY ((SELECT array_agg(r.agent_name) FROM {schema}.ruled r)::text[])
           THEN {schema}.lane_of(agent_name, task_type, tenant, payload::jsonb)
       END
FROM unnest(
    %(ids)b::uuid[], %(agent_names)b::text[], %(task_types)b::text[], %(payloads)b::text[],
    %(priorities)b::int[], %(run_ats)b::timestamptz[], %(delays)b::float8[], %(keys)b::text[],
    %(max_attempts)b::int[], %(on_crashes)b::text[], %(tenants)b::text[], %(parents)b::uuid[]
) AS n (id, agent_name, task_type, payload, priority, run_at, delay, idempotency_key,
        max_attempts, on_crash, tenant, parent_id)
ON CONFLICT (agent_name, task_type, idempotency_key) WHERE idempotency_key IS NOT NULL
DO NOTHING
RETURNING id;

-- name: submit_alike
-- Submit tasks without idempotency keys that differ in their payloads only, as most that are
-- submitted together do. Without ON CONFLICT a row is written once and not once more to
-- confirm it.
INSERT INTO {schema}.tasks
    (id, agent_name, task_type, payload, priority, run_at, max_attempts, on_crash, tenant,
     parent_id, lane)
SELECT id, %(agent_name)s::text, %(task_type)s::text, payload::jsonb, %(priority)s,
       coalesce(%(run_at)s, now() + %(delay)s * interval '1 second'),
       %(max_attempts)s, %(on_crash)s, %(tenant)s::text, %(parent)s,
       CASE
           WHEN %(tenant)s::text IS NOT NULL
             OR EXISTS (SELECT FROM {schema}.ruled r WHERE r.agent_name = %(agent_name)s::text)
           THEN {schema}.lane_of(
               %(agent_name)s::text, %(task_type)s::text, %(tenant)s::text, payload::jsonb
           )
       END
FROM unnest(%(ids)b::uuid[], %(payloads)b::text[]) AS n (id, payload);

-- name: submit_plain
-- Submit one task without an idempotency key.
INSERT INTO {schema}.tasks
    (id, agent_name, task_type, payload, priority, run_at, max_attempts, on_crash, tenant,
     parent_id, lane)
VALUES (
    %(id)s, %(agent_name)s::text, %(task_type)s::text, %(payload)s::text::jsonb, %(priority)s,
    coalesce(%(run_at)s, now() + %(delay)s * interval '1 second'),
    %(max_attempts)s, %(on_crash)s, %(tenant)s::text, %(parent)s,
    CASE
        WHEN %(tenant)s::text IS NOT NULL
          OR EXISTS (SELECT FROM {schema}.ruled r WHERE r.agent_name = %(agent_name)s::text)
        THEN {schema}.lane_of(
            %(agent_name)s::text, %(task_type)s::text, %(tenant)s::text, %(payload)s::text::jsonb
        )
    END
);

-- name: submit_one
-- Submit one task, as `submit` does; without arrays it costs the server half.
INSERT INTO {schema}.tasks
    (id, agent_name, task_type, payload, priority, run_at, idempotency_key, max_attempts,
     on_crash, tenant, parent_id, lane)
VALUES (
    %(id)s, %(agent_name)s::text, %(task_type)s::text, %(payload)s::text::jsonb, %(priority)s,
    coalesce(%(run_at)s, now() + %(delay)s * interval '1 second'), %(key)s, %(max_attempts)s,
    %(on_crash)s, %(tenant)s::text, %(parent)s,
    CASE
        WHEN %(tenant)s::text IS NOT NULL
          OR EXISTS (SELECT FROM {schema}.ruled r WHERE r.agent_name = %(agent_name)s::text)
        THEN {schema}.lane_of(
            %(agent_name)s::text, %(task_type)s::text, %(tenant)s::text, %(payload)s::text::jsonb
        )
    END
)
ON CONFLICT (agent_name, task_type, idempotency_key) WHERE idempotency_key IS NOT NULL
DO NOTHING
RETURNING id;

-- name: sign
-- Say who asked for tasks that this transaction has submitted; one that an earlier call submitted
-- under the same key stays the first one's.
UPDATE {schema}.tasks
SET submitted_by = %(account)s
WHERE id = ANY (%(ids)b::uuid[]) AND created_at = now() AND attempt = 0
  AND submitted_by = session_user;

-- name: find_first
-- The tasks that used these idempotency keys first, and whether the payload is the same. Of a
-- sealed one only its holders can say that, so it is given to them.
SELECT n.id AS repeated_id, t.id, t.payload IS NOT DISTINCT FROM n.payload::jsonb AS same,
    CASE
        WHEN t.payload ? '$sealed' OR n.payload::jsonb ? '$sealed'
        THEN coalesce(t.payload::text, 'null')
    END AS stored
FROM unnest(
    %(ids)b::uuid[], %(agent_names)b::text[], %(task_types)b::text[],
    %(payloads)b::text[], %(keys)b::text[]
) AS n (id, agent_name, task_type, payload, idempotency_key)
JOIN {schema}.tasks t
    ON t.agent_name = n.agent_name AND t.task_type = n.task_type
   AND t.idempotency_key = n.idempotency_key;

-- name: cancel
-- End a task that waits; ask for the end of one that runs.
WITH cancelled AS (
    UPDATE {schema}.tasks
    SET status = CASE WHEN worker IS NULL THEN 'cancelled' ELSE status END,
        finished_at = CASE WHEN worker IS NULL THEN now() END,
        cancel_requested_at = coalesce(cancel_requested_at, now()),
        error_message = coalesce(%(reason)s, error_message),
        held_reason = NULL
    WHERE id = %(id)s AND status IN ('pending', 'running', 'waiting')
    RETURNING id, status
), told AS (
    SELECT pg_notify(%(channel)s, 'cancel') FROM cancelled WHERE status = 'running'
)
SELECT id, status FROM cancelled LEFT JOIN told ON true;

-- name: retry
-- Open a finished task again, with its counters at zero; its attempts count on.
WITH reopened AS (
    UPDATE {schema}.tasks
    SET status = 'pending', run_at = now(), finished_at = NULL, result = NULL,
        error_message = NULL, errors = 0, crashes = 0, cancel_requested_at = NULL,
        held_reason = NULL
    WHERE id = %(id)s AND status IN ('completed', 'failed', 'cancelled')
    RETURNING id, status
), told AS (
    SELECT pg_notify(%(work_channel)s, '') FROM reopened
)
SELECT id, status FROM reopened LEFT JOIN told ON true;

-- name: hold
-- Keep a task from being claimed.
UPDATE {schema}.tasks SET held_reason = %(reason)s
WHERE id = %(id)s AND status IN ('pending', 'waiting')
RETURNING id, status;

-- name: release
-- Let a held task be claimed again.
WITH released AS (
    UPDATE {schema}.tasks SET held_reason = NULL
    WHERE id = %(id)s AND held_reason IS NOT NULL AND status IN ('pending', 'waiting')
    RETURNING id, status
), told AS (
    SELECT pg_notify(%(work_channel)s, '') FROM released
)
SELECT id, status FROM released LEFT JOIN told ON true;
