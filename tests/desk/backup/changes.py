"""Single changes to the database of nasty.sql: what is done, who sees it, and the subject."""

from __future__ import annotations

CHANGES = {
    "a row changed": (
        "UPDATE plain.doubles SET a = '' WHERE a = '1'",
        "contents",
        "table plain.doubles",
    ),
    "null became empty": (
        "UPDATE plain.doubles SET b = '' WHERE a = ''",
        "contents",
        "table plain.doubles",
    ),
    "one of three equal rows removed": (
        "DELETE FROM plain.doubles WHERE ctid = (SELECT min(ctid) FROM plain.doubles)",
        "contents",
        "table plain.doubles",
    ),
    "two of three equal rows removed": (
        "DELETE FROM plain.doubles WHERE ctid IN"
        " (SELECT ctid FROM plain.doubles ORDER BY ctid LIMIT 2)",
        "contents",
        "table plain.doubles",
    ),
    "two of three equal rows made two others": (
        "UPDATE plain.doubles SET a = 'other', b = 'other' WHERE ctid IN"
        " (SELECT ctid FROM plain.doubles ORDER BY ctid LIMIT 2)",
        "contents",
        "table plain.doubles",
    ),
    "values of two rows swapped": (
        "UPDATE plain.doubles SET b = CASE b WHEN '2' THEN '4' ELSE '2' END WHERE a IN ('1', '3')",
        "contents",
        "table plain.doubles",
    ),
    "values of two columns swapped": (
        "UPDATE plain.doubles SET a = b, b = a WHERE a = '1'",
        "contents",
        "table plain.doubles",
    ),
    "a bit in a bytea": (
        "UPDATE plain.all_values SET b = set_bit(b, 3, 1) WHERE note = 'row 7'",
        "contents",
        "table plain.all_values",
    ),
    "the sign of a zero": (
        "UPDATE plain.all_values SET f4 = '0' WHERE f8 = 'infinity'",
        "contents",
        "table plain.all_values",
    ),
    "the scale of a numeric": (
        "UPDATE plain.all_values SET n = 1.0 WHERE n::text = '1.000'",
        "contents",
        "table plain.all_values",
    ),
    "the last bit of a float": (
        "UPDATE plain.all_values SET f8 = 0.1::float8 + 1.4e-17 WHERE f8 = 0.1",
        "contents",
        "table plain.all_values",
    ),
    "the case of a key in a json": (
        'UPDATE plain.all_values SET js = \'{"B":1,  "a":2, "a":3}\' WHERE note = \'row 7\'',
        "contents",
        "table plain.all_values",
    ),
    "a row of no columns": (
        "INSERT INTO plain.no_columns DEFAULT VALUES",
        "contents",
        "table plain.no_columns",
    ),
    "a row in an empty table": (
        "INSERT INTO plain.empty VALUES (NULL)",
        "contents",
        "table plain.empty",
    ),
    "a row of a partition": (
        "DELETE FROM plain.parts WHERE v = 'v7'",
        "contents",
        "table plain.parts_2025",
    ),
    "a table missing": (
        "DROP TABLE plain.guarded",
        "contents",
        "table plain.guarded",
    ),
    "a table added": (
        "CREATE TABLE plain.extra (id int PRIMARY KEY)",
        "contents",
        "table plain.extra",
    ),
    "a sequence of its own missing": (
        "DROP SEQUENCE plain.unused",
        "sequence positions",
        "sequence plain.unused",
    ),
    "a bit in a large object": (
        "SELECT lo_put(77002, 5000, 'B')",
        "large objects",
        "contents of large objects",
    ),
    "a zero at the end of a large object": (
        "SELECT lo_put(77001, 3, '\\x00')",
        "large objects",
        "contents of large objects",
    ),
    "a right to a large object": (
        'REVOKE SELECT ON LARGE OBJECT 77002 FROM "nasty reader"',
        "large objects",
        "large objects",
    ),
    "an empty large object": (
        "SELECT lo_create(77005)",
        "large objects",
        "large objects",
    ),
    "a default": (
        "ALTER TABLE plain.empty ALTER a SET DEFAULT 3",
        "catalogue",
        "column plain.empty.a",
    ),
    "not null": (
        "ALTER TABLE plain.empty ALTER a SET NOT NULL",
        "catalogue",
        "column plain.empty.a",
    ),
    "a type": (
        "ALTER TABLE plain.empty ALTER a TYPE bigint",
        "catalogue",
        "column plain.empty.a",
    ),
    "storage": (
        "ALTER TABLE plain.doubles ALTER a SET STORAGE MAIN",
        "catalogue",
        "column plain.doubles.a",
    ),
    "a check": (
        "ALTER TABLE plain.all_values DROP CONSTRAINT checks",
        "catalogue",
        "constraint checks on plain.all_values",
    ),
    "a constraint validated": (
        "ALTER TABLE plain.referring VALIDATE CONSTRAINT later",
        "catalogue",
        "constraint later on plain.referring",
    ),
    "the password of a user mapping": (
        "ALTER USER MAPPING FOR PUBLIC SERVER \"far away\" OPTIONS (SET password 'other')",
        "catalogue",
        'user mapping public on "far away"',
    ),
    "a user mapping removed": (
        'DROP USER MAPPING FOR "nasty reader" SERVER "far away"',
        "catalogue",
        'user mapping "nasty reader" on "far away"',
    ),
    "a foreign key": (
        "ALTER TABLE plain.referring DROP CONSTRAINT referring_value_fkey",
        "catalogue",
        "constraint referring_value_fkey on plain.referring",
    ),
    "the key of a domain": (
        'ALTER DOMAIN plain.positive DROP CONSTRAINT "more than 0"',
        "catalogue",
        'constraint "more than 0" on plain.positive',
    ),
    "a unique constraint": (
        "ALTER TABLE plain.empty ADD UNIQUE (a)",
        "catalogue",
        "constraint empty_a_key on plain.empty",
    ),
    "an index": (
        'DROP INDEX plain."by ""word"""',
        "catalogue",
        'index plain."by ""word"""',
    ),
    "an option of an index": (
        'ALTER INDEX plain."by ""word""" SET (fillfactor = 50)',
        "catalogue",
        'index plain."by ""word"""',
    ),
    "a trigger": (
        "DROP TRIGGER touching ON plain.all_values",
        "catalogue",
        "trigger touching on plain.all_values",
    ),
    "a trigger awake": (
        "ALTER TABLE plain.all_values ENABLE TRIGGER asleep",
        "catalogue",
        "trigger asleep on plain.all_values",
    ),
    "a function": (
        "CREATE OR REPLACE FUNCTION plain.touch() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'",
        "catalogue",
        "function plain.touch()",
    ),
    "a right": (
        'REVOKE SELECT ON plain.all_values FROM "nasty reader"',
        "catalogue",
        "grants on table plain.all_values",
    ),
    "a right to pass on a right": (
        'REVOKE GRANT OPTION FOR SELECT ON plain.all_values FROM "nasty reader"',
        "catalogue",
        "grants on table plain.all_values",
    ),
    "a right to a column": (
        'REVOKE UPDATE (note) ON plain.all_values FROM "nasty reader"',
        "catalogue",
        "grants on column plain.all_values.note",
    ),
    "a right of all to a function": (
        "GRANT EXECUTE ON FUNCTION plain.twice(int) TO PUBLIC",
        "catalogue",
        "grants on function plain.twice(integer)",
    ),
    "an owner": (
        'ALTER TABLE plain.guarded OWNER TO "nasty ""owner"""',
        "catalogue",
        "table plain.guarded",
    ),
    "a comment": (
        "COMMENT ON COLUMN plain.doubles.a IS NULL",
        "catalogue",
        "column plain.doubles.a",
    ),
    "row security": (
        "ALTER TABLE plain.doubles ENABLE ROW LEVEL SECURITY",
        "catalogue",
        "table plain.doubles",
    ),
    "a policy": (
        "ALTER POLICY own ON plain.guarded USING (true)",
        "catalogue",
        "policy own on plain.guarded",
    ),
    "a rule": (
        "DROP RULE no_delete ON plain.doubles",
        "catalogue",
        "rule no_delete on plain.doubles",
    ),
    "a view": (
        "CREATE OR REPLACE VIEW plain.view_of_view AS SELECT count(*) + 1 AS c FROM plain.seen",
        "catalogue",
        "view plain.view_of_view",
    ),
    "a materialized view filled": (
        "REFRESH MATERIALIZED VIEW plain.not_filled",
        "catalogue",
        "materialized view plain.not_filled",
    ),
    "a label of an enum": (
        "ALTER TYPE plain.mood ADD VALUE 'so so' AFTER 'sad'",
        "catalogue",
        "type plain.mood",
    ),
    "a publication": (
        "ALTER PUBLICATION nasty_news SET TABLE plain.referring (id)",
        "catalogue",
        "publication nasty_news",
    ),
    "statistics": (
        "DROP STATISTICS plain.together",
        "catalogue",
        "statistics plain.together",
    ),
    "default privileges": (
        'ALTER DEFAULT PRIVILEGES IN SCHEMA plain GRANT UPDATE ON TABLES TO "nasty reader"',
        "catalogue",
        "default privileges of postgres on r in plain",
    ),
    "an event trigger": (
        "ALTER EVENT TRIGGER nasty_ddl DISABLE",
        "catalogue",
        "event trigger nasty_ddl",
    ),
    "an operator": (
        "DROP OPERATOR plain.=== (int, int)",
        "catalogue",
        "operator plain.===(integer,integer)",
    ),
    "a sequence's step": (
        "ALTER SEQUENCE plain.ahead INCREMENT 2",
        "catalogue",
        "sequence plain.ahead",
    ),
    "a role": (
        'ALTER ROLE "nasty reader" CREATEDB',
        "roles",
        'role "nasty reader"',
    ),
    "a membership": (
        'GRANT "nasty ""owner""" TO "nasty reader"',
        "roles",
        'role "nasty reader"',
    ),
}
