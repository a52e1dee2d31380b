-- Alerts, the messages about them, silences, and when it was last looked.

-- name: limits
-- Who tells people waits for nobody for long, least of all for a standby that is to confirm what is
-- written: where this fails, people are told without it.
SELECT
    pg_catalog.set_config('lock_timeout', '10s', true),
    pg_catalog.set_config('statement_timeout', '30s', true),
    pg_catalog.set_config('synchronous_commit', 'local', true);

-- name: begin
-- Keep others from deciding about the same alerts until the end of the transaction.
SELECT pg_advisory_xact_lock(
    hashtextextended('agentpg alerts ' || current_database()::text || ' ' || %(schema)s, 0::bigint)
);

-- name: now
-- The moment, after the wait for others.
SELECT clock_timestamp() AS now;

-- name: alerts
-- Those that are open, and those that were within a time.
SELECT
    id, condition, state, since, seen_at, looks, clear, returns, fired_at, resolved_at,
    first_told_at, told_at, told_level, told, escalated_at, acked_at, acked_by, ack_note
FROM {schema}.alerts
WHERE resolved_at IS NULL OR resolved_at > now() - %(recent)s::interval;

-- name: keep_alert
-- A new alert, or what has become of one. What is told of late, from while the database was away,
-- does not undo what was seen after it.
INSERT INTO {schema}.alerts AS kept (
    id, fingerprint, code, level, condition, state, since, seen_at, looks, clear, returns, fired_at,
    resolved_at, first_told_at, told_at, told_level, told, escalated_at, acked_at, acked_by, ack_note
) VALUES (
    %(id)s, %(fingerprint)s, %(code)s, %(level)s, %(condition)s, %(state)s, %(since)s, %(seen_at)s,
    %(looks)s, %(clear)s, %(returns)s, %(fired_at)s, %(resolved_at)s, %(first_told_at)s,
    %(told_at)s, %(told_level)s, %(told)s, %(escalated_at)s, %(acked_at)s, %(acked_by)s, %(ack_note)s
)
ON CONFLICT (id) DO UPDATE SET
    level = excluded.level, condition = excluded.condition, state = excluded.state,
    since = excluded.since, seen_at = excluded.seen_at, looks = excluded.looks,
    clear = excluded.clear, returns = excluded.returns, fired_at = excluded.fired_at,
    resolved_at = excluded.resolved_at, first_told_at = excluded.first_told_at,
    told_at = excluded.told_at, told_level = excluded.told_level, told = excluded.told,
    escalated_at = excluded.escalated_at, acked_at = excluded.acked_at,
    acked_by = excluded.acked_by, ack_note = excluded.ack_note
WHERE kept.seen_at <= excluded.seen_at OR NOT %(is_late)s;

-- name: drop_alerts
-- Forget what went before it fired.
DELETE FROM {schema}.alerts WHERE id = ANY (%(ids)s);

-- name: silences
-- Those in force.
SELECT id, matchers, owner, reason, begins_at, ends_at
FROM {schema}.silences
WHERE ends_at > now()
ORDER BY ends_at;

-- name: post
-- A message, for one way to its contact.
INSERT INTO {schema}.outbox (contact, way, message)
VALUES (%(contact)s, %(way)s, %(message)s);

-- name: repost
-- A message that was tried without the database and not handed over; once, however often it is
-- given.
INSERT INTO {schema}.outbox (id, contact, way, message, created_at, attempts, error)
VALUES (%(id)s, %(contact)s, %(way)s, %(message)s, %(created_at)s, %(attempts)s, %(error)s)
ON CONFLICT (id) DO NOTHING;

-- name: looks
-- When each room was looked at last, and how long that took.
SELECT room, looked_at, seconds FROM {schema}.looks;

-- name: note_looks
-- These rooms were looked at now.
INSERT INTO {schema}.looks (room, looked_at, seconds)
SELECT room, now(), seconds
FROM unnest(%(rooms)s::text[], %(seconds)s::float8[]) AS looked (room, seconds)
ON CONFLICT (room) DO UPDATE SET looked_at = excluded.looked_at, seconds = excluded.seconds;

-- name: forget
-- Messages are kept for a month, alerts and silences that are over for a quarter of a year.
WITH old_messages AS (
    DELETE FROM {schema}.outbox WHERE created_at < now() - interval '30 days'
), old_silences AS (
    DELETE FROM {schema}.silences WHERE ends_at < now() - interval '90 days'
)
DELETE FROM {schema}.alerts WHERE resolved_at < now() - interval '90 days';

-- name: forget_looks
-- Looks come every minute, and are half a million tasks in a year. Those that were completed are kept
-- for as long as the statistics of agents reach, seven days, and one more.
WITH old AS MATERIALIZED (
    SELECT id FROM {schema}.tasks
    WHERE agent_name = %(agent)s AND task_type = ANY (%(task_types)s)
      AND status = 'completed' AND held_reason IS NULL
      AND finished_at < now() - interval '8 days'
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
), executions AS (
    DELETE FROM {schema}.agent_executions e USING old WHERE e.task_id = old.id
), events AS (
    DELETE FROM {schema}.task_events v USING old WHERE v.task_id = old.id
)
DELETE FROM {schema}.tasks t USING old WHERE t.id = old.id;

-- name: may
-- Whether this role keeps alerts and messages, and whether it may remove tasks.
SELECT
    has_table_privilege(format('%%I.alerts', %(schema)s::text), 'INSERT')
    AND has_table_privilege(format('%%I.outbox', %(schema)s::text), 'UPDATE') AS keeps,
    has_table_privilege(format('%%I.tasks', %(schema)s::text), 'DELETE') AS removes_tasks;

-- name: take
-- The next message that is due. It comes due again later unless it is said to be sent: a minute
-- after the first attempt, then twice as long each time, at most an hour: what is due later than
-- in two was put off by a clock that was wrong. `closed` are the ways that have just failed.
UPDATE {schema}.outbox
SET attempts = attempts + 1,
    due_at = now() + least(interval '1 minute' * 2 ^ least(attempts, 10), interval '1 hour')
WHERE id = (
    SELECT id FROM {schema}.outbox
    WHERE sent_at IS NULL AND given_up_at IS NULL
      AND (due_at <= now() OR due_at > now() + interval '2 hours')
      AND contact || ' ' || way <> ALL (%(closed)s::text[])
    ORDER BY due_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, contact, way, message;

-- name: sent
-- It was handed over.
UPDATE {schema}.outbox SET sent_at = now(), error = NULL WHERE id = %(id)s;

-- name: not_sent
-- It was not; after a day it is given up.
UPDATE {schema}.outbox
SET error = %(error)s,
    given_up_at = CASE WHEN created_at < now() - interval '1 day' THEN now() END
WHERE id = %(id)s;

-- name: closed
-- It is not to be tried again, since its way is gone: it is due at no time.
UPDATE {schema}.outbox
SET error = %(error)s, given_up_at = now(), due_at = 'infinity'
WHERE id = %(id)s;

-- name: due
-- Whether a message is due.
SELECT EXISTS (
    SELECT FROM {schema}.outbox
    WHERE sent_at IS NULL AND given_up_at IS NULL
      AND (due_at <= now() OR due_at > now() + interval '2 hours')
);

-- name: open_alerts
-- Alerts that are open, the worst and oldest first.
SELECT
    id, condition, state, since, seen_at, looks, clear, returns, fired_at, resolved_at,
    first_told_at, told_at, told_level, told, escalated_at, acked_at, acked_by, ack_note
FROM {schema}.alerts
WHERE resolved_at IS NULL
ORDER BY array_position('{{critical,unknown,warning,info}}', level::text), since;

-- name: acknowledge
-- Somebody takes care of these.
UPDATE {schema}.alerts
SET acked_at = now(), acked_by = %(owner)s, ack_note = %(note)s
WHERE id = ANY (%(ids)s) AND resolved_at IS NULL;

-- name: silence
-- Tell nobody of what matches for a time.
INSERT INTO {schema}.silences (matchers, owner, reason, ends_at)
VALUES (%(matchers)s, %(owner)s, %(reason)s, now() + %(lasts)s::interval)
RETURNING id, matchers, owner, reason, begins_at, ends_at;

-- name: end_silences
-- End these now.
UPDATE {schema}.silences SET ends_at = now() WHERE id = ANY (%(ids)s) AND ends_at > now();

-- name: unreadable
-- Those of the tables of alerts that the role may not read, asked for before reading them: a refusal
-- would stand in the server's log, at each look.
SELECT current_user::text AS role, c.relname::text AS name
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s
  AND c.relname IN ('alerts', 'outbox', 'silences', 'looks')
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'));

-- name: state
-- What the doctor says of all this: messages that wait or were given up, and the last look. A
-- message whose way is gone is no news.
SELECT
    (SELECT count(*) FROM {schema}.outbox
     WHERE sent_at IS NULL AND given_up_at IS NULL AND attempts >= 2) AS waiting,
    (SELECT count(*) FROM {schema}.outbox o
     WHERE o.given_up_at > now() - interval '7 days' AND o.due_at < 'infinity'
       AND NOT EXISTS (
           SELECT FROM {schema}.outbox later
           WHERE later.contact = o.contact AND later.way = o.way AND later.sent_at > o.given_up_at
       )) AS given_up,
    (SELECT min(created_at) FROM {schema}.outbox
     WHERE sent_at IS NULL AND given_up_at IS NULL AND attempts >= 2) AS waiting_since,
    (SELECT way || ' to ' || contact || ': ' || error FROM {schema}.outbox
     WHERE sent_at IS NULL AND error IS NOT NULL AND due_at < 'infinity'
       AND created_at > now() - interval '7 days'
     ORDER BY created_at DESC LIMIT 1) AS last_error,
    (SELECT now() - looked_at FROM {schema}.looks WHERE room = 'health') AS unlooked,
    (SELECT count(*) FROM {schema}.silences
     WHERE ends_at > now() AND begins_at <= now()) AS silences,
    (SELECT count(*) FROM {schema}.alerts
     WHERE state = 'firing' AND level = 'critical' AND acked_at IS NULL
       AND escalated_at < now() - interval '1 hour') AS unheeded;
