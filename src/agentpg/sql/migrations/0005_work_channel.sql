-- Idle workers hear of new tasks on a channel of their own, and block ranges are summarized
-- by vacuum alone.
-- works with: 1
--
-- A worker of the release before hears nothing on it and finds new tasks by its poll.

CREATE OR REPLACE FUNCTION wake_workers() RETURNS trigger
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

-- Each request for a summary that finds no place is a line in the server's log, with the whole
-- statement: several a second in a rush. Vacuum comes early on these tables, and does it too.
ALTER INDEX agent_executions_start_idx SET (autosummarize = off);
ALTER INDEX llm_requests_started_at_idx SET (autosummarize = off);
