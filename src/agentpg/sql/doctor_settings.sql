-- The server's settings, and what they are judged by.

-- name: read_server
-- The server, and what the role may see and do; `managed` by the roles that providers make.
SELECT
    quote_ident(current_user::text) AS role,
    current_database()::text AS database,
    current_setting('server_version_num')::int AS server_version,
    pg_is_in_recovery() AS in_recovery,
    coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false) AS superuser,
    pg_has_role('pg_read_all_settings', 'USAGE') AS sees_all,
    coalesce(current_setting('allow_alter_system', true)::boolean, true) AS takes_alter_system,
    EXISTS (
        SELECT
        FROM pg_roles
        WHERE rolname IN (
            'rds_superuser', 'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin'
        )
    ) AS managed,
    pg_backend_pid() AS process,
    (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_folder,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements')
        AS has_statements,
    (SELECT count(*) FROM pg_replication_slots)::int AS slots,
    coalesce((SELECT sum(numbackends) FROM pg_stat_database), 0)::int AS sessions,
    coalesce((SELECT sum(temp_bytes) FROM pg_stat_database), 0)::bigint AS temp_bytes,
    now() AS asked_at;

-- name: read_file_errors
-- What in the files of settings can't be used; who may not look is refused. To be asked before the
-- settings: the look itself finds what waits for a restart, and that is no error.
SELECT
    coalesce(sourcefile, '') AS file,
    coalesce(sourceline, 0) AS line,
    coalesce(name, '') AS name,
    error
FROM pg_file_settings
WHERE error IS NOT NULL
ORDER BY seqno
LIMIT 50;

-- name: read_settings
-- Every setting as new sessions of this role get it; `source` tells where from.
SELECT
    name,
    coalesce(reset_val, setting) AS value,
    coalesce(boot_val, '') AS default_value,
    coalesce(unit, '') AS unit,
    vartype AS kind,
    context,
    source,
    coalesce(sourcefile, '') AS file,
    coalesce(sourceline, 0) AS line,
    pending_restart
FROM pg_settings;

-- name: read_pending
-- What waits for a restart, as the files have it; who may not look is refused.
SELECT DISTINCT ON (name)
    name,
    coalesce(setting, '') AS value
FROM pg_file_settings
WHERE name = ANY(%(names)s::text[])
ORDER BY name, seqno DESC;

-- name: read_hba_errors
-- Lines of pg_hba.conf that can't be used; from 16 on they tell their file.
SELECT
    coalesce(to_jsonb(rules) ->> 'file_name', 'pg_hba.conf') AS file,
    coalesce(line_number, 0) AS line,
    error
FROM pg_hba_file_rules AS rules
WHERE error IS NOT NULL
ORDER BY line_number
LIMIT 50;

-- name: read_checkpoints
-- How often checkpoints began by the clock, and because of the WAL or a request; before 17.
SELECT
    checkpoints_timed AS timed,
    checkpoints_req AS requested,
    extract(epoch FROM now() - stats_reset)::float8 AS seconds
FROM pg_stat_bgwriter;

-- name: read_checkpoints_17
-- The same from 17 on.
SELECT
    num_timed AS timed,
    num_requested AS requested,
    extract(epoch FROM now() - stats_reset)::float8 AS seconds
FROM pg_stat_checkpointer;

-- name: read_wal
-- How much WAL was written, and since when.
SELECT wal_bytes::bigint AS written, extract(epoch FROM now() - stats_reset)::float8 AS seconds
FROM pg_stat_wal;

-- name: read_roles
-- The roles that log in, with their own time-outs for this database, and whether they own tables
-- of it; the narrower setting counts.
SELECT
    r.rolname::text AS name,
    r.rolsuper AS superuser,
    r.rolreplication AS replicates,
    EXISTS (
        SELECT
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE
            c.relowner = r.oid
            AND c.relkind IN ('r', 'p')
            AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    ) AS owns,
    coalesce(own.settings, '{{}}') AS settings
FROM pg_roles AS r
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(said.name, said.value) AS settings
    FROM (
        SELECT DISTINCT ON (split_part(one, '=', 1))
            split_part(one, '=', 1) AS name,
            substr(one, strpos(one, '=') + 1) AS value
        FROM pg_db_role_setting AS s
        CROSS JOIN LATERAL unnest(s.setconfig) AS one
        WHERE
            s.setrole IN (r.oid, 0)
            AND s.setdatabase IN (
                0, (SELECT oid FROM pg_database WHERE datname = current_database())
            )
            AND split_part(one, '=', 1) IN (
                'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'
            )
        ORDER BY split_part(one, '=', 1), s.setrole DESC, s.setdatabase DESC
    ) AS said
) AS own ON true
WHERE r.rolcanlogin AND has_database_privilege(r.oid, current_database(), 'CONNECT')
ORDER BY r.rolname
LIMIT 50;

-- name: read_own
-- What roles and databases have for themselves of the settings that can harm.
SELECT
    coalesce(r.rolname::text, '') AS role,
    coalesce(d.datname::text, '') AS database,
    split_part(one, '=', 1) AS name,
    substr(one, strpos(one, '=') + 1) AS value
FROM pg_db_role_setting AS s
CROSS JOIN LATERAL unnest(s.setconfig) AS one
LEFT JOIN pg_roles AS r ON r.oid = s.setrole
LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
WHERE
    split_part(one, '=', 1) IN (
        'synchronous_commit', 'zero_damaged_pages', 'ignore_checksum_failure',
        'default_transaction_read_only', 'statement_timeout', 'transaction_timeout'
    )
    OR one LIKE 'enable\_%%'
ORDER BY 1, 2, 3
LIMIT 50;

-- name: read_automatic
-- What ALTER SYSTEM has set so far, by its own file; who may not look is refused.
SELECT DISTINCT ON (name) name, coalesce(setting, '') AS value
FROM pg_file_settings
WHERE name = ANY(%(names)s::text[]) AND sourcefile LIKE '%%postgresql.auto.conf'
ORDER BY name, seqno DESC;

-- name: read_of_role
-- What is set for a role in all databases.
SELECT split_part(one, '=', 1) AS name, substr(one, strpos(one, '=') + 1) AS value
FROM pg_db_role_setting AS s
CROSS JOIN LATERAL unnest(s.setconfig) AS one
WHERE
    s.setrole = (SELECT oid FROM pg_roles WHERE rolname = %(role)s)
    AND s.setdatabase = 0;

-- name: may_alter
-- Whether the role may change each of these settings by ALTER SYSTEM.
SELECT name, has_parameter_privilege(current_user, name, 'ALTER SYSTEM') AS allowed
FROM unnest(%(names)s::text[]) AS name;

-- name: may_reload
-- Whether the role may have the server read its files anew.
SELECT has_function_privilege('pg_catalog.pg_reload_conf()', 'EXECUTE');

-- name: may_set_for
-- Whether the role may change what is set for another one.
SELECT
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    OR current_user = %(role)s
    OR (
        (SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user)
        AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = %(role)s)
    );

-- name: load_library
-- See whether the server has this library: one that is missing would keep it from starting.
LOAD {library};

-- name: set_system
-- Set a setting for the whole server, in its own file.
ALTER SYSTEM SET {setting} = {value};

-- name: reset_system
-- Take a setting out of that file.
ALTER SYSTEM RESET {setting};

-- name: set_for_role
-- Set a setting for the sessions of a role.
ALTER ROLE {role} SET {setting} = {value};

-- name: reset_for_role
-- Take it back.
ALTER ROLE {role} RESET {setting};

-- name: reload
-- Have the server read its files anew.
SELECT pg_catalog.pg_reload_conf();
