-- One at a time.

-- name: take_turn
-- Take the lock of one kind of work on this installation, if nobody has it.
SELECT pg_try_advisory_lock(
    hashtextextended(
        'agentpg ' || %(work)s || ' ' || current_database()::text || ' ' || %(schema)s, 0::bigint
    )
);

-- name: end_turn
-- Give it back.
SELECT pg_advisory_unlock(
    hashtextextended(
        'agentpg ' || %(work)s || ' ' || current_database()::text || ' ' || %(schema)s, 0::bigint
    )
);
