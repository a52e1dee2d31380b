-- Plans of statements: nothing is changed, and what runs is rolled back.

-- name: be_bounded
-- Give up rather than hold others up: for this transaction alone.
SELECT
    pg_catalog.set_config('statement_timeout', %(limit)s, true),
    pg_catalog.set_config('lock_timeout', '1s', true),
    pg_catalog.set_config('idle_in_transaction_session_timeout', '60s', true);

-- name: only_read
-- Let the server itself refuse what would change anything.
SET TRANSACTION READ ONLY;

-- name: plan_for_any
-- Plan for any parameters, or for those that are given.
SELECT pg_catalog.set_config('plan_cache_mode', %(mode)s, true);

-- name: plan_anew
-- Keep no plan that was made before.
DISCARD PLANS;

-- name: prepare
-- The server takes only what has a plan, and one statement; nothing runs.
PREPARE {prepared} AS {statement};

-- name: count_parameters
-- How many parameters it has.
SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = %(name)s;

-- name: forget
-- Leave nothing behind, since a pooler may keep the connection.
DEALLOCATE {prepared};

-- name: explain_any
-- The plan for any parameters; from PostgreSQL 16 on.
EXPLAIN (FORMAT JSON, VERBOSE, SETTINGS, BUFFERS, GENERIC_PLAN) {statement};

-- name: explain
-- The plan; nothing runs.
EXPLAIN (FORMAT JSON, VERBOSE, SETTINGS, BUFFERS) EXECUTE {prepared} {parameters};

-- name: explain_analyze
-- The plan with what it took; the statement runs.
EXPLAIN (FORMAT JSON, VERBOSE, SETTINGS, BUFFERS, ANALYZE) EXECUTE {prepared} {parameters};

-- name: read_tables
-- What the catalogue knows of the tables of a plan.
SELECT
    format('%%s.%%s', nspname, relname) AS name,
    format('%%I.%%I', nspname, relname) AS quoted,
    reltuples::float8 AS rows,
    relkind = 'p' OR relispartition AS partitioned
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE format('%%s.%%s', nspname, relname) = ANY(%(names)s::text[]) AND relkind IN ('r', 'p', 'm');

-- name: read_query
-- A statement of pg_stat_statements by its number, in this database. Planning may call functions
-- with the rights of this role: so whose it is is said.
SELECT query, userid = (SELECT oid FROM pg_roles WHERE rolname = current_user) AS trusted
FROM {extension}.pg_stat_statements
WHERE
    queryid = %(number)s
    AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 2 DESC
LIMIT 1;
