-- Bringing back a table or some of its rows from a restored backup.

-- name: find_table
-- A table by its name as it would be written in a query, in the installation's schema first.
SELECT n.nspname::text, c.relname::text
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = coalesce(to_regclass(format('%%I.%%I', %(schema)s::text, %(name)s::text)), to_regclass(%(name)s))
    AND c.relkind IN ('r', 'p');

-- name: columns
-- The columns that have values of their own, in order, and whether each is part of the key.
SELECT a.attname::text, coalesce(a.attnum = ANY(i.indkey), false)
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
    set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true);

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

-- name: undo_changes
-- Statements that give changed rows their present values again.
SELECT format({update_form}, {live_texts})
FROM {table} AS l JOIN {staging} AS b ON {same_key};

-- name: undo_inserts
-- Statements that remove the rows again that are missing now.
SELECT format({delete_form}, {key_texts_staged})
FROM {staging} AS b WHERE NOT EXISTS (SELECT FROM {table} AS l WHERE {same_key});

-- name: update_changed
-- Changed rows become what they were.
UPDATE {table} AS l SET ({others}) = ROW({staged_others}) FROM {staging} AS b WHERE {same_key};

-- name: insert_missing
-- Missing rows come back.
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM {staging} AS b
WHERE NOT EXISTS (SELECT FROM {table} AS l WHERE {same_key});

-- name: hold_staged
-- Unfinished tasks come back held, so that none runs again by itself.
UPDATE {staging}
SET status = CASE WHEN status = 'running' THEN 'pending' ELSE status END,
    worker = NULL,
    held_reason = coalesce(held_reason, %(reason)s)
WHERE status IN ('pending', 'running', 'waiting');

-- name: fail_staged
-- Unfinished tasks come back as failed.
UPDATE {staging}
SET status = 'failed', worker = NULL, held_reason = NULL, finished_at = now(),
    error_message = %(reason)s
WHERE status IN ('pending', 'running', 'waiting');
