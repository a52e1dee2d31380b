-- Vacuum, and writing tables anew.

-- name: find_table
-- A table by its name as SQL has it; NULL where there is none.
SELECT to_regclass(%(table)s)::oid::bigint;

-- name: read_table
-- A table with what it takes, and what the statistics know of its rows.
SELECT
    pg_class.oid::regclass::text AS name,
    relkind::text AS kind,
    pg_table_size(pg_class.oid) AS size_bytes,
    pg_indexes_size(pg_class.oid) AS index_bytes,
    coalesce(n_live_tup, 0) AS live_rows,
    coalesce(n_dead_tup, 0) AS dead_rows,
    greatest(last_vacuum, last_autovacuum) AS vacuumed_at,
    coalesce(pg_tablespace_location(nullif(reltablespace, 0)), '') AS folder
FROM pg_class
LEFT JOIN pg_stat_all_tables AS told ON told.relid = pg_class.oid
WHERE pg_class.oid = %(oid)s::oid;

-- name: read_users_of
-- The sessions that hold a lock on a table or wait for one, and the workers of this database,
-- which use every table of ours again and again.
SELECT
    pid,
    coalesce(usename::text, '') AS role,
    coalesce(application_name, '') AS application,
    coalesce(state, '') AS state,
    left(regexp_replace(coalesce(query, ''), '\s+', ' ', 'g'), 100) AS query
FROM pg_stat_activity
WHERE
    pid <> pg_backend_pid()
    AND datname = current_database()
    AND backend_type = 'client backend'
    AND (
        pid IN (SELECT pid FROM pg_locks WHERE relation = %(oid)s::oid)
        OR (%(ours)s::boolean AND application_name LIKE 'agentpg worker%%')
    )
ORDER BY pid;

-- name: schema_of
-- The schema of a table.
SELECT nspname::text
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = %(oid)s::oid;

-- name: wait_at_most
-- How long this session waits for a lock.
SELECT set_config('lock_timeout', %(limit)s::text, false);

-- name: vacuum
-- Make the room of dead rows usable, and count anew what the planner reckons with.
VACUUM (ANALYZE) {table};

-- name: vacuum_full
-- Write a table and its indexes anew, without what is dead; nobody else uses it meanwhile.
VACUUM (FULL, ANALYZE) {table};

-- name: size_of
-- What a table takes with its indexes.
SELECT pg_total_relation_size(%(oid)s::oid);

-- name: clock
-- The moment by the server's clock.
SELECT clock_timestamp();
