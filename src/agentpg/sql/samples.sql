-- What the server and the tables were like, kept for the time from which on they are compared.

-- name: present
-- The present moment as it is kept: sizes, rows, and counters of which any two have a difference.
-- Of settings only what tells that one was changed, since a value may hold a password; and only
-- those of the server and the database, since those of a role are no change. `known` is how many tables there are, of which some may be left out.
WITH locked AS MATERIALIZED (
    SELECT l.relation AS oid
    FROM pg_locks l
    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
), taken AS MATERIALIZED (
    SELECT oid FROM locked
    UNION
    SELECT i.indrelid FROM pg_index i JOIN locked ON locked.oid = i.indexrelid
)
SELECT
    clock_timestamp() AS taken_at,
    jsonb_build_object(
        'version', split_part(current_setting('server_version'), ' ', 1),
        'started_at', pg_postmaster_start_time(),
        'role', current_user,
        'bytes', pg_database_size(current_database()),
        'known', (
            SELECT count(*)
            FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
              AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        ),
        'tables', (
            SELECT jsonb_agg(jsonb_build_array(
                t.schema, t.name, pg_total_relation_size(t.oid), t.rows, t.dead
            ))
            FROM (
                SELECT n.nspname AS schema, c.relname AS name, c.oid,
                       CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS rows,
                       s.n_dead_tup AS dead
                FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
                WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
                  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                  AND NOT EXISTS (
                      SELECT FROM taken WHERE taken.oid IN (c.oid, c.reltoastrelid)
                  )
                ORDER BY n.nspname = %(schema)s DESC, c.relpages DESC, c.oid
                LIMIT %(most)s
            ) t
        ),
        'counters', (
            SELECT jsonb_build_object(
                'commits', d.xact_commit,
                'rollbacks', d.xact_rollback,
                'deadlocks', d.deadlocks,
                'temp_bytes', d.temp_bytes,
                'pages_read', d.blks_read,
                'rows_written', d.tup_inserted + d.tup_updated + d.tup_deleted,
                'sessions', d.sessions,
                'wal_bytes', CASE WHEN NOT pg_is_in_recovery()
                    THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') END
            )
            FROM pg_stat_database d
            WHERE d.datname = current_database()
        ),
        'server', jsonb_build_object(
            'timeline', CASE WHEN NOT pg_is_in_recovery()
                THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
            END,
            'standbys', (
                SELECT jsonb_agg(DISTINCT r.application_name)
                FROM pg_stat_replication r
                WHERE r.state IS DISTINCT FROM 'backup'
                  AND r.application_name IS DISTINCT FROM 'pg_basebackup'
            )
        ),
        'settings', (
            SELECT jsonb_object_agg(name, left(md5(setting), 8))
            FROM pg_settings
            WHERE source IN ('configuration file', 'command line', 'database')
        )
    ) AS sample;

-- name: keep
-- Keep one.
INSERT INTO {schema}.samples (taken_at, sample) VALUES (%(taken_at)s, %(sample)s);

-- name: thin
-- Of each hour before the last day, and of each day before the last month, keep the first; of
-- what is older than a year, none.
DELETE FROM {schema}.samples s
USING (
    SELECT
        taken_at,
        row_number() OVER (
            PARTITION BY date_trunc('hour', taken_at, 'UTC') ORDER BY taken_at
        ) AS in_the_hour,
        row_number() OVER (
            PARTITION BY date_trunc('day', taken_at, 'UTC') ORDER BY taken_at
        ) AS in_the_day
    FROM {schema}.samples
) place
WHERE place.taken_at = s.taken_at
  AND (
      s.taken_at < now() - interval '366 days'
      OR (s.taken_at < now() - interval '1 day' AND place.in_the_hour > 1)
      OR (s.taken_at < now() - interval '31 days' AND place.in_the_day > 1)
  );

-- name: near
-- The last one before a moment, or else the first that there is.
(SELECT taken_at, sample FROM {schema}.samples
 WHERE taken_at <= now() - %(ago)s::interval ORDER BY taken_at DESC LIMIT 1)
UNION ALL
(SELECT taken_at, sample FROM {schema}.samples
 WHERE taken_at > now() - %(ago)s::interval ORDER BY taken_at LIMIT 1)
LIMIT 1;
