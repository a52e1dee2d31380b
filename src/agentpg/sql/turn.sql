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

-- name: stay_open
-- Let no time limit of the server end this transaction while it holds a lock for other work.
SELECT pg_catalog.set_config(p.name, '0', true)
FROM pg_catalog.pg_settings AS p
WHERE p.name IN ('transaction_timeout', 'idle_in_transaction_session_timeout');

-- name: take_lasting_turn
-- The same lock until the end of the transaction.
SELECT pg_catalog.pg_try_advisory_xact_lock(
    pg_catalog.hashtextextended(
        'agentpg ' || %(work)s || ' ' || pg_catalog.current_database()::text || ' ' || %(schema)s,
        0::bigint
    )
);
