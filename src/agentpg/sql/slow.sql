-- Why statements are slow: who waits for whom, what is held open, what takes the time.

-- name: read_server
-- The server, the role that asks, and what it may see; for any role.
SELECT
    current_database()::text AS database,
    quote_ident(current_user::text) AS role,
    current_setting('server_version_num')::int AS version,
    pg_is_in_recovery() AS in_recovery,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    EXISTS (
        SELECT FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %(schema)s AND c.relname = 'tasks' AND c.relkind IN ('r', 'p')
    ) AS has_schema,
    clock_timestamp() AS now;

-- name: read_waits
-- What each waiting session waits for, since when, and who has it. A row that is locked is told
-- by the transaction that has it, and its table by the lock on the row that the waiting session
-- holds meanwhile. A prepared transaction has no process; its lock on itself tells its number.
WITH locks AS MATERIALIZED (
    SELECT * FROM pg_locks
), waiting AS (
    SELECT * FROM locks WHERE NOT granted ORDER BY waitstart LIMIT 200
), queued AS (
    SELECT DISTINCT ON (pid) pid, database, relation
    FROM locks
    WHERE locktype = 'tuple' AND granted
)
SELECT
    w.pid,
    w.locktype AS kind,
    w.mode,
    CASE WHEN c.oid IS NOT NULL THEN n.nspname || '.' || c.relname END AS relation,
    extract(epoch FROM clock_timestamp() - w.waitstart)::float8 AS seconds,
    coalesce(had.by, '[]') AS held_by
FROM waiting w
LEFT JOIN queued q ON q.pid = w.pid
LEFT JOIN pg_class c
    ON c.oid = coalesce(w.relation, q.relation)
    AND coalesce(w.database, q.database) = (
        SELECT d.oid FROM pg_database d WHERE d.datname = current_database()
    )
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(coalesce(h.pid, 0), h.mode, coalesce(p.gid, ''))) AS by
    FROM (
        SELECT * FROM locks l
        WHERE l.granted AND l.pid IS DISTINCT FROM w.pid AND l.locktype = w.locktype
          AND (l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid,
               l.classid, l.objid, l.objsubid)
              IS NOT DISTINCT FROM
              (w.database, w.relation, w.page, w.tuple, w.virtualxid, w.transactionid,
               w.classid, w.objid, w.objsubid)
        LIMIT 20
    ) h
    LEFT JOIN locks own
        ON h.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
        AND own.virtualtransaction = h.virtualtransaction
    LEFT JOIN pg_prepared_xacts p ON p.transaction = own.transactionid
) had ON true;

-- name: read_prepared
-- Transactions that were prepared and wait to be committed or rolled back, in all databases.
SELECT
    gid AS name,
    prepared AS since,
    owner::text AS role,
    database::text AS database,
    age(transaction) AS transactions
FROM pg_prepared_xacts
ORDER BY prepared
LIMIT 50;

-- name: read_holders
-- What keeps dead rows of this database from being removed, the oldest first: snapshots of
-- sessions and of standbys, slots, prepared transactions. A vacuum's own snapshot keeps none.
SELECT * FROM (
    SELECT
        CASE WHEN backend_type = 'walsender' THEN 'standby' ELSE 'session' END AS kind,
        coalesce(nullif(application_name, ''), usename::text, '') AS name,
        CASE WHEN backend_type = 'walsender' THEN backend_start ELSE xact_start END AS since,
        age(backend_xmin) AS transactions,
        pid
    FROM pg_stat_activity
    WHERE backend_xmin IS NOT NULL
      AND pid <> pg_backend_pid()
      AND backend_type <> 'autovacuum worker'
      AND (datname = current_database() OR backend_type = 'walsender')
    UNION ALL
    SELECT 'slot', slot_name::text, NULL, greatest(age(xmin), age(catalog_xmin)), active_pid
    FROM pg_replication_slots
    WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
    UNION ALL
    SELECT 'prepared', gid, prepared, age(transaction), NULL
    FROM pg_prepared_xacts
    WHERE database = current_database()
) held
ORDER BY transactions DESC NULLS LAST, since
LIMIT 20;

-- name: read_lock_table
-- How full the table of locks is that all sessions share, and who has most of it. Locks on the
-- fast path of a session, and those of serializable reads, have a place of their own.
WITH shared AS MATERIALIZED (
    SELECT * FROM pg_locks WHERE NOT fastpath AND mode <> 'SIReadLock'
), most AS (
    SELECT pid, count(*) AS number
    FROM shared
    WHERE pid IS NOT NULL
    GROUP BY pid
    ORDER BY 2 DESC
    LIMIT 1
)
SELECT
    (
        SELECT count(*) FROM (
            SELECT DISTINCT locktype, database, relation, page, tuple, virtualxid, transactionid,
                classid, objid, objsubid
            FROM shared
        ) objects
    ) AS taken,
    current_setting('max_locks_per_transaction')::bigint * (
        current_setting('max_connections')::bigint
        + current_setting('max_prepared_transactions')::bigint
    ) AS room,
    (SELECT pid FROM most) AS pid,
    coalesce((SELECT number FROM most), 0) AS of_most;

-- name: read_counters
-- What the server has counted in this database since its statistics began.
SELECT
    deadlocks,
    temp_files,
    temp_bytes,
    blks_hit AS pages_hit,
    blks_read AS pages_read,
    blk_read_time AS read_milliseconds,
    active_time AS active_milliseconds,
    current_setting('track_io_timing') = 'on' AS times_reads,
    stats_reset AS since
FROM pg_stat_database
WHERE datname = current_database();

-- name: read_checkpoints
-- Checkpoints by the clock and others, from PostgreSQL 17 on.
SELECT num_timed AS timed, num_requested AS requested, stats_reset AS since
FROM pg_stat_checkpointer;

-- name: read_checkpoints_before_17
-- The same where the background writer counts them.
SELECT checkpoints_timed AS timed, checkpoints_req AS requested, stats_reset AS since
FROM pg_stat_bgwriter;

-- name: read_extension
-- Whether pg_stat_statements can be used here: its files, its library, the extension itself.
-- Which libraries are loaded is for superusers and pg_read_all_settings.
SELECT
    EXISTS (
        SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements'
    ) AS available,
    current_setting('pg_stat_statements.max', true) IS NOT NULL AS loaded,
    (SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries') AS libraries,
    (
        SELECT n.nspname::text
        FROM pg_extension e
        JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_stat_statements'
    ) AS schema,
    (SELECT extversion FROM pg_extension WHERE extname = 'pg_stat_statements') AS version;

-- name: read_kept
-- Since when pg_stat_statements counts, how many statements it has, how many may be seen, and how
-- often it had to drop the least used ones for want of room.
SELECT
    i.stats_reset AS since,
    i.dealloc AS evictions,
    current_setting('pg_stat_statements.max')::bigint AS most,
    count(s.userid) AS statements,
    count(s.userid) FILTER (WHERE s.queryid IS NULL) AS hidden,
    coalesce(sum(s.total_exec_time), 0) AS milliseconds
FROM {extension}.pg_stat_statements_info i
LEFT JOIN {extension}.pg_stat_statements(false) s
    ON s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY 1, 2;

-- name: read_statements
-- The statements of this database that took most of the time, of all roles together. Their texts
-- are read for these alone.
WITH heavy AS MATERIALIZED (
    SELECT
        queryid,
        sum(calls)::bigint AS calls,
        sum(total_exec_time) AS milliseconds,
        max(max_exec_time) AS longest_milliseconds,
        sum(rows)::bigint AS rows,
        sum(shared_blks_hit)::bigint AS pages_hit,
        sum(shared_blks_read)::bigint AS pages_read,
        sum({read_time}) AS read_milliseconds,
        sum(temp_blks_written)::bigint AS temp_pages
    FROM {extension}.pg_stat_statements(false)
    WHERE
        dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND queryid IS NOT NULL
    GROUP BY queryid
    ORDER BY sum(total_exec_time) DESC
    LIMIT %(most)s
)
SELECT
    h.queryid AS id,
    left(t.query, 4000) AS text,
    h.calls,
    h.milliseconds,
    h.longest_milliseconds,
    h.rows,
    h.pages_hit,
    h.pages_read,
    h.read_milliseconds,
    h.temp_pages * current_setting('block_size')::bigint AS temp_bytes
FROM heavy h
JOIN (
    SELECT DISTINCT ON (queryid) queryid, query
    FROM {extension}.pg_stat_statements(true)
    WHERE
        dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND queryid IN (SELECT queryid FROM heavy)
) t ON t.queryid = h.queryid
ORDER BY h.milliseconds DESC, h.queryid;

-- name: read_tallies
-- What the dearest statements of this database have taken so far, to be kept and compared with.
SELECT
    i.stats_reset AS since,
    i.dealloc AS evictions,
    (
        SELECT jsonb_agg(
            jsonb_build_array(d.queryid, d.calls, round(d.milliseconds::numeric, 1), d.rows)
        )
        FROM (
            SELECT
                queryid,
                sum(calls)::bigint AS calls,
                sum(total_exec_time) AS milliseconds,
                sum(rows)::bigint AS rows
            FROM {extension}.pg_stat_statements(false)
            WHERE
                dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND queryid IS NOT NULL
            GROUP BY queryid
            ORDER BY sum(total_exec_time) DESC
            LIMIT %(most)s
        ) d
    ) AS statements
FROM {extension}.pg_stat_statements_info i;

-- name: read_indexes
-- The indexes of our tables and how large these are: whether each is whole, and is the key.
SELECT
    i.relname::text AS name,
    t.relname::text AS "table",
    pg_relation_size(t.oid) AS table_bytes,
    x.indisvalid AND x.indisready AND x.indislive AS valid,
    x.indisprimary AS is_key,
    pg_get_indexdef(x.indexrelid) AS definition
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = %(schema)s AND t.relname = ANY (%(tables)s);

-- name: may_be_refused
-- The table of these that this role may not write: having that refused would fill the server's log.
SELECT relname::text AS name
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND relname = ANY (%(tables)s) AND relkind IN ('r', 'p')
  AND NOT has_table_privilege(oid, 'UPDATE');

-- name: plan_of
-- The plan that the server has for a statement; it does not run.
EXPLAIN (FORMAT JSON) {statement};

-- name: read_logging
-- How the server logs slow statements and waits for locks, and what time it is by its log.
SELECT
    current_setting('log_min_duration_statement')::text AS least_duration,
    current_setting('log_lock_waits') = 'on' AS tells_waits,
    current_setting('lc_messages') AS language,
    clock_timestamp() AT TIME ZONE current_setting('log_timezone') AS now;

-- name: may_read_log
-- Whether this role may ask for the log's name: being refused would be a line in that log.
SELECT has_function_privilege('pg_current_logfile(text)', 'EXECUTE') AS is_allowed;

-- name: read_log_file
-- The log that the server writes now; for superusers and members of pg_monitor.
SELECT
    pg_current_logfile('stderr') AS name,
    (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder;

-- name: read_log_end
-- The end of the server's log; for superusers and members of pg_read_server_files.
SELECT pg_read_binary_file(
    %(name)s,
    greatest(0, (pg_stat_file(%(name)s)).size - %(bytes)s),
    %(bytes)s
);

-- name: seen_query
-- The session as it was seen, to be asked for by that and nothing else; of a hidden one nothing.
SELECT md5(query) AS mark, backend_type = 'client backend' AS is_client
FROM pg_stat_activity
WHERE pid = %(pid)s AND backend_start = %(started_at)s AND backend_type IS NOT NULL;

-- name: cancel_seen
-- Ask a session to end the statement that was seen, if it still runs that.
SELECT pg_cancel_backend(pid) AS asked
FROM pg_stat_activity
WHERE
    pid = %(pid)s AND backend_start = %(started_at)s AND state = 'active'
    AND query_start IS NOT DISTINCT FROM %(query_started_at)s::timestamptz
    AND md5(query) = %(mark)s;

-- name: terminate_seen
-- Ask a session to end, if it has done nothing else since it was seen.
SELECT pg_terminate_backend(pid) AS asked
FROM pg_stat_activity
WHERE
    pid = %(pid)s AND backend_start = %(started_at)s AND pid <> pg_backend_pid()
    AND query_start IS NOT DISTINCT FROM %(query_started_at)s::timestamptz
    AND md5(query) = %(mark)s;

-- name: still_there
-- Whether a session is still there, and whether it still runs what was seen.
SELECT
    state = 'active' AND query_start IS NOT DISTINCT FROM %(query_started_at)s::timestamptz
        AS still_runs
FROM pg_stat_activity
WHERE pid = %(pid)s AND backend_start = %(started_at)s;
