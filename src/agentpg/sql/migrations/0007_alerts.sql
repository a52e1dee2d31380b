-- Alerts, what people are told of them, and what they are not.
-- works with: 1
--
-- The release before does not look at it.

-- One thing that is wrong, from when it was first seen until it is well again.
CREATE TABLE alerts (
    id             uuid PRIMARY KEY DEFAULT uuid7(),
    fingerprint    varchar(32) NOT NULL,                    -- the same for the same thing found again
    code           varchar(20) NOT NULL,                    -- of the finding: B01
    level          varchar(20) NOT NULL,
    state          varchar(20) NOT NULL,
    condition      jsonb NOT NULL,                          -- the finding, as it was seen last
    since          timestamptz NOT NULL,                    -- when it was first seen
    seen_at        timestamptz NOT NULL,
    looks          integer NOT NULL DEFAULT 1,              -- that have found it, in a row
    clear          integer NOT NULL DEFAULT 0,              -- looks that have not, in a row
    returns        integer NOT NULL DEFAULT 0,              -- how often it came back within an hour
    fired_at       timestamptz,
    resolved_at    timestamptz,
    first_told_at  timestamptz,
    told_at        timestamptz,
    told_level     varchar(20),
    told           text[] NOT NULL DEFAULT '{}',            -- the contacts that were told
    escalated_at   timestamptz,
    acked_at       timestamptz,                             -- somebody has said that he takes care
    acked_by       text,
    ack_note       text,

    CONSTRAINT alerts_state_is_known CHECK (state IN ('pending', 'firing', 'resolved')),
    CONSTRAINT alerts_resolved_has_its_time CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
);

CREATE UNIQUE INDEX alerts_open_idx ON alerts (fingerprint) WHERE resolved_at IS NULL;
CREATE INDEX alerts_resolved_at_idx ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;

-- Messages to contacts, one row for each way to one, written with the change that they tell of.
CREATE TABLE outbox (
    id             uuid PRIMARY KEY DEFAULT uuid7(),
    contact        varchar(20) NOT NULL,
    way            varchar(20) NOT NULL,                    -- email, webhook or apprise
    message        jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    due_at         timestamptz NOT NULL DEFAULT now(),      -- when it is tried next
    attempts       integer NOT NULL DEFAULT 0,
    error          text,                                    -- why the last attempt failed
    sent_at        timestamptz,
    given_up_at    timestamptz
);

CREATE INDEX outbox_due_idx ON outbox (due_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX outbox_created_at_idx ON outbox (created_at);

-- What nobody is told of for a time.
CREATE TABLE silences (
    id             uuid PRIMARY KEY DEFAULT uuid7(),
    matchers       jsonb NOT NULL,                          -- code, room, subject, level, contact: a pattern
    owner          text NOT NULL,
    reason         text NOT NULL,
    begins_at      timestamptz NOT NULL DEFAULT now(),
    ends_at        timestamptz NOT NULL,

    CONSTRAINT silences_match_something CHECK (matchers <> '{}'),
    CONSTRAINT silences_end_after_they_begin CHECK (ends_at >= begins_at)
);

-- When each room of the doctor was looked at last; `health` is HealthAgent itself, `watch` what
-- goes on without it.
CREATE TABLE looks (
    room           varchar(50) PRIMARY KEY,
    looked_at      timestamptz NOT NULL,
    seconds        double precision NOT NULL DEFAULT 0
);
