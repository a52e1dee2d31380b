-- What the doctor does where it was told to fix what is safe.

-- name: give_way
-- Wait so long for a lock, and no longer; for this session.
SELECT pg_catalog.set_config('lock_timeout', %(limit)s, false);
