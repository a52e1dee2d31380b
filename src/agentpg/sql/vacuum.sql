-- Vacuum, and writing tables anew.

-- name: find_table
-- A table by its name as SQL has it; NULL where there is none. It is found by the session's own
-- search_path, so this statement names even types whole.
SELECT pg_catalog.to_regclass(%(table)s)::pg_catalog.oid::bigint;

-- name: name_table
-- What kind of table it is, its whole name as SQL takes it whatever the search_path, and whether
-- the role may vacuum it: vacuum itself only warns, and leaves it out.
SELECT
    relkind::text AS kind,
    format('%%I.%%I', nspname, relname) AS name,
    CASE
        WHEN current_setting('server_version_num')::int >= 170000
            THEN has_table_privilege(pg_class.oid, 'MAINTAIN')
        ELSE pg_has_role(relowner, 'USAGE')
    END
    OR (NOT relisshared AND pg_has_role(datdba, 'USAGE')) AS allowed
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_database ON datname = current_database()
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
-- How long this session waits for a lock, and for transactions that are older than an index.
SELECT pg_catalog.set_config('lock_timeout', %(limit)s::pg_catalog.text, false);

-- name: sort_beside
-- Let this session sort in the tablespace of the database, whose room is looked at.
SELECT pg_catalog.set_config('temp_tablespaces', '', false);

-- name: vacuum
-- Make the room of dead rows usable.
VACUUM {table};

-- name: vacuum_full
-- Write a table and its indexes anew, without what is dead; nobody else uses it meanwhile.
VACUUM (FULL) {table};

-- name: analyze
-- Count anew what the planner reckons with; by itself, since its failing undoes no vacuum.
ANALYZE {table};

-- name: size_of
-- What a table takes with its indexes.
SELECT pg_total_relation_size(%(oid)s::oid);

-- name: clock
-- The moment by the server's clock.
SELECT clock_timestamp();

-- name: go_gently
-- Work in small pieces with rests in between, as autovacuum does, and for so long at most.
SELECT
    set_config('vacuum_cost_delay', %(delay)s::text, false),
    set_config('vacuum_cost_limit', %(limit)s::text, false),
    set_config('statement_timeout', %(most)s::text, false);

-- name: vacuum_aside
-- Make the room of dead rows usable, unless somebody else works on the table; the end of the file
-- is not cut off, since that keeps everybody away for a moment.
VACUUM (SKIP_LOCKED, TRUNCATE FALSE) {table};

-- name: vacuum_rows_aside
-- The same without its indexes, which takes one pass: rows are frozen, and the table's age falls;
-- the room of what was dead is usable after a vacuum with them.
VACUUM (SKIP_LOCKED, TRUNCATE FALSE, INDEX_CLEANUP OFF) {table};

-- name: analyze_aside
-- Count anew what the planner reckons with, unless somebody else works on the table.
ANALYZE (SKIP_LOCKED) {table};

-- name: works_on
-- Who holds or wants a table for work that does not go together with a vacuum.
SELECT pid
FROM pg_locks
WHERE
    relation = %(oid)s::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pid <> pg_backend_pid()
    AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
LIMIT 1;

-- name: dead_rows_of
-- The dead rows of a table, as the server counts them.
SELECT coalesce(pg_stat_get_dead_tuples(%(oid)s::oid), 0)::bigint;

-- name: give_way
-- End what this session of ours does, where somebody waits for it.
SELECT pg_cancel_backend(%(pid)s)
WHERE EXISTS (
    SELECT
    FROM pg_locks
    WHERE NOT granted AND pid IS NOT NULL AND %(pid)s = ANY (pg_blocking_pids(pid))
);
