-- pgBackRest: where the server is that it copies, and whether its WAL goes there.

-- name: read_server
-- Where the server's files and its socket are, and how it archives; for superusers and members
-- of pg_read_all_settings.
SELECT
    current_setting('data_directory') AS data,
    current_setting('port')::int AS port,
    btrim(split_part(current_setting('unix_socket_directories'), ',', 1), ' "') AS socket_folder,
    current_setting('archive_mode') AS archive_mode,
    current_setting('archive_command') AS archive_command,
    current_setting('archive_library', true) AS archive_library,
    pg_size_bytes(current_setting('wal_segment_size'))::int AS segment_bytes,
    (SELECT rolname::text FROM pg_roles WHERE oid = 10) AS superuser,
    pg_is_in_recovery() AS in_recovery,
    (
        SELECT jsonb_object_agg(name, setting) FROM pg_settings
        WHERE name IN (
            'max_connections', 'max_worker_processes', 'max_wal_senders',
            'max_prepared_transactions', 'max_locks_per_transaction'
        )
    ) AS floors;
