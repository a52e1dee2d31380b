-- The installation as a whole.

-- name: server_facts
-- What the server says about itself.
SELECT
    split_part(current_setting('server_version'), ' ', 1) AS version,
    pg_postmaster_start_time() AS started_at,
    now() AS now,
    pg_database_size(current_database()) AS size_bytes,
    pg_is_in_recovery() AS in_recovery,
    %(pooled)s::boolean AS pooled;
