-- Roles by least privilege: what there is, and the statements that make it what it should be.

-- name: patience
-- Looking gives up soon; nothing of this waits for locks.
SELECT
    pg_catalog.set_config('statement_timeout', '20s', true),
    pg_catalog.set_config('lock_timeout', '5s', true);

-- name: me
-- Who looks, and what that role may do about roles and about the installation's objects.
SELECT
    r.rolname::text AS role,
    r.rolsuper AS superuser,
    r.rolcreaterole AS creates_roles,
    r.rolreplication AS replicates,
    r.rolbypassrls AS bypasses_rows,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions,
    current_setting('server_version_num')::int / 10000 AS major,
    d.datname::text AS database,
    pg_get_userbyid(d.datdba)::text AS database_owner,
    pg_has_role(d.datdba, 'USAGE') AS owns_database,
    pg_get_userbyid(n.nspowner)::text AS owner,
    coalesce(pg_has_role(n.nspowner, 'USAGE'), false) AS owns_schema
FROM pg_roles r
JOIN pg_database d ON d.datname = current_database()
LEFT JOIN pg_namespace n ON n.nspname = %(schema)s
WHERE r.rolname = current_user;

-- name: roles
-- Those of these roles that are there, and whether the one who looks may admit others to them.
SELECT
    r.rolname::text AS name,
    r.rolcanlogin AS logs_in,
    r.rolsuper AS superuser,
    r.rolinherit AS inherits,
    r.rolcreaterole AS creates_roles,
    r.rolcreatedb AS creates_databases,
    r.rolreplication AS replicates,
    r.rolbypassrls AS bypasses_rows,
    pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION') AS administered,
    (
        SELECT substr(c.value, 6)
        FROM pg_db_role_setting s, unnest(s.setconfig) AS c (value)
        WHERE s.setrole = r.oid AND s.setdatabase = 0 AND starts_with(c.value, 'role=')
    ) AS acts_as
FROM pg_roles r
WHERE r.rolname = ANY (%(names)s::text[])
ORDER BY 1;

-- name: memberships
-- What these roles are members of themselves.
SELECT g.rolname::text AS granted, m.rolname::text AS member, bool_or(a.admin_option) AS admin
FROM pg_auth_members a
JOIN pg_roles g ON g.oid = a.roleid
JOIN pg_roles m ON m.oid = a.member
WHERE m.rolname = ANY (%(names)s::text[])
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: relations
-- The tables, views and sequences of the schema with their columns, but for those of extensions.
SELECT
    c.relname::text AS name,
    CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' ELSE 'table' END AS kind,
    ARRAY(
        SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    ) AS columns
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    AND NOT EXISTS (
        SELECT FROM pg_depend e
        WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
    )
ORDER BY 1;

-- name: functions
-- The functions of the schema, each with its arguments, but for those of extensions.
SELECT
    p.proname::text AS name,
    pg_get_function_identity_arguments(p.oid) AS arguments,
    p.prokind = 'p' AS is_procedure,
    p.prosecdef AS is_definer,
    EXISTS (SELECT FROM unnest(p.proconfig) s WHERE starts_with(s, 'search_path=')) AS path_is_fixed
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = %(schema)s AND p.prokind IN ('f', 'p', 'w')
    AND NOT EXISTS (
        SELECT FROM pg_depend e
        WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'
    )
ORDER BY 1, 2;

-- name: grants
-- What is granted on the database, the schema and all in it, and on these functions of the
-- server's own, to whom; without what an owner has of itself. PUBLIC is ''.
WITH held AS (
    SELECT
        'database' AS kind, d.datname::text AS object, '' AS arguments, '' AS column,
        coalesce(d.datacl, acldefault('d', d.datdba)) AS acl, d.datdba AS owner
    FROM pg_database d
    WHERE d.datname = current_database()
    UNION ALL
    SELECT 'schema', n.nspname, '', '', coalesce(n.nspacl, acldefault('n', n.nspowner)), n.nspowner
    FROM pg_namespace n
    WHERE n.nspname = %(schema)s
    UNION ALL
    SELECT
        CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, c.relname, '', '', c.relacl,
        c.relowner
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND c.relacl IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM pg_depend e
            WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
        )
    UNION ALL
    SELECT 'table', c.relname, '', a.attname, a.attacl, c.relowner
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND a.attacl IS NOT NULL AND NOT a.attisdropped
        AND NOT EXISTS (
            SELECT FROM pg_depend e
            WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
        )
    UNION ALL
    SELECT
        'function', p.proname, pg_get_function_identity_arguments(p.oid), '',
        coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = %(schema)s AND p.prokind IN ('f', 'p', 'w')
        AND NOT EXISTS (
            SELECT FROM pg_depend e
            WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'
        )
    UNION ALL
    SELECT
        'server function', p.proname, pg_get_function_identity_arguments(p.oid), '',
        coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner
    FROM pg_proc p
    WHERE p.oid = ANY (%(server_functions)s::regprocedure[])
)
SELECT
    coalesce(r.rolname::text, '') AS role,
    h.kind, h.object::text AS object, h.arguments, h.column::text AS column,
    a.privilege_type AS privilege,
    bool_or(a.is_grantable) AS grantable
FROM held h
CROSS JOIN LATERAL aclexplode(h.acl) a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE a.grantee <> h.owner AND (a.grantee = 0 OR r.oid IS NOT NULL)
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 2, 3, 4, 5, 1, 6;

-- name: defaults
-- What others get on what the owner makes later; PUBLIC is ''. Of functions and types everybody
-- has something where nothing is said.
SELECT
    coalesce(n.nspname::text, '') AS schema,
    d.defaclobjtype::text AS kind,
    coalesce(r.rolname::text, '') AS role,
    a.privilege_type AS privilege
FROM (
    SELECT d.defaclnamespace, d.defaclobjtype, d.defaclacl, d.defaclrole
    FROM pg_default_acl d
    WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = %(owner)s)
    UNION ALL
    SELECT 0, 'f', acldefault('f', o.oid), o.oid
    FROM pg_roles o
    WHERE o.rolname = %(owner)s AND NOT EXISTS (
        SELECT FROM pg_default_acl d
        WHERE d.defaclrole = o.oid AND d.defaclnamespace = 0 AND d.defaclobjtype = 'f'
    )
) d
CROSS JOIN LATERAL aclexplode(d.defaclacl) a
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE a.grantee <> d.defaclrole AND (d.defaclnamespace = 0 OR n.nspname = %(schema)s)
ORDER BY 1, 2, 3, 4;

-- name: guests
-- Roles that are not ours, work in this database or have rights in the schema, and come in because
-- everybody may.
SELECT r.rolname::text AS name
FROM pg_roles r
JOIN pg_database d ON d.datname = current_database()
WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname <> ALL (%(names)s::text[])
    AND (
        r.oid IN (SELECT a.usesysid FROM pg_stat_activity a WHERE a.datid = d.oid)
        OR EXISTS (
            SELECT
            FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            CROSS JOIN LATERAL aclexplode(c.relacl) a
            WHERE n.nspname = %(schema)s AND pg_has_role(r.oid, nullif(a.grantee, 0), 'USAGE')
        )
    )
    AND NOT EXISTS (
        SELECT
        FROM aclexplode(d.datacl) a
        WHERE a.privilege_type = 'CONNECT' AND pg_has_role(r.oid, nullif(a.grantee, 0), 'USAGE')
    )
    AND NOT pg_has_role(r.oid, d.datdba, 'USAGE')
ORDER BY 1
LIMIT 100;

-- name: sessions
-- As whom programs of agentpg are connected to this database now.
SELECT
    coalesce(a.usename::text, '') AS role,
    split_part(a.application_name, ' ', 2) AS program,
    count(*)::int AS sessions,
    bool_or(coalesce(r.rolsuper, false)) AS superuser
FROM pg_stat_activity a
LEFT JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.datname = current_database() AND a.backend_type = 'client backend'
    AND starts_with(a.application_name, 'agentpg ')
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: create_group
-- A role that holds rights and cannot log in.
CREATE ROLE {role} NOLOGIN;

-- name: create_login
-- A role that logs in; its password comes as a verifier, so that no log ever has it.
CREATE ROLE {role} LOGIN PASSWORD {verifier};

-- name: set_password
-- Another password, as its verifier.
ALTER ROLE {role} PASSWORD {verifier};

-- name: drop_role
-- Take a role away again; it must not own anything.
DROP ROLE {role};

-- name: set_attributes
-- What a role may do beside its rights.
ALTER ROLE {role} {attributes};

-- name: act_as
-- Whoever logs in so acts as another role, to which belongs what it makes.
ALTER ROLE {role} SET role = {other};

-- name: act_as_itself
-- Take that back.
ALTER ROLE {role} RESET role;

-- name: join
-- Give a role what a group has.
GRANT {granted} TO {role};

-- name: leave
-- Take that back.
REVOKE {granted} FROM {role};

-- name: leave_admin
-- Leave it a member that admits nobody else.
REVOKE ADMIN OPTION FOR {granted} FROM {role};

-- name: join_admin
-- Take that back.
GRANT {granted} TO {role} WITH ADMIN OPTION;

-- name: grant
-- Rights on one thing, for one role.
GRANT {privileges} ON {object} TO {role};

-- name: revoke
-- Take them.
REVOKE {privileges} ON {object} FROM {role};

-- name: revoke_option
-- Leave the rights, and take that they are handed on.
REVOKE GRANT OPTION FOR {privileges} ON {object} FROM {role};

-- name: grant_option
-- Take that back.
GRANT {privileges} ON {object} TO {role} WITH GRANT OPTION;

-- name: grant_default
-- Rights on what the owner makes in the schema later.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT {privileges} ON {kind} TO {role};

-- name: revoke_default
-- Take them.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    REVOKE {privileges} ON {kind} FROM {role};

-- name: grant_default_everywhere
-- Rights on what the owner makes later, in any schema of the database.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT {privileges} ON {kind} TO {role};

-- name: revoke_default_everywhere
-- Take them; what PostgreSQL gives everybody can only be taken so.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE {privileges} ON {kind} FROM {role};

-- name: lock
-- One at a time changes roles here.
SELECT pg_advisory_xact_lock(
    hashtextextended('agentpg roles ' || current_database()::text, 0::bigint)
);
