-- Whether the server keeps up with dead rows, statistics and old transactions.

-- name: read_server
-- The server, what the role may see of it, and its rules for vacuum.
SELECT
    quote_ident(current_user::text) AS role,
    current_database()::text AS database,
    current_setting('server_version_num')::int AS server_version,
    pg_is_in_recovery() AS in_recovery,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    current_setting('autovacuum')::boolean AS autovacuum,
    current_setting('track_counts')::boolean AS track_counts,
    current_setting('autovacuum_max_workers')::int AS workers,
    coalesce(
        nullif(current_setting('autovacuum_vacuum_cost_limit')::int, -1),
        current_setting('vacuum_cost_limit')::int
    ) AS cost_limit,
    current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age,
    current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_freeze_max_age,
    current_setting('vacuum_failsafe_age')::bigint AS failsafe_age,
    current_setting('vacuum_multixact_failsafe_age')::bigint AS multixact_failsafe_age,
    current_setting('block_size')::int AS page_bytes,
    EXISTS (SELECT FROM pg_extension WHERE extname = 'pgstattuple') AS has_pgstattuple,
    now() AS asked_at;

-- name: read_tables
-- The tables that have passed one of the points where autovacuum acts, have autovacuum off, were
-- never seen to, or have rows and no statistics, which who may read them sees; the most rows first. The points are reckoned as autovacuum does it, with the
-- table's own settings, where TOAST has those of its table unless it has some. From 18 on the
-- point for inserts counts unfrozen pages only: it is reckoned too high here, never too low.
-- What somebody has locked for himself is left out, since its size can't be asked.
WITH rules AS MATERIALIZED (
    SELECT
        current_setting('autovacuum_vacuum_threshold')::float8 AS vacuum_base,
        current_setting('autovacuum_vacuum_scale_factor')::float8 AS vacuum_scale,
        nullif(current_setting('autovacuum_vacuum_max_threshold', true)::float8, -1)
            AS vacuum_most,
        current_setting('autovacuum_vacuum_insert_threshold')::float8 AS insert_base,
        current_setting('autovacuum_vacuum_insert_scale_factor')::float8 AS insert_scale,
        current_setting('autovacuum_analyze_threshold')::float8 AS analyze_base,
        current_setting('autovacuum_analyze_scale_factor')::float8 AS analyze_scale
),

locked AS MATERIALIZED (
    SELECT relation
    FROM pg_locks
    WHERE
        mode = 'AccessExclusiveLock'
        AND relation IS NOT NULL
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
),

counted AS (
    SELECT
        c.oid,
        coalesce(of_toast.oid, c.oid) AS named,
        c.relkind = 't' AS toast,
        c.reltuples < 0 AS never,
        coalesce(own.enabled, true) AS enabled,
        coalesce(pg_stat_get_live_tuples(c.oid), 0) AS live_rows,
        coalesce(pg_stat_get_dead_tuples(c.oid), 0) AS dead_rows,
        least(
            coalesce(own.vacuum_base, rules.vacuum_base)
            + coalesce(own.vacuum_scale, rules.vacuum_scale) * greatest(c.reltuples, 0),
            nullif(coalesce(own.vacuum_most, rules.vacuum_most), -1)
        ) AS vacuum_trigger,
        coalesce(pg_stat_get_ins_since_vacuum(c.oid), 0) AS inserted_rows,
        CASE
            WHEN coalesce(own.insert_base, rules.insert_base) >= 0
                THEN coalesce(own.insert_base, rules.insert_base)
                    + coalesce(own.insert_scale, rules.insert_scale) * greatest(c.reltuples, 0)
        END AS insert_trigger,
        coalesce(pg_stat_get_mod_since_analyze(c.oid), 0) AS changed_rows,
        CASE
            WHEN c.relkind <> 't' AND c.oid <> 'pg_catalog.pg_statistic'::regclass
                THEN coalesce(own.analyze_base, rules.analyze_base)
                    + coalesce(own.analyze_scale, rules.analyze_scale) * greatest(c.reltuples, 0)
        END AS analyze_trigger,
        greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid))
            AS vacuumed_at,
        greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid))
            AS analyzed_at,
        c.relname,
        c.relnamespace,
        c.reltuples,
        c.relpages
    FROM pg_class AS c
    CROSS JOIN rules
    LEFT JOIN pg_class AS of_toast ON c.relkind = 't' AND of_toast.reltoastrelid = c.oid
    LEFT JOIN LATERAL (
        SELECT
            (max(option_value) FILTER (WHERE option_name = 'autovacuum_enabled'))::boolean
                AS enabled,
            (max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold'))::float8
                AS vacuum_base,
            (max(option_value) FILTER (
                WHERE option_name = 'autovacuum_vacuum_scale_factor'
            ))::float8 AS vacuum_scale,
            (max(option_value) FILTER (
                WHERE option_name = 'autovacuum_vacuum_max_threshold'
            ))::float8 AS vacuum_most,
            (max(option_value) FILTER (
                WHERE option_name = 'autovacuum_vacuum_insert_threshold'
            ))::float8 AS insert_base,
            (max(option_value) FILTER (
                WHERE option_name = 'autovacuum_vacuum_insert_scale_factor'
            ))::float8 AS insert_scale,
            (max(option_value) FILTER (WHERE option_name = 'autovacuum_analyze_threshold'))::float8
                AS analyze_base,
            (max(option_value) FILTER (
                WHERE option_name = 'autovacuum_analyze_scale_factor'
            ))::float8 AS analyze_scale
        FROM pg_options_to_table(coalesce(c.reloptions, of_toast.reloptions))
    ) AS own ON true
    WHERE
        c.relkind IN ('r', 'm', 't')
        AND c.relpersistence <> 't'
        AND NOT EXISTS (
            SELECT FROM locked WHERE relation IN (c.oid, of_toast.oid, c.reltoastrelid)
        )
),

passed AS (
    SELECT
        counted.*,
        CASE
            WHEN never THEN pg_relation_size(oid)
            ELSE relpages::bigint * current_setting('block_size')::int
        END AS size_bytes,
        CASE
            WHEN
                toast
                OR analyze_trigger IS NULL
                OR reltuples <= 0
                OR relpages::bigint * current_setting('block_size')::int < %(never_bytes)s::bigint
                THEN false
            ELSE
                has_table_privilege(oid, 'SELECT')
                AND NOT row_security_active(oid)
                AND EXISTS (
                    SELECT FROM pg_attribute AS a
                    WHERE
                        a.attrelid = counted.oid
                        AND a.attnum > 0
                        AND NOT a.attisdropped
                        AND coalesce(a.attstattarget, -1) <> 0
                )
                AND NOT EXISTS (
                    SELECT FROM pg_stats AS s
                    JOIN pg_namespace AS n ON n.nspname = s.schemaname
                    WHERE n.oid = counted.relnamespace AND s.tablename = counted.relname
                )
        END AS bare
    FROM counted
)

SELECT
    oid::bigint AS oid,
    named::regclass::text AS name,
    toast,
    never,
    bare,
    enabled,
    size_bytes,
    live_rows,
    dead_rows,
    round(vacuum_trigger)::bigint AS vacuum_trigger,
    inserted_rows,
    round(insert_trigger)::bigint AS insert_trigger,
    changed_rows,
    round(analyze_trigger)::bigint AS analyze_trigger,
    vacuumed_at,
    analyzed_at,
    EXISTS (SELECT FROM pg_stat_progress_vacuum AS work WHERE work.relid = passed.oid) AS at_work,
    count(*) OVER () AS found
FROM passed
WHERE
    (dead_rows > least(vacuum_trigger, live_rows / 2) AND dead_rows >= %(least)s::bigint)
    OR (inserted_rows > insert_trigger AND inserted_rows >= %(least)s::bigint)
    OR (changed_rows > analyze_trigger AND changed_rows >= %(least)s::bigint)
    OR (never AND NOT toast AND size_bytes >= %(never_bytes)s::bigint)
    OR bare
    OR (NOT enabled AND NOT toast)
ORDER BY greatest(dead_rows, inserted_rows, changed_rows) DESC, oid
LIMIT %(most)s::int;

-- name: read_workers
-- How many workers of autovacuum are at work, in all databases; for members of pg_read_all_stats.
SELECT count(*)::int AS running
FROM pg_stat_activity
WHERE backend_type = 'autovacuum worker';

-- name: read_databases
-- How old the oldest transaction of each database is, in transactions and in groups of them
-- (multixacts), and whether vacuum works in it now.
SELECT
    datname::text AS name,
    datname = current_database() AS own,
    age(datfrozenxid)::bigint AS xid_age,
    mxid_age(datminmxid)::bigint AS multixact_age,
    EXISTS (
        SELECT FROM pg_stat_progress_vacuum AS work WHERE work.datid = pg_database.oid
    ) AS at_work
FROM pg_database
ORDER BY 3 DESC, 1
LIMIT 50;

-- name: read_aged
-- The tables of this database with the oldest transactions, by how far they are past the age at
-- which autovacuum must act; a table's own setting can only be lower. Temporary tables count,
-- and nobody but their session can vacuum them.
WITH rules AS MATERIALIZED (
    SELECT
        current_setting('autovacuum_freeze_max_age')::bigint AS xid_most,
        current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_most
),

aged AS (
    SELECT
        c.oid,
        coalesce(of_toast.oid, c.oid) AS named,
        c.relkind = 't' AS toast,
        c.relpersistence = 't' AS temporary,
        age(c.relfrozenxid)::bigint AS xid_age,
        mxid_age(c.relminmxid)::bigint AS multixact_age,
        least(own.xid_most, rules.xid_most) AS xid_most,
        least(own.multixact_most, rules.multixact_most) AS multixact_most
    FROM pg_class AS c
    CROSS JOIN rules
    LEFT JOIN pg_class AS of_toast ON c.relkind = 't' AND of_toast.reltoastrelid = c.oid
    LEFT JOIN LATERAL (
        SELECT
            (max(option_value) FILTER (WHERE option_name = 'autovacuum_freeze_max_age'))::bigint
                AS xid_most,
            (max(option_value) FILTER (
                WHERE option_name = 'autovacuum_multixact_freeze_max_age'
            ))::bigint AS multixact_most
        FROM pg_options_to_table(coalesce(c.reloptions, of_toast.reloptions))
    ) AS own ON true
    WHERE c.relkind IN ('r', 'm', 't') AND c.relfrozenxid <> '0'
)

SELECT
    oid::bigint AS oid,
    named::regclass::text AS name,
    toast,
    temporary,
    xid_age,
    xid_most,
    multixact_age,
    multixact_most,
    EXISTS (SELECT FROM pg_stat_progress_vacuum AS work WHERE work.relid = aged.oid) AS at_work
FROM aged
ORDER BY
    greatest(xid_age::float8 / xid_most, multixact_age::float8 / multixact_most) DESC,
    xid_age DESC,
    oid
LIMIT 50;

-- name: read_holders
-- Who makes vacuum keep dead rows: sessions with an old snapshot or transaction, standbys that
-- tell what they read, replication slots, prepared transactions. Slots for logical replication hold
-- the rows of the catalogue alone. Vacuum itself holds nobody up.
SELECT
    'session' AS kind,
    coalesce(usename::text, '') AS name,
    pid AS process,
    coalesce(application_name, '') AS application,
    coalesce(state, '') AS state,
    xact_start AS since,
    greatest(age(backend_xmin), age(backend_xid))::bigint AS transactions
FROM pg_stat_activity
WHERE
    pid <> pg_backend_pid()
    AND datname = current_database()
    AND leader_pid IS NULL
    AND coalesce(backend_type, '') NOT IN ('autovacuum worker', 'walsender')
    AND coalesce(backend_xmin, backend_xid) IS NOT NULL
    AND pid NOT IN (SELECT work.pid FROM pg_stat_progress_vacuum AS work)
UNION ALL
SELECT
    'standby',
    coalesce(nullif(application_name, ''), host(client_addr), ''),
    pid,
    '',
    coalesce(state, ''),
    NULL,
    age(backend_xmin)::bigint
FROM pg_stat_replication
WHERE backend_xmin IS NOT NULL
UNION ALL
SELECT
    CASE WHEN xmin IS NULL THEN 'catalogue slot' ELSE 'slot' END,
    slot_name::text,
    active_pid,
    '',
    CASE WHEN active THEN 'active' ELSE 'inactive' END,
    NULL,
    age(coalesce(xmin, catalog_xmin))::bigint
FROM pg_replication_slots
WHERE coalesce(xmin, catalog_xmin) IS NOT NULL
UNION ALL
SELECT 'prepared', gid, NULL, owner::text, '', prepared, age(transaction)::bigint
FROM pg_prepared_xacts
WHERE database = current_database()
ORDER BY 7 DESC
LIMIT 20;

-- name: read_large
-- The largest tables with what their rows take by the statistics; NULL where the role may not
-- see those of every column, or there are none.
WITH large AS (
    SELECT
        c.oid,
        nspname,
        relname,
        relpages,
        reltuples,
        coalesce(
            (
                SELECT option_value::int
                FROM pg_options_to_table(reloptions)
                WHERE option_name = 'fillfactor'
            ),
            100
        ) AS fill_factor
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE
        relkind IN ('r', 'm')
        AND relpersistence = 'p'
        AND reltuples > 0
        AND relpages >= %(pages)s::int
    ORDER BY relpages DESC
    LIMIT %(most)s::int
)

SELECT
    large.oid::bigint AS oid,
    large.oid::regclass::text AS name,
    max(relpages)::bigint AS pages,
    max(reltuples)::float8 AS rows,
    max(fill_factor) AS fill_factor,
    count(*)::int AS columns,
    coalesce(bool_or(null_frac > 0), false) AS has_nulls,
    CASE
        WHEN count(*) = count(s.attname)
            THEN sum((1 - null_frac) * avg_width)::float8
    END AS row_bytes
FROM large
JOIN pg_attribute AS a
    ON a.attrelid = large.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
LEFT JOIN pg_stats AS s
    ON
        s.schemaname = large.nspname
        AND s.tablename = large.relname
        AND s.attname = a.attname
        AND NOT s.inherited
GROUP BY large.oid
ORDER BY 3 DESC;

-- name: read_sequences
-- The sequences that end, the ones with the least numbers first: the end is the sequence's own, or
-- that of the column that it fills.
SELECT
    s.seqrelid::regclass::text AS name,
    format('%%I.%%I', n.nspname, c.relname) AS whole,
    s.seqstart AS first,
    CASE
        WHEN s.seqincrement > 0 THEN least(s.seqmax, kept.most)
        ELSE greatest(s.seqmin, -kept.most - 1)
    END AS last,
    coalesce(kept.name, '') AS fills,
    has_sequence_privilege(s.seqrelid, 'SELECT') AS readable,
    count(*) OVER () AS found
FROM pg_sequence AS s
JOIN pg_class AS c ON c.oid = s.seqrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT
        CASE a.atttypid
            WHEN 'int2'::regtype THEN 32767
            WHEN 'int4'::regtype THEN 2147483647
            WHEN 'int8'::regtype THEN 9223372036854775807
        END AS most,
        a.attrelid::regclass::text || '.' || quote_ident(a.attname) AS name
    FROM pg_depend AS d
    JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE
        d.classid = 'pg_class'::regclass
        AND d.objid = s.seqrelid
        AND d.refclassid = 'pg_class'::regclass
        AND d.deptype IN ('a', 'i')
    LIMIT 1
) AS kept ON true
WHERE NOT s.seqcycle AND c.relpersistence <> 't'
ORDER BY abs(least(s.seqmax, kept.most)), 1
LIMIT %(most)s::int;

-- name: read_last_value
-- How far a sequence is. A look by the view pg_sequences would lock it as a writer does.
SELECT last_value FROM {sequence};

-- name: read_collations
-- Collations whose rules are others now than when the indexes were built: the database's own, and
-- those of its indexes.
SELECT
    true AS of_database,
    datname::text AS name,
    datcollversion AS recorded,
    pg_database_collation_actual_version(oid) AS actual,
    0::bigint AS indexes
FROM pg_database
WHERE
    datname = current_database()
    AND datcollversion <> pg_database_collation_actual_version(oid)
UNION ALL
SELECT
    false,
    quote_ident(nspname) || '.' || quote_ident(collname),
    collversion,
    pg_collation_actual_version(c.oid),
    used.indexes
FROM (
    SELECT sorted.by, count(*) AS indexes
    FROM pg_index
    CROSS JOIN LATERAL unnest(indcollation::oid[]) AS sorted (by)
    GROUP BY 1
) AS used
JOIN pg_collation AS c ON c.oid = used.by
JOIN pg_namespace AS n ON n.oid = c.collnamespace
WHERE collversion <> pg_collation_actual_version(c.oid)
ORDER BY 1 DESC, 2
LIMIT 20;

-- name: read_triggers
-- The triggers that are switched off, by table; those of foreign keys are the server's own.
SELECT
    tgrelid::regclass::text AS name,
    (count(*) FILTER (WHERE tgisinternal))::int AS of_keys,
    coalesce(string_agg(quote_ident(tgname), ', ' ORDER BY tgname) FILTER (WHERE NOT tgisinternal), '')
        AS triggers,
    (count(*) OVER ())::int AS found
FROM pg_trigger
WHERE tgenabled = 'D'
GROUP BY tgrelid
ORDER BY 1
LIMIT 20;

-- name: read_constraints
-- The constraints that were never checked against the rows that were there before; those that
-- are not enforced at all, from 18 on, are meant to be so.
SELECT
    conrelid::regclass::text AS name,
    quote_ident(conname) AS constraint_name,
    contype::text AS kind,
    (count(*) OVER ())::int AS found
FROM pg_constraint AS c
WHERE
    NOT convalidated
    AND conrelid <> 0
    AND coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true)
ORDER BY 1, 2
LIMIT 20;
