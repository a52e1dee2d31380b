-- Base backups: what they need, and naming an exact moment of the cluster.

-- name: read_role
-- What the role may do of that which a base backup needs.
SELECT current_user AS name, rolsuper AS is_superuser,
    rolsuper OR rolreplication AS may_copy,
    has_function_privilege('pg_create_restore_point(text)', 'EXECUTE') AS may_mark,
    pg_is_in_recovery() AS in_recovery
FROM pg_roles WHERE rolname = current_user;

-- name: read_cluster
-- What a recovery must know of the cluster that was copied.
SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system,
    (SELECT rolname FROM pg_roles WHERE oid = 10) AS superuser,
    ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int AS timeline,
    pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes,
    (SELECT sum(pg_database_size(oid))::bigint FROM pg_database) AS size_bytes,
    (
        SELECT jsonb_object_agg(name, setting) FROM pg_settings
        WHERE name IN (
            'max_connections', 'max_worker_processes', 'max_wal_senders',
            'max_prepared_transactions', 'max_locks_per_transaction'
        )
    ) AS floors,
    (
        SELECT coalesce(jsonb_object_agg(oid::text, pg_tablespace_location(oid)), '{{}}')
        FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')
    ) AS tablespaces;

-- name: read_places
-- Where the server's files are; for superusers and members of pg_read_all_settings.
SELECT jsonb_object_agg(name, setting) FROM pg_settings
WHERE name IN ('data_directory', 'config_file', 'hba_file', 'ident_file');

-- name: set_patience
-- How long one lock, and all of them, are waited for.
SELECT set_config('lock_timeout', %(lock)s, true), set_config('statement_timeout', %(all)s, true);

-- name: be_quick_with_autovacuum
-- It gives way to who waits for longer than this; for superusers.
SELECT set_config('deadlock_timeout', %(soon)s, true);

-- name: list_tables
-- The tables whose rows a base backup holds, in the order in which they are locked.
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY c.oid;

-- name: may_hold
-- Whether this role may lock all of them so that nobody writes.
SELECT coalesce(bool_and(has_table_privilege(
    c.oid,
    CASE
        WHEN current_setting('server_version_num')::int < 170000 THEN 'UPDATE, DELETE, TRUNCATE'
        ELSE 'UPDATE, DELETE, TRUNCATE, MAINTAIN'
    END
)), true)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
AND n.nspname NOT IN ('pg_catalog', 'information_schema');

-- name: is_held_here
-- Whether another session has such locks in this very database; by its process.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE pid = %(pid)s AND locktype = 'relation' AND mode = 'ShareLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
);

-- name: hold_writes
-- Let nobody write until this transaction ends, and wait for those who are at it.
LOCK TABLE {tables} IN SHARE MODE;

-- name: export_snapshot
-- What is committed now, for other connections as well.
SELECT pg_export_snapshot();

-- name: create_mark
-- A point in the WAL that recovery can be told to stop at, and the moment.
SELECT pg_create_restore_point(%(name)s)::text AS lsn, clock_timestamp() AS at;

-- name: list_writers
-- Who keeps writes from being held, the longest first.
SELECT coalesce(
    'process ' || a.pid || ' ('
    || concat_ws(', ', a.usename, nullif(a.application_name, ''), a.state, left(a.query, 60))
    || ', since ' || to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SSOF') || ')',
    'process ' || l.pid,
    'prepared transaction ' || (
        SELECT string_agg(gid, ', ') FROM pg_prepared_xacts WHERE database = current_database()
    ),
    '–'
) AS writer
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.relation >= 16384
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND l.mode IN (
    'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
    'AccessExclusiveLock'
)
AND l.pid IS DISTINCT FROM pg_backend_pid()
GROUP BY 1 ORDER BY min(a.xact_start) NULLS FIRST LIMIT 3;

-- name: read_clock
-- The server's clock.
SELECT clock_timestamp();

-- name: read_segment_bytes
-- How large a file of WAL is.
SELECT pg_size_bytes(current_setting('wal_segment_size'));

-- name: write_on
-- Write something after the mark, and bring both to the disk.
SELECT pg_logical_emit_message(true, 'agentpg', 'mark');

-- name: copying
-- How far pg_basebackup is.
SELECT coalesce(sum(backup_streamed), 0)::bigint AS done,
    coalesce(sum(backup_total), 0)::bigint AS total
FROM pg_stat_progress_basebackup;

-- name: read_timeline
-- Which cluster this is, on which timeline, and its clock.
SELECT (SELECT system_identifier::text FROM pg_control_system()),
    ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int,
    clock_timestamp();

-- name: list_sessions
-- Who else is connected to the cluster.
SELECT DISTINCT coalesce(nullif(application_name, ''), usename, pid::text)
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY 1;
