-- The whole schema of agentpg as it is now. Read it from top to bottom.
--
-- A program asks for work by inserting a row into `tasks`. A worker claims it: in one
-- statement the task becomes `running`, its `attempt` rises by one, and a row of
-- `agent_executions` is opened for that attempt. The worker's handler runs; each call it
-- makes to a language model is a row of `llm_requests`, inserted as the call starts and
-- closed as it ends. Then the worker settles: in one statement the task moves on and the
-- execution is closed. What was `pending` is now `completed`, `failed` or `cancelled`, or
-- `pending` again with a later `run_at`.
--
--                 claim                settle
--     pending ------------> running ------------> completed
--        ^                     |  |-------------> failed
--        |                     |  '-------------> cancelled
--        '---------------------'
--          retry, hand back, rescue                waiting: asleep, holds no worker
--
-- Three columns of `tasks` tell apart who may say what about a task:
--
--   attempt  counts claims. It never falls and never repeats, so (id, attempt) names one
--            try for ever, and a worker that lost its task can change nothing any more:
--            each statement of a worker names the task, the attempt and the worker.
--   worker   is the worker that holds the task now, and NULL unless one does.
--   errors, crashes
--            count failed handlers, and deaths of the task's own process while it ran
--            alone. A worker that dies takes many tasks with it, and most are innocent.
--
-- A worker lives as long as its row in `workers` is renewed. When it falls silent for a
-- lease, another worker marks it lost, closes its executions as `lost` and puts its tasks
-- back, marked `suspect`.
--
-- What is wanted again and again is a row of `schedules`. Its ticks submit tasks: a worker
-- moves `next_at` on and inserts the task in one statement, guarded by the `next_at` that it
-- saw, so a tick is never fired twice however many workers look.
--
-- Plain SQL is welcome. INSERT INTO tasks (id, agent_name, task_type, status, created_at)
-- is a valid submission, and UPDATE tasks SET status = 'completed', result = … a valid
-- end: a trigger fills in the rest, and a worker that held the task finds itself fenced.
--
-- People and programs that may operate it are rows of `users`; what operators did is a row of
-- `audit_log` each, chained by hashes.
--
-- Nothing here has a foreign key: on tables this hot each would cost a lookup and a lock
-- per row, and every statement that writes two tables writes both or none.
--
-- The tables are created in the schema that comes first in the search_path.

-- What has been applied to this schema, in order.
CREATE TABLE schema_migrations (
    version      integer PRIMARY KEY,
    name         varchar(100) NOT NULL,
    checksum     varchar(64) NOT NULL,       -- SHA-256 of the migration's text
    works_with   integer NOT NULL,           -- the oldest version whose code keeps working
    applied_at   timestamptz NOT NULL DEFAULT now()
);

-- A version 7 uuid: 48 bits of milliseconds, then 74 random ones, so ids sort by time.
-- RFC 9562, section 5.7.
CREATE FUNCTION uuid7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog
RETURN encode(
    set_bit(set_bit(
        overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
            FROM 1 FOR 6
        ), 52, 1), 53, 1),
    'hex'
)::uuid;

-- What is asked, one row a task.
CREATE TABLE tasks (
    id                   uuid PRIMARY KEY DEFAULT uuid7(),
    agent_name           varchar(100),                      -- who owns the handler
    task_type            varchar(100),                      -- which handler
    status               varchar(50) DEFAULT 'pending',
    created_at           timestamptz DEFAULT now(),
    result               jsonb,                             -- what the handler returned
    error_message        text,                              -- why the last attempt ended badly
    payload              jsonb,                             -- what the handler is given
    priority             smallint NOT NULL DEFAULT 100,     -- 0 to 1000, the smaller runs first
    run_at               timestamptz NOT NULL DEFAULT now(),-- not claimed before
    attempt              integer NOT NULL DEFAULT 0,        -- claims so far
    errors               integer NOT NULL DEFAULT 0,        -- attempts whose handler failed
    crashes              integer NOT NULL DEFAULT 0,        -- attempts that killed their own process
    max_attempts         integer,                           -- errors that end it; NULL: the handler says
    on_crash             varchar(10) NOT NULL DEFAULT 'retry', -- or 'fail': must not run twice
    suspect              boolean NOT NULL DEFAULT false,    -- was held by a worker that died: run it alone
    started_at           timestamptz,                       -- the newest claim
    finished_at          timestamptz,                       -- set in the three final states only
    cancel_requested_at  timestamptz,
    worker               uuid,                              -- who holds it; NULL unless running here
    idempotency_key      varchar(200),
    tenant               varchar(100),
    parent_id            uuid,
    submitted_by         varchar(100) DEFAULT session_user,
    held_reason          text,                              -- not claimed until released
    adopted              boolean NOT NULL DEFAULT false,    -- a row from before agentpg
    lane                 text COLLATE "C",                  -- where it stands in turn; NULL: nowhere

    -- Rows from before agentpg are kept as they are, whatever they hold.
    CONSTRAINT tasks_names_are_given CHECK (adopted OR (
        agent_name IS NOT NULL AND agent_name <> '' AND task_type IS NOT NULL AND task_type <> ''
    )),
    -- The claim compares agent and type joined by this character.
    CONSTRAINT tasks_names_are_plain CHECK (adopted OR (
        strpos(agent_name, chr(31)) = 0 AND strpos(task_type, chr(31)) = 0
    )),
    CONSTRAINT tasks_status_is_known CHECK (adopted OR (
        status IS NOT NULL AND created_at IS NOT NULL
        AND status IN ('pending', 'running', 'waiting', 'completed', 'failed', 'cancelled')
    )),
    CONSTRAINT tasks_finished_at_tells_the_end CHECK (adopted OR (
        (finished_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled'))
    )),
    CONSTRAINT tasks_worker_only_while_running CHECK (worker IS NULL OR status = 'running'),
    CONSTRAINT tasks_priority_in_range CHECK (priority BETWEEN 0 AND 1000),
    CONSTRAINT tasks_counters_add_up CHECK (
        errors >= 0 AND crashes >= 0 AND attempt >= errors + crashes
        AND max_attempts >= 1 AND errors <= max_attempts
    ),
    CONSTRAINT tasks_on_crash_is_known CHECK (on_crash IN ('retry', 'fail')),
    CONSTRAINT tasks_key_is_given CHECK (idempotency_key <> '')
) WITH (
    -- Every row is rewritten twice or more, so vacuum comes early and in small bites.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 1
);

-- Equals filter and order of the claim, so history costs a claim nothing.
CREATE INDEX tasks_ready_idx ON tasks (priority, run_at, id)
    WHERE status = 'pending' AND held_reason IS NULL AND lane IS NULL;

-- The same for each lane: tasks that a limit, a turn or a pause concerns stand in one.
CREATE INDEX tasks_lane_idx ON tasks (lane, priority, run_at, id)
    WHERE status = 'pending' AND held_reason IS NULL AND lane IS NOT NULL;

-- Completed tasks, nearly all there are, have no entry: no query wants them by status.
CREATE INDEX tasks_status_idx ON tasks (status, created_at) WHERE status <> 'completed';
CREATE INDEX tasks_agent_name_idx ON tasks (agent_name);
CREATE INDEX tasks_created_at_idx ON tasks (created_at DESC NULLS LAST);
CREATE UNIQUE INDEX tasks_idempotency_key_idx ON tasks (agent_name, task_type, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- One try of a task. Opened by the claim, closed by whoever ends it.
CREATE TABLE agent_executions (
    task_id              uuid NOT NULL,
    attempt              integer NOT NULL,
    agent_name           varchar(100),
    task_type            varchar(100),
    worker               uuid,
    execution_start      timestamptz,                       -- the claim
    execution_end        timestamptz,
    duration_seconds     double precision,                  -- the handler's own time
    outcome              varchar(20),                       -- NULL while open
    error_message        text,
    llm_calls            integer NOT NULL DEFAULT 0,        -- its rows in llm_requests
    llm_total_tokens     bigint NOT NULL DEFAULT 0,         -- input + output of the known ones
    llm_input_tokens     bigint NOT NULL DEFAULT 0,         -- cached ones included
    llm_cached_tokens    bigint NOT NULL DEFAULT 0,         -- read from the provider's cache
    llm_output_tokens    bigint NOT NULL DEFAULT 0,         -- reasoning included
    llm_reasoning_tokens bigint NOT NULL DEFAULT 0,
    llm_unknown_calls    integer NOT NULL DEFAULT 0,        -- calls whose tokens are not known
    llm_unpriced_calls   integer NOT NULL DEFAULT 0,        -- calls whose cost is not known
    cost_usd             numeric(18, 10),                   -- of the priced ones; NULL: none was
    adopted              boolean NOT NULL DEFAULT false,
    progress             real,                              -- 0 to 1, as the handler says; NULL: it does not
    progress_text        varchar(200),                      -- what it is at
    progress_at          timestamptz,

    PRIMARY KEY (task_id, attempt),
    CONSTRAINT executions_end_has_an_outcome CHECK (
        adopted OR (outcome IS NULL) = (execution_end IS NULL)
    ),
    CONSTRAINT executions_outcome_is_known CHECK (adopted OR outcome IN (
        'completed',  -- the handler returned
        'failed',     -- the handler raised, or returned what can't be stored
        'cancelled',  -- somebody asked for it
        'timed_out',  -- the handler's time was over
        'lost',       -- its worker or its process died
        'released'    -- handed back by a worker that stopped; not counted in statistics
    )),
    CONSTRAINT executions_names_are_given CHECK (adopted OR (
        agent_name IS NOT NULL AND task_type IS NOT NULL AND execution_start IS NOT NULL
    )),
    CONSTRAINT executions_unknown_are_counted CHECK (
        llm_unknown_calls BETWEEN 0 AND llm_calls AND llm_unpriced_calls BETWEEN 0 AND llm_calls
    )
) WITH (
    -- Room in each page lets the closing update stay in it (HOT): no index entry is
    -- written, because no index holds a column that the closing changes.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 1
);

-- Executions are appended in the order of their start: a block range index is enough.
CREATE INDEX agent_executions_start_idx ON agent_executions USING brin (execution_start)
    WITH (pages_per_range = 32, autosummarize = off);

-- One call to a language model. Inserted as it starts, closed as it ends.
-- Tokens follow one rule: input_tokens includes what was read from and written to the
-- provider's cache, output_tokens includes reasoning; the others are parts of these two.
CREATE TABLE llm_requests (
    id                   uuid PRIMARY KEY DEFAULT uuid7(),
    task_id              uuid NOT NULL,
    attempt              integer NOT NULL,
    agent_name           varchar(100) NOT NULL,
    provider             varchar(100),
    model                varchar(200),                      -- as asked for
    response_model       varchar(200),                      -- as answered
    response_id          varchar(200),
    status               varchar(20) NOT NULL DEFAULT 'open',
    started_at           timestamptz NOT NULL DEFAULT now(),
    ended_at             timestamptz,
    duration_seconds     double precision,
    input_tokens         bigint,                            -- NULL: not known
    cache_read_tokens    bigint,
    cache_write_tokens   bigint,
    output_tokens        bigint,
    reasoning_tokens     bigint,
    cost_usd             numeric(18, 10),                   -- NULL: not known
    cost_source          varchar(50) NOT NULL DEFAULT 'unpriced',
    finish_reason        varchar(100),
    error_message        text,
    trace_id             varchar(32),
    span_id              varchar(16),

    CONSTRAINT llm_requests_status_is_known CHECK (status IN (
        'open',       -- under way
        'ok',
        'error',
        'lost'        -- its worker died first; it may have been paid for
    )),
    CONSTRAINT llm_requests_end_is_told CHECK ((status = 'open') = (ended_at IS NULL)),
    CONSTRAINT llm_requests_tokens_are_parts CHECK (
        input_tokens >= 0 AND output_tokens >= 0
        AND cache_read_tokens >= 0 AND cache_write_tokens >= 0 AND reasoning_tokens >= 0
        AND coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) <= input_tokens
        AND reasoning_tokens <= output_tokens
    ),
    CONSTRAINT llm_requests_unpriced_is_null CHECK ((cost_usd IS NULL) = (cost_source = 'unpriced'))
) WITH (fillfactor = 80);

CREATE INDEX llm_requests_execution_idx ON llm_requests (task_id, attempt);
CREATE INDEX llm_requests_started_at_idx ON llm_requests USING brin (started_at)
    WITH (pages_per_range = 32, autosummarize = off);

-- What is to be asked again and again, one row a schedule. Plain SQL may change it too: with
-- next_at and problem set to NULL, the workers find its next moment anew.
CREATE TABLE schedules (
    name           varchar(100) PRIMARY KEY,
    agent_name     varchar(100) NOT NULL,                   -- these seven are the task's own
    task_type      varchar(100) NOT NULL,
    payload        jsonb,
    priority       smallint NOT NULL DEFAULT 100,
    max_attempts   integer,
    on_crash       varchar(10) NOT NULL DEFAULT 'retry',
    tenant         varchar(100),
    cron           varchar(200) NOT NULL,                   -- minute, hour, day, month, weekday
    time_zone      varchar(100) NOT NULL DEFAULT 'UTC',     -- in which the line is read
    catch_up       varchar(10) NOT NULL DEFAULT 'one',      -- what to do about missed ticks
    declared       boolean NOT NULL DEFAULT false,          -- an App says it; its workers write it
    paused_at      timestamptz,
    next_at        timestamptz,                             -- the next tick; NULL: to be found
    last_at        timestamptz,                             -- the newest tick that submitted a task
    last_task_id   uuid,                                    -- the task that it submitted
    problem        text,                                    -- why it cannot fire
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT schedules_names_are_given CHECK (
        name <> '' AND agent_name <> '' AND task_type <> ''
        AND strpos(agent_name, chr(31)) = 0 AND strpos(task_type, chr(31)) = 0
    ),
    CONSTRAINT schedules_task_is_possible CHECK (
        priority BETWEEN 0 AND 1000 AND max_attempts >= 1 AND on_crash IN ('retry', 'fail')
    ),
    CONSTRAINT schedules_catch_up_is_known CHECK (catch_up IN (
        'skip',       -- what is more than a minute late is left out
        'one',        -- the newest of them fires
        'all'         -- the newest thousand of them fire
    ))
);

-- What workers look for: the next ticks.
CREATE INDEX schedules_due_idx ON schedules (next_at NULLS FIRST)
    WHERE paused_at IS NULL AND problem IS NULL;

-- The log lines of an attempt that are kept with its task, in the order of `number`.
CREATE TABLE task_events (
    task_id              uuid NOT NULL,
    attempt              integer NOT NULL,
    number               integer NOT NULL,                  -- counts the lines of the attempt
    at                   timestamptz NOT NULL,
    level                varchar(10) NOT NULL,
    message              text NOT NULL,                     -- cut, and without secrets

    PRIMARY KEY (task_id, attempt, number),
    CONSTRAINT task_events_level_is_known CHECK (
        level IN ('debug', 'info', 'warning', 'error')
    )
);

-- One row a worker process, from its start to its end. A new start is a new row.
CREATE TABLE workers (
    id             uuid PRIMARY KEY,
    host           varchar(255) NOT NULL,
    pid            integer NOT NULL,
    version        varchar(50) NOT NULL,
    concurrency    integer NOT NULL,
    lease_seconds  double precision NOT NULL,
    handlers       jsonb NOT NULL,                          -- [["agent", "type"], …]
    started_at     timestamptz NOT NULL DEFAULT now(),
    heartbeat      bigint NOT NULL DEFAULT 0,               -- rises while it lives
    heartbeat_at   timestamptz NOT NULL DEFAULT now(),      -- for people; nobody decides by it
    idle           boolean NOT NULL DEFAULT true,           -- wants to be notified
    running        integer NOT NULL DEFAULT 0,              -- handlers at the last heartbeat
    ended_at       timestamptz,
    ended_how      varchar(10),

    CONSTRAINT workers_end_is_told CHECK (
        (ended_at IS NULL) = (ended_how IS NULL) AND ended_how IN ('stopped', 'lost')
    )
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);

CREATE INDEX workers_alive_idx ON workers (id) WHERE ended_at IS NULL;

-- What the server and the tables were like, one row a moment: every five minutes of the last
-- day, every hour of the last month, every day of the last year.
CREATE TABLE samples (
    taken_at       timestamptz PRIMARY KEY,
    sample         jsonb NOT NULL                           -- sizes, rows, counters; sql/samples.sql
);

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

-- People and programs with an account.
CREATE TABLE users (
    id             uuid PRIMARY KEY DEFAULT uuid7(),
    username       varchar(100),
    role           varchar(20) NOT NULL DEFAULT 'viewer',
    password_hash  text,                                    -- argon2id
    token_hash     text,                                    -- not used: tokens have a table
    created_at     timestamptz NOT NULL DEFAULT now(),
    disabled_at    timestamptz,
    adopted        boolean NOT NULL DEFAULT false,

    CONSTRAINT users_name_is_given CHECK (adopted OR (username IS NOT NULL AND username <> '')),
    CONSTRAINT users_role_is_known CHECK (role IN ('viewer', 'operator', 'approver', 'admin')),
    CONSTRAINT users_password_is_hashed CHECK (adopted OR password_hash LIKE '$argon2id$%')
);

CREATE UNIQUE INDEX users_username_idx ON users (username) WHERE NOT adopted;

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

-- Completes what a program wrote by plain SQL. The engine's own statements set these
-- columns themselves and never come here.
CREATE FUNCTION complete_plain_write() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF NEW.worker IS NOT NULL AND NEW.status <> 'running' THEN
        -- It was taken from its worker, which finds itself fenced.
        UPDATE agent_executions e
           SET execution_end = clock_timestamp(),
               duration_seconds = extract(epoch FROM clock_timestamp() - e.execution_start),
               outcome = 'cancelled',
               error_message = format('the task was set to %s from outside', NEW.status)
         WHERE e.task_id = NEW.id AND e.attempt = NEW.attempt AND e.execution_end IS NULL;
        UPDATE llm_requests r
           SET status = 'lost', ended_at = clock_timestamp(), error_message = 'its attempt ended first'
         WHERE r.task_id = NEW.id AND r.attempt = NEW.attempt AND r.status = 'open';
        NEW.worker := NULL;
    END IF;
    IF NEW.status IN ('completed', 'failed', 'cancelled') THEN
        NEW.finished_at := coalesce(NEW.finished_at, clock_timestamp());
    ELSIF NEW.finished_at IS NOT NULL THEN
        -- A finished task was opened again: its run starts afresh.
        NEW.finished_at := NULL;
        NEW.errors := 0;
        NEW.crashes := 0;
        NEW.cancel_requested_at := NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER complete_plain_write BEFORE INSERT OR UPDATE OF status ON tasks
    FOR EACH ROW
    WHEN ((NEW.status IN ('completed', 'failed', 'cancelled')) <> (NEW.finished_at IS NOT NULL)
       OR (NEW.worker IS NOT NULL AND NEW.status <> 'running'))
    EXECUTE FUNCTION complete_plain_write();

-- Refuses work that is submitted as done, or as begun, from whoever may not change what a task's
-- state is.
CREATE FUNCTION refuse_unasked() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT has_column_privilege(TG_RELID, 'status', 'UPDATE') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('%s may submit pending tasks only, and this one is %s',
                             current_user, coalesce(NEW.status, 'without a state')),
            HINT = 'Leave the status out; a worker says what came of a task.';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER refuse_unasked BEFORE INSERT ON tasks
    FOR EACH ROW WHEN (NEW.status IS DISTINCT FROM 'pending')
    EXECUTE FUNCTION refuse_unasked();

-- Wakes workers, but only when one is idle: a busy one looks for itself, and every
-- notifying commit takes a lock that is one for the whole server.
CREATE FUNCTION wake_workers() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF EXISTS (SELECT FROM workers WHERE ended_at IS NULL AND idle) THEN
        PERFORM pg_notify('agentpg_' || TG_TABLE_SCHEMA || '_work', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER wake_workers AFTER INSERT ON tasks
    FOR EACH STATEMENT EXECUTE FUNCTION wake_workers();

-- Tells the workers that a schedule was changed, so that they look when it is next due.
-- A tick changes none of these columns and tells nobody.
CREATE FUNCTION tell_of_schedules() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM pg_notify('agentpg_' || TG_TABLE_SCHEMA, 'schedules');
    RETURN NULL;
END
$$;

CREATE TRIGGER tell_of_schedules AFTER INSERT OR UPDATE OF cron, time_zone, paused_at ON schedules
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_schedules();

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

-- How many tasks of an agent may run at a time, and how many may start within a period.
-- One row with a key is a limit of its own for each value of the key.
CREATE TABLE limits (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_name      varchar(100) NOT NULL,
    task_type       varchar(100),                           -- NULL: all types together
    key             varchar(100),                           -- 'tenant', or a field of the payload
    concurrency     integer,                                -- running at a time; NULL: any number
    rate            integer,                                -- starts within a period; NULL: any number
    period_seconds  double precision,
    declared_by     varchar(10) NOT NULL DEFAULT 'operator',-- 'code' never changes an operator's
    declared_at     timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT limits_are_one_for_each UNIQUE NULLS NOT DISTINCT (agent_name, task_type, key),
    CONSTRAINT limits_names_are_given CHECK (agent_name <> '' AND task_type <> '' AND key <> ''),
    CONSTRAINT limits_limit_something CHECK (concurrency IS NOT NULL OR rate IS NOT NULL),
    CONSTRAINT limits_are_above_zero CHECK (concurrency >= 1 AND rate >= 1 AND period_seconds > 0),
    CONSTRAINT limits_rate_has_a_period CHECK ((rate IS NULL) = (period_seconds IS NULL)),
    CONSTRAINT limits_declared_by_is_known CHECK (declared_by IN ('code', 'operator'))
);

-- What was started lately under a limit with a rate; older than its period it is deleted.
-- One row for each hundredth of the period, so that there are few.
CREATE TABLE limit_starts (
    limit_id        integer NOT NULL,
    value           text COLLATE "C" NOT NULL,              -- of the limit's key; '' without one
    started_at      timestamptz NOT NULL,                   -- the end of that hundredth
    tasks           integer NOT NULL,

    PRIMARY KEY (limit_id, value, started_at)
);

-- Agents whose tasks nobody claims until they are resumed.
CREATE TABLE paused_agents (
    agent_name      varchar(100) PRIMARY KEY,
    paused_at       timestamptz NOT NULL DEFAULT now(),
    paused_by       varchar(100) NOT NULL DEFAULT session_user,
    reason          text,

    CONSTRAINT paused_agents_name_is_given CHECK (agent_name <> '')
);

-- Agents, or single types of theirs, whose tasks stand in lanes even without a tenant.
CREATE VIEW ruled AS
SELECT agent_name, task_type FROM limits
UNION ALL
SELECT agent_name, NULL FROM paused_agents;

-- The lane that a task stands in, NULL for none: agent, type, tenant, and each limit that it
-- counts in as id or id=value, each with a U+001F behind it. `gap` says which key of a limit it lacks.
-- A long value is told by its hash, since an index entry must not be long.
-- With its owner's rights: who submits need not read the limits of all agents.
CREATE FUNCTION place_of(
    agent_name text, task_type text, tenant text, payload jsonb, OUT lane text, OUT gap text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
-- The caller's connection may plan anew for each row.
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    mark   CONSTANT text := chr(31);
    groups text;
BEGIN
    SELECT string_agg(mark || l.id || CASE
               WHEN l.key IS NULL THEN ''
               WHEN octet_length(v.value) > 40 OR strpos(v.value, mark) > 0
               THEN '=#' || md5(v.value)
               ELSE '=' || coalesce(v.value, '')
           END, '' ORDER BY l.id),
           min(format(CASE WHEN l.key = 'tenant' THEN 'the task has no %1$s'
                           ELSE 'the payload has no %1$s' END
                      || ', by which a limit of %2$s counts', l.key, l.agent_name))
           FILTER (WHERE l.key IS NOT NULL AND v.value IS NULL)
      INTO groups, gap
      FROM limits l
     CROSS JOIN LATERAL (SELECT CASE WHEN l.key = 'tenant' THEN place_of.tenant
                                     ELSE place_of.payload ->> l.key END AS value) v
     WHERE l.agent_name = place_of.agent_name
       AND (l.task_type IS NULL OR l.task_type = place_of.task_type);
    IF groups <> '' OR tenant IS NOT NULL
       OR EXISTS (SELECT FROM paused_agents p WHERE p.agent_name = place_of.agent_name) THEN
        lane := agent_name || mark || task_type || mark
             || replace(coalesce(tenant, ''), mark, ' ') || coalesce(groups, '') || mark;
    END IF;
END
$$;

-- The same for one that is submitted; what a limit counts by must be there.
CREATE FUNCTION lane_of(agent_name text, task_type text, tenant text, payload jsonb) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_variable
DECLARE
    place record;
BEGIN
    SELECT * INTO place FROM place_of(agent_name, task_type, tenant, payload);
    IF place.gap IS NOT NULL THEN
        RAISE check_violation USING MESSAGE = place.gap, CONSTRAINT = 'limits_key_is_given',
            HINT = 'Give it with the task, or remove the limit.';
    END IF;
    RETURN place.lane;
END
$$;

-- Which of these handlers, each agent and type joined by U+001F, a limit or a pause concerns.
CREATE FUNCTION ruled_among(handlers text[]) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN (
        SELECT array_agg(h.handler)
        FROM unnest(handlers) AS h (handler)
        JOIN ruled r ON r.agent_name = split_part(h.handler, chr(31), 1)
            AND (r.task_type IS NULL OR r.task_type = split_part(h.handler, chr(31), 2))
    );
END
$$;

-- Puts tasks, which the caller has locked, into the lanes that they belong in; one that waits
-- and lacks a key is held. Returns their number.
CREATE FUNCTION sort_tasks(places tid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    number integer;
BEGIN
    UPDATE tasks t
       SET (lane, held_reason) = (
               SELECT p.lane, CASE WHEN t.status = 'pending' THEN p.gap ELSE t.held_reason END
               FROM place_of(t.agent_name, t.task_type, t.tenant, t.payload) p
           )
     WHERE t.ctid = ANY (places);
    GET DIAGNOSTICS number = ROW_COUNT;
    RETURN number;
END
$$;

-- Whether a task waits in a lane of one of these handlers whose agent is not paused.
CREATE FUNCTION waits_in_lane(handlers text[]) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    first text;
BEGIN
    SELECT lane INTO first FROM tasks
     WHERE status = 'pending' AND held_reason IS NULL AND lane > ''
     ORDER BY lane LIMIT 1;
    RETURN first IS NOT NULL AND EXISTS (
        SELECT FROM unnest(handlers) AS h (handler)
        WHERE split_part(h.handler, chr(31), 1) NOT IN (SELECT agent_name FROM paused_agents)
          AND (
              SELECT t.lane FROM tasks t
              WHERE t.status = 'pending' AND t.held_reason IS NULL
                AND t.lane > h.handler || chr(31) AND t.lane < h.handler || chr(32)
              ORDER BY t.lane LIMIT 1
          ) IS NOT NULL
    );
END
$$;

-- Submits one task and returns its id. With an idempotency key, a repeat returns the
-- first task's id, and another payload under the same key is an error.
CREATE FUNCTION submit(
    agent_name       text,
    task_type        text,
    payload          jsonb DEFAULT NULL,
    priority         integer DEFAULT 100,
    run_at           timestamptz DEFAULT now(),
    idempotency_key  text DEFAULT NULL,
    max_attempts     integer DEFAULT NULL,
    on_crash         text DEFAULT 'retry',
    tenant           text DEFAULT NULL,
    parent_id        uuid DEFAULT NULL,
    id               uuid DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    submitted uuid;
    first     record;
BEGIN
    INSERT INTO tasks (id, agent_name, task_type, payload, priority, run_at,
                       idempotency_key, max_attempts, on_crash, tenant, parent_id, lane)
    VALUES (coalesce(submit.id, uuid7()), submit.agent_name, submit.task_type, submit.payload,
            submit.priority, submit.run_at, submit.idempotency_key, submit.max_attempts,
            submit.on_crash, submit.tenant, submit.parent_id,
            lane_of(submit.agent_name, submit.task_type, submit.tenant, submit.payload))
    ON CONFLICT (agent_name, task_type, idempotency_key) WHERE idempotency_key IS NOT NULL
    DO NOTHING
    RETURNING tasks.id INTO submitted;
    IF submitted IS NOT NULL THEN
        RETURN submitted;
    END IF;
    SELECT t.id, t.payload INTO first FROM tasks t
     WHERE t.agent_name = submit.agent_name AND t.task_type = submit.task_type
       AND t.idempotency_key = submit.idempotency_key;
    IF NOT FOUND THEN
        RAISE unique_violation USING
            MESSAGE = format('the idempotency key %s of %s/%s is taken by a task that you cannot see',
                             submit.idempotency_key, submit.agent_name, submit.task_type),
            HINT = 'Keys are the installation''s: put the tenant''s name into its keys.';
    END IF;
    IF first.payload IS DISTINCT FROM submit.payload THEN
        RAISE unique_violation USING
            MESSAGE = format('the idempotency key %s of %s/%s was used for another payload, by task %s',
                             submit.idempotency_key, submit.agent_name, submit.task_type, first.id),
            HINT = 'Use a new key for new work; the same key means the same work.';
    END IF;
    RETURN first.id;
END
$$;

-- Which tenant a login works for. It is bound to the login, which the server has proved, and to
-- nothing that a program says of itself.
CREATE TABLE tenant_logins (
    login     name PRIMARY KEY,                             -- what session_user is
    tenant    varchar(100) NOT NULL,
    bound_at  timestamptz NOT NULL DEFAULT now(),
    bound_by  text NOT NULL DEFAULT session_user,

    CONSTRAINT tenant_logins_tenant_is_given CHECK (tenant <> '')
);

-- The tenant that this session works for, NULL for none. With its owner's rights: who works for
-- one tenant need not see which others there are.
CREATE FUNCTION my_tenant() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    SELECT tenant FROM tenant_logins WHERE login = session_user
$$;

-- Whether a task is one of the tenant that this session works for. With its owner's rights: a
-- policy on tasks may not look at tasks.
CREATE FUNCTION is_my_tenants(task_id uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    SELECT EXISTS (SELECT FROM tasks t WHERE t.id = task_id AND t.tenant = my_tenant())
$$;

-- Says whose a task is where it does not say itself. Its trigger is there while tenants are on.
-- With its owner's rights, as my_tenant().
CREATE FUNCTION fill_in_tenant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    NEW.tenant := my_tenant();
    RETURN NEW;
END
$$;

-- How many tasks each agent has in each state.
CREATE VIEW task_counts AS
SELECT agent_name, task_type, status, count(*) AS tasks, min(created_at) AS oldest_created_at
FROM tasks
GROUP BY agent_name, task_type, status;

-- The seven days' statistics of each agent. What was handed back did not happen.
CREATE VIEW agent_statistics AS
SELECT
    agent_name,
    count(*)                                             AS total_executions,
    count(*) FILTER (WHERE outcome IS NULL)              AS open,
    count(*) FILTER (WHERE outcome = 'completed')        AS completed,
    count(*) FILTER (WHERE outcome = 'failed')           AS failed,
    count(*) FILTER (WHERE outcome = 'timed_out')        AS timed_out,
    count(*) FILTER (WHERE outcome = 'cancelled')        AS cancelled,
    count(*) FILTER (WHERE outcome = 'lost')             AS lost,
    avg(duration_seconds)                                AS avg_duration_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds) AS p95_duration_seconds,
    sum(llm_calls)                                       AS llm_calls,
    sum(llm_total_tokens)                                AS total_tokens,
    sum(llm_unknown_calls)                               AS unknown_calls,
    sum(llm_unpriced_calls)                              AS unpriced_calls,
    sum(cost_usd)                                        AS cost_usd
FROM agent_executions
WHERE execution_start >= CURRENT_DATE - INTERVAL '7 days'
  AND outcome IS DISTINCT FROM 'released'
GROUP BY agent_name;

-- Tokens and cost by day, agent, task type, submitter, provider and model.
CREATE VIEW llm_usage AS
SELECT
    date_trunc('day', r.started_at)                      AS day,
    r.agent_name,
    t.task_type,
    t.submitted_by,
    r.provider,
    coalesce(r.response_model, r.model)                  AS model,
    count(*)                                             AS calls,
    count(*) FILTER (WHERE r.status IN ('error', 'lost'))AS failed_calls,
    count(*) FILTER (WHERE r.input_tokens IS NULL)       AS unknown_calls,
    count(*) FILTER (WHERE r.cost_usd IS NULL)           AS unpriced_calls,
    sum(r.input_tokens)                                  AS input_tokens,
    sum(r.cache_read_tokens)                             AS cache_read_tokens,
    sum(r.output_tokens)                                 AS output_tokens,
    sum(r.reasoning_tokens)                              AS reasoning_tokens,
    sum(r.cost_usd)                                      AS cost_usd
FROM llm_requests r
LEFT JOIN tasks t ON t.id = r.task_id
GROUP BY 1, 2, 3, 4, 5, 6;

-- Who may call what is granted by name; PUBLIC may call nothing.
REVOKE ALL ON FUNCTION uuid7() FROM PUBLIC;
REVOKE ALL ON FUNCTION complete_plain_write() FROM PUBLIC;
REVOKE ALL ON FUNCTION wake_workers() FROM PUBLIC;
REVOKE ALL ON FUNCTION tell_of_schedules() FROM PUBLIC;
REVOKE ALL ON FUNCTION place_of(text, text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION lane_of(text, text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION ruled_among(text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sort_tasks(tid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION waits_in_lane(text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION submit(
    text, text, jsonb, integer, timestamptz, text, integer, text, text, uuid, uuid
) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_hash(audit_log) FROM PUBLIC;
REVOKE ALL ON FUNCTION chain_audit_entry() FROM PUBLIC;
REVOKE ALL ON FUNCTION keep_audit_log() FROM PUBLIC;
REVOKE ALL ON FUNCTION my_tenant() FROM PUBLIC;
REVOKE ALL ON FUNCTION is_my_tenants(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION fill_in_tenant() FROM PUBLIC;
REVOKE ALL ON FUNCTION refuse_unasked() FROM PUBLIC;
