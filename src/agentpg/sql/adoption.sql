-- Taking over the tables of a database that the guide made.

-- name: candidates
-- The schemas that have a table tasks with the guide's columns, and no list of migrations.
SELECT n.nspname::text AS name
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'tasks' AND c.relkind IN ('r', 'p')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (SELECT count(*) FROM pg_attribute a
       WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname IN ('id', 'status')) = 2
ORDER BY n.nspname;

-- name: tables
-- The tables of these names in one schema.
SELECT
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.relpersistence = 'u' AS is_unlogged,
    c.relrowsecurity AS has_row_security,
    EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) AS is_inherited,
    pg_get_userbyid(c.relowner)::text AS owner,
    c.relowner = current_user::regrole AS is_ours,
    coalesce(c.reloptions, '{{}}') AS options
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s)
ORDER BY c.relname;

-- name: columns
-- Their columns, with the views that read each and whether a foreign key uses it.
SELECT
    c.relname::text AS table_name,
    a.attname::text AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    t.typname::text AS base,
    t.typtype = 'e' AS is_enum,
    nullif(a.atttypmod, -1) - 4 AS length,
    a.attnotnull AS not_null,
    pg_get_expr(d.adbin, d.adrelid) AS default,
    a.attidentity <> '' OR a.attgenerated <> '' AS is_made,
    a.attgenerated <> '' AS is_generated,
    ARRAY(
        SELECT DISTINCT r.ev_class::regclass::text
        FROM pg_depend p
        JOIN pg_rewrite r ON r.oid = p.objid AND p.classid = 'pg_rewrite'::regclass
        WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = c.oid
          AND p.refobjsubid = a.attnum AND r.ev_class <> c.oid
    ) AS views,
    EXISTS (
        SELECT FROM pg_constraint k
        WHERE k.contype = 'f' AND (
            (k.conrelid = c.oid AND a.attnum = ANY (k.conkey))
            OR (k.confrelid = c.oid AND a.attnum = ANY (k.confkey))
        )
    ) AS in_foreign_key
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s)
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum;

-- name: constraints
-- Their constraints, and the foreign keys of other tables that lead to them.
SELECT
    c.relname::text AS table_name,
    k.conname::text AS name,
    k.contype::text AS kind,
    pg_get_constraintdef(k.oid) AS definition,
    n.nspname::text AS schema_name,
    CASE WHEN fn.nspname = %(schema)s AND f.relname = ANY (%(tables)s) THEN f.relname::text
    END AS target,
    n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AS is_of_ours,
    ARRAY(
        SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
        ORDER BY u.place
    ) AS columns,
    ARRAY(
        SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, place)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum
        ORDER BY u.place
    ) AS target_columns
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class f ON f.oid = k.confrelid
LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
WHERE k.contype IN ('c', 'p', 'u', 'x', 'f')
  AND ((n.nspname = %(schema)s AND c.relname = ANY (%(tables)s))
       OR (fn.nspname = %(schema)s AND f.relname = ANY (%(tables)s)))
ORDER BY c.relname, k.conname;

-- name: indexes
-- Their indexes that belong to no constraint; two with equal `form` do the same.
SELECT
    c.relname::text AS table_name,
    i.relname::text AS name,
    x.indisvalid AS is_valid,
    replace(
        pg_get_indexdef(x.indexrelid), format(' %%I ON %%I.%%I ', i.relname, n.nspname, c.relname), ' '
    ) AS form
FROM pg_index x
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s)
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.conrelid = c.oid)
ORDER BY c.relname, i.relname;

-- name: names_taken
-- What else in a schema has one of these names: relations and functions.
SELECT relname::text AS name FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND relname = ANY (%(names)s)
UNION
SELECT proname::text FROM pg_proc
WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND proname = ANY (%(names)s)
ORDER BY name;

-- name: has_schema
-- Whether there is such a schema.
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s) AS known;

-- name: schema_names
-- The names of all relations and functions of a schema.
SELECT relname::text AS name FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND relkind IN ('r', 'v')
UNION
SELECT proname::text FROM pg_proc
WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s);

-- name: dependents
-- Views, triggers and policies on the tables, and foreign keys of other tables to them.
WITH ours AS (
    SELECT c.oid, c.relname::text AS table_name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s)
)
SELECT DISTINCT ours.table_name, 'view' AS kind, r.ev_class::regclass::text AS name
FROM ours
JOIN pg_depend p ON p.refclassid = 'pg_class'::regclass AND p.refobjid = ours.oid
JOIN pg_rewrite r ON r.oid = p.objid AND p.classid = 'pg_rewrite'::regclass
WHERE r.ev_class <> ours.oid
UNION ALL
SELECT ours.table_name, 'trigger', g.tgname::text
FROM ours JOIN pg_trigger g ON g.tgrelid = ours.oid
WHERE NOT g.tgisinternal
UNION ALL
SELECT ours.table_name, 'foreign key', format('%%s.%%s', k.conrelid::regclass, k.conname)
FROM ours JOIN pg_constraint k ON k.confrelid = ours.oid
WHERE k.contype = 'f'
UNION ALL
SELECT ours.table_name, 'grant', format('%%s: %%s', g.grantee, string_agg(g.privilege, ', ' ORDER BY g.privilege))
FROM ours
JOIN LATERAL (
    SELECT coalesce(nullif(acl.grantee, 0)::regrole::text, 'PUBLIC') AS grantee, acl.privilege_type AS privilege
    FROM pg_class c, aclexplode(c.relacl) AS acl
    WHERE c.oid = ours.oid AND acl.grantee <> c.relowner
) AS g ON true
GROUP BY ours.table_name, g.grantee
ORDER BY table_name, kind, name;

-- name: grantees
-- The roles that may do something with the tables, and whether they may write tasks.
SELECT
    coalesce(nullif(acl.grantee, 0)::regrole::text, 'PUBLIC') AS role,
    bool_or(c.relname = 'tasks' AND acl.privilege_type IN ('INSERT', 'UPDATE')) AS writes_tasks
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN aclexplode(c.relacl) AS acl
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AND acl.grantee <> c.relowner
GROUP BY role
ORDER BY role;

-- name: time_zone
-- The time zone that the server's sessions have here.
SELECT current_setting('TimeZone') AS name;

-- name: is_time_zone
-- Whether the server knows a time zone.
SELECT EXISTS (SELECT FROM pg_timezone_names WHERE lower(name) = lower(%(zone)s)) AS known;

-- name: status_counts
-- How many tasks have each status, whatever it is.
SELECT status::text AS status, count(*) AS tasks FROM {schema}.tasks GROUP BY 1 ORDER BY 2 DESC, 1;

-- name: row_count
-- How many rows a table has.
SELECT count(*) AS rows FROM {schema}.{table};

-- name: key_faults
-- How many rows cannot have a primary key: without a value, or with that of another row.
SELECT count(*) - count(DISTINCT ({columns})) FILTER (WHERE ({columns}) IS NOT NULL) AS faults
FROM {schema}.{table};

-- name: probe_conversion
-- How many values would be lost by a conversion; fails where one has no other form.
SELECT count({using}) AS converted, count(*) FILTER (WHERE {loses}) AS lost FROM {schema}.{table};

-- name: unknown_roles
-- How many users have a role that is none of ours.
SELECT count(*) AS users FROM {schema}.users
WHERE role IS NOT NULL AND role::text NOT IN ('admin', 'operator', 'viewer');

-- name: act_as_owner
-- Do the rest as the owner of the tables, who shall own the new ones too.
SET LOCAL ROLE {owner};

-- name: create_schema_for
-- Make the schema for the owner of the tables.
CREATE SCHEMA {schema} AUTHORIZATION {owner};

-- name: lock_table
-- Nobody writes to it until all is done.
LOCK TABLE {schema}.{table} IN ACCESS EXCLUSIVE MODE;

-- name: move_table
-- Move it as it is: its rows, indexes, views and foreign keys stay.
ALTER TABLE {old_schema}.{table} SET SCHEMA {schema};

-- name: grant_usage
-- Who may use a table needs the schema it is in now.
GRANT USAGE ON SCHEMA {schema} TO {role};

-- name: grant_writing
-- Who writes tasks by plain SQL does through the triggers what they do.
GRANT SELECT ON {schema}.workers TO {role};
GRANT SELECT, UPDATE ON {schema}.agent_executions TO {role};
GRANT SELECT ON {schema}.ruled TO {role};
GRANT EXECUTE ON FUNCTION {schema}.uuid7(), {schema}.lane_of(text, text, text, jsonb) TO {role};

-- name: drop_constraint
-- It forbids what agentpg writes, or gives way to one of agentpg's.
ALTER TABLE {old_schema}.{table} DROP CONSTRAINT {constraint};

-- name: add_constraint
-- It holds for all rows but those that were here before.
ALTER TABLE {old_schema}.{table} ADD CONSTRAINT {constraint} {definition};

-- name: rename_constraint
-- The same constraint under the name that later migrations know.
ALTER TABLE {schema}.{table} RENAME CONSTRAINT {constraint} TO {new_name};

-- name: rename_index
-- An index that does the same, under the name that later migrations know.
ALTER INDEX {schema}.{index} RENAME TO {new_name};

-- name: rename_column
-- A column of the same name that means something else keeps its values.
ALTER TABLE {schema}.{table} RENAME COLUMN {column} TO {new_name};

-- name: copy_column
-- Values that have no place in agentpg's column are kept beside it.
ALTER TABLE {schema}.{table} ADD COLUMN {new_name} {type};
UPDATE {schema}.{table} SET {new_name} = {column};

-- name: add_column
-- A column of agentpg's.
ALTER TABLE {schema}.{table} ADD COLUMN {column} {type};

-- name: add_column_for_all
-- A column of agentpg's, with one value for the rows that are here and another for new ones.
ALTER TABLE {schema}.{table} ADD COLUMN {column} {type} DEFAULT {value};
ALTER TABLE {schema}.{table} ALTER COLUMN {column} SET DEFAULT {default};

-- name: convert_column
-- Every value keeps its meaning in the new type.
ALTER TABLE {schema}.{table} ALTER COLUMN {column} DROP DEFAULT;
ALTER TABLE {schema}.{table} ALTER COLUMN {column} TYPE {type} USING {using};

-- name: set_default
-- What a new row gets.
ALTER TABLE {schema}.{table} ALTER COLUMN {column} SET DEFAULT {default};

-- name: drop_default
-- A new row gets nothing here by itself.
ALTER TABLE {schema}.{table} ALTER COLUMN {column} DROP DEFAULT;

-- name: fill_nulls
-- Where nothing was said, the default.
UPDATE {schema}.{table} SET {column} = DEFAULT WHERE {column} IS NULL;

-- name: set_not_null
-- Always given.
ALTER TABLE {schema}.{table} ALTER COLUMN {column} SET NOT NULL;

-- name: drop_not_null
-- agentpg's own rows do not give it.
ALTER TABLE {schema}.{table} ALTER COLUMN {column} DROP NOT NULL;

-- name: set_logged
-- A table that a crash empties is no record.
ALTER TABLE {schema}.{table} SET LOGGED;

-- name: reset_options
-- Storage settings that give way to agentpg's.
ALTER TABLE {schema}.{table} RESET ({options});

-- name: set_options
-- Storage settings for rows that are rewritten often.
ALTER TABLE {schema}.{table} SET ({options});

-- name: settle_old_tasks
-- No worker holds them: what was running begins anew; and unless they shall run, all wait.
UPDATE {schema}.tasks
SET status = 'pending',
    run_at = coalesce(created_at, now()),
    held_reason = CASE WHEN NOT %(run_pending)s THEN %(held_reason)s END
WHERE status IN ('pending', 'running', 'waiting');

-- name: name_executions
-- An execution without a task gets a task's id of its own, since it is part of the key.
UPDATE {schema}.agent_executions SET task_id = {schema}.uuid7() WHERE task_id IS NULL;

-- name: number_executions
-- The attempts of a task in the order of their start.
UPDATE {schema}.agent_executions e
SET attempt = n.attempt
FROM (
    SELECT ctid, row_number() OVER (PARTITION BY task_id ORDER BY execution_start, ctid) AS attempt
    FROM {schema}.agent_executions
) AS n
WHERE e.ctid = n.ctid;

-- name: settle_old_executions
-- What can be told from the task: the agent, and how its newest execution ended. None is open
-- any more. Calls without tokens and without cost are counted as such.
UPDATE {schema}.agent_executions e
SET agent_name = coalesce(e.agent_name, t.agent_name),
    task_type = coalesce(e.task_type, t.task_type),
    outcome = CASE
        WHEN e.outcome IS NOT NULL THEN e.outcome
        WHEN e.execution_end IS NULL THEN 'lost'
        WHEN e.error_message IS NOT NULL OR e.attempt < n.attempts THEN 'failed'
        WHEN t.status IN ('completed', 'failed', 'cancelled') THEN t.status
    END,
    llm_calls = coalesce(e.llm_calls, 0),
    llm_total_tokens = coalesce(e.llm_total_tokens, 0),
    llm_unknown_calls = CASE
        WHEN e.llm_total_tokens IS NULL THEN coalesce(e.llm_calls, 0)
        ELSE coalesce(e.llm_unknown_calls, 0)
    END,
    llm_unpriced_calls = CASE
        WHEN e.cost_usd IS NULL THEN coalesce(e.llm_calls, 0)
        ELSE coalesce(e.llm_unpriced_calls, 0)
    END
FROM (
    SELECT task_id, max(attempt) AS attempts FROM {schema}.agent_executions GROUP BY task_id
) AS n
LEFT JOIN {schema}.tasks t ON t.id = n.task_id
WHERE n.task_id = e.task_id;

-- name: count_old_attempts
-- A task had as many attempts as it has executions; the newest ones tell its times.
UPDATE {schema}.tasks t
SET attempt = greatest(t.attempt, n.attempts),
    started_at = coalesce(t.started_at, n.newest_start),
    finished_at = CASE
        WHEN t.status IN ('completed', 'failed', 'cancelled')
        THEN coalesce(t.finished_at, n.newest_end)
    END
FROM (
    SELECT task_id, max(attempt) AS attempts, max(execution_start) AS newest_start,
           max(execution_end) AS newest_end
    FROM {schema}.agent_executions
    GROUP BY task_id
) AS n
WHERE n.task_id = t.id;

-- name: name_users
-- The name by which a user was known; one that is too long stays where it is.
UPDATE {schema}.users SET username = {column}::text
WHERE username IS NULL AND length({column}::text) <= 100;

-- name: weaken_roles
-- A role that agentpg does not know may only look.
UPDATE {schema}.users SET role = 'viewer'
WHERE role IS NULL OR role NOT IN ('admin', 'operator', 'viewer');

-- name: enabled_triggers
-- The triggers of others that would run when rows are completed.
SELECT c.relname::text AS table_name, g.tgname::text AS name
FROM pg_trigger g
JOIN pg_class c ON c.oid = g.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s)
  AND NOT g.tgisinternal AND g.tgenabled = 'O'
ORDER BY c.relname, g.tgname;

-- name: check_at_once
-- A deferred check would keep the tables from being altered.
SET CONSTRAINTS ALL IMMEDIATE;

-- name: disable_trigger
-- Completing old rows is no event for it.
ALTER TABLE {schema}.{table} DISABLE TRIGGER {trigger};

-- name: enable_trigger
-- It works as before.
ALTER TABLE {schema}.{table} ENABLE TRIGGER {trigger};
