-- Tenants: whose rows a login sees, and which login works for whom.

-- name: patience
-- Locks of hot tables are held shortly and not waited for long.
SELECT
    pg_catalog.set_config('lock_timeout', '1s', true),
    pg_catalog.set_config('statement_timeout', '30s', true);

-- name: tables
-- The tables that tenants share: whether their rows are guarded, and for whom.
SELECT
    c.relname::text AS name,
    c.relrowsecurity AS guarded,
    pg_has_role(c.relowner, 'USAGE') AS owned,
    ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY 1) AS policies,
    EXISTS (
        SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'fill_in_tenant'
    ) AS fills_in,
    ARRAY(
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END
        FROM (
            SELECT c.relacl AS acl
            UNION ALL
            SELECT attacl FROM pg_attribute WHERE attrelid = c.oid AND NOT attisdropped
        ) held, aclexplode(held.acl) a
        WHERE a.grantee <> c.relowner
        ORDER BY 1
    )::text[] AS grantees
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s::text[])
ORDER BY array_position(%(tables)s::text[], c.relname::text);

-- name: logins
-- The logins that are bound to a tenant, and those of clients, with what else they may.
SELECT
    coalesce(r.rolname, b.login)::text AS name,
    b.tenant,
    r.oid IS NOT NULL AS is_there,
    coalesce(r.rolcanlogin, false) AS logs_in,
    coalesce(r.rolsuper, false) AS superuser,
    coalesce(r.rolbypassrls, false) AS bypasses_rows,
    coalesce(pg_has_role(r.oid, c.oid, 'MEMBER'), false) AS is_client,
    ARRAY(
        SELECT g.rolname::text
        FROM pg_roles g
        WHERE g.rolname = ANY (%(others)s::text[]) AND pg_has_role(r.oid, g.oid, 'MEMBER')
        ORDER BY 1
    ) AS others
FROM {schema}.tenant_logins b
FULL JOIN (
    SELECT m.* FROM pg_roles m
    WHERE m.rolcanlogin AND EXISTS (
        SELECT FROM pg_roles g
        WHERE g.rolname = %(client)s AND pg_has_role(m.oid, g.oid, 'MEMBER') AND NOT m.rolsuper
    ) OR m.rolname IN (SELECT login FROM {schema}.tenant_logins)
) r ON r.rolname = b.login
LEFT JOIN pg_roles c ON c.rolname = %(client)s
ORDER BY b.tenant NULLS LAST, 1;

-- name: login
-- The same of one login that may not be bound yet.
SELECT
    r.rolname::text AS name,
    NULL AS tenant,
    true AS is_there,
    r.rolcanlogin AS logs_in,
    r.rolsuper AS superuser,
    r.rolbypassrls AS bypasses_rows,
    coalesce(pg_has_role(r.oid, c.oid, 'MEMBER'), false) AS is_client,
    ARRAY(
        SELECT g.rolname::text
        FROM pg_roles g
        WHERE g.rolname = ANY (%(others)s::text[]) AND pg_has_role(r.oid, g.oid, 'MEMBER')
        ORDER BY 1
    ) AS others
FROM pg_roles r
LEFT JOIN pg_roles c ON c.rolname = %(client)s
WHERE r.rolname = %(login)s;

-- name: bind
-- Say which tenant a login works for; from its next statement on.
INSERT INTO {schema}.tenant_logins (login, tenant) VALUES (%(login)s, %(tenant)s)
ON CONFLICT (login) DO UPDATE
SET tenant = excluded.tenant, bound_at = now(), bound_by = excluded.bound_by
RETURNING login;

-- name: unbind
-- The login works for nobody.
DELETE FROM {schema}.tenant_logins WHERE login = %(login)s RETURNING tenant;

-- name: guard
-- Rows are seen by policy alone; the owner sees all.
ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY;

-- name: unguard
-- All rows are seen by whoever may read the table.
ALTER TABLE {schema}.{table} DISABLE ROW LEVEL SECURITY;

-- name: admit
-- These roles go on as before.
CREATE POLICY all_rows ON {schema}.{table} TO {roles} USING (true) WITH CHECK (true);

-- name: confine_tasks
-- Of them a client sees its tenant's tasks alone, and submits only such: not begun and not done,
-- in the lane that they belong in or in none yet, and under tasks of its own.
CREATE POLICY own_tenant ON {schema}.tasks AS RESTRICTIVE TO {client}
USING (tenant = (SELECT {schema}.my_tenant()))
WITH CHECK (
    tenant = (SELECT {schema}.my_tenant()) AND status = 'pending'
    AND (lane IS NULL OR lane = {schema}.lane_of(agent_name, task_type, tenant, payload))
    AND (parent_id IS NULL OR {schema}.is_my_tenants(parent_id))
);

-- name: confine_records
-- What is recorded of tasks is seen by whoever sees the task.
CREATE POLICY own_tenant ON {schema}.{table} AS RESTRICTIVE TO {client}
USING (EXISTS (SELECT FROM {schema}.tasks t WHERE t.id = task_id));

-- name: remove_policy
-- Take a policy away.
DROP POLICY IF EXISTS {policy} ON {schema}.{table};

-- name: fill_in
-- Whoever is bound to a tenant need not say it.
CREATE TRIGGER fill_in_tenant BEFORE INSERT ON {schema}.tasks
    FOR EACH ROW WHEN (NEW.tenant IS NULL) EXECUTE FUNCTION {schema}.fill_in_tenant();

-- name: fill_in_nothing
-- Nobody's tenant is filled in.
DROP TRIGGER IF EXISTS fill_in_tenant ON {schema}.tasks;
