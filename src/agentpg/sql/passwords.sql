-- Passwords of roles: what is recorded of them, setting them, and moving between two logins.

-- name: logins
-- Who logs in, until when with this password, and what is written about them.
SELECT
    r.rolname::text AS role,
    r.rolsuper AS superuser,
    -- No moment of Python's is so late, nor is infinity one.
    CASE WHEN r.rolvaliduntil < '9999-01-01' THEN greatest(r.rolvaliduntil, '1970-01-01') END
        AS valid_until,
    coalesce(shobj_description(r.oid, 'pg_authid'), '') AS comment
FROM pg_roles r
WHERE r.rolcanlogin AND r.rolname !~ '^pg_'
ORDER BY r.rolname
LIMIT 10000;

-- name: marks
-- A short mark of what is stored for each password, to see whether it was changed; for superusers.
SELECT
    rolname::text AS role,
    coalesce(left(encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex'), 8), '') AS mark
FROM pg_authid
WHERE rolcanlogin
LIMIT 10000;

-- name: comment_of
-- What is written about a role; nothing for one that is not there.
SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = %(role)s;

-- name: now
-- The server's clock.
SELECT now();

-- name: hideable
-- Those of these settings that this role may set, to have no statement of a password logged.
SELECT name FROM unnest(%(names)s::text[]) AS name
WHERE current_setting(name, true) IS NOT NULL AND has_parameter_privilege(name, 'SET');

-- name: hide
-- Set one of them until the transaction ends.
SELECT set_config(%(name)s, %(value)s, true);

-- name: set_password
-- Give a role a password, as its verifier.
ALTER ROLE {role} PASSWORD {verifier};

-- name: set_end
-- Let the password of a role end at a moment.
ALTER ROLE {role} VALID UNTIL {until};

-- name: write_comment
-- Write about a role when its password was changed.
COMMENT ON ROLE {role} IS {comment};

-- name: pair
-- The group, its two logins and the role that asks, as far as they are there.
SELECT
    r.rolname::text AS name,
    r.rolcanlogin AS logs_in,
    ARRAY(
        SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
        WHERE m.member = r.oid ORDER BY 1
    ) AS groups,
    -- Rights in databases, settings of its own: what a login has beyond its groups.
    coalesce(
        (SELECT array_agg(d.setdatabase || ':' || s ORDER BY 1)
         FROM pg_db_role_setting d, unnest(d.setconfig) AS s WHERE d.setrole = r.oid),
        '{{}}'
    ) AS settings
FROM pg_roles r
WHERE r.rolname = ANY (%(names)s::text[]);

-- name: create_login
-- A login that has the rights of its group and none of its own; locked until it has a password.
CREATE ROLE {login} NOLOGIN INHERIT IN ROLE {group};

-- name: act_as_owner
-- What a login of the owner makes belongs to the owner.
ALTER ROLE {login} SET role = {owner};

-- name: unlock
-- Let a login in by a new password, as its verifier.
ALTER ROLE {login} LOGIN PASSWORD {verifier};

-- name: lock
-- Let a login in no more, and forget its password.
ALTER ROLE {login} NOLOGIN PASSWORD NULL;

-- name: prove
-- As whom this session came in and acts, and whether it has the rights of the group.
SELECT
    session_user::text AS login,
    current_user::text AS acts_as,
    pg_has_role(session_user, %(group)s, 'MEMBER') AS is_member,
    has_database_privilege(current_database(), 'CONNECT') AS may_connect;

-- name: sessions
-- The sessions of a login, the oldest first, without the one that asks.
SELECT
    pid,
    application_name AS application,
    coalesce(host(client_addr), 'local') AS address,
    coalesce(state, '') AS state,
    extract(epoch FROM now() - backend_start)::float8 AS seconds,
    extract(epoch FROM now() - state_change)::float8 AS state_seconds
FROM pg_stat_activity
WHERE usename = %(login)s AND pid <> pg_backend_pid()
ORDER BY backend_start;

-- name: end_idle
-- End a session of a login, where it still does nothing.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE pid = %(pid)s AND usename = %(login)s AND state = 'idle';

-- name: pairs
-- Pairs of logins that are both open.
SELECT g.rolname::text AS group_name
FROM pg_roles g
JOIN pg_roles one ON one.rolname = g.rolname || '_1' AND one.rolcanlogin
JOIN pg_roles two ON two.rolname = g.rolname || '_2' AND two.rolcanlogin
ORDER BY 1
LIMIT 1000;

-- name: owner
-- Who owns this database, and with it the installation.
SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database();
