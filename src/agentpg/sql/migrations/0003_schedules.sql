-- Schedules: tasks that are submitted again and again.
-- works with: 1

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

REVOKE ALL ON FUNCTION tell_of_schedules() FROM PUBLIC;
