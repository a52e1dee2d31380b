-- A database with one of everything, and with the names and values that break things.
CREATE SCHEMA "odd ""schema""
of two lines";
CREATE SCHEMA plain AUTHORIZATION "nasty ""owner""";
COMMENT ON SCHEMA plain IS 'a comment with ''quotes'', "more", and
a line';
CREATE EXTENSION IF NOT EXISTS plpgsql;

CREATE TYPE plain.mood AS ENUM ('sad', 'o''k', 'happy 🙂');
CREATE TYPE plain.pair AS (a int, b text COLLATE "C");
CREATE DOMAIN plain.positive AS numeric(12, 3) DEFAULT 1 NOT NULL
    CONSTRAINT "more than 0" CHECK (value > 0);
CREATE TYPE plain.span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION plain.same_case (locale = 'C.UTF-8');

CREATE FUNCTION plain.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.note := coalesce(NEW.note, '') || '%s {braces}';
    RETURN NEW;
END $$;
CREATE FUNCTION plain.twice(n int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC SELECT n * 2; END;
CREATE PROCEDURE plain.do_nothing() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE plain.product(float8) (sfunc = float8mul, stype = float8, initcond = '1');
CREATE FUNCTION plain.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE OPERATOR plain.=== (leftarg = int, rightarg = int, function = int4eq, commutator = OPERATOR(plain.===));
CREATE CAST (plain.mood AS int) WITH INOUT;

-- Every kind of value.
CREATE TABLE plain.all_values (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gone int,
    "a ""column""
" text COLLATE "C" DEFAULT 'x%y',
    note text,
    f4 real,
    f8 double precision,
    n numeric,
    scaled numeric(20, 6),
    ts timestamp,
    tz timestamptz,
    d date,
    iv interval,
    b bytea,
    j jsonb,
    js json,
    arr int [],
    texts text [],
    p plain.pair,
    pairs plain.pair [],
    m plain.mood,
    pos plain.positive,
    sp plain.span,
    r int4range,
    mr nummultirange,
    u uuid,
    i inet,
    bits bit varying,
    money money,
    x jsonpath,
    tsv tsvector,
    pt point,
    rel regclass,
    c char(6),
    ci text COLLATE plain.same_case,
    doubled text GENERATED ALWAYS AS (note || note) STORED,
    CONSTRAINT checks CHECK (f8 IS NULL OR f8 <> 123.5),
    CONSTRAINT no_overlap EXCLUDE USING gist (r WITH &&)
);
ALTER TABLE plain.all_values DROP COLUMN gone;
INSERT INTO plain.all_values (note, f4, f8, n, scaled, ts, tz, d, iv, b, j, js, arr, texts, p, pairs,
    m, sp, r, mr, u, i, bits, money, x, tsv, pt, rel, c, ci)
SELECT
    'row ' || g, 'nan', '-0', 'nan', g / 7.0, 'infinity', '-infinity', 'infinity',
    '1 year -3 days 04:05:06.000007', decode('00ff10', 'hex'), '{"a": 1.00, "b": [null, "é\n"]}',
    '{"b":1,  "a":2, "a":3}', ARRAY[1, NULL, 3], ARRAY['NULL', NULL, '', '"', E'\\'],
    ROW(g, E'\t,"'::text)::plain.pair, ARRAY[ROW(1, NULL::text)::plain.pair], 'happy 🙂', '[0.1,infinity)',
    int4range(g * 10, g * 10 + 5), '{[1,2],[5.0,6.00)}', gen_random_uuid(), '10.1.2.3/8', B'101',
    1234.56, '$."a"[*] ? (@ > 1)', to_tsvector('simple', 'a fat cat'), '(1,2)', 'plain.all_values', 'ab', 'É'
FROM generate_series(1, 20) AS g;
INSERT INTO plain.all_values (f4, f8, n) VALUES
    ('-0', 'infinity', 1.0), ('1e-45', '-infinity', 1.000), (0.1, 0.1, 'infinity'),
    (3.4e38, 5e-324, -0.00), (NULL, NULL, NULL);

CREATE TABLE plain.doubles (a text, b text);
INSERT INTO plain.doubles VALUES
    ('same', 'same'), ('same', 'same'), ('same', 'same'), ('', NULL), (NULL, ''), ('1', '2'), ('3', '4');
CREATE TABLE plain.kinds (
    kind varchar(20) CHECK (kind IN ('a, b', 'c''d', '\')) DEFAULT 'c''d',
    CHECK (kind NOT IN ('x'::varchar, 'y') OR length(kind) BETWEEN 1 AND 5 AND NOT kind = ''),
    CHECK (length(kind) BETWEEN 0 AND 9 AND kind <> 'q' AND (kind <> 'r' OR length(kind) BETWEEN 3 AND 4))
);
CREATE INDEX ON plain.kinds (kind) WHERE kind IN ('a, b', 'c''d');
CREATE VIEW plain.some_kinds AS
    SELECT kind, CASE WHEN kind IN ('a, b', 'z') THEN 1 ELSE -1 END AS n
    FROM plain.kinds WHERE kind::text IN ('a', 'b') OR kind = ANY ('{a,b}'::varchar[]);
CREATE POLICY those ON plain.kinds USING (kind IN ('a, b', 'b'));
CREATE TABLE plain.empty (a int);
CREATE TABLE plain.no_columns ();
INSERT INTO plain.no_columns DEFAULT VALUES;
INSERT INTO plain.no_columns DEFAULT VALUES;
CREATE TABLE "odd ""schema""
of two lines"."t " (t text, "row" int, "é한국" int DEFAULT 5, "{x}" int, "%s" int);
INSERT INTO "odd ""schema""
of two lines"."t " VALUES ('t', 1, 2, 3, 4);
CREATE UNLOGGED TABLE plain.unlogged (a int);
INSERT INTO plain.unlogged VALUES (1);

-- A child whose columns come in another order once restored.
CREATE TABLE plain.parent (z int, a int);
CREATE TABLE plain.child (own text) INHERITS (plain.parent);
ALTER TABLE plain.parent ADD COLUMN later int DEFAULT 7;
INSERT INTO plain.parent VALUES (1, 2, 3);
INSERT INTO plain.child VALUES (4, 5, 'own', 6);

-- Partitions, with one whose columns lie otherwise, and by the hash of an enum.
CREATE TABLE plain.parts (id bigserial, at timestamptz NOT NULL, v text, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE plain.parts_2025 PARTITION OF plain.parts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE plain.parts_2026 (v text, gone int, at timestamptz NOT NULL, id bigint NOT NULL);
ALTER TABLE plain.parts_2026 DROP COLUMN gone;
ALTER TABLE plain.parts ATTACH PARTITION plain.parts_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE plain.parts_rest PARTITION OF plain.parts DEFAULT;
INSERT INTO plain.parts (at, v)
SELECT '2025-06-01'::timestamptz + g * interval '20 days', 'v' || g FROM generate_series(1, 60) AS g;
CREATE TABLE plain.by_mood (m plain.mood, n int) PARTITION BY HASH (m);
CREATE TABLE plain.by_mood_0 PARTITION OF plain.by_mood FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE plain.by_mood_1 PARTITION OF plain.by_mood FOR VALUES WITH (modulus 2, remainder 1);
INSERT INTO plain.by_mood SELECT m, g FROM generate_series(1, 9) AS g, unnest(enum_range(NULL::plain.mood)) AS m;

-- References, indexes, views, rules, triggers, policies.
CREATE TABLE plain.referring (
    id serial PRIMARY KEY,
    value bigint REFERENCES plain.all_values DEFERRABLE INITIALLY DEFERRED,
    part bigint, at timestamptz, n int NOT NULL DEFAULT plain.twice(21), word text,
    FOREIGN KEY (part, at) REFERENCES plain.parts
);
ALTER TABLE plain.referring ADD CONSTRAINT later CHECK (n > 0) NOT VALID;
INSERT INTO plain.referring (value, word) SELECT id, 'w' FROM plain.all_values LIMIT 5;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE INDEX "by ""word""" ON plain.referring (lower(word) text_pattern_ops DESC NULLS LAST) INCLUDE (n) WHERE n > 1;
CREATE INDEX ON plain.parts (v);
ALTER TABLE plain.referring CLUSTER ON referring_pkey;
ALTER TABLE plain.referring ALTER COLUMN word SET STORAGE EXTERNAL;
ALTER TABLE plain.referring ALTER COLUMN word SET STATISTICS 500;
ALTER TABLE plain.referring ALTER COLUMN n SET (n_distinct = 5);
ALTER TABLE plain.referring SET (fillfactor = 80, autovacuum_enabled = false);
ALTER TABLE plain.referring REPLICA IDENTITY FULL;
CREATE STATISTICS plain.together (ndistinct, dependencies) ON n, word FROM plain.referring;
CREATE VIEW plain.seen WITH (security_barrier) AS
    SELECT r.id, r.word AS "the ""word""", v.tz FROM plain.referring AS r JOIN plain.all_values AS v ON v.id = r.value;
CREATE VIEW plain.view_of_view AS SELECT count(*) AS c FROM plain.seen;
CREATE MATERIALIZED VIEW plain.stored AS SELECT n, count(*) AS c FROM plain.referring GROUP BY n;
CREATE UNIQUE INDEX stored_n ON plain.stored (n);
CREATE MATERIALIZED VIEW plain.not_filled AS SELECT 1 AS one WITH NO DATA;
CREATE RULE no_delete AS ON DELETE TO plain.doubles WHERE old.a = 'never' DO INSTEAD NOTHING;
CREATE TRIGGER touching BEFORE UPDATE OF note ON plain.all_values
    FOR EACH ROW WHEN (old.note IS DISTINCT FROM new.note) EXECUTE FUNCTION plain.touch();
CREATE TRIGGER asleep BEFORE INSERT ON plain.all_values FOR EACH ROW EXECUTE FUNCTION plain.touch();
ALTER TABLE plain.all_values DISABLE TRIGGER asleep;
CREATE TABLE plain.guarded (who text, what text);
INSERT INTO plain.guarded VALUES ('a', 'b');
ALTER TABLE plain.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON plain.guarded AS PERMISSIVE FOR SELECT TO "nasty reader" USING (who = current_user);
CREATE EVENT TRIGGER nasty_ddl ON ddl_command_start WHEN TAG IN ('DROP FUNCTION') EXECUTE FUNCTION plain.on_ddl();

-- Sequences: downwards, round and round, not used, far ahead.
CREATE SEQUENCE plain.down INCREMENT -5 MAXVALUE 1000 START 1000;
SELECT nextval('plain.down'), nextval('plain.down');
CREATE SEQUENCE plain.round MAXVALUE 3 CYCLE;
CREATE SEQUENCE plain.unused;
CREATE SEQUENCE plain.ahead CACHE 20;
SELECT setval('plain.ahead', 9000000000);

-- Large objects: small, of many pages, with a hole, and empty.
SELECT lo_from_bytea(77001, decode('00ff00', 'hex'));
SELECT lo_from_bytea(77002, decode(repeat('41', 9000), 'hex'));
SELECT lo_create(77003);
SELECT lo_put(77003, 50000, 'after a hole');
SELECT lo_create(77004);
COMMENT ON LARGE OBJECT 77001 IS 'small';
GRANT SELECT ON LARGE OBJECT 77002 TO "nasty reader";

-- Grants, owners, comments, default privileges, publications, search.
ALTER TABLE plain.doubles OWNER TO "nasty ""owner""";
GRANT USAGE ON SCHEMA plain TO "nasty reader";
GRANT SELECT ON plain.all_values TO "nasty reader" WITH GRANT OPTION;
GRANT UPDATE (note) ON plain.all_values TO "nasty reader";
GRANT SELECT ON plain.doubles TO PUBLIC;
REVOKE ALL ON FUNCTION plain.twice(int) FROM PUBLIC;
REVOKE ALL ON plain.empty FROM CURRENT_USER;
GRANT ALL ON plain.empty TO CURRENT_USER;
GRANT USAGE ON TYPE plain.mood TO "nasty reader";
ALTER DEFAULT PRIVILEGES IN SCHEMA plain GRANT SELECT ON TABLES TO "nasty reader";
ALTER DEFAULT PRIVILEGES FOR ROLE "nasty ""owner""" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
COMMENT ON TABLE plain.doubles IS 'twice';
COMMENT ON COLUMN plain.doubles.a IS 'first';
COMMENT ON INDEX plain.referring_pkey IS 'key';
COMMENT ON FUNCTION plain.twice(int) IS 'doubles';
CREATE PUBLICATION nasty_news FOR TABLE plain.referring (id, n) WHERE (n > 3);
CREATE TEXT SEARCH CONFIGURATION plain.words (COPY = pg_catalog.simple);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER "far away" FOREIGN DATA WRAPPER nowhere OPTIONS (place 'x');
CREATE USER MAPPING FOR PUBLIC SERVER "far away" OPTIONS ("user" 'me', password 's3cret=1');
CREATE USER MAPPING FOR "nasty reader" SERVER "far away";
CREATE FOREIGN TABLE plain.abroad (a int) SERVER "far away" OPTIONS (name 'y');
