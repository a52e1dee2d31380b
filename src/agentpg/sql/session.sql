-- How connections are set up, and those of workers.

-- name: write_iso
-- Have times come in the one style that can be read, whatever database or role prefer: in the
-- others even the name of a time zone is one of several. PgBouncer keeps this for its client.
SET DateStyle = 'ISO';

-- name: write_utf8
-- Have texts come as such from a database that does not say in which encoding they are.
SET client_encoding = 'UTF8';

-- name: pin_plans
-- Have each statement find its rows, in order, by the index that was made for it, whatever
-- the statistics say: after a rush they are minutes old, and then the planner would rather
-- read and sort the whole backlog for each batch. With that the plan of a statement is the
-- same for every batch, and is made once.
-- `only_now`: true for the transaction alone, false for as long as the connection lasts.
SELECT set_config(name, value, {only_now})
FROM (VALUES
    ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'), ('enable_sort', 'off'),
    ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'),
    ('plan_cache_mode', 'force_generic_plan'), ('jit', 'off')
) AS planning (name, value);

-- name: wait_shortly
-- Give up a statement that waits longer than this for a lock.
SELECT set_config('lock_timeout', {milliseconds}, {only_now});

-- name: backend
-- The process of the server that answers. Every connection begins with it, a superuser's too, in
-- databases whose owners may have put a function of that name before the server's own.
SELECT pg_catalog.pg_backend_pid();
