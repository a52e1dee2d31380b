-- Indexes for the workload: what runs, what its tables are like, and trying on a copy.

-- name: read_workload
-- The statements of this role that took most time, in this database.
SELECT
    queryid::bigint AS query_id,
    query,
    sum(calls)::bigint AS calls,
    sum(total_exec_time)::float8 AS total_ms,
    sum(rows)::bigint AS rows
FROM {extension}.pg_stat_statements
WHERE
    dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND userid = (SELECT oid FROM pg_roles WHERE rolname = current_user)
    AND queryid IS NOT NULL
    AND query ~* '^[\s(]*(select|with|insert|update|delete|merge)\y'
GROUP BY 1, 2
ORDER BY 4 DESC
LIMIT %(most)s;

-- name: count_workload
-- How many statements there are in all, and how many of them other roles ran.
SELECT
    count(*)::int,
    (
        count(*) FILTER (
            WHERE userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
        )
    )::int
FROM {extension}.pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: read_columns
-- The columns of these tables with what the statistics know of them, and whether a btree takes
-- their type; the number of different values is counted from the rows where it is a share.
SELECT
    format('%%s.%%s', space.nspname, class.relname) AS table_name,
    pg_attribute.attname::text AS name,
    pg_attribute.attnum::int AS number,
    quote_ident(space.nspname) AS quoted_schema,
    class.relname::text AS bare_table,
    format('%%I.%%I', space.nspname, class.relname) AS quoted_table,
    quote_ident(pg_attribute.attname) AS quoted_name,
    coalesce(
        CASE WHEN n_distinct < 0 THEN -n_distinct * greatest(reltuples, 0) ELSE n_distinct END, 0
    )::float8 AS values,
    coalesce(null_frac, 0)::float8 AS null_share,
    coalesce(avg_width, 0) AS width,
    EXISTS (
        SELECT FROM pg_opclass
        JOIN pg_am ON pg_am.oid = opcmethod
        WHERE
            amname = 'btree' AND opcdefault
            AND (
                opcintype = atttypid
                OR opcintype = (SELECT typbasetype FROM pg_type WHERE oid = atttypid)
                OR EXISTS (
                    SELECT FROM pg_cast
                    WHERE castsource = atttypid AND casttarget = opcintype AND castmethod = 'b'
                        AND castcontext = 'i'
                )
                OR (opcintype = 'anyenum'::regtype AND typtype = 'e')
                OR (opcintype = 'anyarray'::regtype AND typcategory = 'A')
            )
    ) AS is_sortable
FROM pg_class AS class
JOIN pg_namespace AS space ON space.oid = relnamespace
JOIN pg_attribute ON attrelid = class.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_stats
    ON schemaname = space.nspname AND tablename = class.relname
    AND pg_stats.attname = pg_attribute.attname
    AND inherited = (class.relkind = 'p')
WHERE format('%%s.%%s', space.nspname, class.relname) = ANY(%(names)s::text[])
ORDER BY class.oid, pg_attribute.attnum;

-- name: hypothesize
-- An index that only this session's planner believes in.
SELECT indexname::text FROM {extension}.hypopg_create_index(%(definition)s);

-- name: forget_hypotheses
-- Without them again.
SELECT {extension}.hypopg_reset();

-- name: searched
-- Where names without a schema are looked for.
SELECT current_setting('search_path');

-- name: search_in
-- Look for names there.
SELECT pg_catalog.set_config('search_path', %(path)s, false);

-- name: make_copier
-- Whom the copy belongs to: it sees all rows, as a superuser would, and may do nothing else.
CREATE ROLE {role} LOGIN BYPASSRLS;

-- name: let_copy
-- It fills tables without their triggers.
GRANT SET ON PARAMETER session_replication_role TO {role};

-- name: give_copy
-- It owns the database.
ALTER DATABASE {database} OWNER TO {role};

-- name: extensions
-- The extensions of the source, those that others need first.
SELECT extname::text, nspname::text
FROM pg_extension
JOIN pg_namespace ON pg_namespace.oid = extnamespace
ORDER BY pg_extension.oid;

-- name: make_space
-- Where an extension is.
CREATE SCHEMA IF NOT EXISTS {space} AUTHORIZATION {role};

-- name: make_extension
-- As the source has it, in the version that is here.
CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA {space};

-- name: sizes_of
-- What these tables take without their indexes.
SELECT format('%%I.%%I', nspname, relname), pg_table_size(pg_class.oid)
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE format('%%I.%%I', nspname, relname) = ANY(%(names)s::text[]);

-- name: writable_columns
-- The columns of a table that can be written, as SQL lists them.
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
FROM pg_attribute
WHERE
    attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';

-- name: read_only_now
-- One moment of the source for all tables.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: copy_out
-- The rows of a table, all or a sample.
COPY (SELECT {columns} FROM {table} {sample}) TO STDOUT;

-- name: copy_in
-- Into the copy.
COPY {table} ({columns}) FROM STDIN;

-- name: make_rows_visible
-- Count what the planner reckons with, and say which pages all may see.
VACUUM (ANALYZE) {table};

-- name: speak_utf8
-- Rows pass from one server to the other, whatever the encodings of their databases.
SELECT pg_catalog.set_config('client_encoding', 'UTF8', false);

-- name: no_triggers
-- The rows come as they are: no trigger, and no look at other tables.
SELECT pg_catalog.set_config('session_replication_role', 'replica', false);

-- name: some_rows
-- Values that belong together, of rows from all over the table.
SELECT {columns} FROM {table} WHERE {present} ORDER BY md5(tableoid::text || ctid::text) LIMIT 3;

-- name: quantile
-- A value that so many of a column are below.
SELECT (percentile_disc(%(share)s::float8) WITHIN GROUP (ORDER BY {column}))::text FROM {table};

-- name: make_probe
-- A table like it, for rows that are written to be measured.
CREATE TABLE {probe} (LIKE {table} INCLUDING ALL);

-- name: fill_probe
-- Rows as the table has them.
INSERT INTO {probe} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM {table} LIMIT %(rows)s;

-- name: build
-- The index on the copy.
CREATE INDEX {index} ON {table} ({columns}) {condition};

-- name: unbuild
-- Without it again.
DROP INDEX {index};

-- name: size_of
-- What an index takes.
SELECT pg_relation_size(%(index)s::regclass);

-- name: find_index
-- An index by its name with its schema, and what stands on it.
SELECT
    i.indexrelid::bigint AS oid,
    i.indrelid::bigint AS table_oid,
    format('%%I.%%I', nspname, class.relname) AS name,
    nspname::text AS schema,
    class.relname::text AS bare_name,
    pg_get_indexdef(i.indexrelid) AS definition,
    i.indisvalid AND i.indisready AND i.indislive AS is_valid,
    i.indisunique OR i.indisreplident OR i.indisclustered OR class.relispartition
    OR class.relkind = 'I'
    OR EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid) AS is_needed,
    coalesce(spcname::text, '') AS tablespace,
    coalesce(obj_description(i.indexrelid, 'pg_class'), '') AS comment,
    ARRAY(
        SELECT format(
            'ALTER INDEX %%I.%%I ALTER COLUMN %%s SET STATISTICS %%s',
            nspname, class.relname, attnum, (to_jsonb(pg_attribute) ->> 'attstattarget')
        )
        FROM pg_attribute
        WHERE
            attrelid = i.indexrelid
            AND coalesce((to_jsonb(pg_attribute) ->> 'attstattarget')::int, -1) >= 0
        ORDER BY attnum
    ) AS statistics,
    pg_relation_size(i.indexrelid) AS size_bytes
FROM pg_index AS i
JOIN pg_class AS class ON class.oid = i.indexrelid
JOIN pg_namespace ON pg_namespace.oid = class.relnamespace
LEFT JOIN pg_tablespace ON pg_tablespace.oid = class.reltablespace
WHERE
    (format('%%I.%%I', nspname, class.relname) = %(name)s OR i.indexrelid = to_regclass(%(name)s))
    AND nspname !~ '^pg_' AND nspname <> 'information_schema';

-- name: rebuild_takes
-- About how large an index is that is built anew, where it lies, and where its entries are sorted.
-- One that is not valid may be less than it will be.
SELECT
    CASE
        WHEN i.indisvalid THEN pg_relation_size(i.indexrelid)
        ELSE greatest(pg_relation_size(i.indexrelid), pg_relation_size(i.indrelid))
    END AS index_bytes,
    pg_tablespace_location(coalesce(nullif(class.reltablespace, 0), dattablespace)) AS folder,
    pg_tablespace_location(dattablespace) AS sort_folder
FROM pg_index AS i
JOIN pg_class AS class ON class.oid = i.indexrelid
JOIN pg_database ON datname = current_database()
WHERE i.indexrelid = %(oid)s::oid;

-- name: create_takes
-- The same of an index that is made, by the rows and the widths of its columns in the statistics:
-- 16 bytes for each entry and its pointer, values padded by 8 at most, pages filled to nine tenths.
-- Without statistics it is taken to be as large as the rows.
SELECT
    coalesce(
        nullif(greatest(class.reltuples, 0), 0) * (24 + coalesce(known.width, 32)) / 0.9,
        pg_relation_size(class.oid)
    )::bigint AS index_bytes,
    pg_tablespace_location(
        coalesce(
            (SELECT oid FROM pg_tablespace WHERE spcname = current_setting('default_tablespace')),
            dattablespace
        )
    ) AS folder,
    pg_tablespace_location(dattablespace) AS sort_folder
FROM pg_class AS class
JOIN pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_database ON datname = current_database()
LEFT JOIN LATERAL (
    SELECT sum(avg_width) AS width
    FROM pg_stats
    WHERE
        schemaname = space.nspname
        AND tablename = class.relname
        AND quote_ident(attname) = ANY(%(columns)s::text[])
        AND NOT inherited
) AS known ON true
WHERE class.oid = %(table)s::regclass;

-- name: invalid_on
-- The indexes of a table that are not valid.
SELECT format('%%I.%%I', nspname, relname), relname::text
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE indrelid = %(table_oid)s::oid AND NOT indisvalid;

-- name: table_oid
-- A table by its name; NULL where there is none.
SELECT to_regclass(%(table)s)::oid::bigint;

-- name: create
-- Build an index while rows are written.
CREATE INDEX CONCURRENTLY {index} ON {table} ({columns}) {condition};

-- name: drop
-- Drop an index; it waits for who uses it, and holds nobody up.
DROP INDEX CONCURRENTLY {index};

-- name: drop_left
-- Drop what a build has left.
DROP INDEX CONCURRENTLY IF EXISTS {index};

-- name: reindex
-- Build an index anew beside the old one.
REINDEX INDEX CONCURRENTLY {index};

-- name: comment
-- What an index is for.
COMMENT ON INDEX {index} IS {text};
