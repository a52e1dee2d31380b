-- What is measured, as rows of a name, the values of its labels, and a number. NULL: not known.

-- name: server
-- The server as a whole.
SELECT v.name, '{{}}'::text[] AS labels, v.value::float8
FROM (VALUES
    ('pg_postmaster_start_time_seconds', extract(epoch FROM pg_postmaster_start_time())),
    ('pg_replication_is_replica', pg_is_in_recovery()::int),
    ('pg_settings_max_connections', current_setting('max_connections')::int),
    ('pg_settings_reserved_connections', current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int),
    ('pg_settings_autovacuum_freeze_max_age',
        current_setting('autovacuum_freeze_max_age')::bigint),
    ('pg_settings_pending_restart', (SELECT count(*) FROM pg_settings WHERE pending_restart)),
    ('pg_xid_age', (SELECT max(age(datfrozenxid)) FROM pg_database)),
    ('pg_multixact_age', (SELECT max(mxid_age(datminmxid)) FROM pg_database))
) AS v (name, value)
UNION ALL
SELECT 'pg_static', ARRAY[split_part(current_setting('server_version'), ' ', 1)], 1;

-- name: activity
-- Sessions of clients by state, their longest transactions, and those that wait for a lock.
-- All databases but this one are one, so that there are few. Where a role may not see some of
-- them, NULL instead of saying that nothing is wrong.
WITH client AS MATERIALIZED (
    SELECT
        CASE WHEN datname = current_database() THEN datname::text ELSE 'other' END AS datname,
        coalesce(state, 'unknown') AS state,
        extract(epoch FROM clock_timestamp() - xact_start) AS transaction_seconds,
        CASE WHEN wait_event_type = 'Lock'
            THEN extract(epoch FROM clock_timestamp() - state_change)
        END AS blocked_seconds,
        backend_type IS NULL AS hidden
    FROM pg_stat_activity
    WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND leader_pid IS NULL
      AND coalesce(backend_type, 'client backend') = 'client backend'
      AND pid <> pg_backend_pid()
), all_of_them AS (
    SELECT
        count(*) FILTER (WHERE hidden) AS hidden,
        count(blocked_seconds) AS blocked,
        coalesce(max(blocked_seconds), 0) AS longest
    FROM client
)
SELECT 'pg_stat_activity_count' AS name, ARRAY[datname, state] AS labels, count(*)::float8 AS value
FROM client GROUP BY datname, state
UNION ALL
SELECT 'pg_stat_activity_max_tx_duration_seconds', ARRAY[datname, state],
       CASE WHEN NOT bool_or(hidden) THEN coalesce(max(transaction_seconds), 0)::float8 END
FROM client GROUP BY datname, state
UNION ALL
SELECT 'pg_stat_activity_hidden', '{{}}', hidden::float8 FROM all_of_them
UNION ALL
SELECT 'pg_blocked_sessions', '{{}}', CASE WHEN hidden = 0 OR blocked > 0 THEN blocked::float8 END
FROM all_of_them
UNION ALL
SELECT 'pg_blocked_longest_seconds', '{{}}', CASE WHEN hidden = 0 OR blocked > 0 THEN longest::float8 END
FROM all_of_them;

-- name: horizon
-- How far back whatever keeps dead rows from being removed looks, in transactions. NULL where a
-- role may not see some sessions.
SELECT 'pg_xmin_horizon_age' AS name, ARRAY[holder] AS labels,
       CASE WHEN NOT bool_or(hidden) THEN coalesce(max(age), 0)::float8 END AS value
FROM (
    SELECT 'session' AS holder, greatest(age(backend_xmin), age(backend_xid)) AS age,
           backend_type IS NULL AS hidden
    FROM pg_stat_activity WHERE pid <> pg_backend_pid()
    UNION ALL
    SELECT 'slot', greatest(age(xmin), age(catalog_xmin)), false FROM pg_replication_slots
    UNION ALL
    SELECT 'prepared', age(transaction), false FROM pg_prepared_xacts
    UNION ALL
    SELECT h.holder, 0, false FROM unnest(ARRAY['session', 'slot', 'prepared']) AS h (holder)
) held
GROUP BY holder;

-- name: database
-- What the server has counted for this database since its statistics began.
SELECT v.name, ARRAY[d.datname::text] AS labels, v.value::float8
FROM pg_stat_database d
CROSS JOIN LATERAL (VALUES
    ('pg_stat_database_xact_commit_total', d.xact_commit),
    ('pg_stat_database_xact_rollback_total', d.xact_rollback),
    ('pg_stat_database_blks_hit_total', d.blks_hit),
    ('pg_stat_database_blks_read_total', d.blks_read),
    ('pg_stat_database_tup_returned_total', d.tup_returned),
    ('pg_stat_database_tup_fetched_total', d.tup_fetched),
    ('pg_stat_database_tup_inserted_total', d.tup_inserted),
    ('pg_stat_database_tup_updated_total', d.tup_updated),
    ('pg_stat_database_tup_deleted_total', d.tup_deleted),
    ('pg_stat_database_conflicts_total', d.conflicts),
    ('pg_stat_database_deadlocks_total', d.deadlocks),
    ('pg_stat_database_temp_files_total', d.temp_files),
    ('pg_stat_database_temp_bytes_total', d.temp_bytes),
    ('pg_stat_database_sessions_total', d.sessions),
    ('pg_stat_database_sessions_abandoned_total', d.sessions_abandoned),
    ('pg_stat_database_sessions_fatal_total', d.sessions_fatal),
    ('pg_stat_database_sessions_killed_total', d.sessions_killed),
    ('pg_stat_database_checksum_failures_total', d.checksum_failures)
) AS v (name, value)
WHERE d.datname = current_database();

-- name: wal
-- The write-ahead log and its archive.
SELECT v.name, '{{}}'::text[] AS labels, v.value::float8
FROM pg_stat_wal w
CROSS JOIN pg_stat_archiver a
CROSS JOIN LATERAL (VALUES
    ('pg_stat_wal_records_total', w.wal_records),
    ('pg_stat_wal_fpi_total', w.wal_fpi),
    ('pg_stat_wal_bytes_total', w.wal_bytes),
    ('pg_stat_wal_buffers_full_total', w.wal_buffers_full),
    ('pg_stat_archiver_archived_total', a.archived_count),
    ('pg_stat_archiver_failed_total', a.failed_count),
    ('pg_stat_archiver_last_archived_timestamp_seconds',
        extract(epoch FROM a.last_archived_time)),
    ('pg_stat_archiver_last_failed_timestamp_seconds', extract(epoch FROM a.last_failed_time))
) AS v (name, value);

-- name: checkpoints_16
-- Checkpoints, up to PostgreSQL 16.
SELECT v.name, '{{}}'::text[] AS labels, v.value::float8
FROM pg_stat_bgwriter c
CROSS JOIN LATERAL (VALUES
    ('pg_stat_checkpointer_timed_total', c.checkpoints_timed::float8),
    ('pg_stat_checkpointer_requested_total', c.checkpoints_req),
    ('pg_stat_checkpointer_buffers_written_total', c.buffers_checkpoint),
    ('pg_stat_checkpointer_write_seconds_total', c.checkpoint_write_time / 1000),
    ('pg_stat_checkpointer_sync_seconds_total', c.checkpoint_sync_time / 1000)
) AS v (name, value);

-- name: checkpoints
-- Checkpoints, from PostgreSQL 17 on.
SELECT v.name, '{{}}'::text[] AS labels, v.value::float8
FROM pg_stat_checkpointer c
CROSS JOIN LATERAL (VALUES
    ('pg_stat_checkpointer_timed_total', c.num_timed::float8),
    ('pg_stat_checkpointer_requested_total', c.num_requested),
    ('pg_stat_checkpointer_buffers_written_total', c.buffers_written),
    ('pg_stat_checkpointer_write_seconds_total', c.write_time / 1000),
    ('pg_stat_checkpointer_sync_seconds_total', c.sync_time / 1000)
) AS v (name, value);

-- name: replication
-- Standbys and slots; the age of what a standby has replayed is 0 while it receives and has
-- caught up. Without pg_read_all_stats a receiver's status is hidden, that there is one is not.
-- A base backup is no standby. NULL where a role may not see how a standby is.
SELECT 'pg_replication_lag_seconds' AS name, '{{}}'::text[] AS labels,
    CASE
        WHEN NOT pg_is_in_recovery() THEN 0
        WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (
            SELECT FROM pg_stat_wal_receiver WHERE coalesce(status, 'streaming') = 'streaming'
        ) THEN 0
        ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
    END::float8 AS value
UNION ALL
SELECT v.name, '{{}}', v.value::float8
FROM (
    SELECT
        count(*) FILTER (
            WHERE state IS DISTINCT FROM 'backup'
              AND application_name IS DISTINCT FROM 'pg_basebackup'
        ) AS standbys,
        count(*) FILTER (WHERE state IS NULL) AS hidden,
        max(extract(epoch FROM replay_lag)) AS seconds,
        max(CASE WHEN NOT pg_is_in_recovery()
            THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) END) AS bytes
    FROM pg_stat_replication
) r
CROSS JOIN LATERAL (VALUES
    ('pg_stat_replication_standbys', r.standbys),
    ('pg_stat_replication_max_lag_seconds',
        CASE WHEN r.hidden = 0 THEN coalesce(r.seconds, 0) END),
    ('pg_stat_replication_max_lag_bytes', CASE WHEN r.hidden = 0 THEN coalesce(r.bytes, 0) END)
) AS v (name, value)
UNION ALL
SELECT v.name, ARRAY[s.slot_name], v.value::float8
FROM (
    SELECT
        slot_name::text,
        active,
        CASE WHEN NOT pg_is_in_recovery()
            THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END AS bytes
    FROM pg_replication_slots
    ORDER BY bytes DESC NULLS LAST
    LIMIT %(most)s
) s
CROSS JOIN LATERAL (VALUES
    ('pg_replication_slot_active', s.active::int),
    ('pg_replication_slot_retained_bytes', s.bytes)
) AS v (name, value);

-- name: tables
-- The largest tables, all of ours among them: what the server has counted for them.
SELECT v.name, ARRAY[t.schemaname, t.relname]::text[] AS labels, v.value::float8
FROM (
    SELECT s.*
    FROM pg_stat_user_tables s
    JOIN pg_class c ON c.oid = s.relid
    ORDER BY s.schemaname = %(schema)s DESC, c.relpages DESC, s.relid
    LIMIT %(most)s
) t
CROSS JOIN LATERAL (VALUES
    ('pg_stat_user_tables_n_live_tup', t.n_live_tup),
    ('pg_stat_user_tables_n_dead_tup', t.n_dead_tup),
    ('pg_stat_user_tables_n_mod_since_analyze', t.n_mod_since_analyze),
    ('pg_stat_user_tables_n_tup_ins_total', t.n_tup_ins),
    ('pg_stat_user_tables_n_tup_upd_total', t.n_tup_upd),
    ('pg_stat_user_tables_n_tup_hot_upd_total', t.n_tup_hot_upd),
    ('pg_stat_user_tables_n_tup_del_total', t.n_tup_del),
    ('pg_stat_user_tables_seq_scan_total', t.seq_scan),
    ('pg_stat_user_tables_seq_tup_read_total', t.seq_tup_read),
    ('pg_stat_user_tables_idx_scan_total', t.idx_scan),
    ('pg_stat_user_tables_last_vacuum_timestamp_seconds',
        extract(epoch FROM greatest(t.last_vacuum, t.last_autovacuum))),
    ('pg_stat_user_tables_last_analyze_timestamp_seconds',
        extract(epoch FROM greatest(t.last_analyze, t.last_autoanalyze)))
) AS v (name, value);

-- name: sizes
-- The sizes of the database and of its largest tables; none of one that somebody has for
-- himself, or an index of it, since that would have to be waited for.
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
SELECT 'pg_database_size_bytes' AS name, ARRAY[current_database()::text] AS labels,
       pg_database_size(current_database())::float8 AS value
UNION ALL
SELECT v.name, ARRAY[t.schema, t.name], v.value::float8
FROM (
    SELECT n.nspname::text AS schema, c.relname::text AS name, c.oid
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND NOT EXISTS (SELECT FROM taken WHERE taken.oid IN (c.oid, c.reltoastrelid))
    ORDER BY n.nspname = %(schema)s DESC, c.relpages DESC, c.oid
    LIMIT %(most)s
) t
CROSS JOIN LATERAL (VALUES
    ('pg_table_size_bytes', pg_table_size(t.oid)),
    ('pg_indexes_size_bytes', pg_indexes_size(t.oid))
) AS v (name, value);

-- name: queue
-- Tasks that have not ended, by agent. Finished ones have no entry in the index, so the history
-- costs nothing.
WITH unfinished AS MATERIALIZED (
    SELECT
        agent_name::text AS agent,
        count(*) FILTER (
            WHERE status = 'pending' AND held_reason IS NULL AND run_at <= now()
        ) AS ready,
        count(*) FILTER (
            WHERE status = 'pending' AND held_reason IS NULL AND run_at > now()
        ) AS delayed,
        count(*) FILTER (WHERE status = 'pending' AND held_reason IS NOT NULL) AS held,
        count(*) FILTER (WHERE status = 'running') AS running,
        count(*) FILTER (WHERE status = 'waiting') AS waiting,
        extract(epoch FROM now() - min(run_at) FILTER (
            WHERE status = 'pending' AND held_reason IS NULL AND run_at <= now()
        )) AS oldest_seconds,
        extract(epoch FROM now() - min(started_at) FILTER (
            WHERE status = 'running'
        )) AS longest_seconds
    FROM {schema}.tasks
    WHERE status IN ('pending', 'running', 'waiting')
    GROUP BY agent_name
)
SELECT v.name, v.labels, v.value::float8
FROM unfinished u
CROSS JOIN LATERAL (VALUES
    ('agentpg_tasks', ARRAY[u.agent, 'ready'], u.ready),
    ('agentpg_tasks', ARRAY[u.agent, 'delayed'], u.delayed),
    ('agentpg_tasks', ARRAY[u.agent, 'held'], u.held),
    ('agentpg_tasks', ARRAY[u.agent, 'running'], u.running),
    ('agentpg_tasks', ARRAY[u.agent, 'waiting'], u.waiting),
    ('agentpg_oldest_ready_seconds', ARRAY[u.agent], coalesce(u.oldest_seconds, 0)),
    ('agentpg_longest_running_seconds', ARRAY[u.agent], coalesce(u.longest_seconds, 0))
) AS v (name, labels, value)
ORDER BY u.ready + u.delayed + u.held + u.running + u.waiting DESC, u.agent;

-- name: oldest_plain
-- How long the oldest task that could run has waited, of those that no limit, turn or pause
-- concerns: the first of each priority in the index of the claim, however long the queue is.
WITH RECURSIVE first AS (
    (
        SELECT priority, run_at
        FROM {schema}.tasks
        WHERE status = 'pending' AND held_reason IS NULL AND lane IS NULL
        ORDER BY priority, run_at, id
        LIMIT 1
    )
    UNION ALL
    SELECT n.priority, n.run_at
    FROM first f
    CROSS JOIN LATERAL (
        SELECT t.priority, t.run_at
        FROM {schema}.tasks t
        WHERE t.status = 'pending' AND t.held_reason IS NULL AND t.lane IS NULL
          AND t.priority > f.priority
        ORDER BY t.priority, t.run_at, t.id
        LIMIT 1
    ) n
)
SELECT 'agentpg_oldest_plain_seconds' AS name, '{{}}'::text[] AS labels,
       coalesce(extract(epoch FROM now() - min(run_at) FILTER (WHERE run_at <= now())), 0)::float8
           AS value
FROM first;

-- name: nobody_knows
-- Tasks that could run, and that no living worker has a handler for.
SELECT 'agentpg_tasks_without_worker' AS name, '{{}}'::text[] AS labels,
       coalesce(sum(p.tasks), 0)::float8 AS value
FROM (
    SELECT agent_name, task_type, count(*) AS tasks
    FROM {schema}.tasks
    WHERE status = 'pending' AND held_reason IS NULL AND run_at <= now()
    GROUP BY agent_name, task_type
) p
WHERE NOT EXISTS (
    SELECT
    FROM {schema}.workers w
    WHERE w.ended_at IS NULL
      AND w.heartbeat_at > now() - make_interval(secs => w.lease_seconds)
      AND w.handlers @> jsonb_build_array(jsonb_build_array(p.agent_name, p.task_type))
);

-- name: workers
-- Workers: those that beat, those that have fallen silent, and those that were lost of late.
WITH known AS (
    SELECT
        CASE
            WHEN ended_at IS NOT NULL THEN 'lost'
            WHEN heartbeat_at > now() - make_interval(secs => lease_seconds) THEN 'alive'
            ELSE 'silent'
        END AS state,
        concurrency,
        running
    FROM {schema}.workers
    WHERE ended_at IS NULL OR (ended_how = 'lost' AND ended_at > now() - interval '1 hour')
)
SELECT 'agentpg_workers' AS name, ARRAY[s.state] AS labels,
       (SELECT count(*) FROM known k WHERE k.state = s.state)::float8 AS value
FROM unnest(ARRAY['alive', 'silent', 'lost']) AS s (state)
UNION ALL
SELECT 'agentpg_worker_slots', '{{}}', coalesce(sum(concurrency), 0)::float8
FROM known WHERE state = 'alive'
UNION ALL
SELECT 'agentpg_worker_slots_busy', '{{}}', coalesce(sum(running), 0)::float8
FROM known WHERE state = 'alive';

-- name: schedules
-- Schedules that need a look, as `agentpg status` counts them, and paused agents.
SELECT v.name, v.labels, v.value::float8
FROM (
    SELECT
        count(*) FILTER (WHERE paused_at IS NULL AND problem IS NULL) AS active,
        count(*) FILTER (WHERE paused_at IS NOT NULL) AS paused,
        count(*) FILTER (WHERE paused_at IS NULL AND problem IS NOT NULL) AS broken,
        count(*) FILTER (
            WHERE paused_at IS NULL AND problem IS NULL AND next_at < now() - interval '1 minute'
        ) AS late
    FROM {schema}.schedules
) s
CROSS JOIN LATERAL (VALUES
    ('agentpg_schedules', ARRAY['active'], s.active),
    ('agentpg_schedules', ARRAY['paused'], s.paused),
    ('agentpg_schedules', ARRAY['broken'], s.broken),
    ('agentpg_schedules_late', '{{}}'::text[], s.late),
    ('agentpg_paused_agents', '{{}}', (SELECT count(*) FROM {schema}.paused_agents))
) AS v (name, labels, value);

-- name: moment
-- Up to when executions can be counted: a claim that is a few seconds old is committed.
SELECT clock_timestamp() - make_interval(secs => %(behind)s) AS moment;

-- name: open_executions
-- Executions that have been under way since before a moment.
SELECT id AS task_id, attempt
FROM {schema}.tasks
WHERE status = 'running' AND started_at <= %(before)s;

-- name: open_calls
-- Calls to language models that they have under way since before that. OFFSET keeps the planner,
-- which takes open ones for rare, from reading all calls to find them.
SELECT r.id
FROM {schema}.tasks t
CROSS JOIN LATERAL (
    SELECT c.id
    FROM {schema}.llm_requests c
    WHERE c.task_id = t.id AND c.attempt = t.attempt
      AND c.status = 'open' AND c.started_at <= %(before)s
    OFFSET 0
) r
WHERE t.status = 'running';

-- name: executions
-- Executions that began within a time, and those that were open at the last count: how many
-- have ended, how long they ran, how long their tasks had waited, and which are open now. A
-- bucket of time is the number of bounds that are below it; the bounds come negative, rising.
WITH tried AS MATERIALIZED (
    SELECT true AS fresh, e.task_id, e.attempt, e.agent_name, e.outcome, e.duration_seconds,
           e.execution_start
    FROM {schema}.agent_executions e
    WHERE e.execution_start > %(since)s AND e.execution_start <= %(until)s
    UNION ALL
    SELECT false, e.task_id, e.attempt, e.agent_name, e.outcome, e.duration_seconds,
           e.execution_start
    FROM unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS o (task_id, attempt)
    JOIN {schema}.agent_executions e ON e.task_id = o.task_id AND e.attempt = o.attempt
), waited AS (
    -- A later claim has moved run_at, so only the newest one can tell.
    SELECT
        b.agent_name,
        extract(
            epoch FROM b.execution_start - greatest(t.run_at, t.created_at)
        )::float8 AS seconds
    FROM tried b
    JOIN {schema}.tasks t ON t.id = b.task_id AND t.attempt = b.attempt
    WHERE b.fresh AND greatest(t.run_at, t.created_at) <= b.execution_start
)
SELECT 'run' AS kind, agent_name::text AS agent, outcome::text,
       width_bucket(-duration_seconds, %(bounds)s::float8[]) AS bucket,
       count(*) AS number, coalesce(sum(duration_seconds), 0)::float8 AS seconds,
       NULL::uuid AS task_id, NULL::int AS attempt
FROM tried
WHERE outcome IS NOT NULL
GROUP BY agent_name, outcome, bucket
UNION ALL
SELECT 'wait', agent_name, NULL, width_bucket(-seconds, %(bounds)s::float8[]) AS bucket,
       count(*), sum(seconds), NULL, NULL
FROM waited
GROUP BY agent_name, bucket
UNION ALL
SELECT 'open', agent_name, NULL, NULL, 1, 0, task_id, attempt
FROM tried
WHERE outcome IS NULL;

-- name: calls
-- Calls to language models that began within a time, and those that were open at the last count:
-- how many have ended, with their tokens and cost, and which are open now.
WITH made AS MATERIALIZED (
    SELECT r.id, r.agent_name, coalesce(r.model, r.response_model) AS model, r.status,
           r.input_tokens, r.cache_read_tokens, r.output_tokens, r.reasoning_tokens, r.cost_usd
    FROM {schema}.llm_requests r
    WHERE r.started_at > %(since)s AND r.started_at <= %(until)s
    UNION ALL
    SELECT r.id, r.agent_name, coalesce(r.model, r.response_model), r.status,
           r.input_tokens, r.cache_read_tokens, r.output_tokens, r.reasoning_tokens, r.cost_usd
    FROM unnest(%(ids)s::uuid[]) AS o (id)
    JOIN {schema}.llm_requests r ON r.id = o.id
)
SELECT agent_name::text AS agent, coalesce(model, 'unknown')::text AS model, status::text,
       count(*) AS number,
       coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
       coalesce(sum(cache_read_tokens), 0)::bigint AS cached_tokens,
       coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
       coalesce(sum(reasoning_tokens), 0)::bigint AS reasoning_tokens,
       coalesce(sum(cost_usd), 0) AS cost_usd,
       count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced,
       NULL::uuid AS id
FROM made
WHERE status <> 'open'
GROUP BY agent_name, model, status
UNION ALL
SELECT agent_name, 'unknown', status, 1, 0, 0, 0, 0, 0, 0, id
FROM made
WHERE status = 'open';
