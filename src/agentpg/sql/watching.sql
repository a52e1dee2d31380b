-- Watching backups: what the findings ask the server.

-- name: read_source
-- The database, whether its pages have checksums, and how many have failed; for any role.
SELECT
    current_database() AS database,
    quote_ident(current_user::text) AS role,
    current_setting('server_version_num')::int AS server_version,
    current_setting('data_checksums') = 'on' AS checksums,
    coalesce((SELECT sum(checksum_failures) FROM pg_stat_database), 0)::bigint AS page_failures,
    pg_database_size(current_database()) AS size_bytes,
    pg_is_in_recovery() AS in_recovery,
    now() AS asked_at;

-- name: read_system
-- The cluster's identifier.
SELECT system_identifier::text FROM pg_control_system();

-- name: read_data_folder
-- Where the server's files are, and one of its processes, which works there; for superusers
-- and members of pg_read_all_settings.
SELECT current_setting('data_directory') AS folder, pg_backend_pid() AS process;

-- name: read_archiver
-- How the server archives its WAL; commands are for superusers and pg_read_all_settings.
SELECT
    current_setting('archive_mode') AS mode,
    current_setting('archive_command') AS command,
    coalesce(current_setting('archive_library', true), '') AS library,
    extract(epoch FROM current_setting('archive_timeout')::interval)::float8 AS timeout_seconds,
    pg_size_bytes(current_setting('wal_segment_size'))::bigint AS segment_bytes,
    last_archived_wal AS last_archived,
    last_archived_time AS last_archived_at,
    last_failed_wal AS last_failed,
    last_failed_time AS last_failed_at,
    failed_count AS failed,
    stats_reset AS counted_since,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS written_bytes,
    pg_postmaster_start_time() AS started_at,
    now() AS asked_at
FROM pg_stat_archiver;

-- name: count_waiting
-- The files of WAL that wait to be archived; for superusers and members of pg_monitor.
SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%%.ready';

-- name: list_unfilled
-- Databases with the name of a restore's that no session is filling, and their sizes where the role
-- may see them.
SELECT
    datname::text AS name,
    CASE
        WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid)
    END AS size_bytes
FROM pg_database
WHERE
    datname LIKE '%%\_restoring\_%%'
    AND NOT EXISTS (
        SELECT FROM pg_locks
        WHERE
            locktype = 'advisory'
            AND objsubid = 1
            AND (classid::bigint << 32) | objid::bigint
            = hashtextextended('agentpg restore ' || datname::text, 0)
    )
ORDER BY datname;
