-- What extensions of the server are asked, wherever they are.

-- name: find
-- The schema of an extension in this database; no row where it is not there.
SELECT nspname::text
FROM pg_extension
JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = %(name)s;

-- name: measure_table
-- The shares of a table's own pages that are free, and that dead rows take, read from the pages
-- that vacuum has not seen as whole; for superusers and members of pg_stat_scan_tables.
SELECT approx_free_percent / 100.0, dead_tuple_percent / 100.0
FROM {extension}.pgstattuple_approx(%(table)s::regclass);
