-- The audit log: what operators did.

-- name: add
-- Add an entry at the end of the chain; the table's trigger does the rest.
INSERT INTO {schema}.audit_log (action, object, outcome, account, os_user, program, details)
VALUES (
    %(action)s, %(object)s, %(outcome)s, %(account)s, %(os_user)s, %(program)s, %(details)s
);

-- name: entries
-- The newest entries that match; a NULL parameter matches all. Patterns are those of LIKE.
SELECT number, at, action, object, outcome, account, database_role, address, os_user, program,
       details, hash
FROM {schema}.audit_log
WHERE (%(action)s::text IS NULL OR action LIKE %(action)s)
  AND (%(who)s::text IS NULL
       OR account = %(who)s OR database_role = %(who)s
       OR os_user = %(who)s OR split_part(os_user, '@', 1) = %(who)s)
  AND (%(object)s::text IS NULL OR object = %(object)s)
  AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
ORDER BY number DESC
LIMIT %(limit)s;

-- name: links
-- The entries behind a number as they are hashed, in their order.
SELECT number,
       ARRAY[
           form::text, number::text, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
           action, object, outcome, account, database_role, address, os_user, program,
           details::text
       ] AS fields,
       previous_hash, hash
FROM {schema}.audit_log
WHERE number > %(after)s
ORDER BY number;

-- name: head
-- Where the log says that it ends.
SELECT number, hash FROM {schema}.audit_head;

-- name: place_before
-- The hash before an entry, to follow the chain from there.
SELECT previous_hash FROM {schema}.audit_log WHERE number = %(number)s;

-- name: verified
-- When the whole chain was last followed without a fault, and the oldest entry behind it.
SELECT v.number, v.at, n.at AS unverified_since
FROM (SELECT 1) one
LEFT JOIN LATERAL (
    SELECT number, at
    FROM {schema}.audit_log
    WHERE action = 'log.verify' AND outcome = 'done'
    ORDER BY number DESC
    LIMIT 1
) v ON true
LEFT JOIN LATERAL (
    SELECT at
    FROM {schema}.audit_log
    WHERE number > coalesce(v.number, 0)
    ORDER BY number
    LIMIT 1
) n ON true;
