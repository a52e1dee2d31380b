-- What an audit of security asks of a server: catalogues and settings alone, each once, and bounded.

-- name: server
-- Who asks, what they may see, and the database as everybody has it.
SELECT
    quote_ident(current_user::text) AS role,
    r.rolsuper AS is_superuser,
    pg_has_role('pg_read_all_settings', 'USAGE') AS sees_settings,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions,
    current_setting('server_version_num')::int AS version,
    pg_is_in_recovery() AS in_recovery,
    d.datname::text AS database,
    pg_get_userbyid(d.datdba)::text AS owner,
    has_database_privilege('public', d.oid, 'CONNECT') AS public_connects,
    has_database_privilege('public', d.oid, 'TEMP') AS public_makes_temporary,
    EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s) AS has_schema,
    -- Everybody may read these views of statistics since the repair of CVE-2024-4317.
    pg_get_viewdef('pg_catalog.pg_stats_ext_exprs'::regclass) ~ 'pg_has_role' AS views_are_repaired,
    pg_conf_load_time() AS loaded_at,
    now() AS asked_at
FROM pg_database d, pg_roles r
WHERE d.datname = current_database() AND r.rolname = current_user;

-- name: settings
-- The settings that matter here; those that the role may not see are left out by the server.
SELECT
    name,
    setting AS value,
    source,
    context,
    coalesce(sourcefile, '') AS file
FROM pg_settings
WHERE name = ANY (%(names)s);

-- name: hba
-- The lines of pg_hba.conf in their order, as the next reload would take them.
SELECT
    coalesce(to_jsonb(h) ->> 'file_name', '') AS file,
    line_number AS number,
    coalesce(type, '') AS kind,
    coalesce(database, '{{}}') AS databases,
    coalesce(user_name, '{{}}') AS users,
    coalesce(address, '') AS address,
    coalesce(netmask, '') AS netmask,
    coalesce(auth_method, '') AS method,
    coalesce(options, '{{}}') AS options,
    coalesce(error, '') AS error
FROM pg_hba_file_rules h
ORDER BY (to_jsonb(h) ->> 'rule_number')::int NULLS LAST, line_number
LIMIT 2000;

-- name: hba_changed
-- When the file was written last; for superusers, unless it is granted.
SELECT modification AS at FROM pg_stat_file(current_setting('hba_file'));

-- name: idents
-- Which names of the operating system may become which roles.
SELECT
    line_number AS number,
    coalesce(map_name, '') AS map,
    coalesce(sys_name, '') AS system_name,
    coalesce(pg_username, '') AS role,
    coalesce(error, '') AS error
FROM pg_ident_file_mappings
ORDER BY line_number
LIMIT 1000;

-- name: roles
-- Every role that is not PostgreSQL's own, the mightiest first.
SELECT
    rolname::text AS name,
    oid = 10 AS is_bootstrap,
    rolsuper AS superuser,
    rolcreaterole AS creates_roles,
    rolcreatedb AS creates_databases,
    rolreplication AS replicates,
    rolbypassrls AS bypasses_rows,
    rolcanlogin AS logs_in,
    nullif(rolconnlimit, -1) AS connection_limit,
    -- No moment of Python's is so late, nor is infinity one.
    CASE WHEN rolvaliduntil < '9999-01-01' THEN greatest(rolvaliduntil, '1970-01-01') END
        AS valid_until
FROM pg_roles
WHERE rolname !~ '^pg_'
ORDER BY rolsuper DESC, rolreplication DESC, rolcreaterole DESC, rolcanlogin DESC, rolname
LIMIT 10000;

-- name: verifiers
-- What is stored for the passwords of those who log in; for superusers.
SELECT rolname::text AS role, coalesce(rolpassword, '') AS verifier
FROM pg_authid
WHERE rolcanlogin
ORDER BY rolsuper DESC, rolreplication DESC, rolcreaterole DESC, rolname
LIMIT 10000;

-- name: powers
-- Who has, by whatever way, the rights of these roles of PostgreSQL's own, or of a superuser, and
-- as a direct member of which role.
WITH RECURSIVE reached AS (
    SELECT
        CASE WHEN r.rolsuper THEN 'superuser' ELSE r.rolname::text END AS power,
        m.member,
        m.roleid AS via
    FROM pg_roles r
    JOIN pg_auth_members m ON m.roleid = r.oid
    WHERE r.rolsuper OR r.rolname = ANY (%(powers)s)
    UNION
    SELECT reached.power, m.member, m.roleid
    FROM reached
    JOIN pg_auth_members m ON m.roleid = reached.member
)
SELECT
    power,
    r.rolname::text AS role,
    r.rolcanlogin AS logs_in,
    v.rolname::text AS via,
    count(*) OVER () AS total
FROM reached
JOIN pg_roles r ON r.oid = reached.member
JOIN pg_roles v ON v.oid = reached.via
WHERE NOT r.rolsuper AND r.rolname !~ '^pg_'
ORDER BY power, role, via
LIMIT 200;

-- name: groups
-- Of which roles every role is a member, directly; for the lines of pg_hba.conf that say +role.
SELECT m.rolname::text AS member, g.rolname::text AS role
FROM pg_auth_members a
JOIN pg_roles m ON m.oid = a.member
JOIN pg_roles g ON g.oid = a.roleid
LIMIT 50000;

-- name: admin_options
-- Who may make others members of a role. Since 16, whoever makes a role may, too.
SELECT g.rolname::text AS role, m.rolname::text AS member, count(*) OVER () AS total
FROM pg_auth_members a
JOIN pg_roles g ON g.oid = a.roleid
JOIN pg_roles m ON m.oid = a.member
WHERE a.admin_option AND NOT m.rolsuper
ORDER BY 1, 2
LIMIT 20;

-- name: schemas
-- Schemas in which everybody may make something.
SELECT nspname::text AS name
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND has_schema_privilege('public', oid, 'CREATE')
ORDER BY 1
LIMIT 200;

-- name: public_relations
-- What was granted to everybody on tables, views, sequences and columns, writing first.
WITH granted AS (
    SELECT c.oid, a.privilege_type
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relacl IS NOT NULL AND a.grantee = 0
    UNION ALL
    SELECT t.attrelid, a.privilege_type
    FROM pg_attribute t, aclexplode(t.attacl) a
    WHERE t.attacl IS NOT NULL AND a.grantee = 0 AND NOT t.attisdropped
)
SELECT
    format('%%I.%%I', n.nspname, c.relname) AS name,
    string_agg(DISTINCT g.privilege_type, ', ') AS privileges,
    bool_or(g.privilege_type NOT IN ('SELECT', 'USAGE')) AS writes,
    CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
    count(*) OVER () AS total
FROM granted g
JOIN pg_class c ON c.oid = g.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
GROUP BY n.nspname, c.relname, c.relkind
ORDER BY 3 DESC, 1
LIMIT 20;

-- name: public_functions
-- Functions of our schema that everybody may call.
SELECT count(*)::int AS number
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = %(schema)s AND has_function_privilege('public', p.oid, 'EXECUTE');

-- name: public_defaults
-- What everybody will have on objects that are made later, beyond what PostgreSQL gives them.
SELECT
    pg_get_userbyid(d.defaclrole)::text AS role,
    coalesce(n.nspname::text, '') AS schema,
    CASE d.defaclobjtype
        WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
        WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS'
    END AS kind,
    string_agg(DISTINCT a.privilege_type, ', ') AS privileges
FROM pg_default_acl d
CROSS JOIN LATERAL aclexplode(d.defaclacl) a
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
WHERE a.grantee = 0
    AND NOT (d.defaclnamespace = 0 AND d.defaclobjtype IN ('f', 'T'))
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
LIMIT 20;

-- name: grant_options
-- Who may hand on what was granted to them on tables and schemas.
WITH granted AS (
    SELECT n.nspname, c.relname, c.relowner AS owner, a.grantee, a.is_grantable
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL aclexplode(c.relacl) a
    WHERE c.relacl IS NOT NULL
    UNION ALL
    SELECT n.nspname, NULL, n.nspowner, a.grantee, a.is_grantable
    FROM pg_namespace n, aclexplode(n.nspacl) a
    WHERE n.nspacl IS NOT NULL
)
SELECT
    r.rolname::text AS role,
    CASE WHEN g.relname IS NULL THEN 'SCHEMA ' || quote_ident(g.nspname)
         ELSE 'TABLE ' || format('%%I.%%I', g.nspname, g.relname) END AS object,
    count(*) OVER () AS total
FROM granted g
JOIN pg_roles r ON r.oid = g.grantee
WHERE g.is_grantable AND g.grantee <> g.owner AND NOT r.rolsuper
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT 20;

-- name: direct_grants
-- Roles that log in and were granted something on tables themselves.
SELECT r.rolname::text AS role, count(DISTINCT c.oid)::int AS tables, count(*) OVER () AS total
FROM pg_class c
CROSS JOIN LATERAL aclexplode(c.relacl) a
JOIN pg_roles r ON r.oid = a.grantee
WHERE c.relacl IS NOT NULL AND r.rolcanlogin AND NOT r.rolsuper AND a.grantee <> c.relowner
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT 20;

-- name: owners
-- Who owns how many of the tables, views and sequences of each schema.
SELECT
    n.nspname::text AS schema,
    coalesce(r.rolname::text, '') AS owner,
    coalesce(r.rolcanlogin, false) AS logs_in,
    coalesce(r.rolsuper, false) AS superuser,
    count(*)::int AS relations
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_roles r ON r.oid = c.relowner
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
GROUP BY 1, 2, 3, 4
ORDER BY 1, 5 DESC
LIMIT 2000;

-- name: makers
-- Who may make tables in our schema without owning it.
SELECT r.rolname::text AS role
FROM pg_namespace n
CROSS JOIN LATERAL aclexplode(n.nspacl) a
JOIN pg_roles r ON r.oid = a.grantee
WHERE n.nspname = %(schema)s AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
    AND NOT r.rolsuper
ORDER BY 1
LIMIT 20;

-- name: definers
-- Functions that run with their owner's rights.
SELECT
    format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name,
    p.prokind = 'p' AS is_procedure,
    pg_get_userbyid(p.proowner)::text AS owner,
    coalesce(r.rolsuper, false) AS superuser,
    EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%%') AS path_is_fixed,
    has_function_privilege('public', p.oid, 'EXECUTE') AS public_calls,
    count(*) OVER () AS total
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN pg_roles r ON r.oid = p.proowner
WHERE p.prosecdef AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    )
ORDER BY path_is_fixed, public_calls DESC, superuser DESC, name
LIMIT 200;

-- name: open_views
-- Views that read, with their owner's rights, tables whose rows are guarded.
SELECT DISTINCT
    format('%%I.%%I', vn.nspname, v.relname) AS name,
    format('%%I.%%I', tn.nspname, t.relname) AS reads
FROM pg_class t
JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
    AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite w ON w.oid = d.objid
JOIN pg_class v ON v.oid = w.ev_class AND v.relkind = 'v'
JOIN pg_namespace vn ON vn.oid = v.relnamespace
WHERE t.relrowsecurity
    AND NOT EXISTS (
        SELECT FROM unnest(v.reloptions) o
        WHERE o IN ('security_invoker=true', 'security_invoker=on', 'security_invoker=1',
                    'security_invoker=yes')
    )
ORDER BY 1
LIMIT 50;

-- name: guarded
-- Tables with policies, or whose rows are guarded.
SELECT
    format('%%I.%%I', n.nspname, c.relname) AS name,
    c.relrowsecurity AS enabled,
    c.relforcerowsecurity AS forced,
    coalesce(r.rolcanlogin, false) AS owner_logs_in,
    (SELECT count(*)::int FROM pg_policy p WHERE p.polrelid = c.oid) AS policies,
    ARRAY(
        SELECT p.polname::text FROM pg_policy p
        WHERE p.polrelid = c.oid AND p.polpermissive
            AND 'true' IN (
                pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
            )
        ORDER BY 1
    ) AS always_true
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_roles r ON r.oid = c.relowner
WHERE c.relkind IN ('r', 'p')
    AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
ORDER BY 1
LIMIT 200;

-- name: tenants
-- Whether tasks have tenants, as the statistics know, and whether their rows are guarded.
SELECT
    coalesce(bool_or(s.null_frac < 1), false) AS used,
    c.relrowsecurity AS guarded
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stats s
    ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = 'tenant'
WHERE n.nspname = %(schema)s AND c.relname = 'tasks'
GROUP BY c.relrowsecurity;

-- name: languages
-- Languages in which functions can do what the server's account can, and how many do.
SELECT
    l.lanname::text AS name,
    (SELECT count(*)::int FROM pg_proc p WHERE p.prolang = l.oid) AS functions
FROM pg_language l
WHERE l.lanispl AND NOT l.lanpltrusted
ORDER BY 1
LIMIT 20;

-- name: extensions
-- Extensions with the version that is installed and the one that comes with the server.
SELECT
    e.extname::text AS name,
    e.extversion AS version,
    coalesce(a.default_version, '') AS available
FROM pg_extension e
LEFT JOIN pg_available_extensions a ON a.name = e.extname
ORDER BY 1
LIMIT 200;

-- name: mappings
-- Passwords for other servers that are kept here; NULL where the role may not see.
SELECT
    m.srvname::text AS server,
    m.usename::text AS role,
    EXISTS (SELECT FROM unnest(m.umoptions) o WHERE o LIKE 'password=%%') AS has_password,
    'password_required=false' = ANY (m.umoptions) AS needs_none
FROM pg_user_mappings m
WHERE m.umoptions IS NOT NULL
ORDER BY 1, 2
LIMIT 100;

-- name: subscriptions
-- Connection strings of subscriptions; for superusers.
SELECT
    subname::text AS name,
    subconninfo ~ 'password\s*=' AS has_password
FROM pg_subscription
ORDER BY 1
LIMIT 100;

-- name: sensitive
-- Columns whose names promise secrets, and who may read them beside their owner.
WITH named AS (
    SELECT c.oid, n.nspname, c.relname, c.relowner, c.relacl, t.attname, t.attacl
    FROM pg_attribute t
    JOIN pg_class c ON c.oid = t.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE t.attnum > 0 AND NOT t.attisdropped
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND t.attname ~* '(^|_)(passwd|password|pwd|secret|token|apikey|api_key|private_key|card_number|cvv|ssn)(_|$)'
        AND t.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype,
                           'bytea'::regtype, 'jsonb'::regtype, 'json'::regtype)
        AND (c.relacl IS NOT NULL OR t.attacl IS NOT NULL)
    LIMIT 500
)
SELECT
    format('%%I.%%I.%%I', s.nspname, s.relname, s.attname) AS name,
    array_agg(DISTINCT coalesce(r.rolname::text, 'PUBLIC') ORDER BY coalesce(r.rolname::text, 'PUBLIC'))
        AS readers,
    bool_or(a.grantee = 0) AS public_reads
FROM named s
CROSS JOIN LATERAL (
    SELECT grantee, privilege_type FROM aclexplode(s.relacl)
    UNION ALL
    SELECT grantee, privilege_type FROM aclexplode(s.attacl)
) a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE a.privilege_type = 'SELECT' AND a.grantee <> s.relowner AND NOT coalesce(r.rolsuper, false)
GROUP BY 1
ORDER BY 3 DESC, 1
LIMIT 50;

-- name: unhashed
-- Passwords of accounts that are not hashes; never more than a hundred are counted.
SELECT count(*)::int AS number
FROM (
    SELECT FROM {schema}.users
    WHERE password_hash !~ '^\$(argon2|2[abxy]?\$|scrypt|pbkdf2)'
    LIMIT 100
) AS plain;

-- name: sessions
-- Live sessions that come over a network without TLS.
SELECT
    a.usename::text AS role,
    host(a.client_addr) AS address,
    count(*)::int AS sessions,
    count(*) OVER () AS total
FROM pg_stat_activity a
JOIN pg_stat_ssl s ON s.pid = a.pid
WHERE a.client_addr IS NOT NULL AND NOT s.ssl
    AND NOT a.client_addr <<= '127.0.0.0/8' AND a.client_addr <> '::1'
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2
LIMIT 20;

-- name: overrides
-- Settings that a role or a database has instead of the server's.
SELECT
    coalesce(d.datname::text, '') AS database,
    coalesce(r.rolname::text, '') AS role,
    split_part(s.said, '=', 1) AS name,
    substr(s.said, strpos(s.said, '=') + 1) AS value
FROM pg_db_role_setting o
CROSS JOIN LATERAL unnest(o.setconfig) s(said)
LEFT JOIN pg_database d ON d.oid = o.setdatabase
LEFT JOIN pg_roles r ON r.oid = o.setrole
WHERE split_part(s.said, '=', 1) = ANY (%(names)s)
ORDER BY 1, 2, 3
LIMIT 100;

-- name: parameters
-- Who may set what only superusers set, by a grant on the setting itself.
SELECT
    p.parname AS name,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS role,
    a.privilege_type AS privilege
FROM pg_parameter_acl p
CROSS JOIN LATERAL aclexplode(p.paracl) a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE NOT coalesce(r.rolsuper, false)
ORDER BY 1, 2, 3
LIMIT 100;
