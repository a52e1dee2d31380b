-- The manifest of a database: its rows, sequences and large objects as of one snapshot, and
-- what surrounds them.

-- name: pin
-- For this transaction, all that shapes text, and no hidden rows: where row security would
-- hide some, the server says so. One process works for a statement, unless `workers` is more.
SELECT set_config(p.name, p.value, true)
FROM (
    VALUES
    ('search_path', ''), ('TimeZone', 'UTC'), ('DateStyle', 'ISO, YMD'),
    ('IntervalStyle', 'postgres'), ('extra_float_digits', '3'), ('bytea_output', 'hex'),
    ('lc_monetary', 'C'), ('xmlbinary', 'base64'), ('xmloption', 'content'),
    ('quote_all_identifiers', 'off'), ('row_security', 'off'), ('jit', 'off'),
    ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
    ('max_parallel_workers_per_gather', %(workers)s)
) AS p (name, value);

-- name: surroundings
-- The server, the database, and two hashes whose values tell whether two servers hash alike.
SELECT jsonb_build_object(
    'server_version', current_setting('server_version_num')::int,
    'lsn', CASE
        WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn()
    END::text,
    'taken_at', to_char(transaction_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.USOF'),
    'encoding', pg_encoding_to_char(d.encoding),
    'hash', concat_ws(
        ' ', hashtextextended('agentpg 0123456789' COLLATE "C", 1),
        hashtextextended('agentpg 0123456789' COLLATE "C", 2)
    ),
    'block_size', current_setting('block_size')
)
FROM pg_database AS d
WHERE d.datname = current_database();

-- name: tables
-- Tables with rows of their own that a dump takes along, the largest first: their columns by
-- name, so that the order of columns does not matter, which rows of an extension's table are
-- the user's, and which columns sequences count, upwards or downwards. How many pages it has is
-- said where those can be read apart.
SELECT
    c.oid::bigint,
    c.oid::regclass::text,
    n.nspname = %(schema)s,
    c.relpersistence = 'u',
    pg_table_size(c.oid),
    CASE
        WHEN m.amname = 'heap' AND x.condition IS NULL
            THEN pg_relation_size(c.oid) / current_setting('block_size')::int
        ELSE 0
    END,
    coalesce(
        (
            SELECT string_agg('t.' || quote_ident(a.attname), ', ' ORDER BY a.attname)
            FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ),
        ''
    ),
    coalesce(x.condition, ''),
    coalesce(nullif(pg_partition_root(c.oid), c.oid)::regclass::text, ''),
    coalesce(
        (
            SELECT jsonb_agg(jsonb_build_array(s.sequence, s.attname, s.up))
            FROM (
                SELECT DISTINCT q.seqrelid::regclass::text AS sequence, quote_ident(a.attname) AS attname,
                    q.seqincrement > 0 AS up
                FROM pg_attribute AS a
                JOIN pg_depend AS d ON (
                    d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                    AND d.refobjsubid = a.attnum AND d.classid = 'pg_class'::regclass
                    AND d.deptype IN ('a', 'i')
                )
                JOIN pg_sequence AS q ON q.seqrelid = d.objid
                WHERE
                    a.attrelid = c.oid AND NOT a.attisdropped
                    AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
                UNION
                SELECT q.seqrelid::regclass::text, quote_ident(a.attname), q.seqincrement > 0
                FROM pg_attribute AS a
                JOIN pg_attrdef AS e ON e.adrelid = c.oid AND e.adnum = a.attnum
                JOIN pg_depend AS d ON (
                    d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
                    AND d.refclassid = 'pg_class'::regclass
                )
                JOIN pg_sequence AS q ON q.seqrelid = d.refobjid
                WHERE
                    a.attrelid = c.oid AND NOT a.attisdropped
                    AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
                    -- Anything but a plain call does not count the column's own values.
                    AND pg_get_expr(e.adbin, e.adrelid) ~ '^nextval\(''[^()]*''::regclass\)$'
            ) AS s
        ),
        '[]'::jsonb
    )
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_am AS m ON m.oid = c.relam
LEFT JOIN LATERAL (
    SELECT e.extconfig IS NOT NULL AND c.oid = ANY(e.extconfig) AS kept,
        e.extcondition[array_position(e.extconfig, c.oid)] AS condition
    FROM pg_depend AS d
    JOIN pg_extension AS e ON e.oid = d.refobjid
    WHERE
        d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
) AS x ON true
WHERE
    c.relkind = 'r' AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND coalesce(x.kept, true)
ORDER BY 5 DESC, c.oid;

-- name: contents
-- A table, or some pages of it: its rows, and two sums over two hashes of them that no order
-- changes.
-- A row is made text once; OFFSET 0 keeps the planner from doing it for each of the two.
SELECT
    count(*),
    coalesce(bit_xor(hashtextextended(r.text, 1)), 0),
    coalesce(sum(hashtextextended(r.text, 2)), 0){limits}
FROM (
    SELECT ROW({columns})::text COLLATE "C" AS text{counted}
    FROM ONLY {table} AS t
    {condition}
    OFFSET 0
) AS r;

-- name: sequences
-- Sequences that a dump takes along.
SELECT c.oid::regclass::text, q.seqincrement > 0, q.seqcycle
FROM pg_sequence AS q
JOIN pg_class AS c ON c.oid = q.seqrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        JOIN pg_extension AS e ON e.oid = d.refobjid
        WHERE
            d.classid = 'pg_class'::regclass AND d.objid = c.oid
            AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
            AND (e.extconfig IS NULL OR NOT c.oid = ANY(e.extconfig))
    )
ORDER BY 1;

-- name: position
-- Where a sequence stands, by the number that it has in the list.
SELECT {number}, last_value, is_called FROM {sequence};

-- name: may_read_pages
-- Whether this role may read the pages of large objects as a table.
SELECT has_table_privilege('pg_largeobject', 'SELECT');

-- name: large_objects
-- Large objects with their owners, grants and comments, in the same two sums.
SELECT
    count(*),
    coalesce(bit_xor(hashtextextended(r.text, 1)), 0),
    coalesce(sum(hashtextextended(r.text, 2)), 0)
FROM (
    SELECT
        ROW(
            m.oid, m.lomowner::regrole,
            (
                SELECT string_agg(
                    concat_ws(
                        ' ', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                        a.privilege_type, a.is_grantable, a.grantor::regrole
                    ),
                    ', '
                    ORDER BY
                        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                        a.privilege_type, a.grantor::regrole::text
                )
                FROM aclexplode(coalesce(m.lomacl, acldefault('L', m.lomowner))) AS a
            ),
            obj_description(m.oid, 'pg_largeobject')
        )::text COLLATE "C" AS text
    FROM pg_largeobject_metadata AS m
    OFFSET 0
) AS r;

-- name: large_pages
-- What large objects hold, page by page, and how long each is. A page of zeros and one that is
-- not there are the same, and so are zeros at the end of one: a restore fills what is missing.
SELECT
    count(*) FILTER (WHERE r.last),
    coalesce(bit_xor(hashtextextended(r.text, 1)), 0),
    coalesce(sum(hashtextextended(r.text, 2)), 0)
FROM (
    SELECT
        p.last,
        CASE
            WHEN p.last THEN ROW(p.loid, p.page, p.bytes, p.kept)::text
            ELSE ROW(p.loid, p.page, p.kept)::text
        END COLLATE "C" AS text
    FROM (
        SELECT
            l.loid, l.pageno AS page, octet_length(l.data) AS bytes,
            rtrim(l.data, '\x00'::bytea) AS kept,
            l.loid IS DISTINCT FROM lead(l.loid) OVER (ORDER BY l.loid, l.pageno) AS last
        FROM pg_largeobject AS l
    ) AS p
    WHERE p.last OR p.kept <> ''::bytea
    OFFSET 0
) AS r;

-- name: large_pages_by_right
-- The same for a role that may only read its own, through the functions for that.
SELECT
    count(*) FILTER (WHERE r.last),
    coalesce(bit_xor(hashtextextended(r.text, 1)), 0),
    coalesce(sum(hashtextextended(r.text, 2)), 0)
FROM (
    SELECT
        p.last,
        CASE
            WHEN p.last THEN ROW(p.loid, p.page, p.bytes, p.kept)::text
            ELSE ROW(p.loid, p.page, p.kept)::text
        END COLLATE "C" AS text
    FROM (
        SELECT
            m.oid AS loid, l.page, octet_length(l.data) AS bytes,
            rtrim(l.data, '\x00'::bytea) AS kept,
            octet_length(l.next) = 0 AS last
        FROM pg_largeobject_metadata AS m
        CROSS JOIN LATERAL (
            WITH RECURSIVE pages (page, data, next) AS (
                SELECT 0, lo_get(m.oid, 0, b.size), lo_get(m.oid, b.size::bigint, b.size)
                FROM (SELECT current_setting('block_size')::int / 4 AS size) AS b
                UNION ALL
                SELECT
                    q.page + 1, q.next,
                    lo_get(m.oid, (q.page + 2)::bigint * octet_length(q.data), octet_length(q.data))
                FROM pages AS q
                WHERE octet_length(q.next) > 0
            )
            SELECT pages.page, pages.data, pages.next FROM pages
        ) AS l
    ) AS p
    -- An object without a byte has no page either.
    WHERE p.bytes > 0 AND (p.last OR p.kept <> ''::bytea)
    OFFSET 0
) AS r;

-- name: database
-- What belongs to the database and is in none of its objects, without its name.
SELECT 'database', 'itself', NULL, jsonb_strip_nulls(jsonb_build_object(
    'owner', d.datdba::regrole,
    'encoding', pg_encoding_to_char(d.encoding),
    'collate', d.datcollate,
    'ctype', d.datctype,
    'provider', d.datlocprovider,
    'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
    'connection_limit', nullif(d.datconnlimit, -1),
    'comment', shobj_description(d.oid, 'pg_database')
))
FROM pg_database AS d
WHERE d.datname = current_database()
UNION ALL
SELECT 'grants on', 'database', NULL, coalesce(g.facts, jsonb_build_object())
FROM pg_database AS d
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(p.grantee, p.rights) AS facts
    FROM (
        SELECT
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee,
            string_agg(
                a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ', '
                ORDER BY a.privilege_type
            ) AS rights
        FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
        GROUP BY a.grantee
    ) AS p
) AS g
WHERE d.datname = current_database()
UNION ALL
SELECT
    'setting',
    split_part(c.setting, '=', 1) || coalesce(' of role ' || nullif(s.setrole, 0)::regrole, ''),
    NULL,
    jsonb_build_object('value', substr(c.setting, strpos(c.setting, '=') + 1))
FROM pg_db_role_setting AS s
JOIN pg_database AS d ON d.oid = s.setdatabase
CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
WHERE d.datname = current_database();

-- name: roles
-- Roles of the cluster, but for its own, with memberships and settings and without passwords.
SELECT 'role', r.oid::regrole::text, NULL, jsonb_strip_nulls(jsonb_build_object(
    'attributes', concat_ws(
        ' ',
        CASE WHEN r.rolsuper THEN 'superuser' END,
        CASE WHEN r.rolinherit THEN 'inherit' END,
        CASE WHEN r.rolcreaterole THEN 'createrole' END,
        CASE WHEN r.rolcreatedb THEN 'createdb' END,
        CASE WHEN r.rolcanlogin THEN 'login' END,
        CASE WHEN r.rolreplication THEN 'replication' END,
        CASE WHEN r.rolbypassrls THEN 'bypassrls' END
    ),
    'connection_limit', nullif(r.rolconnlimit, -1),
    'valid_until', nullif(r.rolvaliduntil, 'infinity'),
    'member_of', (
        SELECT string_agg(
            m.roleid::regrole || CASE WHEN m.admin_option THEN '*' ELSE '' END, ', '
            ORDER BY m.roleid::regrole::text, m.admin_option
        )
        FROM (
            SELECT x.roleid, bool_or(x.admin_option) AS admin_option
            FROM pg_auth_members AS x
            WHERE x.member = r.oid
            GROUP BY x.roleid
        ) AS m
    ),
    'settings', (
        SELECT string_agg(c, ', ' ORDER BY c)
        FROM pg_db_role_setting AS s, unnest(s.setconfig) AS c
        WHERE s.setrole = r.oid AND s.setdatabase = 0
    ),
    'comment', shobj_description(r.oid, 'pg_authid')
))
FROM pg_roles AS r
WHERE r.rolname !~ '^pg_';

-- name: not_proved
-- What of this database no manifest says anything about: rows that are elsewhere, rows that are
-- computed, and tables with rows that no dump takes along, as they are the server's or an
-- extension's own.
SELECT
    c.oid::regclass::text,
    CASE
        WHEN c.relkind = 'f' THEN 'foreign'
        WHEN c.relkind = 'm' THEN 'materialized'
        WHEN x.extname IS NOT NULL THEN 'of the extension ' || quote_ident(x.extname)
        ELSE 'of the server'
    END
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT e.extname, c.oid = ANY(e.extconfig) AS kept
    FROM pg_depend AS d
    JOIN pg_extension AS e ON e.oid = d.refobjid
    WHERE
        d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
) AS x ON true
WHERE
    c.relpersistence <> 't'
    AND n.nspname <> 'pg_toast'
    -- Numbers below are those of what initdb makes.
    AND c.oid >= 16384
    AND CASE
        WHEN c.relkind IN ('f', 'm') THEN true
        WHEN c.relkind <> 'r' OR pg_relation_size(c.oid) = 0 THEN false
        WHEN x.extname IS NULL THEN n.nspname ~ '^pg_' OR n.nspname = 'information_schema'
        ELSE NOT coalesce(x.kept, false)
    END
ORDER BY 1;

-- name: import_snapshot
-- See what the session sees that exported this snapshot.
SET TRANSACTION SNAPSHOT {snapshot};
