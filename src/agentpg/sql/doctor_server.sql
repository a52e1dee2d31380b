-- What the doctor asks of the server as a whole. What a role may not see is NULL.

-- name: backend
-- The process that answers.
SELECT pg_backend_pid();

-- name: server
-- Which server it is, since when its data is there and it runs, and what tells of a crash: statistics that began anew
-- all at once, and a checkpointer that is younger than the server. `sees_all`: the role may see
-- what the sessions of others do.
SELECT
    current_setting('server_version_num')::int AS version_number,
    split_part(current_setting('server_version'), ' ', 1) AS version,
    quote_ident(current_user::text) AS role,
    current_database()::text AS database,
    to_timestamp((SELECT system_identifier >> 32 FROM pg_control_system())) AS made_at,
    pg_postmaster_start_time() AS started_at,
    clock_timestamp() AS asked_at,
    pg_is_in_recovery() AS in_recovery,
    CASE
        -- The control file says it with the next checkpoint only.
        WHEN NOT pg_is_in_recovery()
            THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
        ELSE (SELECT timeline_id FROM pg_control_checkpoint())
    END AS timeline,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    (
        SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'
    ) AS checkpointer_started_at,
    ARRAY[
        (SELECT stats_reset FROM pg_stat_wal),
        (SELECT stats_reset FROM pg_stat_archiver),
        (SELECT stats_reset FROM pg_stat_bgwriter)
    ] AS counted_since,
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int AS usable,
    current_setting('synchronous_standby_names') AS synchronous_names;

-- name: connections
-- How many sessions of clients there are, and who has most of them.
WITH client AS MATERIALIZED (
    SELECT
        coalesce(usename::text, '') AS role,
        coalesce(application_name, '') AS application
    FROM pg_stat_activity
    WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND leader_pid IS NULL
      AND coalesce(backend_type, 'client backend') = 'client backend'
)
SELECT
    (SELECT count(*) FROM client)::int AS sessions,
    coalesce(most.role, '') AS role,
    coalesce(most.application, '') AS application,
    coalesce(most.sessions, 0)::int AS of_them
FROM (SELECT 1) AS one
LEFT JOIN (
    SELECT role, application, count(*) AS sessions
    FROM client
    GROUP BY role, application
    ORDER BY 3 DESC, 1, 2
    LIMIT 1
) AS most ON true;

-- name: limits
-- Roles and databases that have a limit of their own, with the sessions that they have. A
-- superuser has none, whatever is written; a database that is not whole has -2.
SELECT
    'role' AS kind, r.rolname::text AS name, r.rolconnlimit AS most,
    count(a.pid)::int AS sessions
FROM pg_roles AS r
LEFT JOIN pg_stat_activity AS a ON a.usesysid = r.oid AND a.leader_pid IS NULL
WHERE r.rolconnlimit > 0 AND r.rolcanlogin AND NOT r.rolsuper
GROUP BY r.rolname, r.rolconnlimit
UNION ALL
SELECT 'database', d.datname::text, d.datconnlimit, count(a.pid)::int
FROM pg_database AS d
LEFT JOIN pg_stat_activity AS a ON a.datid = d.oid AND a.leader_pid IS NULL
    AND coalesce(a.backend_type, 'client backend') = 'client backend'
WHERE d.datconnlimit > 0
GROUP BY d.datname, d.datconnlimit
ORDER BY 1, 2;

-- name: standbys
-- Who streams from this server, and how far behind; a base backup is none. `state` is NULL where
-- the role may not see it.
SELECT
    pid AS process,
    coalesce(application_name, '') AS name,
    coalesce(host(client_addr), '') AS address,
    state,
    sync_state,
    extract(epoch FROM replay_lag)::float8 AS lag_seconds,
    CASE WHEN NOT pg_is_in_recovery()
        THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint
    END AS lag_bytes
FROM pg_stat_replication
WHERE state IS DISTINCT FROM 'backup' AND application_name IS DISTINCT FROM 'pg_basebackup'
ORDER BY 7 DESC NULLS LAST, 1
LIMIT 100;

-- name: receiving
-- How a standby receives: it is 0 behind only while it streams and has replayed all of it.
-- Without pg_read_all_stats the receiver's status is hidden, and that there is one is not.
SELECT
    pg_is_wal_replay_paused() AS paused,
    EXISTS (
        SELECT FROM pg_stat_wal_receiver WHERE coalesce(status, 'streaming') = 'streaming'
    ) AS streams,
    coalesce((SELECT sender_host FROM pg_stat_wal_receiver), '') AS sender,
    pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn() AS replayed,
    extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS seconds;

-- name: counters
-- What this database has counted since its statistics began.
SELECT
    stats_reset AS since,
    xact_commit AS commits,
    xact_rollback AS rollbacks
FROM pg_stat_database
WHERE datname = current_database();
