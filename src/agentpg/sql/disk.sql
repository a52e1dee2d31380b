-- The disks of the server: what takes their room, and what keeps it.

-- name: read_server
-- Where the server's files are and how it keeps WAL and logs; what the role may not see is
-- NULL, and the rest is for everybody.
SELECT
    quote_ident(current_user::text) AS role,
    current_database()::text AS database,
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database_oid,
    current_setting('server_version_num')::int AS server_version,
    pg_is_in_recovery() AS in_recovery,
    max(setting) FILTER (WHERE name = 'data_directory') AS data_folder,
    max(setting) FILTER (WHERE name = 'log_directory') AS log_folder,
    current_setting('logging_collector') = 'on' AS collects_logs,
    max(setting) FILTER (WHERE name = 'log_filename') AS log_filename,
    max(setting) FILTER (WHERE name = 'log_rotation_age')::int AS log_rotation_minutes,
    max(setting) FILTER (WHERE name = 'log_rotation_size')::int AS log_rotation_kilobytes,
    pg_size_bytes(current_setting('wal_segment_size'))::bigint AS segment_bytes,
    max(setting) FILTER (WHERE name = 'max_wal_size')::bigint * 1048576 AS max_wal_bytes,
    max(setting) FILTER (WHERE name = 'wal_keep_size')::bigint * 1048576 AS wal_keep_bytes,
    nullif(max(setting) FILTER (WHERE name = 'max_slot_wal_keep_size')::bigint, -1) * 1048576
        AS max_slot_wal_bytes,
    EXISTS (SELECT FROM pg_extension WHERE extname = 'pgstattuple') AS has_pgstattuple,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    pg_postmaster_start_time() AS started_at,
    now() AS asked_at
FROM pg_settings;

-- name: read_cluster
-- What the files of the server that answers say of themselves, if they are its: the cluster's
-- identifier, and the port and the start of the process that works on them.
SELECT
    system_identifier::text AS system,
    current_setting('port')::int AS port,
    pg_postmaster_start_time() AS started_at
FROM pg_control_system();

-- name: read_backend
-- The process that answers, which works in the data folder.
SELECT pg_backend_pid();

-- name: read_databases
-- Every database with its size, where the role may know it.
SELECT
    datname::text AS name,
    CASE
        WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
            THEN pg_database_size(oid)
    END AS size_bytes
FROM pg_database
ORDER BY 2 DESC NULLS LAST, 1;

-- name: read_tablespaces
-- The tablespaces with folders of their own.
SELECT spcname::text AS name, pg_tablespace_location(oid) AS folder
FROM pg_tablespace
WHERE pg_tablespace_location(oid) <> '';

-- name: read_wal
-- The files of pg_wal; for superusers and members of pg_monitor.
SELECT count(*) AS files, coalesce(sum(size), 0)::bigint AS size_bytes FROM pg_ls_waldir();

-- name: read_slots
-- The replication slots with the WAL that is kept for each; when one became inactive is known
-- from PostgreSQL 17 on.
SELECT
    slot_name::text AS name,
    slot_type AS kind,
    active,
    active_pid AS process,
    wal_status,
    pg_wal_lsn_diff(
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
        restart_lsn
    )::bigint AS retained_bytes,
    (to_jsonb(slots) ->> 'inactive_since')::timestamptz AS inactive_since,
    greatest(coalesce(age(xmin), 0), coalesce(age(catalog_xmin), 0)) AS horizon_age
FROM pg_replication_slots AS slots
WHERE NOT temporary
ORDER BY 6 DESC NULLS LAST, 1;

-- name: read_archiver
-- Whether WAL is archived; the command is NULL for who may not read it.
SELECT
    current_setting('archive_mode') <> 'off' AS is_on,
    (SELECT setting FROM pg_settings WHERE name = 'archive_command') AS command,
    coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing,
    last_failed_wal AS last_failed,
    last_failed_time AS failed_at,
    last_archived_time AS last_archived_at
FROM pg_stat_archiver;

-- name: read_temporary
-- The temporary files of queries; for superusers and members of pg_monitor.
SELECT file.name, file.size
FROM pg_tablespace AS space
CROSS JOIN LATERAL pg_ls_tmpdir(space.oid) AS file
WHERE space.spcname <> 'pg_global';

-- name: read_sessions
-- What these processes of the server run; other roles' queries are for pg_read_all_stats.
-- A worker of a parallel query counts as its leader.
SELECT
    pid,
    coalesce(leader_pid, pid) AS process,
    query_start AS started_at,
    coalesce(usename::text, '') AS role,
    coalesce(application_name, '') AS application,
    left(regexp_replace(coalesce(query, ''), '\s+', ' ', 'g'), 200) AS query
FROM pg_stat_activity
WHERE pid = ANY(%(processes)s::int[]);

-- name: read_task_of
-- The task of a session whose name has the id of a task, or of the worker that runs it.
SELECT agent_name::text AS agent, id::text AS task
FROM {schema}.tasks
WHERE id = %(mark)s::uuid OR (worker = %(mark)s::uuid AND status = 'running')
ORDER BY started_at
LIMIT 1;

-- name: read_logs
-- The server's log files; for superusers and members of pg_monitor.
SELECT name, size AS size_bytes, modification AS written_at FROM pg_ls_logdir();

-- name: read_tables
-- The largest tables of the database, or only one of them, with what the statistics know of
-- their rows. A tablespace of 0 is the database's own. An index that is not valid may be
-- smaller now than when it is built anew.
WITH own AS (
    SELECT dattablespace FROM pg_database WHERE datname = current_database()
),

largest AS (
    SELECT oid, reltablespace, reloptions
    FROM pg_class
    WHERE
        oid = %(only)s::bigint
        OR (%(only)s::bigint IS NULL AND relkind IN ('r', 'm') AND relpersistence <> 't')
    ORDER BY relpages DESC
    LIMIT 20
)

SELECT
    largest.oid::regclass::text AS name,
    pg_table_size(largest.oid) AS size_bytes,
    pg_relation_size(largest.oid) AS heap_bytes,
    pg_indexes_size(largest.oid) AS index_bytes,
    coalesce(n_live_tup, 0) AS live_rows,
    coalesce(n_dead_tup, 0) AS dead_rows,
    greatest(last_vacuum, last_autovacuum) AS vacuumed_at,
    coalesce(
        (
            SELECT option_value::int
            FROM pg_options_to_table(largest.reloptions)
            WHERE option_name = 'fillfactor'
        ),
        100
    ) AS fill_factor,
    pg_tablespace_location(coalesce(nullif(largest.reltablespace, 0), own.dattablespace))
        AS folder,
    coalesce(indexes.placed, '{{}}') AS indexes_in,
    pg_tablespace_location(own.dattablespace) AS sort_folder
FROM largest
CROSS JOIN own
LEFT JOIN pg_stat_all_tables AS told ON told.relid = largest.oid
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(placed.folder, placed.size_bytes) AS placed
    FROM (
        SELECT
            pg_tablespace_location(coalesce(nullif(one.reltablespace, 0), own.dattablespace))
                AS folder,
            sum(
                CASE
                    WHEN indisvalid THEN pg_total_relation_size(indexrelid)
                    ELSE pg_total_relation_size(indexrelid) + pg_relation_size(largest.oid)
                END
            )::bigint AS size_bytes
        FROM pg_index
        JOIN pg_class AS one ON one.oid = indexrelid
        WHERE indrelid = largest.oid
        GROUP BY 1
    ) AS placed
) AS indexes ON true
ORDER BY 2 DESC;

-- name: read_file_numbers
-- The numbers of the files that this database's catalogue knows.
SELECT pg_relation_filenode(oid)::bigint
FROM pg_class
WHERE pg_relation_filenode(oid) IS NOT NULL;

-- name: read_holders
-- What keeps dead rows from being removed: old snapshots and prepared transactions.
SELECT
    'session' AS kind,
    coalesce(usename::text, '') AS name,
    xact_start AS since,
    age(backend_xmin) AS horizon_age,
    pid AS process,
    coalesce(application_name, '') AS application
FROM pg_stat_activity
WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
UNION ALL
SELECT 'prepared', gid, prepared, age(transaction), NULL, ''
FROM pg_prepared_xacts
ORDER BY 4 DESC
LIMIT 20;

-- name: checkpoint
-- Write what is changed, and let go of the WAL that nothing needs any more; for superusers and
-- members of pg_checkpoint.
CHECKPOINT;

-- name: drop_slot
-- Remove a replication slot; the server refuses while it is in use.
SELECT pg_drop_replication_slot(%(name)s);

-- name: cancel_query
-- Cancel what a process runs, if it is still the query that was looked at.
SELECT pg_cancel_backend(pid)
FROM pg_stat_activity
WHERE pid = %(process)s AND query_start = %(started_at)s AND state = 'active';

-- name: read_held
-- Whether a process has ended that query, and holds what it left in an open transaction.
SELECT pid
FROM pg_stat_activity
WHERE pid = %(process)s AND query_start = %(started_at)s AND state LIKE 'idle in transaction%%';

-- name: read_slot
-- Who reads from a slot; NULL for nobody.
SELECT active_pid FROM pg_replication_slots WHERE slot_name = %(name)s;

-- name: read_query
-- Whether a process still runs the query that was looked at.
SELECT pid
FROM pg_stat_activity
WHERE pid = %(process)s AND query_start = %(started_at)s AND state = 'active';
