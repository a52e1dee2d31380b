-- Accounts: adding and changing them, and proving who somebody is.

-- name: users
-- All accounts, or one, with what is kept beside them; those in use first.
SELECT u.id, u.username AS name, u.role, u.adopted, u.created_at,
       u.password_hash LIKE '$argon2id$%%' IS TRUE AS has_password,
       d.password_set_at, d.password_set_by, coalesce(d.is_temporary, false) AS is_temporary,
       u.disabled_at, d.disabled_reason,
       greatest(d.seen_at, t.used_at) AS seen_at,
       coalesce(f.failures, 0) AS failures,
       CASE WHEN f.locked_until > now() THEN f.locked_until END AS locked_until,
       coalesce(t.tokens, 0) AS tokens
FROM {schema}.users u
LEFT JOIN {schema}.account_details d ON d.user_id = u.id
LEFT JOIN {schema}.login_failures f
    ON f.name_hash = sha256(convert_to(lower(u.username), 'UTF8')) AND NOT u.adopted
LEFT JOIN LATERAL (
    SELECT max(k.last_used_at) AS used_at,
           count(*) FILTER (
               WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
           ) AS tokens
    FROM {schema}.account_tokens k
    WHERE k.user_id = u.id
) t ON true
WHERE %(name)s::text IS NULL OR u.username = %(name)s
ORDER BY u.adopted, u.disabled_at IS NOT NULL, u.username, u.id
LIMIT %(limit)s;

-- name: lock
-- The account of this name, kept as it is until the end of the transaction.
SELECT id, role, disabled_at IS NOT NULL AS disabled
FROM {schema}.users
WHERE username = %(name)s AND NOT adopted
FOR UPDATE;

-- name: lock_admins
-- Those who may manage accounts: two of them cannot take the right from each other at once.
SELECT id
FROM {schema}.users
WHERE role = 'admin' AND disabled_at IS NULL AND NOT adopted
ORDER BY id
FOR UPDATE;

-- name: adopted
-- Rows of this name from before agentpg.
SELECT id FROM {schema}.users WHERE username = %(name)s AND adopted ORDER BY id FOR UPDATE;

-- name: add
-- A new account.
INSERT INTO {schema}.users (username, role, password_hash)
VALUES (%(name)s, %(role)s, %(password_hash)s)
ON CONFLICT (username) WHERE NOT adopted DO NOTHING
RETURNING id;

-- name: take_over
-- Make an account of a row from before agentpg: tasks that name it by its id keep their meaning.
UPDATE {schema}.users u
SET role = %(role)s, password_hash = %(password_hash)s, disabled_at = NULL, adopted = false
WHERE u.id = %(id)s AND u.adopted AND NOT EXISTS (
    SELECT FROM {schema}.users o WHERE o.username = u.username AND NOT o.adopted
)
RETURNING u.id;

-- name: note_password
-- When a password was set and by whom; none was, where the moment is taken away.
INSERT INTO {schema}.account_details AS d
    (user_id, password_set_at, password_set_by, is_temporary)
VALUES (%(id)s, CASE WHEN %(is_set)s THEN now() END, %(by)s, %(is_temporary)s)
ON CONFLICT (user_id) DO UPDATE
SET password_set_at = excluded.password_set_at, password_set_by = excluded.password_set_by,
    is_temporary = excluded.is_temporary;

-- name: set_role
-- Another role.
UPDATE {schema}.users SET role = %(role)s WHERE id = %(id)s;

-- name: set_password
-- Another password, or none.
UPDATE {schema}.users SET password_hash = %(password_hash)s WHERE id = %(id)s;

-- name: rehash
-- The same password with other parameters, unless it was changed meanwhile.
UPDATE {schema}.users SET password_hash = %(new)s WHERE id = %(id)s AND password_hash = %(old)s;

-- name: disable
-- Let nobody in with an account any more.
WITH disabled AS (
    UPDATE {schema}.users SET disabled_at = now() WHERE id = %(id)s RETURNING id
)
INSERT INTO {schema}.account_details AS d (user_id, disabled_reason)
SELECT id, %(reason)s FROM disabled
ON CONFLICT (user_id) DO UPDATE SET disabled_reason = excluded.disabled_reason;

-- name: enable
-- Let it be used again, also where it has not been used for long.
WITH enabled AS (
    UPDATE {schema}.users SET disabled_at = NULL WHERE id = %(id)s RETURNING id
)
UPDATE {schema}.account_details d SET disabled_reason = NULL, seen_at = now()
FROM enabled WHERE d.user_id = enabled.id;

-- name: unlock
-- Forget the log-ins that failed.
DELETE FROM {schema}.login_failures WHERE name_hash = %(name_hash)s RETURNING failures;

-- name: tokens
-- The tokens of an account, those in use first.
SELECT id, name, hint, scopes, created_at, created_by, expires_at, last_used_at, revoked_at,
       coalesce(expires_at <= now(), false) AS is_expired
FROM {schema}.account_tokens
WHERE user_id = %(id)s
ORDER BY revoked_at IS NOT NULL, coalesce(expires_at <= now(), false), created_at DESC;

-- name: add_token
-- A new token.
INSERT INTO {schema}.account_tokens
    (user_id, name, hint, token_hash, scopes, created_by, expires_at)
VALUES (
    %(user_id)s, %(name)s, %(hint)s, %(token_hash)s, %(scopes)s, %(by)s,
    now() + %(lasts)s::interval
)
RETURNING id, name, hint, scopes, created_at, created_by, expires_at, last_used_at, revoked_at,
          false AS is_expired;

-- name: revoke_tokens
-- End tokens of an account: this one, those of this name, or all.
UPDATE {schema}.account_tokens
SET revoked_at = now()
WHERE user_id = %(id)s AND revoked_at IS NULL
  AND (%(token)s::text IS NULL OR name = %(token)s OR id::text = %(token)s OR hint = %(token)s)
RETURNING name;

-- name: begin_login
-- Count a try as failed before the password is looked at, so that no number of tries at once is
-- more than the limit; a good one takes it back. No row counted: the name is locked. A name
-- without an account is counted alike. What is long over is removed a little at a time.
WITH forgotten AS (
    DELETE FROM {schema}.login_failures
    WHERE name_hash IN (
        SELECT o.name_hash
        FROM {schema}.login_failures o
        WHERE o.failed_at < now() - %(window)s::interval - %(longest_lock)s::interval
          AND o.name_hash <> %(name_hash)s
        ORDER BY o.failed_at
        LIMIT 20
        FOR UPDATE SKIP LOCKED
    )
), counted AS (
    INSERT INTO {schema}.login_failures AS f (name_hash, failures, failed_at, locked_until)
    VALUES (
        %(name_hash)s, 1, clock_timestamp(),
        CASE WHEN %(attempts)s <= 1 THEN clock_timestamp() + %(lock)s::interval END
    )
    ON CONFLICT (name_hash) DO UPDATE
    SET (failures, failed_at, locked_until) = (
        SELECT n.failures, clock_timestamp(), CASE
            WHEN n.failures >= %(attempts)s THEN clock_timestamp() + least(
                %(longest_lock)s::interval,
                %(lock)s::interval * power(2, least(n.failures - %(attempts)s, 20))
            )
        END
        FROM (
            SELECT CASE
                WHEN greatest(f.failed_at, f.locked_until) < clock_timestamp() - %(window)s::interval
                THEN 1 ELSE f.failures + 1
            END AS failures
        ) n
    )
    WHERE f.locked_until IS NULL OR f.locked_until <= clock_timestamp()
    RETURNING f.failures
)
SELECT c.failures, l.locked_until - clock_timestamp() AS retry_in, u.id, u.role, u.password_hash,
       u.disabled_at IS NOT NULL AS disabled, coalesce(d.is_temporary, false) AS must_change
FROM (SELECT 1) one
LEFT JOIN counted c ON true
LEFT JOIN {schema}.login_failures l ON l.name_hash = %(name_hash)s
LEFT JOIN {schema}.users u ON u.username = %(name)s AND NOT u.adopted
LEFT JOIN {schema}.account_details d ON d.user_id = u.id;

-- name: end_login
-- The password was right: the tries are forgotten, and the account was seen.
WITH forgotten AS (
    DELETE FROM {schema}.login_failures WHERE name_hash = %(name_hash)s
)
INSERT INTO {schema}.account_details AS d (user_id, seen_at) VALUES (%(id)s, now())
ON CONFLICT (user_id) DO UPDATE SET seen_at = excluded.seen_at;

-- name: use_token
-- Whose token this is, and whether it is in use. When it was used is kept to five minutes, so that
-- a program that asks a hundred times a second writes a row in five minutes.
WITH used AS (
    UPDATE {schema}.account_tokens
    SET last_used_at = now()
    WHERE token_hash = %(token_hash)s AND revoked_at IS NULL
      AND (expires_at IS NULL OR expires_at > now())
      AND (last_used_at IS NULL OR last_used_at < now() - interval '5 minutes')
)
SELECT u.id, u.username AS name, u.role, t.id AS token_id, t.scopes,
       t.revoked_at IS NOT NULL AS revoked,
       coalesce(t.expires_at <= now(), false) AS expired,
       u.disabled_at IS NOT NULL OR u.adopted AS disabled
FROM {schema}.account_tokens t
JOIN {schema}.users u ON u.id = t.user_id
WHERE t.token_hash = %(token_hash)s;

-- name: state
-- What the doctor says of accounts; see the room `accounts`. It reads no hash, so that the role
-- that monitors need not.
SELECT
    count(*) FILTER (WHERE is_account) AS accounts,
    count(*) FILTER (WHERE is_account AND role = 'admin' AND can_log_in) AS admins,
    coalesce(array_agg(name ORDER BY name) FILTER (
        WHERE is_account AND coalesce(seen_at, created_at) < now() - %(idle)s::interval
    ), '{{}}') AS idle,
    coalesce(array_agg(name ORDER BY name) FILTER (
        WHERE is_account AND password_set_at < now() - %(password_age)s::interval
    ), '{{}}') AS old_passwords,
    coalesce(array_agg(name ORDER BY name) FILTER (
        WHERE is_account AND is_temporary AND password_set_at < now() - interval '7 days'
    ), '{{}}') AS temporary,
    (SELECT count(*) FROM {schema}.login_failures WHERE locked_until > now()) AS locked,
    (SELECT coalesce(array_agg(o.username || '/' || k.name ORDER BY o.username, k.name), '{{}}')
     FROM {schema}.account_tokens k
     JOIN {schema}.users o ON o.id = k.user_id AND o.disabled_at IS NULL
     WHERE k.revoked_at IS NULL AND k.expires_at IS NULL) AS endless_tokens,
    (SELECT coalesce(array_agg(o.username || '/' || k.name ORDER BY k.expires_at), '{{}}')
     FROM {schema}.account_tokens k
     JOIN {schema}.users o ON o.id = k.user_id AND o.disabled_at IS NULL
     WHERE k.revoked_at IS NULL AND k.last_used_at > k.expires_at - interval '30 days'
       AND k.expires_at BETWEEN now() AND now() + %(token_warning)s::interval) AS ending_tokens
FROM (
    SELECT u.username AS name, u.role, u.created_at, d.password_set_at, d.is_temporary,
           NOT u.adopted AND u.disabled_at IS NULL AS is_account,
           d.password_set_at IS NOT NULL OR EXISTS (
               SELECT FROM {schema}.account_tokens k
               WHERE k.user_id = u.id AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > now())
           ) AS can_log_in,
           greatest(d.seen_at, (
               SELECT max(k.last_used_at) FROM {schema}.account_tokens k WHERE k.user_id = u.id
           )) AS seen_at
    FROM {schema}.users u
    LEFT JOIN {schema}.account_details d ON d.user_id = u.id
) a;
