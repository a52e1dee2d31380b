-- Preparing an existing server, as its administrator.

-- name: facts
-- What there is of the role and the database, and what the administrator may do.
SELECT
    EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s) AS has_role,
    (SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = %(database)s) AS owner,
    coalesce(
        (SELECT has_database_privilege(o.oid, d.oid, 'CREATE') FROM pg_roles o, pg_database d
         WHERE o.rolname = %(role)s AND d.datname = %(database)s),
        false
    ) AS may_create,
    r.rolsuper AS is_superuser,
    coalesce((SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = %(role)s), false)
        AS is_member
FROM pg_roles r
WHERE r.rolname = current_user;

-- name: has_schema
-- Whether the database has the schema.
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s);

-- name: create_role
-- The owning role, with its password as a SCRAM verifier.
CREATE ROLE {role} LOGIN PASSWORD {password};

-- name: join_role
-- An administrator who is no superuser must belong to the role for what it shall own.
GRANT {role} TO CURRENT_USER;

-- name: create_database
-- The database, in UTF-8 whatever the server's default is.
CREATE DATABASE {database} OWNER {role} TEMPLATE template0 ENCODING 'UTF8';

-- name: grant_database
-- A database that belongs to somebody else; `schema verify` makes a scratch schema in it.
GRANT CREATE ON DATABASE {database} TO {role};

-- name: create_schema
-- The schema, owned by the owning role.
CREATE SCHEMA {schema} AUTHORIZATION {role};

-- name: act_as
-- What follows belongs to the owning role.
SET ROLE {role};
