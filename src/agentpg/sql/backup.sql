-- Making backups: what is asked of the server beside what its own programs do.

-- name: source
-- The database that is backed up, and what this role may know of the cluster.
SELECT
    current_database(),
    current_setting('server_version_num')::int,
    pg_database_size(current_database()),
    has_function_privilege('pg_control_system()', 'EXECUTE');

-- name: system_identifier
-- The cluster's identifier, which all of its physical copies share.
SELECT system_identifier::text FROM pg_control_system();

-- name: find_only_own
-- Let this session find nothing but what is the server's own. Nothing is looked up for this.
SET search_path = '';

-- name: be_undisturbed
-- Let no time limit of the server end this session while a program works for it.
SELECT set_config(p.name, '0', false)
FROM pg_settings AS p
WHERE p.name IN (
    'statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout',
    'idle_session_timeout'
);

-- name: wait_for_locks
-- How long to wait for a lock.
SELECT set_config('lock_timeout', %(milliseconds)s, false);

-- name: tables
-- The tables that a dump locks and this role may read: all that stay and have rows of their own.
SELECT c.oid, n.nspname, c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    c.relkind IN ('r', 'p')
    AND c.relpersistence <> 't'
    AND n.nspname <> 'information_schema'
    AND n.nspname !~ '^pg_'
    AND has_schema_privilege(n.oid, 'USAGE')
    AND has_table_privilege(c.oid, 'SELECT')
ORDER BY c.oid;

-- name: not_readable
-- Tables and sequences that a dump would read and this role may not; up to five of them.
SELECT concat_ws('.', quote_ident(n.nspname), quote_ident(c.relname))
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    c.relkind IN ('r', 'p', 'S')
    AND c.relpersistence <> 't'
    AND n.nspname <> 'information_schema'
    AND n.nspname !~ '^pg_'
    AND NOT (
        has_schema_privilege(n.oid, 'USAGE')
        AND CASE c.relkind
            WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
            ELSE has_table_privilege(c.oid, 'SELECT')
        END
    )
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
ORDER BY 1
LIMIT 5;

-- name: lock_tables
-- Keep tables from being changed, rewritten or emptied, before a snapshot of them is taken.
LOCK TABLE {tables} IN ACCESS SHARE MODE;

-- name: export_snapshot
-- The snapshot of this transaction for other sessions, and the moment that it holds.
SELECT
    pg_export_snapshot(),
    statement_timestamp(),
    (
        CASE
            WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn()
        END
    )::text;

-- name: sizes
-- What each table takes, with what is stored out of line, and how many rows it is thought to have.
SELECT oid::bigint, pg_table_size(oid), greatest(reltuples, 0)::bigint
FROM pg_class
WHERE oid = ANY(%(tables)s::oid []);

-- name: catalogue
-- What changes with every table, index, view, sequence, type, function and constraint.
SELECT string_agg(concat_ws(' ', objects, sums), ' ')
FROM (
    SELECT count(*) AS objects, sum(hashtextextended(xmin::text, oid::bigint)) AS sums
    FROM pg_class
    WHERE oid >= 16384 AND relpersistence <> 't' AND relkind <> 't'
    UNION ALL
    SELECT count(*), sum(hashtextextended(xmin::text, oid::bigint))
    FROM pg_proc
    WHERE oid >= 16384
    UNION ALL
    SELECT count(*), sum(hashtextextended(xmin::text, oid::bigint))
    FROM pg_type
    WHERE oid >= 16384 AND typrelid = 0 AND typcategory <> 'A'
    UNION ALL
    SELECT count(*), sum(hashtextextended(xmin::text, oid::bigint))
    FROM pg_constraint
    WHERE oid >= 16384
) AS found;

-- name: copying
-- Which tables are copied out now, and how many of their rows have been.
SELECT relid::bigint, sum(tuples_processed)::bigint
FROM pg_stat_progress_copy
WHERE datname = current_database() AND command = 'COPY TO' AND relid <> 0
GROUP BY relid;

-- name: in_the_way
-- Sessions that hold or want a table for themselves alone.
SELECT DISTINCT
    a.pid,
    coalesce(a.usename::text, ''),
    coalesce(a.application_name, ''),
    coalesce(left(regexp_replace(a.query, '\s+', ' ', 'g'), 120), '')
FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE
    l.locktype = 'relation'
    AND l.mode = 'AccessExclusiveLock'
    AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    AND l.relation >= 16384
    AND a.pid <> pg_backend_pid()
    AND a.backend_type = 'client backend'
ORDER BY a.pid
LIMIT 5;

-- name: still_there
-- Whether the session that holds the lock of backups still does.
SELECT 1;
