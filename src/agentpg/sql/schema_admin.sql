-- Installing, upgrading and verifying the schema.

-- name: set_lock_timeout
-- Wait no longer than this for a lock: whoever comes behind waits as long.
SELECT set_config('lock_timeout', %(milliseconds)s, true);

-- name: lock_schema
-- Let one migration at a time change this schema of this database.
SELECT pg_advisory_xact_lock(
    hashtextextended('agentpg schema ' || current_database() || ' ' || %(schema)s, 0)
);

-- name: create_schema
-- Make the schema.
CREATE SCHEMA {schema};

-- name: enter_schema
-- Let the unqualified names of a migration mean this schema.
SET LOCAL search_path = {schema}, pg_temp;

-- name: record_migration
-- Remember what was applied.
INSERT INTO {schema}.schema_migrations (version, name, checksum, works_with)
VALUES (%(version)s, %(name)s, %(checksum)s, %(works_with)s);

-- name: applied_migrations
-- What was applied, in order.
SELECT version, name, checksum, works_with FROM {schema}.schema_migrations ORDER BY version;

-- name: existing
-- Whether the schema and its list of migrations exist, and which of these tables do.
SELECT
    EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s) AS has_schema,
    coalesce(
        (SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE')
         FROM pg_namespace WHERE nspname = %(schema)s),
        true
    ) AS may_create,
    coalesce(bool_or(c.relname = 'schema_migrations'), false) AS has_migrations,
    coalesce(array_agg(c.relname::text ORDER BY c.relname), '{{}}') AS tables
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND c.relname = ANY (%(tables)s);

-- name: names_taken
-- Which of these names a table, a view or an index of the schema has.
SELECT relname::text
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND relname = ANY (%(names)s::text[])
ORDER BY relname;

-- name: search_path_settings
-- The search_path that is set for the database, and for a role in it, and who may set it.
SELECT
    d.datname::text AS database,
    r.rolname::text AS role,
    pg_has_role(d.datdba, 'USAGE') AS owns_database,
    (SELECT substring(option FROM 'search_path=(.*)')
     FROM pg_db_role_setting s, unnest(s.setconfig) AS option
     WHERE s.setdatabase = d.oid AND s.setrole = 0 AND option LIKE 'search\_path=%%'
    ) AS of_database,
    (SELECT substring(option FROM 'search_path=(.*)')
     FROM pg_db_role_setting s, unnest(s.setconfig) AS option
     WHERE s.setdatabase = d.oid AND s.setrole = r.oid AND option LIKE 'search\_path=%%'
    ) AS of_role
FROM pg_database d, pg_roles r
WHERE d.datname = current_database() AND r.rolname = coalesce(%(role)s, current_user);

-- name: choose_search_path
-- Say which search_path the next statement stores.
SELECT set_config('search_path', quote_ident(%(schema)s) || ', ' || %(others)s, true);

-- name: set_database_search_path
-- Let unqualified names in this database mean the schema's tables.
ALTER DATABASE {database} SET search_path FROM CURRENT;

-- name: set_role_search_path
-- The same for the owning role, whatever is set for the role elsewhere.
ALTER ROLE {role} IN DATABASE {database} SET search_path FROM CURRENT;

-- name: replace_constraint
-- Make a constraint of the scratch schema from its printed definition.
ALTER TABLE {schema}.{table}
    DROP CONSTRAINT {part},
    ADD CONSTRAINT {part} {definition};

-- name: replace_trigger
-- Make a trigger of the scratch schema from its printed definition.
DROP TRIGGER {part} ON {schema}.{table};
{definition};

-- name: replace_view
-- Make a view of the scratch schema from its printed definition.
CREATE OR REPLACE VIEW {schema}.{table} AS {definition};

-- name: facts
-- What a schema holds, each object with its definition; names in the schema stand alone.
WITH here AS (
    SELECT oid, quote_ident(nspname) AS quoted FROM pg_namespace WHERE nspname = %(schema)s
)
SELECT kind, object, replace(definition, here.quoted || '.', '') AS definition
FROM here, LATERAL (
    SELECT
        CASE c.relkind
            WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
            WHEN 'f' THEN 'foreign table' ELSE 'table'
        END AS kind,
        c.relname AS object,
        concat_ws(
            ' ',
            CASE c.relkind WHEN 'p' THEN 'partitioned' END,
            CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
            -- What turns tenants on comes with its policy.
            CASE WHEN c.relrowsecurity AND NOT EXISTS (
                SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'own_tenant'
            ) THEN 'row level security' END,
            (SELECT 'WITH (' || string_agg(o, ', ' ORDER BY o) || ')'
             FROM unnest(c.reloptions) AS o),
            CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid, true) END
        ) AS definition
    FROM pg_class c
    WHERE c.relnamespace = here.oid AND c.relkind NOT IN ('i', 'I', 'c', 't')
    UNION ALL
    SELECT 'policy', c.relname || '.' || p.polname, coalesce(pg_get_expr(p.polqual, p.polrelid), '')
    FROM pg_policy p
    JOIN pg_class c ON c.oid = p.polrelid
    WHERE c.relnamespace = here.oid
    UNION ALL
    SELECT
        'column',
        c.relname || '.' || a.attname,
        concat_ws(
            ' ',
            format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'NOT NULL' END,
            CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END,
            CASE a.attidentity WHEN 'a' THEN 'IDENTITY ALWAYS' WHEN 'd' THEN 'IDENTITY' END,
            CASE a.attgenerated WHEN '' THEN 'DEFAULT ' ELSE 'GENERATED ' END
                || pg_get_expr(d.adbin, d.adrelid)
        )
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = here.oid AND c.relkind IN ('r', 'p', 'f')
    UNION ALL
    SELECT
        'constraint',
        c.relname || '.' || k.conname,
        concat_ws(' ', pg_get_constraintdef(k.oid), CASE WHEN NOT k.convalidated THEN 'NOT VALID' END)
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    WHERE c.relnamespace = here.oid AND k.contype IN ('c', 'p', 'u', 'x', 'f')
    UNION ALL
    SELECT
        'index',
        c.relname || '.' || i.relname,
        concat_ws(' ', pg_get_indexdef(i.oid), CASE WHEN NOT x.indisvalid THEN 'INVALID' END)
    FROM pg_index x
    JOIN pg_class c ON c.oid = x.indrelid
    JOIN pg_class i ON i.oid = x.indexrelid
    WHERE c.relnamespace = here.oid
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.conrelid = c.oid)
    UNION ALL
    SELECT
        'trigger',
        c.relname || '.' || g.tgname,
        concat_ws(
            ' ', pg_get_triggerdef(g.oid, true),
            CASE g.tgenabled WHEN 'O' THEN NULL WHEN 'D' THEN 'DISABLED' ELSE g.tgenabled::text END
        )
    FROM pg_trigger g
    JOIN pg_class c ON c.oid = g.tgrelid
    WHERE c.relnamespace = here.oid AND NOT g.tgisinternal
    UNION ALL
    SELECT
        'function',
        format('%%s(%%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
        concat_ws(
            ' ',
            CASE p.prokind WHEN 'f' THEN NULL ELSE p.prokind::text END,
            pg_get_function_arguments(p.oid),
            'RETURNS ' || pg_get_function_result(p.oid),
            l.lanname, p.provolatile, p.proparallel, p.proisstrict,
            CASE WHEN p.prosecdef THEN 'SECURITY DEFINER' END,
            CASE WHEN EXISTS (
                SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
                WHERE acl.grantee = 0
            ) THEN 'PUBLIC' END,
            replace(p.proconfig::text, 'search_path=' || here.quoted || ',', 'search_path=here,'),
            coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)
        )
    FROM pg_proc p
    JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = here.oid AND p.prokind <> 'a'
) AS facts
ORDER BY kind, object;
