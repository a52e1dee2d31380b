-- What a database is made of, one row for each object: its kind, its name, the object that it
-- belongs to, and what is to be known of it. No number that a restore gives anew is in it, nor
-- anything that depends on the order of a restore. What an extension brings along is left to
-- the extension. Names come out with their schema, since the session's search_path is empty.

-- name: schemas
-- Schemas, also `public`.
SELECT
    'schema', quote_ident(n.nspname), NULL,
    jsonb_strip_nulls(jsonb_build_object(
        'owner', n.nspowner::regrole, 'comment', obj_description(n.oid, 'pg_namespace')
    ))
FROM pg_namespace AS n
WHERE
    n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e'
    );

-- name: relations
-- Tables, views, sequences, foreign tables and composite types, without their columns.
SELECT
    CASE c.relkind
        WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
        WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table'
    END,
    c.oid::regclass::text,
    (
        SELECT 'table ' || d.refobjid::regclass::text
        FROM pg_depend AS d
        WHERE
            d.classid = 'pg_class'::regclass AND d.objid = c.oid AND c.relkind = 'S'
            AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    ),
    jsonb_strip_nulls(jsonb_build_object(
        'owner', c.relowner::regrole,
        'comment', coalesce(obj_description(c.oid, 'pg_class'), obj_description(c.reltype, 'pg_type')),
        'persistence', nullif(c.relpersistence, 'p'),
        'options', (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) AS o),
        'toast_options', (
            SELECT string_agg(o, ', ' ORDER BY o)
            FROM pg_class AS t, unnest(t.reloptions) AS o
            WHERE t.oid = c.reltoastrelid
        ),
        'access_method', (SELECT nullif(a.amname, 'heap') FROM pg_am AS a WHERE a.oid = c.relam),
        'replica_identity', nullif(nullif(c.relreplident, 'd'), 'n'),
        'row_security', nullif(c.relrowsecurity, false),
        'row_security_forced', nullif(c.relforcerowsecurity, false),
        'of_type', nullif(c.reloftype, 0)::regtype,
        'partition_key', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
        'partition_of', (
            SELECT i.inhparent::regclass::text || ' ' || pg_get_expr(c.relpartbound, c.oid)
            FROM pg_inherits AS i
            WHERE i.inhrelid = c.oid AND c.relispartition
        ),
        'inherits', (
            SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
            FROM pg_inherits AS i
            WHERE i.inhrelid = c.oid AND NOT c.relispartition
        ),
        'populated', CASE WHEN c.relkind = 'm' THEN c.relispopulated END,
        'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
        'server', (
            SELECT quote_ident(s.srvname) || coalesce(' ' || array_to_string(f.ftoptions, ', '), '')
            FROM pg_foreign_table AS f
            JOIN pg_foreign_server AS s ON s.oid = f.ftserver
            WHERE f.ftrelid = c.oid
        ),
        'sequence', (
            SELECT concat_ws(
                ' ', s.seqtypid::regtype, 'start', s.seqstart, 'increment', s.seqincrement,
                'from', s.seqmin, 'to', s.seqmax, 'cache', s.seqcache,
                CASE WHEN s.seqcycle THEN 'cycle' END
            )
            FROM pg_sequence AS s
            WHERE s.seqrelid = c.oid
        ),
        'owned_by', (
            SELECT d.refobjid::regclass::text || '.' || quote_ident(a.attname)
            FROM pg_depend AS d
            JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE
                d.classid = 'pg_class'::regclass AND d.objid = c.oid AND c.relkind = 'S'
                AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        )
    ))
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    );

-- name: column_orders
-- The order in which columns come, where nothing but their definition decides it.
SELECT
    'columns of', c.oid::regclass::text,
    CASE c.relkind
        WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
        WHEN 'f' THEN 'foreign table ' WHEN 'c' THEN 'type ' ELSE 'table '
    END || c.oid::regclass::text,
    jsonb_build_object('order', jsonb_agg(a.attname ORDER BY a.attnum))
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE
    c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    -- A child that inherits begins with its parents' columns, once it is restored.
    AND NOT EXISTS (
        SELECT FROM pg_inherits AS i WHERE i.inhrelid = c.oid AND NOT c.relispartition
    )
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
GROUP BY c.oid, c.relkind;

-- name: columns
-- Columns of all that has some.
SELECT
    'column', c.oid::regclass::text || '.' || quote_ident(a.attname),
    CASE c.relkind
        WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
        WHEN 'f' THEN 'foreign table ' WHEN 'c' THEN 'type ' ELSE 'table '
    END || c.oid::regclass::text,
    jsonb_strip_nulls(jsonb_build_object(
        'type', format_type(a.atttypid, a.atttypmod),
        'not_null', CASE
            WHEN a.attnotnull THEN coalesce(
                (
                    SELECT
                        'yes'
                        || CASE WHEN k.connoinherit THEN ' no inherit' ELSE '' END
                        || CASE WHEN k.convalidated THEN '' ELSE ' not valid' END
                    FROM pg_constraint AS k
                    WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]
                ),
                'yes'
            )
        END,
        'default', pg_get_expr(e.adbin, e.adrelid),
        'generated', nullif(a.attgenerated, ''),
        'identity', nullif(a.attidentity, ''),
        'collation', CASE
            WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation
        END,
        'storage', CASE
            WHEN a.attstorage <> t.typstorage AND c.relkind IN ('r', 'p', 'm', 'f')
                THEN a.attstorage
        END,
        'compression', nullif(a.attcompression, ''),
        'statistics', nullif(a.attstattarget, -1),
        'options', array_to_string(a.attoptions, ', '),
        'foreign_options', array_to_string(a.attfdwoptions, ', '),
        'comment', col_description(c.oid, a.attnum)
    ))
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS e ON e.adrelid = c.oid AND e.adnum = a.attnum
WHERE
    c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    );

-- name: constraints
-- Constraints of tables and domains, with the index that serves one. What partitions have of
-- their parent's foreign keys is made with them, and named anew.
SELECT
    'constraint',
    quote_ident(k.conname) || ' on ' || CASE
        WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text ELSE k.contypid::regtype::text
    END,
    CASE
        WHEN k.conrelid = 0 THEN 'type ' || k.contypid::regtype::text
        WHEN c.relkind = 'f' THEN 'foreign table ' || k.conrelid::regclass::text
        ELSE 'table ' || k.conrelid::regclass::text
    END,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', pg_get_constraintdef(k.oid),
        'kind', k.contype,
        'validated', k.convalidated,
        'no_inherit', CASE WHEN k.contype = 'c' THEN nullif(k.connoinherit, false) END,
        'index', CASE WHEN k.contype IN ('p', 'u', 'x') THEN pg_get_indexdef(k.conindid) END,
        'clustered', (
            SELECT nullif(i.indisclustered, false)
            FROM pg_index AS i
            WHERE i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
        ),
        'replica_identity', (
            SELECT nullif(i.indisreplident, false)
            FROM pg_index AS i
            WHERE i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
        ),
        'comment', obj_description(k.oid, 'pg_constraint'),
        'index_comment', CASE
            WHEN k.contype IN ('p', 'u', 'x') THEN obj_description(k.conindid, 'pg_class')
        END
    ))
FROM pg_constraint AS k
JOIN pg_namespace AS n ON n.oid = k.connamespace
LEFT JOIN pg_class AS c ON c.oid = k.conrelid
WHERE
    k.contype IN ('c', 'p', 'u', 'x', 'f')
    AND NOT (k.contype = 'f' AND k.conparentid <> 0)
    AND coalesce(c.relpersistence, 'p') <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE
            d.deptype = 'e'
            AND (
                d.classid = 'pg_class'::regclass AND d.objid = k.conrelid
                OR d.classid = 'pg_type'::regclass AND d.objid = k.contypid
            )
    );

-- name: indexes
-- Indexes that serve no constraint and that a dump takes along: an invalid one it leaves out.
SELECT
    'index', c.oid::regclass::text,
    CASE t.relkind WHEN 'm' THEN 'materialized view ' ELSE 'table ' END || t.oid::regclass::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', pg_get_indexdef(c.oid),
        'unique', nullif(i.indisunique, false),
        'valid', nullif(i.indisvalid, true),
        'clustered', nullif(i.indisclustered, false),
        'replica_identity', nullif(i.indisreplident, false),
        'statistics', (
            SELECT string_agg(a.attnum || ': ' || a.attstattarget, ', ' ORDER BY a.attnum)
            FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attstattarget >= 0
        ),
        'partition_of', (
            SELECT p.inhparent::regclass FROM pg_inherits AS p WHERE p.inhrelid = c.oid
        ),
        'comment', obj_description(c.oid, 'pg_class')
    ))
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (i.indisvalid OR t.relkind = 'p')
    AND i.indisready
    AND NOT EXISTS (
        SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')
    )
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE
            d.classid = 'pg_class'::regclass AND d.objid IN (c.oid, t.oid) AND d.deptype = 'e'
    );

-- name: triggers
-- Triggers that somebody made.
SELECT
    'trigger', quote_ident(t.tgname) || ' on ' || c.oid::regclass::text,
    CASE c.relkind
        WHEN 'v' THEN 'view ' WHEN 'f' THEN 'foreign table ' ELSE 'table '
    END || c.oid::regclass::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', pg_get_triggerdef(t.oid),
        'function', t.tgfoid::regprocedure,
        'enabled', t.tgenabled,
        'comment', obj_description(t.oid, 'pg_trigger')
    ))
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    NOT t.tgisinternal
    AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE
            d.deptype = 'e'
            AND (
                d.classid = 'pg_class'::regclass AND d.objid = c.oid
                OR d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
            )
    );

-- name: rules
-- Rules other than those that make a view.
SELECT
    'rule', quote_ident(r.rulename) || ' on ' || c.oid::regclass::text,
    CASE c.relkind WHEN 'v' THEN 'view ' ELSE 'table ' END || c.oid::regclass::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', pg_get_ruledef(r.oid),
        'enabled', r.ev_enabled,
        'comment', obj_description(r.oid, 'pg_rewrite')
    ))
FROM pg_rewrite AS r
JOIN pg_class AS c ON c.oid = r.ev_class
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    r.rulename <> '_RETURN'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    );

-- name: policies
-- Policies of row security.
SELECT
    'policy', quote_ident(p.polname) || ' on ' || p.polrelid::regclass::text,
    'table ' || p.polrelid::regclass::text,
    jsonb_strip_nulls(jsonb_build_object(
        'command', p.polcmd,
        'permissive', p.polpermissive,
        'roles', (
            SELECT string_agg(
                CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', '
                ORDER BY CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END
            )
            FROM unnest(p.polroles) AS r
        ),
        'using', pg_get_expr(p.polqual, p.polrelid),
        'with_check', pg_get_expr(p.polwithcheck, p.polrelid),
        'comment', obj_description(p.oid, 'pg_policy')
    ))
FROM pg_policy AS p
JOIN pg_class AS c ON c.oid = p.polrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema';

-- name: functions
-- Functions, procedures and aggregates.
SELECT
    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
    p.oid::regprocedure::text, NULL,
    jsonb_strip_nulls(jsonb_build_object(
        'owner', p.proowner::regrole,
        'comment', obj_description(p.oid, 'pg_proc'),
        'source', CASE WHEN p.prokind <> 'a' THEN p.prosrc END,
        'result', pg_get_function_result(p.oid),
        'definition', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
        'aggregate', (
            SELECT
                to_jsonb(a) - 'aggfnoid' - 'aggtranstype' - 'aggmtranstype' - 'aggsortop'
                || jsonb_build_object(
                    'aggtranstype', a.aggtranstype::regtype,
                    'aggmtranstype', nullif(a.aggmtranstype, 0)::regtype,
                    'aggsortop', nullif(a.aggsortop, 0)::regoperator,
                    'arguments', pg_get_function_arguments(p.oid),
                    'parallel', p.proparallel
                )
            FROM pg_aggregate AS a
            WHERE a.aggfnoid = p.oid
        )::text
    ))
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE
            d.classid = 'pg_proc'::regclass AND d.objid = p.oid
            -- The functions of a range come with it.
            AND d.deptype IN ('e', 'i')
    );

-- name: types
-- Enums, domains, ranges and base types.
SELECT
    'type', t.oid::regtype::text, NULL,
    jsonb_strip_nulls(jsonb_build_object(
        'owner', t.typowner::regrole,
        'comment', obj_description(t.oid, 'pg_type'),
        'kind', t.typtype,
        'labels', (
            SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder)
            FROM pg_enum AS e
            WHERE e.enumtypid = t.oid
        ),
        'of', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
        'not_null', nullif(t.typnotnull, false),
        'default', CASE
            WHEN t.typtype = 'd' THEN pg_get_expr(t.typdefaultbin, 0) ELSE t.typdefault
        END,
        'collation', CASE WHEN t.typtype = 'd' THEN nullif(t.typcollation, 0)::regcollation END,
        'range', (
            SELECT concat_ws(
                ' ', r.rngsubtype::regtype, nullif(r.rngcollation, 0)::regcollation,
                quote_ident(o.opcname), r.rngcanonical, r.rngsubdiff, r.rngmultitypid::regtype
            )
            FROM pg_range AS r
            JOIN pg_opclass AS o ON o.oid = r.rngsubopc
            WHERE r.rngtypid = t.oid
        ),
        'base', CASE
            WHEN t.typtype = 'b' THEN concat_ws(
                ' ', t.typlen, t.typbyval, t.typcategory, t.typispreferred, t.typdelim,
                t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout,
                t.typanalyze, t.typalign, t.typstorage
            )
        END
    ))
FROM pg_type AS t
JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE
    t.typtype IN ('b', 'd', 'e', 'r')
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE
            d.classid = 'pg_type'::regclass AND d.objid = t.oid
            -- Array types come with their elements.
            AND d.deptype IN ('e', 'i')
    );

-- name: extensions
-- Extensions with their versions.
SELECT
    'extension', quote_ident(e.extname), NULL,
    jsonb_strip_nulls(jsonb_build_object(
        'version', e.extversion,
        'schema', e.extnamespace::regnamespace,
        'comment', obj_description(e.oid, 'pg_extension')
    ))
FROM pg_extension AS e;

-- name: publications
-- Publications with what they publish. What only newer servers know is in their rows.
SELECT
    'publication', quote_ident(p.pubname), NULL,
    jsonb_strip_nulls(
        (to_jsonb(p) - 'oid' - 'pubname' - 'pubowner')
        || jsonb_build_object(
            'owner', p.pubowner::regrole,
            'comment', obj_description(p.oid, 'pg_publication'),
            'tables', (
                SELECT string_agg(
                    concat_ws(
                        ' ', r.prrelid::regclass,
                        (
                            SELECT '(' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)
                                || ')'
                            FROM pg_attribute AS a
                            WHERE a.attrelid = r.prrelid AND a.attnum = ANY(r.prattrs)
                        ),
                        'where ' || pg_get_expr(r.prqual, r.prrelid)
                    ),
                    ', ' ORDER BY r.prrelid::regclass::text
                )
                FROM pg_publication_rel AS r
                WHERE r.prpubid = p.oid
            ),
            'schemas', (
                SELECT string_agg(s.pnnspid::regnamespace::text, ', ' ORDER BY s.pnnspid::regnamespace::text)
                FROM pg_publication_namespace AS s
                WHERE s.pnpubid = p.oid
            )
        )
    )
FROM pg_publication AS p;

-- name: statistics
-- Extended statistics.
SELECT
    'statistics',
    quote_ident(n.nspname) || '.' || quote_ident(s.stxname),
    'table ' || s.stxrelid::regclass::text,
    jsonb_strip_nulls(jsonb_build_object(
        'owner', s.stxowner::regrole,
        'definition', pg_get_statisticsobjdef(s.oid),
        'kinds', array_to_string(s.stxkind, ''),
        'target', nullif(s.stxstattarget, -1),
        'comment', obj_description(s.oid, 'pg_statistic_ext')
    ))
FROM pg_statistic_ext AS s
JOIN pg_namespace AS n ON n.oid = s.stxnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema';

-- name: event_triggers
-- Event triggers.
SELECT
    'event trigger', quote_ident(t.evtname), NULL,
    jsonb_strip_nulls(jsonb_build_object(
        'owner', t.evtowner::regrole,
        'event', t.evtevent,
        'function', t.evtfoid::regprocedure,
        'enabled', t.evtenabled,
        'tags', (SELECT string_agg(g, ', ' ORDER BY g) FROM unnest(t.evttags) AS g),
        'comment', obj_description(t.oid, 'pg_event_trigger')
    ))
FROM pg_event_trigger AS t
WHERE
    NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e'
    );

-- name: others
-- What is rarely made by hand: collations, operators, casts, languages, text search, foreign
-- servers and the like, by name, with what of their rows has no number in it.
SELECT
    i.type, i.identity, NULL,
    jsonb_strip_nulls(o.facts || jsonb_build_object(
        'owner', o.owner::regrole, 'comment', obj_description(o.oid, o.classid::regclass::text::name)
    ))
FROM (
    SELECT
        'pg_collation'::regclass AS classid, c.oid, c.collnamespace AS namespace,
        c.collowner AS owner,
        jsonb_build_object(
            'provider', c.collprovider, 'deterministic', c.collisdeterministic,
            'collate', c.collcollate, 'ctype', c.collctype,
            'locale', coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale')
        ) AS facts
    FROM pg_collation AS c
    UNION ALL
    SELECT
        'pg_operator'::regclass, o.oid, o.oprnamespace, o.oprowner,
        jsonb_build_object(
            'function', o.oprcode::text, 'merges', o.oprcanmerge, 'hashes', o.oprcanhash,
            'restrict', nullif(o.oprrest, 0)::text, 'join', nullif(o.oprjoin, 0)::text,
            'commutator', nullif(o.oprcom, 0)::regoperator,
            'negator', nullif(o.oprnegate, 0)::regoperator
        )
    FROM pg_operator AS o
    UNION ALL
    SELECT
        'pg_opclass'::regclass, c.oid, c.opcnamespace, c.opcowner,
        jsonb_build_object(
            'type', c.opcintype::regtype, 'default', c.opcdefault,
            'key', nullif(c.opckeytype, 0)::regtype
        )
    FROM pg_opclass AS c
    UNION ALL
    SELECT
        'pg_opfamily'::regclass, f.oid, f.opfnamespace, f.opfowner,
        jsonb_build_object(
            'operators', (
                SELECT string_agg(
                    a.amopstrategy || ' ' || a.amopopr::regoperator, ', '
                    ORDER BY a.amopstrategy, a.amopopr::regoperator::text
                )
                FROM pg_amop AS a
                WHERE a.amopfamily = f.oid
            ),
            'functions', (
                SELECT string_agg(
                    a.amprocnum || ' ' || a.amproc::oid::regprocedure, ', '
                    ORDER BY a.amprocnum, a.amproc::oid::regprocedure::text
                )
                FROM pg_amproc AS a
                WHERE a.amprocfamily = f.oid
            )
        )
    FROM pg_opfamily AS f
    UNION ALL
    SELECT
        'pg_cast'::regclass, c.oid, NULL, NULL,
        jsonb_build_object(
            'function', nullif(c.castfunc, 0)::regprocedure, 'context', c.castcontext,
            'method', c.castmethod
        )
    FROM pg_cast AS c
    UNION ALL
    SELECT
        'pg_language'::regclass, l.oid, NULL, l.lanowner,
        jsonb_build_object('trusted', l.lanpltrusted, 'handler', l.lanplcallfoid::regproc)
    FROM pg_language AS l
    UNION ALL
    SELECT
        'pg_conversion'::regclass, c.oid, c.connamespace, c.conowner,
        jsonb_build_object(
            'function', c.conproc::text, 'default', c.condefault,
            'from', pg_encoding_to_char(c.conforencoding), 'to', pg_encoding_to_char(c.contoencoding)
        )
    FROM pg_conversion AS c
    UNION ALL
    SELECT
        'pg_ts_config'::regclass, c.oid, c.cfgnamespace, c.cfgowner,
        jsonb_build_object(
            'mappings', (
                SELECT string_agg(
                    m.maptokentype || ' ' || m.mapdict::regdictionary, ', '
                    ORDER BY m.maptokentype, m.mapseqno
                )
                FROM pg_ts_config_map AS m
                WHERE m.mapcfg = c.oid
            )
        )
    FROM pg_ts_config AS c
    UNION ALL
    SELECT
        'pg_ts_dict'::regclass, t.oid, t.dictnamespace, t.dictowner,
        jsonb_build_object('options', t.dictinitoption)
    FROM pg_ts_dict AS t
    UNION ALL
    SELECT
        'pg_foreign_data_wrapper'::regclass, f.oid, NULL, f.fdwowner,
        jsonb_build_object('handler', f.fdwhandler::regproc, 'options', array_to_string(f.fdwoptions, ', '))
    FROM pg_foreign_data_wrapper AS f
    UNION ALL
    SELECT
        'pg_foreign_server'::regclass, s.oid, NULL, s.srvowner,
        jsonb_build_object(
            'type', s.srvtype, 'version', s.srvversion,
            'options', array_to_string(s.srvoptions, ', ')
        )
    FROM pg_foreign_server AS s
    UNION ALL
    SELECT
        'pg_am'::regclass, a.oid, NULL, NULL,
        jsonb_build_object('kind', a.amtype, 'handler', a.amhandler::text)
    FROM pg_am AS a
    UNION ALL
    SELECT
        'pg_transform'::regclass, t.oid, NULL, NULL,
        jsonb_build_object(
            'from', nullif(t.trffromsql, 0)::text, 'to', nullif(t.trftosql, 0)::text
        )
    FROM pg_transform AS t
) AS o
CROSS JOIN LATERAL pg_identify_object(o.classid, o.oid, 0) AS i
LEFT JOIN pg_namespace AS n ON n.oid = o.namespace
WHERE
    -- Numbers below are those of what initdb makes.
    o.oid >= 16384
    AND coalesce(n.nspname, '') !~ '^pg_' AND coalesce(n.nspname, '') <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = o.classid AND d.objid = o.oid AND d.deptype IN ('e', 'i')
    );

-- name: user_mappings
-- As whom foreign servers are used: the names of the options, and of each value, which may be a
-- password, a hash that differs from server to server and from role to role. What this role may
-- not see, by the same rule as the view has, is said to be hidden.
SELECT
    'user mapping',
    concat(
        CASE m.umuser WHEN 0 THEN 'public' ELSE m.umuser::regrole::text END, ' on ',
        quote_ident(m.srvname)
    ),
    'server ' || quote_ident(m.srvname),
    CASE WHEN v.is_seen THEN coalesce(o.facts, jsonb_build_object())
        ELSE jsonb_build_object('options', 'hidden')
    END
FROM pg_user_mappings AS m
JOIN pg_foreign_server AS s ON s.oid = m.srvid
CROSS JOIN LATERAL (
    SELECT r.rolsuper OR CASE m.umuser
            WHEN 0 THEN pg_has_role(s.srvowner, 'USAGE')
            WHEN r.oid
                THEN pg_has_role(s.srvowner, 'USAGE') OR has_server_privilege(s.oid, 'USAGE')
            ELSE false
        END AS is_seen
    FROM pg_roles AS r
    WHERE r.rolname = current_user
) AS v
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(
        'option ' || split_part(p.option, '=', 1),
        'sha256 ' || encode(
            sha256(convert_to(concat_ws(' ', m.srvname, m.usename, p.option), 'UTF8')), 'hex'
        )
    ) AS facts
    FROM unnest(m.umoptions) AS p (option)
) AS o;

-- name: subscriptions
-- Subscriptions by name; where they connect to may hold a secret, and a restore disables them.
SELECT
    'subscription', quote_ident(s.subname), NULL,
    jsonb_build_object(
        'owner', s.subowner::regrole,
        'publications', (SELECT string_agg(p, ', ' ORDER BY p) FROM unnest(s.subpublications) AS p)
    )
FROM pg_subscription AS s
JOIN pg_database AS d ON d.oid = s.subdbid
WHERE d.datname = current_database();

-- name: default_privileges
-- What is granted on what will be made.
SELECT
    'default privileges',
    concat_ws(
        ' ', 'of', d.defaclrole::regrole, 'on', d.defaclobjtype,
        'in ' || nullif(d.defaclnamespace, 0)::regnamespace
    ),
    NULL,
    coalesce(g.facts, jsonb_build_object())
FROM pg_default_acl AS d
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(p.grantee, p.rights) AS facts
    FROM (
        SELECT
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee,
            string_agg(
                a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ', '
                ORDER BY a.privilege_type
            ) AS rights
        FROM aclexplode(d.defaclacl) AS a
        GROUP BY a.grantee
    ) AS p
) AS g;

-- name: grants
-- Grants, where they are not those that every new object has: what each role may do, with a
-- star where it may pass that on.
SELECT 'grants on', o.kind || ' ' || o.name, o.kind || ' ' || o.name, g.facts
FROM (
    SELECT
        CASE c.relkind
            WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
            WHEN 'f' THEN 'foreign table' ELSE 'table'
        END AS kind,
        c.oid::regclass::text AS name, c.relacl AS acl, c.relowner AS owner,
        (CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char" AS class,
        'pg_class'::regclass AS classid, c.oid, c.relnamespace AS namespace
    FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
    UNION ALL
    SELECT
        'column', c.oid::regclass::text || '.' || quote_ident(a.attname), a.attacl, c.relowner,
        'c', 'pg_class'::regclass, c.oid, c.relnamespace
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relpersistence <> 't'
    UNION ALL
    SELECT
        CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
        p.oid::regprocedure::text, p.proacl, p.proowner, 'f', 'pg_proc'::regclass, p.oid,
        p.pronamespace
    FROM pg_proc AS p
    UNION ALL
    SELECT
        'schema', quote_ident(n.nspname), n.nspacl, n.nspowner, 'n',
        'pg_namespace'::regclass, n.oid, n.oid
    FROM pg_namespace AS n
    UNION ALL
    SELECT
        'type', t.oid::regtype::text, t.typacl, t.typowner, 'T', 'pg_type'::regclass, t.oid,
        t.typnamespace
    FROM pg_type AS t
    UNION ALL
    SELECT
        'language', quote_ident(l.lanname), l.lanacl, l.lanowner, 'l',
        'pg_language'::regclass, l.oid, NULL
    FROM pg_language AS l
    WHERE l.oid >= 16384
    UNION ALL
    SELECT
        'foreign-data wrapper', quote_ident(f.fdwname), f.fdwacl, f.fdwowner, 'F',
        'pg_foreign_data_wrapper'::regclass, f.oid, NULL
    FROM pg_foreign_data_wrapper AS f
    UNION ALL
    SELECT
        'server', quote_ident(s.srvname), s.srvacl, s.srvowner, 'S',
        'pg_foreign_server'::regclass, s.oid, NULL
    FROM pg_foreign_server AS s
) AS o
LEFT JOIN pg_namespace AS n ON n.oid = o.namespace
CROSS JOIN LATERAL (
    SELECT
        coalesce(jsonb_object_agg(p.grantee, p.rights) FILTER (WHERE p.given), jsonb_build_object())
            AS facts,
        coalesce(
            jsonb_object_agg(p.grantee, p.rights) FILTER (WHERE NOT p.given), jsonb_build_object()
        ) AS usual
    FROM (
        SELECT
            a.given,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee,
            string_agg(
                a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END
                || CASE WHEN a.grantor <> o.owner THEN ' by ' || a.grantor::regrole ELSE '' END,
                ', ' ORDER BY a.privilege_type, a.grantor::regrole::text
            ) AS rights
        FROM (
            SELECT true AS given, e.* FROM aclexplode(o.acl) AS e
            UNION ALL
            SELECT false, e.* FROM aclexplode(acldefault(o.class, o.owner)) AS e
        ) AS a
        GROUP BY a.given, a.grantee
    ) AS p
) AS g
WHERE
    o.acl IS NOT NULL
    AND g.facts <> g.usual
    AND coalesce(n.nspname, '') !~ '^pg_' AND coalesce(n.nspname, '') <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = o.classid AND d.objid = o.oid AND d.deptype = 'e'
    );

-- name: labels
-- Security labels of what is in this database.
SELECT
    'label of', concat_ws(' ', l.objtype, l.objname, 'by', l.provider), NULL,
    jsonb_build_object('label', l.label)
FROM pg_seclabels AS l
WHERE l.objtype NOT IN ('database', 'role', 'tablespace', 'large object');
