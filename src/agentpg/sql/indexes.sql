-- Indexes: what the catalogue and the statistics tell of them, read without a lock on any table.

-- name: read_server
-- Since when the statistics count at least, who else may read by these indexes, and what helps.
-- A crash throws all of them away: those of the archiver have the time of it then.
SELECT
    quote_ident(current_user::text) AS role,
    pg_is_in_recovery() AS in_recovery,
    coalesce(
        told.stats_reset,
        greatest(pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_archiver))
    ) AS counted_since,
    now() AS asked_at,
    (
        -- One that is away just now comes back.
        SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary
    )::int AS standbys,
    (
        SELECT nspname::text
        FROM pg_extension
        JOIN pg_namespace ON pg_namespace.oid = extnamespace
        WHERE extname = 'pgstattuple'
    ) AS measuring_schema
FROM pg_stat_database AS told
WHERE told.datname = current_database();

-- name: count_standbys
-- The processes that send WAL to standbys; their number is seen by everybody.
SELECT count(*)::int FROM pg_stat_replication;

-- name: read_indexes
-- The indexes of ordinary tables, the largest first. A predicate's text is without places in the
-- statement that made it, so that equal ones are equal. Sizes are those of the last vacuum or build.
SELECT
    i.indexrelid::bigint AS oid,
    i.indrelid::bigint AS table_oid,
    space.nspname::text AS schema,
    class.relname::text AS bare_name,
    format('%%I.%%I', space.nspname, class.relname) AS name,
    format('%%I.%%I', space.nspname, parent.relname) AS table_name,
    am.amname::text AS method,
    class.relpages::bigint * current_setting('block_size')::int AS size_bytes,
    greatest(class.reltuples, 0)::float8 AS rows,
    coalesce(told.idx_scan, 0) AS scans,
    coalesce(told.idx_tup_read, 0) AS rows_read,
    i.indisunique AS is_unique,
    i.indisprimary AS is_primary,
    EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
        AS is_constraint,
    EXISTS (
        SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype = 'f'
    ) AS is_referenced,
    i.indisreplident AS is_identity,
    i.indisclustered AS is_clustered,
    i.indisvalid AND i.indisready AND i.indislive AS is_valid,
    class.relkind = 'I' AS is_partitioned,
    class.relispartition AS is_part,
    i.indnkeyatts::int AS keys,
    string_to_array(i.indkey::text, ' ')::int[] AS columns,
    string_to_array(i.indclass::text, ' ') AS classes,
    string_to_array(i.indcollation::text, ' ') AS collations,
    string_to_array(i.indoption::text, ' ') AS options,
    coalesce(array_to_string(class.reloptions, ', '), '') AS storage,
    ARRAY(
        SELECT coalesce(attoptions::text, '')
        FROM pg_attribute
        WHERE attrelid = i.indexrelid
        ORDER BY attnum
    ) AS parameters,
    coalesce(regexp_replace(i.indexprs::text, ':location -?\d+', '', 'g'), '') AS expressions,
    coalesce(regexp_replace(i.indpred::text, ':location -?\d+', '', 'g'), '') AS predicate
FROM pg_index AS i
JOIN pg_class AS class ON class.oid = i.indexrelid
JOIN pg_class AS parent ON parent.oid = i.indrelid
JOIN pg_namespace AS space ON space.oid = parent.relnamespace
JOIN pg_am AS am ON am.oid = class.relam
LEFT JOIN pg_stat_all_indexes AS told ON told.indexrelid = i.indexrelid
WHERE
    parent.relkind IN ('r', 'p', 'm')
    AND parent.relpersistence <> 't'
    AND space.nspname !~ '^pg_'
    AND space.nspname <> 'information_schema'
ORDER BY class.relpages DESC, i.indexrelid
LIMIT %(most)s;

-- name: count_indexes
-- How many indexes there are.
SELECT count(*)
FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE
    relkind IN ('r', 'p', 'm')
    AND relpersistence <> 't'
    AND nspname !~ '^pg_'
    AND nspname <> 'information_schema';

-- name: read_tables
-- The tables with how they are read and written since the statistics count.
SELECT
    class.oid::bigint AS oid,
    space.nspname::text AS schema,
    format('%%I.%%I', space.nspname, class.relname) AS name,
    class.relkind = 'p' AS is_partitioned,
    class.relispartition AS is_part,
    greatest(class.reltuples, coalesce(told.n_live_tup, 0), 0)::float8 AS rows,
    coalesce(told.seq_scan, 0) AS scans,
    coalesce(told.seq_tup_read, 0) AS rows_scanned,
    coalesce(told.n_tup_ins, 0) AS inserted,
    coalesce(told.n_tup_upd, 0) AS updated,
    coalesce(told.n_tup_hot_upd, 0) AS updated_hot,
    coalesce(told.n_tup_del, 0) AS deleted,
    coalesce(
        (
            SELECT option_value::int
            FROM pg_options_to_table(class.reloptions)
            WHERE option_name = 'fillfactor'
        ),
        100
    ) AS fill_factor
FROM pg_class AS class
JOIN pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_stat_all_tables AS told ON told.relid = class.oid
WHERE
    class.relkind IN ('r', 'p')
    AND class.relpersistence <> 't'
    AND space.nspname !~ '^pg_'
    AND space.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND objid = class.oid AND deptype = 'e'
    )
ORDER BY class.relpages DESC, class.oid
LIMIT %(most)s;

-- name: read_foreign_keys
-- The foreign keys with their columns; those that partitions have of their table are left out.
SELECT
    con.conname::text AS name,
    con.conrelid::bigint AS table_oid,
    con.confrelid::bigint AS referenced_oid,
    quote_ident(space.nspname) AS schema_name,
    class.relname::text AS bare_table,
    format('%%I.%%I', space.nspname, class.relname) AS table_name,
    con.conkey::int[] AS columns,
    ARRAY(
        SELECT quote_ident(attname)
        FROM unnest(con.conkey) WITH ORDINALITY AS part (number, place)
        JOIN pg_attribute ON attrelid = con.conrelid AND attnum = part.number
        ORDER BY place
    ) AS column_names
FROM pg_constraint AS con
JOIN pg_class AS class ON class.oid = con.conrelid
JOIN pg_namespace AS space ON space.oid = class.relnamespace
WHERE con.contype = 'f' AND con.conparentid = 0
ORDER BY con.oid
LIMIT %(most)s;

-- name: read_builds
-- The tables whose indexes are being built now; NULL for those that this role may not see.
SELECT relid::bigint
FROM pg_stat_progress_create_index
WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: estimate_indexes
-- How many pages these plain btrees would have if they were built anew, by the width of their
-- columns; NULL where the statistics of a column are missing, or hidden from the role. The share
-- of NULL in the first column is with it.
SELECT
    i.indexrelid::bigint AS oid,
    CASE
        WHEN count(told.avg_width) = count(*) AND max(class.reltuples) >= 0 THEN (
            1 + ceil(
                max(class.reltuples)
                / floor(
                    (current_setting('block_size')::int - 40) * max(coalesce(fill.factor, 90)) / 100
                    / (
                        12 + CASE WHEN max(told.null_frac) > 0 THEN 8 ELSE 0 END
                        + ceil(sum((1 - told.null_frac) * told.avg_width) / 8) * 8
                    )
                )
            )
        ) * current_setting('block_size')::int
    END::bigint AS needed_bytes,
    max(told.null_frac) FILTER (WHERE part.place = 1)::float8 AS null_share
FROM pg_index AS i
JOIN pg_class AS class ON class.oid = i.indexrelid
JOIN pg_class AS parent ON parent.oid = i.indrelid
JOIN pg_namespace AS space ON space.oid = parent.relnamespace
CROSS JOIN LATERAL
    unnest(string_to_array(i.indkey::text, ' ')::int[]) WITH ORDINALITY AS part (number, place)
JOIN pg_attribute ON attrelid = i.indrelid AND attnum = part.number
LEFT JOIN pg_stats AS told
    ON told.schemaname = space.nspname AND told.tablename = parent.relname
    AND told.attname = pg_attribute.attname AND NOT told.inherited
LEFT JOIN LATERAL (
    SELECT option_value::int AS factor
    FROM pg_options_to_table(class.reloptions)
    WHERE option_name = 'fillfactor'
) AS fill ON true
WHERE i.indexrelid = ANY(%(oids)s::oid[])
GROUP BY i.indexrelid;

-- name: measure_index
-- How full the leaves of a btree are, in per cent, and how large it is; it is read as a whole.
SELECT avg_leaf_density::float8, index_size::bigint
FROM {extension}.pgstatindex(%(oid)s::oid::regclass);

-- name: read_definitions
-- The SQL that makes these indexes, with all names written out.
SELECT indexrelid::bigint AS oid, pg_get_indexdef(indexrelid) AS definition
FROM pg_index
WHERE indexrelid = ANY(%(oids)s::oid[]);
