-- Who gets in from where: what the server says of pg_hba.conf, of TLS, and of its sessions.

-- name: patience
-- No question about addresses may take long.
SET statement_timeout = '5s';

-- name: read_server
-- The settings that decide who gets to the server, and who asks; NULL where the role may not see.
SELECT
    current_setting('server_version_num')::int / 10000 AS major,
    max(setting) FILTER (WHERE name = 'hba_file') AS hba_file,
    max(setting) FILTER (WHERE name = 'data_directory') AS data_folder,
    max(setting) FILTER (WHERE name = 'listen_addresses') AS listens,
    bool_or(setting = 'on') FILTER (WHERE name = 'ssl') AS has_tls,
    max(setting) FILTER (WHERE name = 'ssl_cert_file') AS certificate_file,
    max(setting) FILTER (WHERE name = 'ssl_key_file') AS key_file,
    max(setting) FILTER (WHERE name = 'ssl_ca_file') AS authority_file,
    max(setting) FILTER (WHERE name = 'ssl_crl_file') AS revoked_file,
    max(setting) FILTER (WHERE name = 'ssl_min_protocol_version') AS least_version,
    max(setting) FILTER (WHERE name = 'port')::int AS port,
    current_user::text AS role,
    current_database()::text AS database,
    host(inet_client_addr()) AS client,
    pg_conf_load_time() AS loaded_at
FROM pg_settings;

-- name: read_rules
-- The lines of the file as it is now, as the server understands them; what it is before 16 has
-- no name of a file.
SELECT
    coalesce(to_jsonb(r) ->> 'file_name', '') AS file,
    r.line_number AS number,
    r.type AS kind,
    r.database AS databases,
    r.user_name AS roles,
    r.address,
    r.netmask AS mask,
    r.auth_method AS method,
    r.options,
    r.error
FROM pg_hba_file_rules AS r
ORDER BY coalesce((to_jsonb(r) ->> 'rule_number')::int, r.line_number), r.line_number;

-- name: read_roles
-- The roles that may log in, with all roles that each is a member of, itself included.
WITH RECURSIVE membership (role, belongs_to) AS (
    SELECT oid, oid FROM pg_roles WHERE rolcanlogin
    UNION
    SELECT m.role, a.roleid FROM membership AS m JOIN pg_auth_members AS a ON a.member = m.belongs_to
)
SELECT
    r.rolname::text AS name,
    r.rolsuper AS is_superuser,
    r.rolreplication AS replicates,
    array_agg(g.rolname::text) AS groups
FROM membership AS m
JOIN pg_roles AS r ON r.oid = m.role
JOIN pg_roles AS g ON g.oid = m.belongs_to
GROUP BY r.oid, r.rolname, r.rolsuper, r.rolreplication
ORDER BY r.rolname;

-- name: read_databases
-- The databases that take connections.
SELECT datname::text FROM pg_database WHERE datallowconn ORDER BY datname;

-- name: read_md5_roles
-- The roles that may log in whose password is stored for md5; only a superuser may know.
SELECT rolname::text FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'md5%%' ORDER BY 1;

-- name: read_passworded_roles
-- The roles that may log in and have any password; only a superuser may know.
SELECT rolname::text FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL ORDER BY 1;

-- name: read_fitting
-- Which of these names each of these expressions fits, as the server matches them.
SELECT p.pattern, n.name
FROM unnest(%(patterns)s::text[]) AS p (pattern)
CROSS JOIN unnest(%(names)s::text[]) AS n (name)
WHERE n.name COLLATE "C" ~ p.pattern;

-- name: read_open_sessions
-- Live sessions over the network without encryption, but for those of the machine itself.
SELECT
    coalesce(a.usename::text, '') AS role,
    host(a.client_addr) AS address,
    coalesce(a.application_name, '') AS application,
    count(*)::int AS sessions
FROM pg_stat_activity AS a
LEFT JOIN pg_stat_ssl AS s ON s.pid = a.pid
LEFT JOIN pg_stat_gssapi AS g ON g.pid = a.pid
WHERE
    a.client_addr IS NOT NULL
    AND NOT (a.client_addr <<= '127.0.0.0/8' OR a.client_addr = '::1')
    AND a.client_addr IS DISTINCT FROM inet_server_addr()
    AND NOT coalesce(s.ssl, false)
    AND NOT coalesce(g.encrypted, false)
GROUP BY 1, 2, 3
ORDER BY sessions DESC, 1, 2, 3
LIMIT 20;

-- name: count_remote_sessions
-- Live sessions over the network, but for those of the machine itself.
SELECT count(*)
FROM pg_stat_activity AS a
WHERE
    a.client_addr IS NOT NULL
    AND NOT (a.client_addr <<= '127.0.0.0/8' OR a.client_addr = '::1')
    AND a.client_addr IS DISTINCT FROM inet_server_addr();

-- name: sees_sessions
-- Whether the role sees where others' sessions come from.
SELECT pg_has_role('pg_read_all_stats', 'USAGE');

-- name: file_changed
-- Whether a file was written since the server read its settings, by the server's own clock.
SELECT (pg_stat_file(current_setting('hba_file'))).modification > pg_conf_load_time();

-- name: read_loaded_at
-- When the server read its files last.
SELECT pg_conf_load_time();

-- name: reload
-- Have the server read its files again.
SELECT pg_reload_conf();

-- name: set_setting
-- Give a setting a value, in the file that ALTER SYSTEM writes.
ALTER SYSTEM SET {setting} = {value};

-- name: reset_setting
-- Take a setting out of that file.
ALTER SYSTEM RESET {setting};

-- name: read_own_settings
-- Which of these settings ALTER SYSTEM has written, and their values.
SELECT name, setting FROM pg_file_settings
WHERE name = ANY(%(names)s::text[]) AND sourcefile LIKE '%%postgresql.auto.conf' AND error IS NULL;

-- name: is_built_with_tls
-- Whether the server was built with TLS at all.
SELECT current_setting('ssl_library') <> '';

-- name: read_tls
-- The settings of TLS as they hold.
SELECT name, setting FROM pg_settings WHERE name = ANY(%(names)s::text[]) ORDER BY name;

-- name: grant_rules
-- Let a role read what the server makes of pg_hba.conf.
GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {role}; GRANT SELECT ON pg_hba_file_rules TO {role};
