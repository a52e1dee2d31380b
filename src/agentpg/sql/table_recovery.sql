-- Bringing back a table or some of its rows from a restored backup.

-- name: find_table
-- A table by its name as it would be written in a query, in the installation's schema first.
SELECT n.nspname::text, c.relname::text
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = coalesce(to_regclass(format('%%I.%%I', %(schema)s::text, %(name)s::text)), to_regclass(%(name)s))
    AND c.relkind IN ('r', 'p');

-- name: table_there
-- Whether there is a table of exactly this name.
SELECT FROM pg_class
WHERE oid = to_regclass(format('%%I.%%I', %(schema)s::text, %(name)s::text)) AND relkind IN ('r', 'p');

-- name: columns
-- The columns that have values of their own, in order, and whether each is part of the key.
SELECT
    a.attname::text,
    coalesce(array_position((i.indkey::int2 [])[0:i.indnkeyatts - 1], a.attnum) IS NOT NULL, false)
FROM pg_attribute AS a
LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attgenerated = ''
ORDER BY a.attnum;

-- name: parents
-- Which tables a table's foreign keys name.
SELECT n.nspname::text, c.relname::text
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.confrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conrelid = %(table)s::regclass AND k.confrelid <> k.conrelid;

-- name: pin
-- Values as text that reads back as the same value, whatever the session's settings are.
SELECT
    set_config('datestyle', 'ISO, MDY', true), set_config('intervalstyle', 'postgres', true),
    set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true),
    set_config('client_encoding', 'UTF8', true), set_config('row_security', 'off', true);

-- name: read_zone
-- The time zone of the session.
SELECT current_setting('TimeZone');

-- name: set_zone
-- The same one for the other session, until its transaction ends.
SELECT set_config('TimeZone', %(zone)s, true);

-- name: make_staging
-- Where the rows of the backup come to, beside the live ones.
CREATE TEMPORARY TABLE {staging} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA;

-- name: copy_out
-- The rows that are wanted, of the restored backup.
COPY (SELECT {columns} FROM {table} WHERE {condition}) TO STDOUT;

-- name: copy_in
-- The same rows on their way to the live database.
COPY {staging} ({columns}) FROM STDIN;

-- name: lock_table
-- Let nobody else write in between; reading goes on.
LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE;

-- name: difference
-- How many rows are missing, changed, and in the live table only.
SELECT
    count(*) FILTER (WHERE NOT l.there IS TRUE),
    count(*) FILTER (WHERE l.there AND b.there AND l.said IS DISTINCT FROM b.said),
    count(*) FILTER (WHERE NOT b.there IS TRUE)
FROM (SELECT {key}, true AS there, ROW({columns})::text AS said FROM {staging}) AS b
FULL JOIN (
    SELECT {key}, true AS there, ROW({columns})::text AS said FROM {table} WHERE {condition}
    UNION ALL
    SELECT {key}, true, ROW({columns})::text FROM {table}
    WHERE NOT coalesce(({condition}), false) AND ({key}) IN (SELECT {key} FROM {staging})
) AS l USING ({key});

-- name: drop_staged_unchanged
-- Rows that are as they were need nothing.
DELETE FROM {staging} AS b USING {table} AS l
WHERE {same_key} AND ROW({staged_columns})::text = ROW({live_columns})::text;

-- name: drop_staged_changed
-- Rows that are there in another form stay as they are.
DELETE FROM {staging} AS b USING {table} AS l WHERE {same_key};

-- name: make_before
-- Where rows are kept that become others.
CREATE TEMPORARY TABLE {before} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA;

-- name: keep_before
-- Changed rows as they are, before they become what they were.
INSERT INTO {before} ({columns})
SELECT {live_columns} FROM {table} AS l JOIN {staging} AS b ON {same_key};

-- name: merged_rows
-- The rows that were merged, as they are now.
COPY (SELECT {live_columns} FROM {table} AS l JOIN {staging} AS b ON {same_key}) TO STDOUT;

-- name: rows_before
-- The rows of them that were there, as they were.
COPY {before} ({columns}) TO STDOUT;

-- name: undo_merged
-- The same rows within the file that undoes it.
COPY {staging} ({columns}) FROM stdin;

-- name: undo_before
-- And these.
COPY {before} ({columns}) FROM stdin;

-- name: undo_check
-- Stop where a row is not as it was merged.
DO $agentpg$
BEGIN
    IF EXISTS (
        SELECT FROM {staging} AS b
        WHERE NOT EXISTS (
            SELECT FROM {table} AS l
            WHERE {same_key} AND ROW({live_columns})::text = ROW({staged_columns})::text
        )
    ) THEN
        RAISE EXCEPTION USING MESSAGE = {said};
    END IF;
END
$agentpg$;

-- name: undo_changes
-- Changed rows get their values from before.
UPDATE {table} AS l SET ({others}) = ROW({staged_others}) FROM {before} AS b WHERE {same_key};

-- name: undo_inserts
-- Rows that were missing go again, all at once.
DELETE FROM {table} AS l USING {staging} AS b
WHERE {same_key} AND NOT EXISTS (SELECT FROM {before} AS o WHERE {kept_key});

-- name: user_triggers
-- Triggers that people have made and that fire: the SQL that turns each off, and on as it was.
SELECT
    format('ALTER TABLE %%s DISABLE TRIGGER %%I;', %(table)s::text, tgname),
    format(
        'ALTER TABLE %%s ENABLE %%sTRIGGER %%I;', %(table)s::text,
        CASE tgenabled WHEN 'A' THEN 'ALWAYS ' ELSE '' END, tgname
    )
FROM pg_trigger
WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal AND tgenabled IN ('O', 'A')
ORDER BY tgname;

-- name: check_now
-- Foreign keys that are looked at when a transaction ends are looked at now.
SET CONSTRAINTS ALL IMMEDIATE;

-- name: numbering
-- The sequences that give columns of a table their numbers.
SELECT format('%%I.%%I', n.nspname, s.relname), a.attname::text
FROM pg_depend AS d
JOIN pg_sequence AS q ON q.seqrelid = d.objid AND q.seqincrement > 0
JOIN pg_class AS s ON s.oid = d.objid
JOIN pg_namespace AS n ON n.oid = s.relnamespace
JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE
    d.classid = 'pg_class'::regclass
    AND d.refclassid = 'pg_class'::regclass
    AND d.deptype IN ('a', 'i')
    AND d.refobjid = %(table)s::regclass
    AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype);

-- name: catch_up
-- Let a sequence go on behind the highest number in its column, where it is before that.
SELECT setval(%(sequence)s::regclass, m.highest)
FROM {sequence} AS s
CROSS JOIN (SELECT max({column})::bigint AS highest FROM {table}) AS m
JOIN pg_sequence AS q ON q.seqrelid = %(sequence)s::regclass
WHERE
    m.highest BETWEEN q.seqmin AND q.seqmax
    AND m.highest > CASE WHEN s.is_called THEN s.last_value ELSE s.last_value - 1 END;

-- name: update_changed
-- Changed rows become what they were.
UPDATE {table} AS l SET ({others}) = ROW({staged_others}) FROM {staging} AS b WHERE {same_key};

-- name: insert_missing
-- Missing rows come back.
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM {staging} AS b
WHERE NOT EXISTS (SELECT FROM {table} AS l WHERE {same_key});

-- name: hold_tasks
-- Unfinished tasks come back held, so that none runs again by itself.
UPDATE {tasks}
SET status = CASE WHEN status = 'running' THEN 'pending' ELSE status END,
    worker = NULL,
    held_reason = coalesce(held_reason, %(reason)s)
WHERE status IN ('pending', 'running', 'waiting');

-- name: fail_tasks
-- Unfinished tasks come back as failed.
UPDATE {tasks}
SET status = 'failed', worker = NULL, held_reason = NULL, finished_at = now(),
    error_message = %(reason)s
WHERE status IN ('pending', 'running', 'waiting');

-- name: descendants
-- The partitions of a table, and the tables that inherit from it, parents first.
WITH RECURSIVE below AS (
    SELECT inhrelid, 1 AS depth FROM pg_inherits WHERE inhparent = %(table)s::regclass
    UNION ALL
    SELECT i.inhrelid, b.depth + 1 FROM pg_inherits AS i JOIN below AS b ON b.inhrelid = i.inhparent
)
SELECT n.nspname::text, c.relname::text
FROM below AS b
JOIN pg_class AS c ON c.oid = b.inhrelid AND c.relkind IN ('r', 'p')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
GROUP BY n.nspname, c.relname
ORDER BY min(b.depth), 1, 2;

-- name: table_oids
-- What tables are called in the catalogues.
SELECT 'pg_class'::regclass::oid, t.name::regclass::oid
FROM unnest(%(tables)s::text[]) AS t (name);

-- name: identify
-- What things of the catalogues are: how each is found in another database, the relation that it
-- belongs to, whether it only lets that join something, and what removes it.
SELECT
    x.catalogue, x.oid, a.type, a.object_names, a.object_args, o.identity, coalesce(r.relation, 0),
    x.catalogue = 'pg_publication_rel'::regclass,
    CASE a.type
        WHEN 'table constraint' THEN format(
            'ALTER TABLE %%I.%%I DROP CONSTRAINT IF EXISTS %%I;',
            a.object_names[1], a.object_names[2], a.object_names[3]
        )
        WHEN 'default value' THEN format(
            'ALTER TABLE %%I.%%I ALTER COLUMN %%I DROP DEFAULT;',
            a.object_names[1], a.object_names[2], a.object_names[3]
        )
        WHEN 'statistics object' THEN format('DROP STATISTICS IF EXISTS %%s;', o.identity)
        ELSE format('DROP %%s IF EXISTS %%s;', upper(a.type), o.identity)
    END
FROM unnest(%(catalogues)s::oid[], %(oids)s::oid[]) AS x (catalogue, oid)
CROSS JOIN LATERAL pg_identify_object_as_address(x.catalogue, x.oid, 0) AS a
CROSS JOIN LATERAL pg_identify_object(x.catalogue, x.oid, 0) AS o
CROSS JOIN LATERAL (
    SELECT CASE x.catalogue
        WHEN 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint AS k WHERE k.oid = x.oid)
        WHEN 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger AS g WHERE g.oid = x.oid)
        WHEN 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite AS w WHERE w.oid = x.oid)
        WHEN 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy AS p WHERE p.oid = x.oid)
        WHEN 'pg_attrdef'::regclass THEN (SELECT adrelid FROM pg_attrdef AS d WHERE d.oid = x.oid)
        WHEN 'pg_statistic_ext'::regclass
            THEN (SELECT stxrelid FROM pg_statistic_ext AS s WHERE s.oid = x.oid)
        WHEN 'pg_publication_rel'::regclass
            THEN (SELECT prrelid FROM pg_publication_rel AS b WHERE b.oid = x.oid)
        WHEN 'pg_class'::regclass THEN coalesce(
            (SELECT indrelid FROM pg_index AS i WHERE i.indexrelid = x.oid),
            (
                SELECT d.refobjid
                FROM pg_depend AS d
                JOIN pg_sequence AS q ON q.seqrelid = d.objid
                WHERE
                    d.classid = 'pg_class'::regclass AND d.objid = x.oid
                    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
            )
        )
    END AS relation
) AS r;

-- name: within_others
-- Defaults and checks that a dump writes within the tables that have them, and that need some of
-- these things; the SQL that gives them back.
WITH needed AS (
    SELECT x.catalogue, x.oid
    FROM unnest(%(catalogues)s::oid[], %(oids)s::oid[]) AS x (catalogue, oid)
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid FROM pg_type AS t WHERE t.typrelid = ANY(%(oids)s::oid[])
),

users AS (
    SELECT DISTINCT d.classid, d.objid
    FROM pg_depend AS d
    JOIN needed AS n ON (d.refclassid, d.refobjid) = (n.catalogue, n.oid)
)

SELECT u.classid, u.objid, format(
    'ALTER TABLE %%s ALTER COLUMN %%I SET DEFAULT %%s;',
    e.adrelid::regclass, a.attname, pg_get_expr(e.adbin, e.adrelid)
)
FROM users AS u
JOIN pg_attrdef AS e ON u.classid = 'pg_attrdef'::regclass AND e.oid = u.objid
JOIN pg_attribute AS a ON a.attrelid = e.adrelid AND a.attnum = e.adnum AND a.attgenerated = ''
UNION ALL
SELECT u.classid, u.objid, format(
    'ALTER TABLE %%s ADD CONSTRAINT %%I %%s;',
    k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)
)
FROM users AS u
JOIN pg_constraint AS k ON
    u.classid = 'pg_constraint'::regclass AND k.oid = u.objid AND k.contype = 'c'
    AND k.conrelid <> 0
ORDER BY 3;

-- name: find_thing
-- Such a thing in another database; an error says that it is not there.
SELECT pg_get_object_address(%(kind)s, %(names)s::text[], %(arguments)s::text[]);

-- name: is_filled
-- Whether a materialized view has rows, or could have.
SELECT relispopulated FROM pg_class WHERE oid = %(oid)s;

-- name: say_names_in_full
-- As what pg_restore writes is meant to be read; the search_path that was.
SELECT
    current_setting('search_path'), set_config('search_path', '', true),
    set_config('check_function_bodies', 'off', true), set_config('xmloption', 'content', true),
    set_config('standard_conforming_strings', 'on', true);

-- name: say_names_as_before
-- The search_path that was.
SELECT set_config('search_path', %(path)s, true);

-- name: position
-- Where a sequence stands.
SELECT last_value, is_called FROM {sequence};

-- name: set_position
-- Let a sequence stand where it stood.
SELECT setval(%(sequence)s::regclass, %(last)s, %(called)s);

-- name: fill_view
-- The rows of a materialized view.
REFRESH MATERIALIZED VIEW {view};

-- name: analyze_table
-- Statistics for the planner, which no backup has.
ANALYZE {table};
