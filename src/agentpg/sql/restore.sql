-- Restoring a backup: databases made, looked at, swapped, and made fit to work with.

-- name: create_database
-- A new database for a backup that says nothing of the database itself.
CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8';

-- name: set_search_path
-- What unqualified names mean in it.
ALTER DATABASE {database} SET search_path = {schema}, public;

-- name: give_database
-- Let the database belong to whom its schema belongs to.
ALTER DATABASE {database} OWNER TO {owner};

-- name: schema_owner
-- Whom the installation's schema belongs to.
SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = %(schema)s;

-- name: size
-- How large the database is, whatever its names mean.
SELECT pg_catalog.pg_database_size(pg_catalog.current_database());

-- name: server_facts
-- The server's version, and whether the role may make databases.
SELECT current_setting('server_version_num')::int, rolsuper OR rolcreatedb
FROM pg_roles
WHERE rolname = current_user;

-- name: databases
-- The databases of the server.
SELECT datname::text FROM pg_database ORDER BY datname;

-- name: roles
-- The roles of the server.
SELECT rolname::text FROM pg_roles;

-- name: create_role
-- A role without rights, which what it owns needs.
CREATE ROLE {role} NOLOGIN;

-- name: tablespaces
-- The tablespaces of the server.
SELECT spcname::text FROM pg_tablespace;

-- name: allow_in_place
-- Let tablespaces lie in the data folder, as is fit for a server that is thrown away.
SET allow_in_place_tablespaces = on;

-- name: create_in_place
-- A tablespace that takes no folder of its own.
CREATE TABLESPACE {tablespace} LOCATION '';

-- name: sessions
-- Who is connected to a database: process, role, application. What kind of process it is, not every
-- role may see.
SELECT pid, coalesce(usename::text, ''), coalesce(nullif(application_name, ''), backend_type, '')
FROM pg_stat_activity
WHERE
    datname = %(database)s
    AND backend_type IS DISTINCT FROM 'autovacuum worker'
    AND leader_pid IS NULL
    AND pid <> pg_backend_pid()
ORDER BY pid;

-- name: prepared
-- The prepared transactions of a database, which keep it from being renamed.
SELECT gid FROM pg_prepared_xacts WHERE database = %(database)s ORDER BY prepared;

-- name: take_staging
-- Let every session of the server know that this one fills a database; whether nobody else does.
SELECT pg_try_advisory_lock(hashtextextended('agentpg restore ' || %(database)s, 0));

-- name: is_being_restored
-- Whether a session fills this database: it has the lock of that name, in whichever database.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE
        locktype = 'advisory'
        AND objsubid = 1
        AND (classid::bigint << 32) | objid::bigint
        = hashtextextended('agentpg restore ' || %(database)s, 0)
);

-- name: end_sessions
-- End the sessions of a database: those of workers, and the others.
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE
    datname = %(database)s
    AND pid <> pg_backend_pid()
    AND CASE
        WHEN starts_with(coalesce(application_name, ''), %(worker)s) THEN %(workers)s ELSE %(others)s
    END;

-- name: rename_database
-- Give a database another name; nobody may be connected to it.
ALTER DATABASE {database} RENAME TO {new};

-- name: drop_database
-- Remove a database with all that is in it.
DROP DATABASE IF EXISTS {database} WITH (FORCE);

-- name: analyze
-- Statistics for the planner, which no backup has.
ANALYZE;

-- name: has_tasks
-- Whether this database has the engine's tables.
SELECT to_regclass(format('%%I.tasks', %(schema)s::text)) IS NOT NULL;

-- name: open_databases
-- The databases of a cluster that can be connected to.
SELECT datname::text FROM pg_database WHERE datallowconn AND datconnlimit <> -2 ORDER BY datname;

-- name: installations
-- The schemas of this database that have the engine's tables.
SELECT n.nspname::text
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    c.relkind IN ('r', 'p')
    AND c.relname IN ('schema_migrations', 'tasks', 'agent_executions', 'workers', 'schedules')
GROUP BY n.nspname
HAVING count(*) = 5
ORDER BY n.nspname;

-- name: subscriptions_on
-- The subscriptions of this database that would go on taking changes.
SELECT subname::text FROM pg_subscription
WHERE subenabled AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY subname;

-- name: disable_subscription
-- Let one take no changes until somebody lets it again.
ALTER SUBSCRIPTION {subscription} DISABLE;

-- name: find_only_own
-- For this transaction, names mean the server's own alone. Nothing is looked up for this.
SET LOCAL search_path = pg_catalog;

-- name: find_as_usual
-- For the rest of it, what they mean to whoever works in this database.
SET LOCAL search_path = DEFAULT;

-- name: is_superuser
-- Whether the role may do anything.
SELECT rolsuper FROM pg_roles WHERE rolname = current_user;

-- name: leave_triggers
-- For this transaction, no trigger and no rule fires but those that always do.
SET LOCAL session_replication_role = replica;

-- name: make_stand_in
-- A role for one transaction, from which no policy hides rows, and which may do nothing.
CREATE ROLE {stand_in} NOLOGIN BYPASSRLS;

-- name: let_change
-- The rows that it changes.
GRANT SELECT, UPDATE
ON {schema}.tasks, {schema}.agent_executions, {schema}.llm_requests, {schema}.workers,
{schema}.schedules
TO {stand_in};

-- name: make_place
-- Where its work is, for the same transaction.
CREATE SCHEMA {place};

-- name: make_work
-- What it does.
CREATE FUNCTION {place}.work() RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS {body};

-- name: make_confined
-- What the server does as the one to whom it belongs, and lets do nothing else.
CREATE MATERIALIZED VIEW {place}.confined AS
SELECT ({counted}) AS number, {place}.work() AS done
WITH NO DATA;

-- name: let_in
-- It gets there.
GRANT USAGE ON SCHEMA {schema}, {place} TO {stand_in};

-- name: let_work
-- It may call that, whatever is usual here.
GRANT EXECUTE ON FUNCTION {place}.work() TO {stand_in};

-- name: give_confined
-- As whom it is done.
ALTER MATERIALIZED VIEW {place}.confined OWNER TO {stand_in};

-- name: run_confined
-- Do it.
REFRESH MATERIALIZED VIEW {place}.confined;

-- name: number_confined
-- How many there were.
SELECT number FROM {place}.confined;

-- name: remove_place
-- Nothing of it stays.
DROP SCHEMA {place} CASCADE;

-- name: take_back
-- Nor what the role was given here.
DROP OWNED BY {stand_in};

-- name: remove_stand_in
-- Nor the role.
DROP ROLE {stand_in};

-- name: close_executions
-- The executions that were under way, and their calls, are lost: their workers are of another time.
WITH lost AS (
    UPDATE {schema}.agent_executions e
    SET execution_end = now(), outcome = 'lost',
        error_message = 'the database was restored from a backup'
    FROM {schema}.tasks t
    WHERE t.id = e.task_id AND t.status = 'running' AND e.execution_end IS NULL
    RETURNING e.task_id
)
UPDATE {schema}.llm_requests
SET status = 'lost', ended_at = now(), error_message = 'the database was restored from a backup'
WHERE status = 'open' AND task_id IN (SELECT task_id FROM lost);

-- name: end_workers
-- No worker of that time works here.
UPDATE {schema}.workers SET ended_at = now(), ended_how = 'lost', running = 0
WHERE ended_at IS NULL;

-- name: hold_unfinished
-- Nothing runs again before somebody has looked; what was held already keeps its reason.
UPDATE {schema}.tasks
SET status = CASE WHEN status = 'running' THEN 'pending' ELSE status END,
    worker = NULL,
    held_reason = coalesce(held_reason, %(reason)s)
WHERE status IN ('pending', 'running', 'waiting');

-- name: fail_unfinished
-- What had not ended then ends now.
UPDATE {schema}.tasks
SET status = 'failed', worker = NULL, held_reason = NULL, finished_at = now(),
    error_message = %(reason)s
WHERE status IN ('pending', 'running', 'waiting');

-- name: leave_out_ticks
-- What schedules missed between the backup and now has run then, or is not wanted any more.
UPDATE {schema}.schedules SET next_at = NULL
WHERE next_at < now();

-- name: owned_sequences
-- The sequences that give a column its numbers.
SELECT s.oid::regclass::text, c.oid::regclass::text, quote_ident(a.attname)
FROM pg_depend AS d
JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_class AS c ON c.oid = d.refobjid
JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE
    d.classid = 'pg_class'::regclass
    AND d.refclassid = 'pg_class'::regclass
    AND d.deptype IN ('a', 'i')
    AND c.relkind IN ('r', 'p')
    AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype);

-- name: sequence_is_behind
-- Whether a sequence that counts up would give a number that its column has.
SELECT coalesce(
    (SELECT max({column}) FROM {table})
    > CASE WHEN s.is_called THEN s.last_value ELSE s.last_value - 1 END, false
)
FROM {sequence} AS s
WHERE (SELECT seqincrement > 0 FROM pg_sequence WHERE seqrelid = %(sequence)s::regclass);

-- name: unproved_constraints
-- Constraints of which the server itself does not know that every row keeps them.
SELECT format('%%s on %%s', conname, conrelid::regclass)
FROM pg_constraint
WHERE NOT convalidated AND conrelid <> 0
ORDER BY 1;

-- name: invalid_indexes
-- Indexes that queries do not use because they are not whole.
SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1;

-- name: foreign_keys
-- Every foreign key, with what is needed to look for rows that break it; its own operators, as a
-- type of an extension may have others than the server's.
SELECT
    conname::text,
    conrelid::regclass::text,
    confrelid::regclass::text,
    (
        SELECT string_agg(
            format('p.%%I OPERATOR(%%I.%%s) f.%%I', b.attname, n.nspname, o.oprname, a.attname),
            ' AND '
        )
        FROM unnest(conkey, confkey, conpfeqop) AS k (mine, theirs, equals)
        JOIN pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = k.mine
        JOIN pg_attribute AS b ON b.attrelid = confrelid AND b.attnum = k.theirs
        JOIN pg_operator AS o ON o.oid = k.equals
        JOIN pg_namespace AS n ON n.oid = o.oprnamespace
    ),
    (
        SELECT string_agg(format('f.%%I IS NOT NULL', a.attname), ' AND ')
        FROM unnest(conkey) AS k (mine)
        JOIN pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = k.mine
    )
FROM pg_constraint AS c
WHERE
    contype = 'f' AND convalidated AND conparentid = 0
    -- Those over periods, which servers from 18 on have, are not a matter of equal values.
    AND NOT coalesce((to_jsonb(c) ->> 'conperiod')::boolean, false)
ORDER BY conrelid::regclass::text, conname;

-- name: orphans
-- How many rows of one table have no row that their foreign key names.
SELECT count(*)
FROM {child} AS f
WHERE {given} AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {joined});

-- name: guide_pending_tasks
-- The guide's queries, as they are written there: the state of tasks.
SELECT agent_name, task_type, status, created_at
FROM tasks
WHERE status = 'pending'
ORDER BY created_at DESC;

-- name: guide_agent_statistics
-- Performance statistics of agents.
SELECT
    agent_name,
    COUNT(*) as total_executions,
    AVG(duration_seconds) as avg_duration,
    SUM(llm_total_tokens) as total_tokens
FROM agent_executions
WHERE execution_start >= CURRENT_DATE - INTERVAL '7 days'
GROUP BY agent_name;

-- name: guide_failed_tasks
-- Failed tasks.
SELECT id, agent_name, task_type, error_message, created_at
FROM tasks
WHERE status = 'failed'
ORDER BY created_at DESC
LIMIT 10;

-- name: guide_plan
-- The plan of a query.
EXPLAIN ANALYZE
SELECT * FROM tasks WHERE agent_name = 'ReportAgent';

-- name: guide_vacuum
-- The guide's maintenance.
VACUUM ANALYZE tasks;

-- name: guide_connections
-- The number of active connections.
SELECT count(*) FROM pg_stat_activity;

-- name: guide_database_size
-- The size of the database; the guide says its name.
SELECT pg_size_pretty(pg_database_size(current_database()));

-- name: guide_table_sizes
-- The sizes of the tables; the guide says the schema's name.
SELECT
    schemaname,
    tablename,
    pg_size_pretty(pg_total_relation_size(schemaname||'.'||tablename)) as size
FROM pg_tables
WHERE schemaname = %(schema)s
ORDER BY pg_total_relation_size(schemaname||'.'||tablename) DESC;

-- name: make_reader
-- A role of a server that is thrown away, which may read everything and change nothing.
CREATE ROLE {reader} LOGIN BYPASSRLS IN ROLE pg_read_all_data, pg_read_all_stats;

-- name: let_reader_in
-- It may make a schema of its own.
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {reader};

-- name: unlimit
-- Whoever is no superuser gets in too.
ALTER DATABASE {database} CONNECTION LIMIT -1;

-- name: has_amcheck
-- Whether the extension that looks into indexes can be made.
SELECT FROM pg_available_extensions WHERE name = 'amcheck';

-- name: count_unfinished
-- How many tasks have not ended.
SELECT count(*) FROM {schema}.tasks WHERE status IN ('pending', 'running', 'waiting');
