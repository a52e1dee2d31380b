-- What is sealed in the tables, by which key, and sealing it with another one. The walk follows a
-- table's pages; a row is written by its place, guarded by the value that was read.

-- name: pages
-- How many pages a table has.
SELECT pg_relation_size(%(table)s::regclass) / current_setting('block_size')::int;

-- name: count_json
-- How many values of a JSON column each key has sealed; the empty key stands for plain ones.
SELECT CASE
        WHEN {column} ->> '$sealed' ~ '^1[ts]:' THEN split_part({column} ->> '$sealed', ':', 2)
        ELSE ''
    END AS key, count(*)::int AS values
FROM {schema}.{table}
WHERE {column} IS NOT NULL
GROUP BY 1
ORDER BY 1;

-- name: count_text
-- The same of a text column.
SELECT CASE
        WHEN {column} ~ '^\$sealed:1[ts]:' THEN split_part({column}, ':', 3)
        ELSE ''
    END AS key, count(*)::int AS values
FROM {schema}.{table}
WHERE {column} IS NOT NULL
GROUP BY 1
ORDER BY 1;

-- name: next_json
-- The values of a JSON column on some pages that another key has sealed, and plain ones too
-- where they are wanted, with their tasks.
SELECT t.ctid::text, t.{task}, k.agent_name, k.task_type, t.{column}::text
FROM {schema}.{table} t
LEFT JOIN {schema}.tasks k ON k.id = t.{task}
WHERE t.ctid > %(after)s::tid AND t.ctid < %(before)s::tid
  AND t.{column} IS NOT NULL
  AND CASE
      WHEN t.{column} ->> '$sealed' ~ '^1[ts]:'
      THEN split_part(t.{column} ->> '$sealed', ':', 2) <> %(key)s
      ELSE %(plain)s
  END
ORDER BY t.ctid
LIMIT %(rows)s;

-- name: next_text
-- The same of a text column.
SELECT t.ctid::text, t.{task}, k.agent_name, k.task_type, t.{column}
FROM {schema}.{table} t
LEFT JOIN {schema}.tasks k ON k.id = t.{task}
WHERE t.ctid > %(after)s::tid AND t.ctid < %(before)s::tid
  AND t.{column} IS NOT NULL
  AND CASE
      WHEN t.{column} ~ '^\$sealed:1[ts]:' THEN split_part(t.{column}, ':', 3) <> %(key)s
      ELSE %(plain)s
  END
ORDER BY t.ctid
LIMIT %(rows)s;

-- name: put_json
-- Write values of a JSON column, of those rows that still have the former ones. Another task's
-- row may lie there by now, with the same value.
UPDATE {schema}.{table} t
SET {column} = n.new::jsonb
FROM unnest(%(places)s::text[], %(tasks)s::uuid[], %(olds)s::text[], %(news)s::text[])
    AS n (place, task, old, new)
WHERE t.ctid = n.place::tid AND t.{task} = n.task AND t.{column} = n.old::jsonb
RETURNING 1;

-- name: put_text
-- The same of a text column.
UPDATE {schema}.{table} t
SET {column} = n.new
FROM unnest(%(places)s::text[], %(tasks)s::uuid[], %(olds)s::text[], %(news)s::text[])
    AS n (place, task, old, new)
WHERE t.ctid = n.place::tid AND t.{task} = n.task AND t.{column} = n.old
RETURNING 1;

-- name: schedules
-- The payloads of schedules.
SELECT name, agent_name, task_type, payload::text
FROM {schema}.schedules
WHERE payload IS NOT NULL
ORDER BY name;

-- name: put_schedule
-- Write the payload of a schedule that still has the former one.
UPDATE {schema}.schedules
SET payload = %(new)s::text::jsonb
WHERE name = %(name)s AND payload = %(old)s::text::jsonb
RETURNING 1;
