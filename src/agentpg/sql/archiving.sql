-- Archiving the WAL: how it is set, how far it is, and proving it.

-- name: read_archiving
-- What is set, what waits for a restart, and what the archiver has done.
SELECT current_setting('archive_mode') AS mode,
    current_setting('archive_command') AS command,
    current_setting('archive_library') AS library,
    current_setting('wal_level') AS wal_level,
    extract(epoch FROM current_setting('archive_timeout')::interval)::float8 AS timeout_seconds,
    (
        SELECT bool_or(pending_restart) FROM pg_settings
        WHERE name IN ('archive_mode', 'wal_level')
    ) AS restart_needed,
    pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes,
    (SELECT system_identifier::text FROM pg_control_system()) AS system,
    pg_walfile_name(pg_current_wal_insert_lsn()) AS writing,
    now() AS asked_at,
    archived_count AS archived,
    last_archived_wal AS last_archived,
    last_archived_time AS last_archived_at,
    failed_count AS failed,
    last_failed_wal AS last_failed,
    last_failed_time AS last_failed_at,
    stats_reset AS counted_since
FROM pg_stat_archiver;

-- name: count_waiting
-- The files that wait to be archived; for superusers and members of pg_monitor.
SELECT count(*) AS files, min(modification) AS oldest_at
FROM pg_ls_archive_statusdir() WHERE name LIKE '%%.ready';

-- name: set_archive_command
-- How a file of WAL is archived.
ALTER SYSTEM SET archive_command = %(command)s;

-- name: set_archive_library
-- What archives instead of a command; with both, the server archives nothing.
ALTER SYSTEM SET archive_library = %(library)s;

-- name: set_archive_timeout
-- How long WAL may wait for its file to be full.
ALTER SYSTEM SET archive_timeout = %(seconds)s;

-- name: set_archive_mode
-- Whether WAL is archived; a change waits for a restart.
ALTER SYSTEM SET archive_mode = %(mode)s;

-- name: set_wal_level
-- What archiving needs; a change waits for a restart.
ALTER SYSTEM SET wal_level = 'replica';

-- name: reload
-- Let the server read its settings.
SELECT pg_reload_conf();

-- name: end_segment
-- Write something, so that there is a file to end, end it, and say which it was.
SELECT pg_walfile_name(pg_logical_emit_message(false, 'agentpg', 'archive')) AS name,
    pg_switch_wal() AS ended;

-- name: read_backend
-- This session's process, by which the server is found on this machine.
SELECT pg_backend_pid();
