-- Removing finished history, keeping it in files, and bringing it back.
--
-- What may go is said once for the look at it (`expired`) and once for the work
-- (`lock_expired`), in the same words: a final state older than its moment, not held, not
-- adopted unless adopted tasks are to go too, and no child of a task that may still read it.

-- name: moments
-- Before which moment a task must have ended to go, by its state; NULL keeps all.
SELECT now() AS now,
       now() - %(completed)s::interval AS completed,
       now() - %(failed)s::interval AS failed,
       now() - %(cancelled)s::interval AS cancelled;

-- name: expired
-- What would go, by agent, type and state, the most first.
WITH old AS MATERIALIZED (
    SELECT t.id, t.agent_name, t.task_type, t.status,
           coalesce(t.finished_at, t.created_at) AS ended_at,
           -- What is longer is mostly kept apart from the row, so it comes on top of it.
           coalesce((SELECT sum(bytes) FROM unnest(ARRAY[
               pg_column_size(t.payload), pg_column_size(t.result), pg_column_size(t.error_message)
           ]) AS wide (bytes) WHERE bytes > 2000), 0) AS wide_bytes
    FROM {schema}.tasks t
    WHERE t.status IN ('completed', 'failed', 'cancelled')
      AND coalesce(t.finished_at, CASE WHEN t.adopted THEN t.created_at END)
          < CASE t.status WHEN 'completed' THEN %(completed)s::timestamptz
                          WHEN 'failed' THEN %(failed)s::timestamptz
                          ELSE %(cancelled)s::timestamptz END
      AND t.held_reason IS NULL
      AND (NOT t.adopted OR %(adopted)s)
      AND NOT EXISTS (
          SELECT FROM {schema}.tasks p
          WHERE p.id = t.parent_id AND p.status IN ('pending', 'running', 'waiting')
      )
), ended AS (
    SELECT agent_name, task_type, status, count(*) AS tasks, sum(wide_bytes)::bigint AS wide_bytes,
           min(ended_at) AS oldest_at, max(ended_at) AS newest_at
    FROM old
    GROUP BY 1, 2, 3
), hanging AS (
    SELECT o.agent_name, o.task_type, o.status,
           count(*) FILTER (WHERE NOT h.call) AS executions,
           count(*) FILTER (WHERE h.call) AS llm_requests
    FROM old o
    JOIN (
        SELECT task_id, false AS call FROM {schema}.agent_executions
        UNION ALL
        SELECT task_id, true FROM {schema}.llm_requests
    ) AS h ON h.task_id = o.id
    GROUP BY 1, 2, 3
)
SELECT e.*, coalesce(h.executions, 0) AS executions, coalesce(h.llm_requests, 0) AS llm_requests
FROM ended e
LEFT JOIN hanging h
    ON h.agent_name IS NOT DISTINCT FROM e.agent_name
   AND h.task_type IS NOT DISTINCT FROM e.task_type AND h.status = e.status
ORDER BY e.tasks DESC, e.agent_name, e.task_type, e.status;

-- name: row_bytes
-- What one row of each table takes with its share of the indexes; of tasks without what is
-- kept apart from the row.
SELECT c.relname AS table_name,
       (CASE c.relname WHEN 'tasks' THEN pg_relation_size(c.oid) + pg_indexes_size(c.oid)
                       ELSE pg_total_relation_size(c.oid) END
        / greatest(c.reltuples, s.n_live_tup, 1))::float8 AS bytes
FROM pg_class c
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relname = ANY(%(tables)s) AND c.relkind = 'r';

-- name: pages_of_tasks
-- How many pages the table has now; what is put behind them later is not old.
SELECT (pg_relation_size(format('%%I.tasks', %(schema)s::text)::regclass)
        / current_setting('block_size')::bigint)::bigint;

-- name: begin_batch
-- A commit that a crash of the server undoes brings back what would go again: no batch
-- waits for the disk.
SET LOCAL synchronous_commit = off;

-- name: lock_expired
-- Take what may go from some pages, but no task that somebody is about to open again, and
-- the place of the last one. The table itself is the order: each page is read once, whatever
-- the ids are, and the dead of the batches before are never met again.
WITH old AS MATERIALIZED (
    SELECT t.id, t.ctid AS place
    FROM {schema}.tasks t
    WHERE t.ctid > %(after)s::tid AND t.ctid < %(before)s::tid
      AND t.status IN ('completed', 'failed', 'cancelled')
      AND coalesce(t.finished_at, CASE WHEN t.adopted THEN t.created_at END)
          < CASE t.status WHEN 'completed' THEN %(completed)s::timestamptz
                          WHEN 'failed' THEN %(failed)s::timestamptz
                          ELSE %(cancelled)s::timestamptz END
      AND t.held_reason IS NULL
      AND (NOT t.adopted OR %(adopted)s)
      AND NOT EXISTS (
          SELECT FROM {schema}.tasks p
          WHERE p.id = t.parent_id AND p.status IN ('pending', 'running', 'waiting')
      )
    LIMIT %(limit)s
    FOR UPDATE OF t SKIP LOCKED
)
SELECT coalesce(array_agg(id), '{{}}') AS ids, max(place)::text AS last FROM old;

-- name: remove
-- The tasks of a batch, with all that hangs on them.
WITH old AS MATERIALIZED (
    SELECT unnest(%(ids)b::uuid[]) AS id
), requests AS (
    DELETE FROM {schema}.llm_requests r USING old WHERE r.task_id = old.id RETURNING 1
), executions AS (
    DELETE FROM {schema}.agent_executions e USING old WHERE e.task_id = old.id RETURNING 1
), gone AS (
    DELETE FROM {schema}.tasks t USING old WHERE t.id = old.id RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS tasks,
       (SELECT count(*) FROM executions) AS executions,
       (SELECT count(*) FROM requests) AS llm_requests;

-- name: busy
-- Whether the engine has something else to do, as its workers last said: a living one runs a
-- handler, or has not found less to claim than it has room for. The worker that runs the task
-- of this removal is not counted for that task alone. And how many tasks were ever written:
-- workers say what they do every few seconds only, the server counts within one.
SELECT EXISTS (
    SELECT FROM {schema}.workers w
    LEFT JOIN {schema}.tasks own ON own.id = %(own_task)s AND own.worker = w.id
    WHERE w.ended_at IS NULL
      AND w.heartbeat_at > now() - w.lease_seconds * interval '1 second'
      AND CASE WHEN own.id IS NULL THEN w.running > 0 OR NOT w.idle ELSE w.running > 1 END
) AS working,
       pg_stat_get_tuples_inserted(tasks.oid) + pg_stat_get_tuples_updated(tasks.oid) AS writes
FROM (SELECT format('%%I.tasks', %(schema)s::text)::regclass::oid AS oid) AS tasks;

-- name: rows_of_tables
-- How many rows each table has, about, and whether this role may vacuum it.
SELECT c.relname::text AS table_name, greatest(c.reltuples, 0)::bigint AS rows,
       pg_has_role(c.relowner, 'USAGE') AS may_vacuum
FROM pg_class c
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relname = ANY(%(tables)s) AND c.relkind = 'r';

-- name: set_vacuum_delay
-- How long a VACUUM rests between its steps.
SELECT set_config('vacuum_cost_delay', %(milliseconds)s, false);

-- name: vacuum
-- Make the room of removed rows free for new ones.
VACUUM {schema}.{table};

-- name: columns
-- The columns of a table, in order.
SELECT a.attname::text
FROM pg_attribute a
WHERE a.attrelid = format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum;

-- name: write_plainly
-- Have COPY write moments, numbers and text so that they read back to the very same values.
SELECT set_config(name, value, false)
FROM (VALUES ('DateStyle', 'ISO, YMD'), ('TimeZone', 'UTC'), ('IntervalStyle', 'postgres'),
             ('extra_float_digits', '1'), ('client_encoding', 'UTF8')) AS form (name, value);

-- name: copy_out
-- The rows of one table that belong to the tasks of a batch.
COPY (
    SELECT {columns} FROM {schema}.{table} WHERE {key} = ANY (%(ids)s) ORDER BY {key}
) TO STDOUT;

-- name: make_room
-- A table for the rows of one file, until the transaction ends.
CREATE TEMPORARY TABLE {passing} (LIKE {schema}.{table} INCLUDING DEFAULTS) ON COMMIT DROP;

-- name: copy_in
-- The rows of one file.
COPY {passing} ({columns}) FROM STDIN;

-- name: bring_back_tasks
-- The tasks that are not there, and whose idempotency key nobody has used since.
INSERT INTO {schema}.tasks ({columns})
SELECT {columns} FROM {passing}
ON CONFLICT DO NOTHING;

-- name: mend_ends
-- Tasks from before agentpg may have ended at no known moment; the insertion gave them one.
UPDATE {schema}.tasks t
SET finished_at = NULL
FROM {passing} p
WHERE t.id = p.id AND t.adopted AND p.adopted AND p.finished_at IS NULL
  AND t.finished_at >= transaction_timestamp();

-- name: same_tasks
-- The archived tasks that are in the table now exactly as they are in the file.
CREATE TEMPORARY TABLE agentpg_same_tasks ON COMMIT DROP AS
SELECT id FROM (SELECT {columns} FROM {passing} INTERSECT SELECT {columns} FROM {schema}.tasks t
                WHERE t.id IN (SELECT id FROM {passing})) AS both_have;

-- name: other_tasks
-- The archived tasks in whose way another row is, a few of them by id.
SELECT count(*)::int AS tasks, (array_agg(id ORDER BY id))[1:5] AS some
FROM {passing} p
WHERE NOT EXISTS (SELECT FROM agentpg_same_tasks s WHERE s.id = p.id);

-- name: bring_back
-- What hangs on the tasks that are there as they were, where it is missing.
INSERT INTO {schema}.{table} ({columns})
SELECT {columns} FROM {passing} p
WHERE EXISTS (SELECT FROM agentpg_same_tasks s WHERE s.id = p.task_id)
ON CONFLICT DO NOTHING;
