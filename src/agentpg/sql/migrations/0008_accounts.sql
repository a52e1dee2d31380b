-- Accounts: the role of approvers, tokens, failed log-ins. And the log of what operators do.
-- works with: 1
--
-- The release before has no accounts and records nothing.

-- Accounts are few: that all are looked at under the lock is over at once.
-- squawk-ignore ban-drop-constraint
ALTER TABLE users DROP CONSTRAINT users_role_is_known;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE users ADD CONSTRAINT users_role_is_known CHECK (
    role IN ('viewer', 'operator', 'approver', 'admin')
);

-- What is kept of an account beside its row in `users`, which may have columns of others.
CREATE TABLE account_details (
    user_id         uuid PRIMARY KEY,
    password_set_at timestamptz,
    password_set_by text,
    is_temporary    boolean NOT NULL DEFAULT false,         -- the password is another's choice: to be changed
    seen_at         timestamptz,                            -- the newest log-in
    disabled_reason text
);

-- Tokens by which programs are known as an account. The token itself is shown once and kept
-- nowhere. It has 256 random bits, so one round of SHA-256 is as good as any slow hash: there
-- is no dictionary to try.
CREATE TABLE account_tokens (
    id             uuid PRIMARY KEY DEFAULT uuid7(),
    user_id        uuid NOT NULL,
    name           varchar(100) NOT NULL,                   -- what it is for
    hint           varchar(12) NOT NULL,                    -- its first signs, to know it by
    token_hash     bytea NOT NULL,                          -- SHA-256
    scopes         text[] NOT NULL,                         -- what it may, of what its account may
    created_at     timestamptz NOT NULL DEFAULT now(),
    created_by     text NOT NULL,
    expires_at     timestamptz,                             -- NULL: never
    last_used_at   timestamptz,                             -- to five minutes
    revoked_at     timestamptz,

    CONSTRAINT account_tokens_name_is_given CHECK (name <> ''),
    CONSTRAINT account_tokens_token_is_hashed CHECK (octet_length(token_hash) = 32),
    CONSTRAINT account_tokens_scopes_are_named CHECK (
        array_to_string(scopes, ' ', '') ~ '^[a-z]+:[a-z_]+( [a-z]+:[a-z_]+)*$'
    ),
    CONSTRAINT account_tokens_expire_later CHECK (expires_at > created_at)
);

CREATE UNIQUE INDEX account_tokens_hash_idx ON account_tokens (token_hash);
CREATE INDEX account_tokens_user_idx ON account_tokens (user_id);

-- Log-ins that failed lately, by the SHA-256 of the name that was given: a name without an
-- account is counted like one with, and a password typed in its place is not kept.
CREATE TABLE login_failures (
    name_hash      bytea PRIMARY KEY,
    failures       integer NOT NULL,                        -- in a row
    failed_at      timestamptz NOT NULL,                    -- the newest
    locked_until   timestamptz,                             -- no password is tried before

    CONSTRAINT login_failures_name_is_hashed CHECK (octet_length(name_hash) = 32),
    CONSTRAINT login_failures_are_counted CHECK (failures >= 1)
);

CREATE INDEX login_failures_failed_at_idx ON login_failures (failed_at);

-- What operators did, in order. Entries are only added, and each holds the hash of the one
-- before: who changes or removes one breaks the chain behind it.
CREATE TABLE audit_log (
    number         bigint PRIMARY KEY,                      -- from 1, without a gap
    at             timestamptz NOT NULL,
    action         varchar(50) NOT NULL,                    -- task.cancel, backup.restore
    object         text,                                    -- what it was done to
    outcome        varchar(20) NOT NULL DEFAULT 'done',
    account        text,                                    -- of `users`, where it is known
    database_role  text NOT NULL,                           -- who logged in to the server
    address        text,                                    -- from where; NULL: by a socket
    os_user        text,                                    -- as the program says, with its machine
    program        text,
    details        jsonb NOT NULL DEFAULT '{}',             -- without secrets
    form           smallint NOT NULL,                       -- how the text was written that is hashed
    previous_hash  bytea NOT NULL,
    hash           bytea NOT NULL,

    CONSTRAINT audit_log_action_is_given CHECK (action <> ''),
    CONSTRAINT audit_log_outcome_is_known CHECK (outcome IN (
        'begun',      -- what no transaction holds was going to be done
        'done',
        'failed',
        'refused'     -- for safety, or for want of a right
    )),
    CONSTRAINT audit_log_details_are_few CHECK (
        jsonb_typeof(details) = 'object' AND octet_length(details::text) <= 16384
    ),
    CONSTRAINT audit_log_is_chained CHECK (
        octet_length(previous_hash) = 32 AND octet_length(hash) = 32
    )
);

CREATE INDEX audit_log_action_idx ON audit_log (action, number);

-- Where the log ends, in one row. Who adds an entry holds it until the end of his transaction,
-- so entries stand one behind the other.
CREATE TABLE audit_head (
    only_one       boolean PRIMARY KEY DEFAULT true,
    number         bigint NOT NULL,
    hash           bytea NOT NULL,

    CONSTRAINT audit_head_is_one CHECK (only_one),
    CONSTRAINT audit_head_is_a_place CHECK (number >= 0 AND octet_length(hash) = 32)
);

-- The hash of an entry: SHA-256 of the hash before and of the entry's fields as text, in UTF-8,
-- each behind its length in bytes and a colon; NULL is a tilde, and commas are between them.
CREATE FUNCTION audit_hash(entry audit_log) RETURNS bytea
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT sha256(entry.previous_hash || convert_to(string_agg(
        coalesce(octet_length(convert_to(f.field, 'UTF8')) || ':' || f.field, '~'), ','
        ORDER BY f.place
    ), 'UTF8'))
    FROM unnest(ARRAY[
        entry.form::text, entry.number::text,
        to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
        entry.action, entry.object, entry.outcome, entry.account, entry.database_role,
        entry.address, entry.os_user, entry.program, entry.details::text
    ]) WITH ORDINALITY AS f (field, place)
$$;

-- Puts a new entry at the end of the chain. Nobody says himself when it was, who he is for the
-- server, and what the hashes are. With its owner's rights: who may add an entry may not touch
-- the head.
CREATE FUNCTION chain_audit_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    head record;
BEGIN
    LOOP
        SELECT h.number, h.hash INTO head FROM audit_head h FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO audit_head (number, hash) VALUES (0, decode(repeat('00', 32), 'hex'))
        ON CONFLICT DO NOTHING;
    END LOOP;
    NEW.number := head.number + 1;
    NEW.at := clock_timestamp();
    NEW.database_role := session_user;
    NEW.address := host(inet_client_addr());
    NEW.form := 1;
    NEW.previous_hash := head.hash;
    NEW.hash := audit_hash(NEW);
    UPDATE audit_head SET number = NEW.number, hash = NEW.hash;
    RETURN NEW;
END
$$;

CREATE TRIGGER chain_audit_entry BEFORE INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION chain_audit_entry();

-- Refuses what would change the log otherwise than at its end.
CREATE FUNCTION keep_audit_log() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    RAISE insufficient_privilege USING
        MESSAGE = format('entries of the audit log are only added: no %s of %s', TG_OP, TG_TABLE_NAME);
END
$$;

CREATE TRIGGER keep_entries BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION keep_audit_log();
CREATE TRIGGER keep_all_entries BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log();
CREATE TRIGGER keep_head BEFORE INSERT OR UPDATE OR DELETE ON audit_head
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION keep_audit_log();
CREATE TRIGGER keep_only_head BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log();

REVOKE ALL ON FUNCTION audit_hash(audit_log) FROM PUBLIC;
REVOKE ALL ON FUNCTION chain_audit_entry() FROM PUBLIC;
REVOKE ALL ON FUNCTION keep_audit_log() FROM PUBLIC;
