-- What an attempt tells while it runs: its progress, and the log lines that are kept.
-- works with: 1

ALTER TABLE agent_executions
    ADD COLUMN progress      real,
    ADD COLUMN progress_text varchar(200),
    ADD COLUMN progress_at   timestamptz;

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
