-- Looking at a server and a database while they work: sessions, sizes, a live view.

-- name: limits
-- Each statement of the monitor reads only, waits for no lock and ends by itself; compiling a
-- plan would cost more than it gains. It finds nothing but what is the server's own: often it is a
-- superuser's, who must not call what a database's owner has put before that. For the
-- transaction only, since a pooler may be in between.
SELECT
    pg_catalog.set_config('search_path', '', true),
    pg_catalog.set_config('transaction_read_only', 'on', true),
    pg_catalog.set_config('statement_timeout', %(statement)s, true),
    pg_catalog.set_config('lock_timeout', %(lock)s, true),
    pg_catalog.set_config('jit', 'off', true);

-- name: guide_connections
-- The operations guide: the number of connections, the server's own processes among them.
SELECT count(*) FROM pg_stat_activity;

-- name: guide_database_size
-- The operations guide: the size of the database.
SELECT pg_size_pretty(pg_database_size(%(database)s));

-- name: guide_table_sizes
-- The operations guide: the sizes of the tables.
SELECT
    schemaname,
    tablename,
    pg_size_pretty(pg_total_relation_size(schemaname||'.'||tablename)) as size
FROM pg_tables
WHERE schemaname = %(schema)s
ORDER BY pg_total_relation_size(schemaname||'.'||tablename) DESC;

-- name: connections
-- How many sessions there are and how many there may be; for any role.
SELECT
    current_database()::text AS database,
    current_setting('max_connections')::int AS most,
    current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
    count(*)::int AS processes,
    (count(*) FILTER (WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND leader_pid IS NULL
        AND coalesce(backend_type, 'client backend') = 'client backend'))::int AS sessions,
    (count(*) FILTER (WHERE datid IS NOT NULL AND backend_type IS NULL))::int AS hidden,
    clock_timestamp() AS read_at
FROM pg_stat_activity;

-- name: sessions
-- Sessions of clients, vacuum workers and standbys, with what each waits for and who blocks it.
-- Where a role may not see a session, only who and when is there. Who blocks whom costs locks
-- of the lock manager, so it is asked only for those that wait for a lock; of hidden ones
-- pg_locks says that.
SELECT
    a.pid,
    a.datname::text AS database,
    a.usename::text AS role,
    coalesce(a.application_name, '') AS application,
    coalesce(host(a.client_addr), '') AS client,
    coalesce(a.backend_type, '') AS kind,
    a.state,
    a.wait_event_type AS wait_type,
    a.wait_event,
    a.backend_start AS started_at,
    a.query_start AS query_started_at,
    extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS session_seconds,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_seconds,
    CASE WHEN a.state = 'active'
        THEN extract(epoch FROM clock_timestamp() - a.query_start)::float8
    END AS query_seconds,
    extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_seconds,
    CASE WHEN a.wait_event_type = 'Lock' OR (
            a.backend_type IS NULL AND a.pid IN (SELECT l.pid FROM pg_locks l WHERE NOT l.granted)
        )
        THEN pg_blocking_pids(a.pid)
        ELSE '{{}}'
    END AS blocked_by,
    left(a.query, 4000) AS query,
    a.backend_type IS NULL AS hidden
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid()
  AND a.leader_pid IS NULL
  AND (a.datid IS NOT NULL OR a.backend_type = 'walsender')
ORDER BY a.backend_start, a.pid;

-- name: work
-- Whose work it is that a session does: the workers and tasks that its name names.
SELECT
    w.id AS named,
    w.id AS worker,
    w.host,
    w.pid,
    t.id AS task_id,
    t.attempt,
    t.agent_name::text,
    t.task_type::text
FROM {schema}.workers w
LEFT JOIN LATERAL (
    SELECT r.id, r.attempt, r.agent_name, r.task_type, r.started_at
    FROM {schema}.tasks r
    WHERE r.status = 'running' AND r.worker = w.id
    ORDER BY r.started_at
    LIMIT %(most)s
) t ON true
WHERE w.id = ANY (%(ids)s::uuid[])
UNION ALL
SELECT t.id, t.worker, w.host, w.pid, t.id, t.attempt, t.agent_name::text, t.task_type::text
FROM {schema}.tasks t
LEFT JOIN {schema}.workers w ON w.id = t.worker
WHERE t.id = ANY (%(ids)s::uuid[]);

-- name: database_size
-- The database as a whole, by the server's clock.
SELECT
    current_database()::text AS database,
    pg_database_size(current_database()) AS bytes,
    clock_timestamp() AS taken_at;

-- name: tables
-- Every table of the users, the largest first. One that somebody has for himself, or waits
-- for, or an index of it, would have to be waited for, so its size is not known.
WITH locked AS MATERIALIZED (
    SELECT l.relation AS oid
    FROM pg_locks l
    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
), taken AS MATERIALIZED (
    SELECT oid FROM locked
    UNION
    SELECT i.indrelid FROM pg_index i JOIN locked ON locked.oid = i.indexrelid
)
SELECT
    n.nspname::text AS schema,
    c.relname::text AS name,
    CASE WHEN open.ed THEN pg_relation_size(c.oid) END AS heap_bytes,
    CASE WHEN open.ed THEN pg_indexes_size(c.oid) END AS index_bytes,
    CASE WHEN open.ed THEN pg_table_size(c.oid) - pg_relation_size(c.oid) END AS toast_bytes,
    CASE WHEN open.ed THEN pg_total_relation_size(c.oid) END AS total_bytes,
    CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS estimated_rows,
    s.n_dead_tup AS dead_rows,
    greatest(s.last_vacuum, s.last_autovacuum) AS vacuumed_at,
    greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
CROSS JOIN LATERAL (
    SELECT NOT EXISTS (SELECT FROM taken WHERE taken.oid IN (c.oid, c.reltoastrelid)) AS ed
) open
WHERE c.relkind IN ('r', 'm')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY total_bytes DESC NULLS FIRST, n.nspname, c.relname;

-- name: pulse
-- The server's counters, of which two looks give a pace.
SELECT
    split_part(current_setting('server_version'), ' ', 1) AS version,
    pg_postmaster_start_time() AS started_at,
    clock_timestamp() AS now,
    pg_is_in_recovery() AS in_recovery,
    d.xact_commit + d.xact_rollback AS transactions,
    d.blks_hit AS pages_hit,
    d.blks_read AS pages_read,
    CASE WHEN NOT pg_is_in_recovery()
        THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint
    END AS wal_bytes
FROM pg_stat_database d
WHERE d.datname = current_database();

-- name: workers
-- The workers that beat, and what they can run and run.
SELECT
    count(*)::int AS alive,
    coalesce(sum(concurrency), 0)::int AS slots,
    coalesce(sum(running), 0)::int AS busy
FROM {schema}.workers
WHERE ended_at IS NULL AND heartbeat_at > now() - make_interval(secs => lease_seconds);

-- name: may_explain
-- Whether a role's statement may be planned by this one: a plan may call functions that the
-- other role has written, with the rights of this one. So it must be the same role; and whether
-- the server has kept all of the statement.
SELECT
    a.usename = current_user AS trusted,
    a.datname = current_database() AS here,
    octet_length(a.query) >= pg_size_bytes(current_setting('track_activity_query_size')) - 1 AS cut,
    a.query
FROM pg_stat_activity a
WHERE a.usename IS NOT NULL AND a.pid = %(pid)s AND a.backend_start = %(started_at)s;

-- name: plan_for_any
-- Parameters of a statement are not known here: let it be planned for any.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true);

-- name: search_as_ever
-- A statement of the same role means what it would mean in any session of it.
SET LOCAL search_path TO DEFAULT;

-- name: prepare_explained
-- The server takes only what has a plan, and one statement; nothing runs.
PREPARE agentpg_explained AS {statement};

-- name: explained_parameters
-- How many parameters it has.
SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'agentpg_explained';

-- name: explain
-- Its plan; nothing runs.
EXPLAIN EXECUTE agentpg_explained {parameters};

-- name: searched
-- Where names without a schema are looked for: not always where the other session looks.
SHOW search_path;

-- name: forget_explained
-- Leave nothing behind, since a pooler may keep the connection.
DEALLOCATE agentpg_explained;

-- name: cancel
-- Ask a session to end the statement that was seen, and no other.
SELECT pg_cancel_backend(pid) AS asked
FROM pg_stat_activity
WHERE pid = %(pid)s AND backend_start = %(started_at)s AND state = 'active'
  AND query_start IS NOT DISTINCT FROM %(query_started_at)s::timestamptz;
