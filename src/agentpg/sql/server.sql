-- Making the private server's roles and database, in single-user mode.

-- name: set_superuser_password
-- Give the superuser a password, as its SCRAM verifier.
ALTER ROLE {superuser} PASSWORD %(superuser_verifier)s;

-- name: create_owner
-- Create the owning role with a password, as its SCRAM verifier.
CREATE ROLE {owner} LOGIN PASSWORD %(owner_verifier)s;

-- name: create_database
-- Create the installation's database.
CREATE DATABASE {database} OWNER {owner};

-- name: set_database_search_path
-- Let unqualified names in this database mean the installation's tables.
ALTER DATABASE {database} SET search_path = {schema}, public;

-- name: set_owner_search_path
-- The same for the owning role, whatever is set for the role elsewhere.
ALTER ROLE {owner} IN DATABASE {database} SET search_path = {schema}, public;

-- name: let_watch
-- Let a role see all statistics, settings and sessions.
GRANT pg_monitor TO {role};

-- name: make_statements_seen
-- Make the view of what statements cost, where the server counts it. It takes the schema public,
-- since the installation's own holds nothing that migrations have not made.
DO $make$
BEGIN
    IF 'pg_stat_statements' = ANY (
        regexp_split_to_array(current_setting('shared_preload_libraries'), '[\s,]+')
    ) AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') THEN
        CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public;
    END IF;
END
$make$;

-- name: renew_password
-- Give a role another password, as its SCRAM verifier, where there is such a role.
DO $renew$
BEGIN
    EXECUTE (
        SELECT format('ALTER ROLE %%I PASSWORD %%L', rolname, %(verifier)s)
        FROM pg_roles WHERE rolname = %(role)s
    );
EXCEPTION WHEN null_value_not_allowed THEN
    NULL;
END
$renew$;
