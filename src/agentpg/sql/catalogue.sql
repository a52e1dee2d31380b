-- Reading the database's own catalogue.

-- name: relations
-- Tables and views of one schema with their sizes; a negative estimate is no estimate.
SELECT
    c.oid::bigint AS oid,
    c.relname AS name,
    c.relkind::text AS kind,
    obj_description(c.oid, 'pg_class') AS comment,
    CASE WHEN c.relkind IN ('r', 'm', 'p') AND c.reltuples >= 0
        THEN c.reltuples::bigint
    END AS estimated_rows,
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) END AS table_bytes,
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_indexes_size(c.oid) END AS index_bytes,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid, true) END AS definition
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY c.relname;

-- name: columns
-- The columns of all relations of one schema, in their order.
SELECT
    a.attrelid::bigint AS relation,
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    NOT a.attnotnull AS nullable,
    a.attidentity <> '' AS is_identity,
    a.attgenerated <> '' AS is_generated,
    pg_get_expr(d.adbin, d.adrelid) AS default,
    col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum;

-- name: indexes
-- The indexes of one schema, with how often each was used since the statistics' reset.
SELECT
    x.indrelid::bigint AS relation,
    i.relname AS name,
    pg_get_indexdef(x.indexrelid) AS definition,
    x.indisprimary AS is_primary,
    x.indisunique AS is_unique,
    x.indisvalid AS is_valid,
    pg_relation_size(x.indexrelid) AS size_bytes,
    s.idx_scan AS scans,
    obj_description(x.indexrelid, 'pg_class') AS comment
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = x.indexrelid
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'm')
ORDER BY x.indrelid, x.indisprimary DESC, i.relname;

-- name: constraints
-- The constraints of one schema; a foreign key names what it refers to.
SELECT
    k.conrelid::bigint AS relation,
    k.conname AS name,
    k.contype::text AS kind,
    pg_get_constraintdef(k.oid, true) AS definition,
    k.convalidated AS is_validated,
    f.relname AS target,
    fn.nspname AS target_schema,
    (SELECT array_agg(a.attname::text ORDER BY u.place)
     FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number) AS columns,
    (SELECT array_agg(a.attname::text ORDER BY u.place)
     FROM unnest(k.confkey) WITH ORDINALITY AS u (number, place)
     JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number) AS target_columns,
    obj_description(k.oid, 'pg_constraint') AS comment
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class f ON f.oid = k.confrelid
LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
-- PostgreSQL 18 stores NOT NULL here as well; the columns say it already.
WHERE n.nspname = %(schema)s AND k.contype IN ('p', 'u', 'c', 'f', 'x')
ORDER BY k.conrelid, array_position(ARRAY['p', 'u', 'f', 'c', 'x'], k.contype::text), k.conname;

-- name: triggers
-- The triggers of one schema, without those that PostgreSQL makes for itself.
SELECT
    t.tgrelid::bigint AS relation,
    t.tgname AS name,
    pg_get_triggerdef(t.oid, true) AS definition,
    t.tgenabled <> 'D' AS is_enabled,
    obj_description(t.oid, 'pg_trigger') AS comment
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND NOT t.tgisinternal
ORDER BY t.tgrelid, t.tgname;

-- name: dependent_views
-- Which views read which relations of one schema.
SELECT DISTINCT
    d.refobjid::bigint AS relation,
    v.relname AS view,
    vn.nspname AS view_schema
FROM pg_depend d
JOIN pg_rewrite r ON r.oid = d.objid
JOIN pg_class v ON v.oid = r.ev_class
JOIN pg_namespace vn ON vn.oid = v.relnamespace
JOIN pg_class c ON c.oid = d.refobjid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
  AND n.nspname = %(schema)s AND v.oid <> c.oid
ORDER BY 1, 3, 2;

-- name: functions
-- The functions of one schema, without those of extensions.
SELECT
    p.proname AS name,
    pg_get_function_arguments(p.oid) AS arguments,
    pg_get_function_result(p.oid) AS result,
    obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = %(schema)s
  AND NOT EXISTS (
      SELECT FROM pg_depend d
      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  )
ORDER BY p.proname, 2;

-- name: server
-- What was read, and when.
SELECT
    current_database() AS database,
    current_setting('server_version') AS version,
    now() AS read_at;
