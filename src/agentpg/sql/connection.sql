-- What the doctor proposes where a connection fails: shown, to be run by whom it concerns.

-- name: reload
-- Have the server read its files again.
SELECT pg_reload_conf();

-- name: listen_everywhere
-- Listen at all addresses, from the next start on.
ALTER SYSTEM SET listen_addresses = '*';

-- name: turn_tls_on
-- Offer TLS.
ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf();

-- name: find_role
-- Whether a role is there, and may log in.
SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname = {role_text};

-- name: create_role
-- Make a role that may log in.
CREATE ROLE {role} LOGIN;

-- name: allow_login
-- Let a role log in.
ALTER ROLE {role} LOGIN;

-- name: create_database
-- Make a database for a role.
CREATE DATABASE {database} OWNER {role};

-- name: find_database
-- Whether a database takes connections, and how many.
SELECT datallowconn, datconnlimit FROM pg_database WHERE datname = {database_text};

-- name: open_database
-- Let a database take connections.
ALTER DATABASE {database} ALLOW_CONNECTIONS true;

-- name: grant_connect
-- Let a role connect to a database.
GRANT CONNECT ON DATABASE {database} TO {role};

-- name: list_sessions
-- Who holds connections, and what for.
SELECT usename, application_name, state, count(*), min(state_change) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC;

-- name: end_idle
-- End sessions that have been idle for ten minutes.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle' AND state_change < now() - interval '10 min';

-- name: end_idle_of_role
-- End those of one role.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle' AND state_change < now() - interval '10 min' AND usename = {role_text};

-- name: end_idle_in_database
-- End those in one database.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle' AND state_change < now() - interval '10 min' AND datname = {database_text};

-- name: free_role
-- Let a role have as many sessions as there are.
ALTER ROLE {role} CONNECTION LIMIT -1;

-- name: free_database
-- Let a database have as many sessions as there are.
ALTER DATABASE {database} CONNECTION LIMIT -1;

-- name: show_limit
-- How many connections the server takes.
SHOW max_connections;

-- name: allow_reads
-- Let a standby be read, from the next start on.
ALTER SYSTEM SET hot_standby = on;

-- name: list_rules
-- The lines of pg_hba.conf as the server understands them.
SELECT line_number, type, auth_method, options FROM pg_hba_file_rules;
