-- The schema of a release with a row of each kind, as pg_dump wrote it. Kept as it is, so
-- that later releases can test how they upgrade it.

--
-- PostgreSQL database dump
--



SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: agentic_ai; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA agentic_ai;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: audit_log; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.audit_log (
    number bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    action character varying(50) NOT NULL,
    object text,
    outcome character varying(20) DEFAULT 'done'::character varying NOT NULL,
    account text,
    database_role text NOT NULL,
    address text,
    os_user text,
    program text,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    form smallint NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_log_action_is_given CHECK (((action)::text <> ''::text)),
    CONSTRAINT audit_log_details_are_few CHECK (((jsonb_typeof(details) = 'object'::text) AND (octet_length((details)::text) <= 16384))),
    CONSTRAINT audit_log_is_chained CHECK (((octet_length(previous_hash) = 32) AND (octet_length(hash) = 32))),
    CONSTRAINT audit_log_outcome_is_known CHECK (((outcome)::text = ANY ((ARRAY['begun'::character varying, 'done'::character varying, 'failed'::character varying, 'refused'::character varying])::text[])))
);


--
-- Name: audit_hash(agentic_ai.audit_log); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.audit_hash(entry agentic_ai.audit_log) RETURNS bytea
    LANGUAGE sql STABLE
    SET search_path TO 'agentic_ai', 'pg_temp'
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


--
-- Name: chain_audit_entry(); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.chain_audit_entry() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'agentic_ai', 'pg_temp'
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


--
-- Name: complete_plain_write(); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.complete_plain_write() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'agentic_ai', 'pg_temp'
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


--
-- Name: fill_in_tenant(); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.fill_in_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'agentic_ai', 'pg_temp'
    AS $$
BEGIN
    NEW.tenant := my_tenant();
    RETURN NEW;
END
$$;


--
-- Name: is_my_tenants(uuid); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.is_my_tenants(task_id uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'agentic_ai', 'pg_temp'
    AS $$
    SELECT EXISTS (SELECT FROM tasks t WHERE t.id = task_id AND t.tenant = my_tenant())
$$;


--
-- Name: keep_audit_log(); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.keep_audit_log() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'agentic_ai', 'pg_temp'
    AS $$
BEGIN
    RAISE insufficient_privilege USING
        MESSAGE = format('entries of the audit log are only added: no %s of %s', TG_OP, TG_TABLE_NAME);
END
$$;


--
-- Name: lane_of(text, text, text, jsonb); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.lane_of(agent_name text, task_type text, tenant text, payload jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'agentic_ai', 'pg_temp'
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


--
-- Name: my_tenant(); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.my_tenant() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'agentic_ai', 'pg_temp'
    AS $$
    SELECT tenant FROM tenant_logins WHERE login = session_user
$$;


--
-- Name: place_of(text, text, text, jsonb); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.place_of(agent_name text, task_type text, tenant text, payload jsonb, OUT lane text, OUT gap text) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'agentic_ai', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $_$
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
$_$;


--
-- Name: refuse_unasked(); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.refuse_unasked() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'agentic_ai', 'pg_temp'
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


--
-- Name: ruled_among(text[]); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.ruled_among(handlers text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'agentic_ai', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
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


--
-- Name: sort_tasks(tid[]); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.sort_tasks(places tid[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'agentic_ai', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
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


--
-- Name: submit(text, text, jsonb, integer, timestamp with time zone, text, integer, text, text, uuid, uuid); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.submit(agent_name text, task_type text, payload jsonb DEFAULT NULL::jsonb, priority integer DEFAULT 100, run_at timestamp with time zone DEFAULT now(), idempotency_key text DEFAULT NULL::text, max_attempts integer DEFAULT NULL::integer, on_crash text DEFAULT 'retry'::text, tenant text DEFAULT NULL::text, parent_id uuid DEFAULT NULL::uuid, id uuid DEFAULT NULL::uuid) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'agentic_ai', 'pg_temp'
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


--
-- Name: tell_of_schedules(); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.tell_of_schedules() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'agentic_ai', 'pg_temp'
    AS $$
BEGIN
    PERFORM pg_notify('agentpg_' || TG_TABLE_SCHEMA, 'schedules');
    RETURN NULL;
END
$$;


--
-- Name: uuid7(); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.uuid7() RETURNS uuid
    LANGUAGE sql PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    RETURN (encode(set_bit(set_bit(OVERLAY(uuid_send(gen_random_uuid()) PLACING SUBSTRING(int8send(((EXTRACT(epoch FROM clock_timestamp()) * (1000)::numeric))::bigint) FROM 3) FROM 1 FOR 6), (52)::bigint, 1), (53)::bigint, 1), 'hex'::text))::uuid;


--
-- Name: waits_in_lane(text[]); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.waits_in_lane(handlers text[]) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'agentic_ai', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
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


--
-- Name: wake_workers(); Type: FUNCTION; Schema: agentic_ai; Owner: -
--

CREATE FUNCTION agentic_ai.wake_workers() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'agentic_ai', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT FROM workers WHERE ended_at IS NULL AND idle) THEN
        PERFORM pg_notify('agentpg_' || TG_TABLE_SCHEMA || '_work', '');
    END IF;
    RETURN NULL;
END
$$;


--
-- Name: account_details; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.account_details (
    user_id uuid NOT NULL,
    password_set_at timestamp with time zone,
    password_set_by text,
    is_temporary boolean DEFAULT false NOT NULL,
    seen_at timestamp with time zone,
    disabled_reason text
);


--
-- Name: account_tokens; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.account_tokens (
    id uuid DEFAULT agentic_ai.uuid7() NOT NULL,
    user_id uuid NOT NULL,
    name character varying(100) NOT NULL,
    hint character varying(12) NOT NULL,
    token_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT account_tokens_expire_later CHECK ((expires_at > created_at)),
    CONSTRAINT account_tokens_name_is_given CHECK (((name)::text <> ''::text)),
    CONSTRAINT account_tokens_scopes_are_named CHECK ((array_to_string(scopes, ' '::text, ''::text) ~ '^[a-z]+:[a-z_]+( [a-z]+:[a-z_]+)*$'::text)),
    CONSTRAINT account_tokens_token_is_hashed CHECK ((octet_length(token_hash) = 32))
);


--
-- Name: agent_executions; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.agent_executions (
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    agent_name character varying(100),
    task_type character varying(100),
    worker uuid,
    execution_start timestamp with time zone,
    execution_end timestamp with time zone,
    duration_seconds double precision,
    outcome character varying(20),
    error_message text,
    llm_calls integer DEFAULT 0 NOT NULL,
    llm_total_tokens bigint DEFAULT 0 NOT NULL,
    llm_input_tokens bigint DEFAULT 0 NOT NULL,
    llm_cached_tokens bigint DEFAULT 0 NOT NULL,
    llm_output_tokens bigint DEFAULT 0 NOT NULL,
    llm_reasoning_tokens bigint DEFAULT 0 NOT NULL,
    llm_unknown_calls integer DEFAULT 0 NOT NULL,
    llm_unpriced_calls integer DEFAULT 0 NOT NULL,
    cost_usd numeric(18,10),
    adopted boolean DEFAULT false NOT NULL,
    progress real,
    progress_text character varying(200),
    progress_at timestamp with time zone,
    CONSTRAINT executions_end_has_an_outcome CHECK ((adopted OR ((outcome IS NULL) = (execution_end IS NULL)))),
    CONSTRAINT executions_names_are_given CHECK ((adopted OR ((agent_name IS NOT NULL) AND (task_type IS NOT NULL) AND (execution_start IS NOT NULL)))),
    CONSTRAINT executions_outcome_is_known CHECK ((adopted OR ((outcome)::text = ANY ((ARRAY['completed'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'timed_out'::character varying, 'lost'::character varying, 'released'::character varying])::text[])))),
    CONSTRAINT executions_unknown_are_counted CHECK ((((llm_unknown_calls >= 0) AND (llm_unknown_calls <= llm_calls)) AND ((llm_unpriced_calls >= 0) AND (llm_unpriced_calls <= llm_calls))))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_cost_delay='1');


--
-- Name: agent_statistics; Type: VIEW; Schema: agentic_ai; Owner: -
--

CREATE VIEW agentic_ai.agent_statistics AS
 SELECT agent_executions.agent_name,
    count(*) AS total_executions,
    count(*) FILTER (WHERE (agent_executions.outcome IS NULL)) AS open,
    count(*) FILTER (WHERE ((agent_executions.outcome)::text = 'completed'::text)) AS completed,
    count(*) FILTER (WHERE ((agent_executions.outcome)::text = 'failed'::text)) AS failed,
    count(*) FILTER (WHERE ((agent_executions.outcome)::text = 'timed_out'::text)) AS timed_out,
    count(*) FILTER (WHERE ((agent_executions.outcome)::text = 'cancelled'::text)) AS cancelled,
    count(*) FILTER (WHERE ((agent_executions.outcome)::text = 'lost'::text)) AS lost,
    avg(agent_executions.duration_seconds) AS avg_duration_seconds,
    percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY agent_executions.duration_seconds) AS p95_duration_seconds,
    sum(agent_executions.llm_calls) AS llm_calls,
    sum(agent_executions.llm_total_tokens) AS total_tokens,
    sum(agent_executions.llm_unknown_calls) AS unknown_calls,
    sum(agent_executions.llm_unpriced_calls) AS unpriced_calls,
    sum(agent_executions.cost_usd) AS cost_usd
   FROM agentic_ai.agent_executions
  WHERE ((agent_executions.execution_start >= (CURRENT_DATE - '7 days'::interval)) AND ((agent_executions.outcome)::text IS DISTINCT FROM 'released'::text))
  GROUP BY agent_executions.agent_name;


--
-- Name: alerts; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.alerts (
    id uuid DEFAULT agentic_ai.uuid7() NOT NULL,
    fingerprint character varying(32) NOT NULL,
    code character varying(20) NOT NULL,
    level character varying(20) NOT NULL,
    state character varying(20) NOT NULL,
    condition jsonb NOT NULL,
    since timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    looks integer DEFAULT 1 NOT NULL,
    clear integer DEFAULT 0 NOT NULL,
    returns integer DEFAULT 0 NOT NULL,
    fired_at timestamp with time zone,
    resolved_at timestamp with time zone,
    first_told_at timestamp with time zone,
    told_at timestamp with time zone,
    told_level character varying(20),
    told text[] DEFAULT '{}'::text[] NOT NULL,
    escalated_at timestamp with time zone,
    acked_at timestamp with time zone,
    acked_by text,
    ack_note text,
    CONSTRAINT alerts_resolved_has_its_time CHECK ((((state)::text = 'resolved'::text) = (resolved_at IS NOT NULL))),
    CONSTRAINT alerts_state_is_known CHECK (((state)::text = ANY ((ARRAY['pending'::character varying, 'firing'::character varying, 'resolved'::character varying])::text[])))
);


--
-- Name: audit_head; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.audit_head (
    only_one boolean DEFAULT true NOT NULL,
    number bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_head_is_a_place CHECK (((number >= 0) AND (octet_length(hash) = 32))),
    CONSTRAINT audit_head_is_one CHECK (only_one)
);


--
-- Name: limit_starts; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.limit_starts (
    limit_id integer NOT NULL,
    value text NOT NULL COLLATE pg_catalog."C",
    started_at timestamp with time zone NOT NULL,
    tasks integer NOT NULL
);


--
-- Name: limits; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.limits (
    id integer NOT NULL,
    agent_name character varying(100) NOT NULL,
    task_type character varying(100),
    key character varying(100),
    concurrency integer,
    rate integer,
    period_seconds double precision,
    declared_by character varying(10) DEFAULT 'operator'::character varying NOT NULL,
    declared_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT limits_are_above_zero CHECK (((concurrency >= 1) AND (rate >= 1) AND (period_seconds > (0)::double precision))),
    CONSTRAINT limits_declared_by_is_known CHECK (((declared_by)::text = ANY ((ARRAY['code'::character varying, 'operator'::character varying])::text[]))),
    CONSTRAINT limits_limit_something CHECK (((concurrency IS NOT NULL) OR (rate IS NOT NULL))),
    CONSTRAINT limits_names_are_given CHECK ((((agent_name)::text <> ''::text) AND ((task_type)::text <> ''::text) AND ((key)::text <> ''::text))),
    CONSTRAINT limits_rate_has_a_period CHECK (((rate IS NULL) = (period_seconds IS NULL)))
);


--
-- Name: limits_id_seq; Type: SEQUENCE; Schema: agentic_ai; Owner: -
--

ALTER TABLE agentic_ai.limits ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME agentic_ai.limits_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: llm_requests; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.llm_requests (
    id uuid DEFAULT agentic_ai.uuid7() NOT NULL,
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    agent_name character varying(100) NOT NULL,
    provider character varying(100),
    model character varying(200),
    response_model character varying(200),
    response_id character varying(200),
    status character varying(20) DEFAULT 'open'::character varying NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    duration_seconds double precision,
    input_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    output_tokens bigint,
    reasoning_tokens bigint,
    cost_usd numeric(18,10),
    cost_source character varying(50) DEFAULT 'unpriced'::character varying NOT NULL,
    finish_reason character varying(100),
    error_message text,
    trace_id character varying(32),
    span_id character varying(16),
    CONSTRAINT llm_requests_end_is_told CHECK ((((status)::text = 'open'::text) = (ended_at IS NULL))),
    CONSTRAINT llm_requests_status_is_known CHECK (((status)::text = ANY ((ARRAY['open'::character varying, 'ok'::character varying, 'error'::character varying, 'lost'::character varying])::text[]))),
    CONSTRAINT llm_requests_tokens_are_parts CHECK (((input_tokens >= 0) AND (output_tokens >= 0) AND (cache_read_tokens >= 0) AND (cache_write_tokens >= 0) AND (reasoning_tokens >= 0) AND ((COALESCE(cache_read_tokens, (0)::bigint) + COALESCE(cache_write_tokens, (0)::bigint)) <= input_tokens) AND (reasoning_tokens <= output_tokens))),
    CONSTRAINT llm_requests_unpriced_is_null CHECK (((cost_usd IS NULL) = ((cost_source)::text = 'unpriced'::text)))
)
WITH (fillfactor='80');


--
-- Name: tasks; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.tasks (
    id uuid DEFAULT agentic_ai.uuid7() NOT NULL,
    agent_name character varying(100),
    task_type character varying(100),
    status character varying(50) DEFAULT 'pending'::character varying,
    created_at timestamp with time zone DEFAULT now(),
    result jsonb,
    error_message text,
    payload jsonb,
    priority smallint DEFAULT 100 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    errors integer DEFAULT 0 NOT NULL,
    crashes integer DEFAULT 0 NOT NULL,
    max_attempts integer,
    on_crash character varying(10) DEFAULT 'retry'::character varying NOT NULL,
    suspect boolean DEFAULT false NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    worker uuid,
    idempotency_key character varying(200),
    tenant character varying(100),
    parent_id uuid,
    submitted_by character varying(100) DEFAULT SESSION_USER,
    held_reason text,
    adopted boolean DEFAULT false NOT NULL,
    lane text COLLATE pg_catalog."C",
    CONSTRAINT tasks_counters_add_up CHECK (((errors >= 0) AND (crashes >= 0) AND (attempt >= (errors + crashes)) AND (max_attempts >= 1) AND (errors <= max_attempts))),
    CONSTRAINT tasks_finished_at_tells_the_end CHECK ((adopted OR ((finished_at IS NOT NULL) = ((status)::text = ANY ((ARRAY['completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[]))))),
    CONSTRAINT tasks_key_is_given CHECK (((idempotency_key)::text <> ''::text)),
    CONSTRAINT tasks_names_are_given CHECK ((adopted OR ((agent_name IS NOT NULL) AND ((agent_name)::text <> ''::text) AND (task_type IS NOT NULL) AND ((task_type)::text <> ''::text)))),
    CONSTRAINT tasks_names_are_plain CHECK ((adopted OR ((strpos((agent_name)::text, chr(31)) = 0) AND (strpos((task_type)::text, chr(31)) = 0)))),
    CONSTRAINT tasks_on_crash_is_known CHECK (((on_crash)::text = ANY ((ARRAY['retry'::character varying, 'fail'::character varying])::text[]))),
    CONSTRAINT tasks_priority_in_range CHECK (((priority >= 0) AND (priority <= 1000))),
    CONSTRAINT tasks_status_is_known CHECK ((adopted OR ((status IS NOT NULL) AND (created_at IS NOT NULL) AND ((status)::text = ANY ((ARRAY['pending'::character varying, 'running'::character varying, 'waiting'::character varying, 'completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[]))))),
    CONSTRAINT tasks_worker_only_while_running CHECK (((worker IS NULL) OR ((status)::text = 'running'::text)))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_cost_delay='1');


--
-- Name: llm_usage; Type: VIEW; Schema: agentic_ai; Owner: -
--

CREATE VIEW agentic_ai.llm_usage AS
 SELECT date_trunc('day'::text, r.started_at) AS day,
    r.agent_name,
    t.task_type,
    t.submitted_by,
    r.provider,
    COALESCE(r.response_model, r.model) AS model,
    count(*) AS calls,
    count(*) FILTER (WHERE ((r.status)::text = ANY ((ARRAY['error'::character varying, 'lost'::character varying])::text[]))) AS failed_calls,
    count(*) FILTER (WHERE (r.input_tokens IS NULL)) AS unknown_calls,
    count(*) FILTER (WHERE (r.cost_usd IS NULL)) AS unpriced_calls,
    sum(r.input_tokens) AS input_tokens,
    sum(r.cache_read_tokens) AS cache_read_tokens,
    sum(r.output_tokens) AS output_tokens,
    sum(r.reasoning_tokens) AS reasoning_tokens,
    sum(r.cost_usd) AS cost_usd
   FROM (agentic_ai.llm_requests r
     LEFT JOIN agentic_ai.tasks t ON ((t.id = r.task_id)))
  GROUP BY (date_trunc('day'::text, r.started_at)), r.agent_name, t.task_type, t.submitted_by, r.provider, COALESCE(r.response_model, r.model);


--
-- Name: login_failures; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.login_failures (
    name_hash bytea NOT NULL,
    failures integer NOT NULL,
    failed_at timestamp with time zone NOT NULL,
    locked_until timestamp with time zone,
    CONSTRAINT login_failures_are_counted CHECK ((failures >= 1)),
    CONSTRAINT login_failures_name_is_hashed CHECK ((octet_length(name_hash) = 32))
);


--
-- Name: looks; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.looks (
    room character varying(50) NOT NULL,
    looked_at timestamp with time zone NOT NULL,
    seconds double precision DEFAULT 0 NOT NULL
);


--
-- Name: outbox; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.outbox (
    id uuid DEFAULT agentic_ai.uuid7() NOT NULL,
    contact character varying(20) NOT NULL,
    way character varying(20) NOT NULL,
    message jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    error text,
    sent_at timestamp with time zone,
    given_up_at timestamp with time zone
);


--
-- Name: paused_agents; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.paused_agents (
    agent_name character varying(100) NOT NULL,
    paused_at timestamp with time zone DEFAULT now() NOT NULL,
    paused_by character varying(100) DEFAULT SESSION_USER NOT NULL,
    reason text,
    CONSTRAINT paused_agents_name_is_given CHECK (((agent_name)::text <> ''::text))
);


--
-- Name: ruled; Type: VIEW; Schema: agentic_ai; Owner: -
--

CREATE VIEW agentic_ai.ruled AS
 SELECT limits.agent_name,
    limits.task_type
   FROM agentic_ai.limits
UNION ALL
 SELECT paused_agents.agent_name,
    NULL::character varying AS task_type
   FROM agentic_ai.paused_agents;


--
-- Name: samples; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.samples (
    taken_at timestamp with time zone NOT NULL,
    sample jsonb NOT NULL
);


--
-- Name: schedules; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.schedules (
    name character varying(100) NOT NULL,
    agent_name character varying(100) NOT NULL,
    task_type character varying(100) NOT NULL,
    payload jsonb,
    priority smallint DEFAULT 100 NOT NULL,
    max_attempts integer,
    on_crash character varying(10) DEFAULT 'retry'::character varying NOT NULL,
    tenant character varying(100),
    cron character varying(200) NOT NULL,
    time_zone character varying(100) DEFAULT 'UTC'::character varying NOT NULL,
    catch_up character varying(10) DEFAULT 'one'::character varying NOT NULL,
    declared boolean DEFAULT false NOT NULL,
    paused_at timestamp with time zone,
    next_at timestamp with time zone,
    last_at timestamp with time zone,
    last_task_id uuid,
    problem text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schedules_catch_up_is_known CHECK (((catch_up)::text = ANY ((ARRAY['skip'::character varying, 'one'::character varying, 'all'::character varying])::text[]))),
    CONSTRAINT schedules_names_are_given CHECK ((((name)::text <> ''::text) AND ((agent_name)::text <> ''::text) AND ((task_type)::text <> ''::text) AND (strpos((agent_name)::text, chr(31)) = 0) AND (strpos((task_type)::text, chr(31)) = 0))),
    CONSTRAINT schedules_task_is_possible CHECK ((((priority >= 0) AND (priority <= 1000)) AND (max_attempts >= 1) AND ((on_crash)::text = ANY ((ARRAY['retry'::character varying, 'fail'::character varying])::text[]))))
);


--
-- Name: schema_migrations; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.schema_migrations (
    version integer NOT NULL,
    name character varying(100) NOT NULL,
    checksum character varying(64) NOT NULL,
    works_with integer NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: silences; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.silences (
    id uuid DEFAULT agentic_ai.uuid7() NOT NULL,
    matchers jsonb NOT NULL,
    owner text NOT NULL,
    reason text NOT NULL,
    begins_at timestamp with time zone DEFAULT now() NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    CONSTRAINT silences_end_after_they_begin CHECK ((ends_at >= begins_at)),
    CONSTRAINT silences_match_something CHECK ((matchers <> '{}'::jsonb))
);


--
-- Name: task_counts; Type: VIEW; Schema: agentic_ai; Owner: -
--

CREATE VIEW agentic_ai.task_counts AS
 SELECT tasks.agent_name,
    tasks.task_type,
    tasks.status,
    count(*) AS tasks,
    min(tasks.created_at) AS oldest_created_at
   FROM agentic_ai.tasks
  GROUP BY tasks.agent_name, tasks.task_type, tasks.status;


--
-- Name: task_events; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.task_events (
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    number integer NOT NULL,
    at timestamp with time zone NOT NULL,
    level character varying(10) NOT NULL,
    message text NOT NULL,
    CONSTRAINT task_events_level_is_known CHECK (((level)::text = ANY ((ARRAY['debug'::character varying, 'info'::character varying, 'warning'::character varying, 'error'::character varying])::text[])))
);


--
-- Name: tenant_logins; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.tenant_logins (
    login name NOT NULL,
    tenant character varying(100) NOT NULL,
    bound_at timestamp with time zone DEFAULT now() NOT NULL,
    bound_by text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT tenant_logins_tenant_is_given CHECK (((tenant)::text <> ''::text))
);


--
-- Name: users; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.users (
    id uuid DEFAULT agentic_ai.uuid7() NOT NULL,
    username character varying(100),
    role character varying(20) DEFAULT 'viewer'::character varying NOT NULL,
    password_hash text,
    token_hash text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    adopted boolean DEFAULT false NOT NULL,
    CONSTRAINT users_name_is_given CHECK ((adopted OR ((username IS NOT NULL) AND ((username)::text <> ''::text)))),
    CONSTRAINT users_password_is_hashed CHECK ((adopted OR (password_hash ~~ '$argon2id$%'::text))),
    CONSTRAINT users_role_is_known CHECK (((role)::text = ANY ((ARRAY['viewer'::character varying, 'operator'::character varying, 'approver'::character varying, 'admin'::character varying])::text[])))
);


--
-- Name: workers; Type: TABLE; Schema: agentic_ai; Owner: -
--

CREATE TABLE agentic_ai.workers (
    id uuid NOT NULL,
    host character varying(255) NOT NULL,
    pid integer NOT NULL,
    version character varying(50) NOT NULL,
    concurrency integer NOT NULL,
    lease_seconds double precision NOT NULL,
    handlers jsonb NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat bigint DEFAULT 0 NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT now() NOT NULL,
    idle boolean DEFAULT true NOT NULL,
    running integer DEFAULT 0 NOT NULL,
    ended_at timestamp with time zone,
    ended_how character varying(10),
    CONSTRAINT workers_end_is_told CHECK ((((ended_at IS NULL) = (ended_how IS NULL)) AND ((ended_how)::text = ANY ((ARRAY['stopped'::character varying, 'lost'::character varying])::text[]))))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='500');


--
-- Data for Name: account_details; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.account_details (user_id, password_set_at, password_set_by, is_temporary, seen_at, disabled_reason) VALUES ('01900000-0000-7000-8000-0000000000d1', '2026-01-01 06:00:00+00', 'root@alpha', false, '2026-01-01 08:00:00+00', NULL);


--
-- Data for Name: account_tokens; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.account_tokens (id, user_id, name, hint, token_hash, scopes, created_at, created_by, expires_at, last_used_at, revoked_at) VALUES ('01900000-0000-7000-8000-0000000000f4', '01900000-0000-7000-8000-0000000000d1', 'build', 'apg_AAAAAA', '\xca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb', '{tasks:read}', '2026-01-01 06:00:00+00', 'root@alpha', '2026-04-01 06:00:00+00', NULL, NULL);


--
-- Data for Name: agent_executions; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.agent_executions (task_id, attempt, agent_name, task_type, worker, execution_start, execution_end, duration_seconds, outcome, error_message, llm_calls, llm_total_tokens, llm_input_tokens, llm_cached_tokens, llm_output_tokens, llm_reasoning_tokens, llm_unknown_calls, llm_unpriced_calls, cost_usd, adopted, progress, progress_text, progress_at) VALUES ('01900000-0000-7000-8000-000000000002', 1, 'Reporter', 'weekly', '01900000-0000-7000-8000-00000000000a', '2026-01-01 08:10:00+00', NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, NULL, false, NULL, NULL, NULL);
INSERT INTO agentic_ai.agent_executions (task_id, attempt, agent_name, task_type, worker, execution_start, execution_end, duration_seconds, outcome, error_message, llm_calls, llm_total_tokens, llm_input_tokens, llm_cached_tokens, llm_output_tokens, llm_reasoning_tokens, llm_unknown_calls, llm_unpriced_calls, cost_usd, adopted, progress, progress_text, progress_at) VALUES ('01900000-0000-7000-8000-000000000003', 1, 'Reporter', 'weekly', '01900000-0000-7000-8000-00000000000b', '2026-01-01 08:00:00+00', '2026-01-01 08:02:00+00', NULL, 'lost', NULL, 1, 0, 0, 0, 0, 0, 1, 1, NULL, false, NULL, NULL, NULL);
INSERT INTO agentic_ai.agent_executions (task_id, attempt, agent_name, task_type, worker, execution_start, execution_end, duration_seconds, outcome, error_message, llm_calls, llm_total_tokens, llm_input_tokens, llm_cached_tokens, llm_output_tokens, llm_reasoning_tokens, llm_unknown_calls, llm_unpriced_calls, cost_usd, adopted, progress, progress_text, progress_at) VALUES ('01900000-0000-7000-8000-000000000004', 1, 'Reporter', 'weekly', '01900000-0000-7000-8000-00000000000a', '2026-01-01 08:30:00+00', '2026-01-01 08:31:00+00', 60, 'failed', 'no data', 0, 0, 0, 0, 0, 0, 0, 0, NULL, false, NULL, NULL, NULL);
INSERT INTO agentic_ai.agent_executions (task_id, attempt, agent_name, task_type, worker, execution_start, execution_end, duration_seconds, outcome, error_message, llm_calls, llm_total_tokens, llm_input_tokens, llm_cached_tokens, llm_output_tokens, llm_reasoning_tokens, llm_unknown_calls, llm_unpriced_calls, cost_usd, adopted, progress, progress_text, progress_at) VALUES ('01900000-0000-7000-8000-000000000003', 2, 'Reporter', 'weekly', '01900000-0000-7000-8000-00000000000a', '2026-01-01 08:20:00+00', '2026-01-01 08:21:00+00', 59.5, 'completed', NULL, 1, 120, 100, 0, 20, 0, 0, 0, 0.0012000000, false, 0.5, 'page 2', '2026-01-01 08:20:30+00');


--
-- Data for Name: alerts; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.alerts (id, fingerprint, code, level, state, condition, since, seen_at, looks, clear, returns, fired_at, resolved_at, first_told_at, told_at, told_level, told, escalated_at, acked_at, acked_by, ack_note) VALUES ('01900000-0000-7000-8000-0000000000e1', 'a1', 'B01', 'critical', 'firing', '{"code": "B01", "room": "backup", "level": "critical", "subject": "", "sentence": "there is no backup"}', '2026-01-01 08:00:00+00', '2026-01-01 08:30:00+00', 31, 0, 0, '2026-01-01 08:01:00+00', NULL, '2026-01-01 08:01:00+00', '2026-01-01 08:01:00+00', 'critical', '{ops}', NULL, '2026-01-01 08:05:00+00', 'kim', NULL);
INSERT INTO agentic_ai.alerts (id, fingerprint, code, level, state, condition, since, seen_at, looks, clear, returns, fired_at, resolved_at, first_told_at, told_at, told_level, told, escalated_at, acked_at, acked_by, ack_note) VALUES ('01900000-0000-7000-8000-0000000000e2', 'a2', 'D01', 'warning', 'resolved', '{"code": "D01", "room": "disk", "level": "warning", "subject": "/", "sentence": "it is full"}', '2026-01-01 07:00:00+00', '2026-01-01 07:10:00+00', 0, 0, 0, '2026-01-01 07:01:00+00', '2026-01-01 07:12:00+00', NULL, NULL, NULL, '{}', NULL, NULL, NULL, NULL);


--
-- Data for Name: audit_head; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.audit_head (only_one, number, hash) VALUES (true, 2, '\x9b982c9368221a8fef43b112aead11c24fcd78314acee9621e14ca7c3ee3e38e');


--
-- Data for Name: audit_log; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.audit_log (number, at, action, object, outcome, account, database_role, address, os_user, program, details, form, previous_hash, hash) VALUES (1, '2026-11-29 14:47:31.01206+00', 'agent.pause', 'Loader', 'done', NULL, 'admin', '127.0.0.1', 'root@alpha', 'agentpg agent pause', '{"reason": "its source is down"}', 1, '\x0000000000000000000000000000000000000000000000000000000000000000', '\x6a001557735945fa12f94d3a93c938a47e8696166a21e7c5d69e52f48b77b31f');
INSERT INTO agentic_ai.audit_log (number, at, action, object, outcome, account, database_role, address, os_user, program, details, form, previous_hash, hash) VALUES (2, '2026-11-29 14:47:31.018879+00', 'user.add', 'kim', 'done', NULL, 'admin', '127.0.0.1', NULL, NULL, '{}', 1, '\x6a001557735945fa12f94d3a93c938a47e8696166a21e7c5d69e52f48b77b31f', '\x9b982c9368221a8fef43b112aead11c24fcd78314acee9621e14ca7c3ee3e38e');


--
-- Data for Name: limit_starts; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.limit_starts (limit_id, value, started_at, tasks) VALUES (1, 'north', '2026-01-01 08:10:00+00', 1);


--
-- Data for Name: limits; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.limits (id, agent_name, task_type, key, concurrency, rate, period_seconds, declared_by, declared_at) OVERRIDING SYSTEM VALUE VALUES (1, 'Reporter', 'weekly', 'tenant', 2, 60, 60, 'operator', '2026-01-01 06:00:00+00');


--
-- Data for Name: llm_requests; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.llm_requests (id, task_id, attempt, agent_name, provider, model, response_model, response_id, status, started_at, ended_at, duration_seconds, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_usd, cost_source, finish_reason, error_message, trace_id, span_id) VALUES ('01900000-0000-7000-8000-0000000000c1', '01900000-0000-7000-8000-000000000003', 1, 'Reporter', 'openai', 'gpt-4o-mini', NULL, NULL, 'lost', '2026-01-01 08:00:00+00', '2026-01-01 08:02:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'unpriced', NULL, NULL, NULL, NULL);
INSERT INTO agentic_ai.llm_requests (id, task_id, attempt, agent_name, provider, model, response_model, response_id, status, started_at, ended_at, duration_seconds, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_usd, cost_source, finish_reason, error_message, trace_id, span_id) VALUES ('01900000-0000-7000-8000-0000000000c2', '01900000-0000-7000-8000-000000000003', 2, 'Reporter', 'openai', 'gpt-4o-mini', NULL, NULL, 'ok', '2026-01-01 08:20:00+00', '2026-01-01 08:20:30+00', 30, 100, NULL, NULL, 20, NULL, 0.0012000000, 'genai-prices', NULL, NULL, NULL, NULL);


--
-- Data for Name: login_failures; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.login_failures (name_hash, failures, failed_at, locked_until) VALUES ('\x26ae784d194a5760464348329af4eb9fca2b27bbf823742c968a61543e3a1153', 2, '2026-01-01 08:00:00+00', NULL);


--
-- Data for Name: looks; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.looks (room, looked_at, seconds) VALUES ('health', '2026-01-01 08:30:00+00', 0.5);


--
-- Data for Name: outbox; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.outbox (id, contact, way, message, created_at, due_at, attempts, error, sent_at, given_up_at) VALUES ('01900000-0000-7000-8000-0000000000f1', 'ops', 'email', '{"events": []}', '2026-01-01 08:01:00+00', '2026-01-01 08:02:00+00', 1, NULL, '2026-01-01 08:01:02+00', NULL);
INSERT INTO agentic_ai.outbox (id, contact, way, message, created_at, due_at, attempts, error, sent_at, given_up_at) VALUES ('01900000-0000-7000-8000-0000000000f2', 'ops', 'webhook', '{"events": []}', '2026-01-01 08:01:00+00', '2026-01-01 08:03:00+00', 1, 'HTTP 503', NULL, NULL);


--
-- Data for Name: paused_agents; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.paused_agents (agent_name, paused_at, paused_by, reason) VALUES ('Loader', '2026-01-01 06:00:00+00', 'admin', 'its source is down');


--
-- Data for Name: samples; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--



--
-- Data for Name: schedules; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.schedules (name, agent_name, task_type, payload, priority, max_attempts, on_crash, tenant, cron, time_zone, catch_up, declared, paused_at, next_at, last_at, last_task_id, problem, created_at, updated_at) VALUES ('weekly', 'Reporter', 'weekly', '{"week": 1}', 100, NULL, 'retry', NULL, '0 7 * * mon', 'Asia/Seoul', 'all', false, NULL, '2026-01-04 22:00:00+00', '2025-12-28 22:00:00+00', '01900000-0000-7000-8000-000000000003', NULL, '2025-12-01 06:00:00+00', '2025-12-01 06:00:00+00');
INSERT INTO agentic_ai.schedules (name, agent_name, task_type, payload, priority, max_attempts, on_crash, tenant, cron, time_zone, catch_up, declared, paused_at, next_at, last_at, last_task_id, problem, created_at, updated_at) VALUES ('paused', 'Reporter', 'weekly', NULL, 100, NULL, 'retry', NULL, '@daily', 'UTC', 'skip', false, '2026-01-01 06:00:00+00', '2026-01-02 00:00:00+00', NULL, NULL, NULL, '2025-12-01 06:00:00+00', '2026-01-01 06:00:00+00');


--
-- Data for Name: schema_migrations; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.schema_migrations (version, name, checksum, works_with, applied_at) VALUES (1, 'first_schema', 'f206e78c9fd018af46467d0906d72d9a95fc06d4c7dfd334b5661910f02ffc05', 1, '2026-01-01 06:00:00+00');
INSERT INTO agentic_ai.schema_migrations (version, name, checksum, works_with, applied_at) VALUES (2, 'lanes', '68e42af0f99933872b411770493a67e27563d9671c04ad49a64aa9c9d084d236', 1, '2026-01-01 06:00:00+00');
INSERT INTO agentic_ai.schema_migrations (version, name, checksum, works_with, applied_at) VALUES (3, 'schedules', '9aad82c7109a7fc63d19a1ed2675bd777054683525200386570212853be1a764', 1, '2026-01-01 06:00:00+00');
INSERT INTO agentic_ai.schema_migrations (version, name, checksum, works_with, applied_at) VALUES (4, 'progress', 'f2ade06662a3c8f89ccab7509676792934cf0f113ba91814812a4c44425699c3', 1, '2026-01-01 06:00:00+00');
INSERT INTO agentic_ai.schema_migrations (version, name, checksum, works_with, applied_at) VALUES (5, 'work_channel', '4150109099a0f321b36f690fbbcf7306befc7ec5a4d55a1bc6b34231ef121fab', 1, '2026-01-01 06:00:00+00');
INSERT INTO agentic_ai.schema_migrations (version, name, checksum, works_with, applied_at) VALUES (6, 'samples', '3e65ad8e020cab57b21134a9c8db3ae1732e809f08b892e892e8c604c28cee9c', 1, '2026-01-01 06:00:00+00');
INSERT INTO agentic_ai.schema_migrations (version, name, checksum, works_with, applied_at) VALUES (7, 'alerts', 'a8e9e19ebc9735dbf53891e3b5874e891a73a31dd8fda2330d7d86f2649eb679', 1, '2026-01-01 06:00:00+00');
INSERT INTO agentic_ai.schema_migrations (version, name, checksum, works_with, applied_at) VALUES (8, 'accounts', 'bc7ff007fe186e079be6b89de3d2c65274765e5a94286b6c1c5162bd2cf82792', 1, '2026-01-01 06:00:00+00');
INSERT INTO agentic_ai.schema_migrations (version, name, checksum, works_with, applied_at) VALUES (9, 'tenants', 'ad1af27f1d9ba3f3bc20ee2846e41fbad50b1e4596c1ea2d40c3ea5560388fb1', 1, '2026-01-01 06:00:00+00');


--
-- Data for Name: silences; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.silences (id, matchers, owner, reason, begins_at, ends_at) VALUES ('01900000-0000-7000-8000-0000000000f3', '{"room": "disk"}', 'kim', 'moved', '2026-01-01 08:00:00+00', '2026-01-01 10:00:00+00');


--
-- Data for Name: task_events; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.task_events (task_id, attempt, number, at, level, message) VALUES ('01900000-0000-7000-8000-000000000003', 2, 1, '2026-01-01 08:20:10+00', 'info', 'begins with 3 pages');


--
-- Data for Name: tasks; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, result, error_message, payload, priority, run_at, attempt, errors, crashes, max_attempts, on_crash, suspect, started_at, finished_at, cancel_requested_at, worker, idempotency_key, tenant, parent_id, submitted_by, held_reason, adopted, lane) VALUES ('01900000-0000-7000-8000-000000000002', 'Reporter', 'weekly', 'running', '2026-01-01 07:01:00+00', NULL, NULL, NULL, 100, '2026-01-01 07:01:00+00', 1, 0, 0, NULL, 'retry', false, '2026-01-01 08:10:00+00', NULL, NULL, '01900000-0000-7000-8000-00000000000a', NULL, NULL, NULL, 'admin', NULL, false, NULL);
INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, result, error_message, payload, priority, run_at, attempt, errors, crashes, max_attempts, on_crash, suspect, started_at, finished_at, cancel_requested_at, worker, idempotency_key, tenant, parent_id, submitted_by, held_reason, adopted, lane) VALUES ('01900000-0000-7000-8000-000000000003', 'Reporter', 'weekly', 'completed', '2026-01-01 07:02:00+00', '{"pages": 3}', NULL, '[1, 2]', 100, '2026-01-01 07:05:00+00', 2, 1, 0, NULL, 'retry', false, '2026-01-01 08:20:00+00', '2026-01-01 08:21:00+00', NULL, NULL, NULL, NULL, NULL, 'admin', NULL, false, NULL);
INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, result, error_message, payload, priority, run_at, attempt, errors, crashes, max_attempts, on_crash, suspect, started_at, finished_at, cancel_requested_at, worker, idempotency_key, tenant, parent_id, submitted_by, held_reason, adopted, lane) VALUES ('01900000-0000-7000-8000-000000000004', 'Reporter', 'weekly', 'failed', '2026-01-01 07:03:00+00', NULL, 'no data', NULL, 100, '2026-01-01 07:03:00+00', 1, 1, 0, 1, 'retry', false, '2026-01-01 08:30:00+00', '2026-01-01 08:31:00+00', NULL, NULL, NULL, NULL, NULL, 'admin', NULL, false, NULL);
INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, result, error_message, payload, priority, run_at, attempt, errors, crashes, max_attempts, on_crash, suspect, started_at, finished_at, cancel_requested_at, worker, idempotency_key, tenant, parent_id, submitted_by, held_reason, adopted, lane) VALUES ('01900000-0000-7000-8000-000000000005', 'Reporter', 'weekly', 'cancelled', '2026-01-01 07:04:00+00', NULL, 'not wanted', NULL, 100, '2026-01-01 07:04:00+00', 0, 0, 0, NULL, 'retry', false, NULL, '2026-01-01 07:06:00+00', '2026-01-01 07:06:00+00', NULL, NULL, NULL, NULL, 'admin', NULL, false, NULL);
INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, result, error_message, payload, priority, run_at, attempt, errors, crashes, max_attempts, on_crash, suspect, started_at, finished_at, cancel_requested_at, worker, idempotency_key, tenant, parent_id, submitted_by, held_reason, adopted, lane) VALUES ('01900000-0000-7000-8000-000000000006', 'Reporter', 'weekly', 'waiting', '2026-01-01 07:05:00+00', NULL, NULL, NULL, 100, '2026-01-01 07:05:00+00', 0, 0, 0, NULL, 'retry', false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'admin', 'the budget', false, NULL);
INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, result, error_message, payload, priority, run_at, attempt, errors, crashes, max_attempts, on_crash, suspect, started_at, finished_at, cancel_requested_at, worker, idempotency_key, tenant, parent_id, submitted_by, held_reason, adopted, lane) VALUES ('f47ac10b-58cc-4372-a567-0e02b2c3d479', NULL, NULL, 'archived', NULL, NULL, NULL, NULL, 100, '2026-01-01 07:00:00+00', 0, 0, 0, NULL, 'retry', false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, true, NULL);
INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, result, error_message, payload, priority, run_at, attempt, errors, crashes, max_attempts, on_crash, suspect, started_at, finished_at, cancel_requested_at, worker, idempotency_key, tenant, parent_id, submitted_by, held_reason, adopted, lane) VALUES ('01900000-0000-7000-8000-000000000001', 'Reporter', 'weekly', 'pending', '2026-01-01 07:00:00+00', NULL, NULL, '{"week": 1}', 100, '2026-01-01 07:00:00+00', 0, 0, 0, 3, 'retry', false, NULL, NULL, NULL, NULL, 'week-1', 'north', NULL, 'admin', NULL, false, 'Reporterweeklynorth1=north');


--
-- Data for Name: tenant_logins; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.tenant_logins (login, tenant, bound_at, bound_by) VALUES ('north_app', 'north', '2026-01-01 06:00:00+00', 'admin');


--
-- Data for Name: users; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.users (id, username, role, password_hash, token_hash, created_at, disabled_at, adopted) VALUES ('01900000-0000-7000-8000-0000000000d1', 'kim', 'admin', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g', NULL, '2026-01-01 06:00:00+00', NULL, false);


--
-- Data for Name: workers; Type: TABLE DATA; Schema: agentic_ai; Owner: -
--

INSERT INTO agentic_ai.workers (id, host, pid, version, concurrency, lease_seconds, handlers, started_at, heartbeat, heartbeat_at, idle, running, ended_at, ended_how) VALUES ('01900000-0000-7000-8000-00000000000a', 'alpha', 4711, '0.1.0', 20, 30, '[["Reporter", "weekly"]]', '2026-01-01 08:00:00+00', 240, '2026-01-01 09:00:00+00', false, 0, NULL, NULL);
INSERT INTO agentic_ai.workers (id, host, pid, version, concurrency, lease_seconds, handlers, started_at, heartbeat, heartbeat_at, idle, running, ended_at, ended_how) VALUES ('01900000-0000-7000-8000-00000000000b', 'alpha', 4712, '0.1.0', 20, 30, '[["Reporter", "weekly"]]', '2026-01-01 08:00:00+00', 12, '2026-01-01 08:01:00+00', true, 0, '2026-01-01 08:02:00+00', 'lost');


--
-- Name: limits_id_seq; Type: SEQUENCE SET; Schema: agentic_ai; Owner: -
--

SELECT pg_catalog.setval('agentic_ai.limits_id_seq', 1, true);


--
-- Name: account_details account_details_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.account_details
    ADD CONSTRAINT account_details_pkey PRIMARY KEY (user_id);


--
-- Name: account_tokens account_tokens_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.account_tokens
    ADD CONSTRAINT account_tokens_pkey PRIMARY KEY (id);


--
-- Name: agent_executions agent_executions_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.agent_executions
    ADD CONSTRAINT agent_executions_pkey PRIMARY KEY (task_id, attempt);


--
-- Name: alerts alerts_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);


--
-- Name: audit_head audit_head_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.audit_head
    ADD CONSTRAINT audit_head_pkey PRIMARY KEY (only_one);


--
-- Name: audit_log audit_log_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (number);


--
-- Name: limit_starts limit_starts_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.limit_starts
    ADD CONSTRAINT limit_starts_pkey PRIMARY KEY (limit_id, value, started_at);


--
-- Name: limits limits_are_one_for_each; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.limits
    ADD CONSTRAINT limits_are_one_for_each UNIQUE NULLS NOT DISTINCT (agent_name, task_type, key);


--
-- Name: limits limits_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (id);


--
-- Name: llm_requests llm_requests_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.llm_requests
    ADD CONSTRAINT llm_requests_pkey PRIMARY KEY (id);


--
-- Name: login_failures login_failures_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.login_failures
    ADD CONSTRAINT login_failures_pkey PRIMARY KEY (name_hash);


--
-- Name: looks looks_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.looks
    ADD CONSTRAINT looks_pkey PRIMARY KEY (room);


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


--
-- Name: paused_agents paused_agents_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.paused_agents
    ADD CONSTRAINT paused_agents_pkey PRIMARY KEY (agent_name);


--
-- Name: samples samples_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.samples
    ADD CONSTRAINT samples_pkey PRIMARY KEY (taken_at);


--
-- Name: schedules schedules_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (name);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: silences silences_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.silences
    ADD CONSTRAINT silences_pkey PRIMARY KEY (id);


--
-- Name: task_events task_events_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.task_events
    ADD CONSTRAINT task_events_pkey PRIMARY KEY (task_id, attempt, number);


--
-- Name: tasks tasks_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);


--
-- Name: tenant_logins tenant_logins_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.tenant_logins
    ADD CONSTRAINT tenant_logins_pkey PRIMARY KEY (login);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);


--
-- Name: workers workers_pkey; Type: CONSTRAINT; Schema: agentic_ai; Owner: -
--

ALTER TABLE ONLY agentic_ai.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);


--
-- Name: account_tokens_hash_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE UNIQUE INDEX account_tokens_hash_idx ON agentic_ai.account_tokens USING btree (token_hash);


--
-- Name: account_tokens_user_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX account_tokens_user_idx ON agentic_ai.account_tokens USING btree (user_id);


--
-- Name: agent_executions_start_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX agent_executions_start_idx ON agentic_ai.agent_executions USING brin (execution_start) WITH (pages_per_range='32', autosummarize=off);


--
-- Name: alerts_open_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE UNIQUE INDEX alerts_open_idx ON agentic_ai.alerts USING btree (fingerprint) WHERE (resolved_at IS NULL);


--
-- Name: alerts_resolved_at_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX alerts_resolved_at_idx ON agentic_ai.alerts USING btree (resolved_at) WHERE (resolved_at IS NOT NULL);


--
-- Name: audit_log_action_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX audit_log_action_idx ON agentic_ai.audit_log USING btree (action, number);


--
-- Name: llm_requests_execution_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX llm_requests_execution_idx ON agentic_ai.llm_requests USING btree (task_id, attempt);


--
-- Name: llm_requests_started_at_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX llm_requests_started_at_idx ON agentic_ai.llm_requests USING brin (started_at) WITH (pages_per_range='32', autosummarize=off);


--
-- Name: login_failures_failed_at_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX login_failures_failed_at_idx ON agentic_ai.login_failures USING btree (failed_at);


--
-- Name: outbox_created_at_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX outbox_created_at_idx ON agentic_ai.outbox USING btree (created_at);


--
-- Name: outbox_due_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX outbox_due_idx ON agentic_ai.outbox USING btree (due_at) WHERE ((sent_at IS NULL) AND (given_up_at IS NULL));


--
-- Name: schedules_due_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX schedules_due_idx ON agentic_ai.schedules USING btree (next_at NULLS FIRST) WHERE ((paused_at IS NULL) AND (problem IS NULL));


--
-- Name: tasks_agent_name_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX tasks_agent_name_idx ON agentic_ai.tasks USING btree (agent_name);


--
-- Name: tasks_created_at_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX tasks_created_at_idx ON agentic_ai.tasks USING btree (created_at DESC NULLS LAST);


--
-- Name: tasks_idempotency_key_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE UNIQUE INDEX tasks_idempotency_key_idx ON agentic_ai.tasks USING btree (agent_name, task_type, idempotency_key) WHERE (idempotency_key IS NOT NULL);


--
-- Name: tasks_lane_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX tasks_lane_idx ON agentic_ai.tasks USING btree (lane, priority, run_at, id) WHERE (((status)::text = 'pending'::text) AND (held_reason IS NULL) AND (lane IS NOT NULL));


--
-- Name: tasks_ready_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX tasks_ready_idx ON agentic_ai.tasks USING btree (priority, run_at, id) WHERE (((status)::text = 'pending'::text) AND (held_reason IS NULL) AND (lane IS NULL));


--
-- Name: tasks_status_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX tasks_status_idx ON agentic_ai.tasks USING btree (status, created_at) WHERE ((status)::text <> 'completed'::text);


--
-- Name: users_username_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE UNIQUE INDEX users_username_idx ON agentic_ai.users USING btree (username) WHERE (NOT adopted);


--
-- Name: workers_alive_idx; Type: INDEX; Schema: agentic_ai; Owner: -
--

CREATE INDEX workers_alive_idx ON agentic_ai.workers USING btree (id) WHERE (ended_at IS NULL);


--
-- Name: audit_log chain_audit_entry; Type: TRIGGER; Schema: agentic_ai; Owner: -
--

CREATE TRIGGER chain_audit_entry BEFORE INSERT ON agentic_ai.audit_log FOR EACH ROW EXECUTE FUNCTION agentic_ai.chain_audit_entry();


--
-- Name: tasks complete_plain_write; Type: TRIGGER; Schema: agentic_ai; Owner: -
--

CREATE TRIGGER complete_plain_write BEFORE INSERT OR UPDATE OF status ON agentic_ai.tasks FOR EACH ROW WHEN (((((new.status)::text = ANY ((ARRAY['completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[])) <> (new.finished_at IS NOT NULL)) OR ((new.worker IS NOT NULL) AND ((new.status)::text <> 'running'::text)))) EXECUTE FUNCTION agentic_ai.complete_plain_write();


--
-- Name: audit_log keep_all_entries; Type: TRIGGER; Schema: agentic_ai; Owner: -
--

CREATE TRIGGER keep_all_entries BEFORE TRUNCATE ON agentic_ai.audit_log FOR EACH STATEMENT EXECUTE FUNCTION agentic_ai.keep_audit_log();


--
-- Name: audit_log keep_entries; Type: TRIGGER; Schema: agentic_ai; Owner: -
--

CREATE TRIGGER keep_entries BEFORE DELETE OR UPDATE ON agentic_ai.audit_log FOR EACH ROW EXECUTE FUNCTION agentic_ai.keep_audit_log();


--
-- Name: audit_head keep_head; Type: TRIGGER; Schema: agentic_ai; Owner: -
--

CREATE TRIGGER keep_head BEFORE INSERT OR DELETE OR UPDATE ON agentic_ai.audit_head FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION agentic_ai.keep_audit_log();


--
-- Name: audit_head keep_only_head; Type: TRIGGER; Schema: agentic_ai; Owner: -
--

CREATE TRIGGER keep_only_head BEFORE TRUNCATE ON agentic_ai.audit_head FOR EACH STATEMENT EXECUTE FUNCTION agentic_ai.keep_audit_log();


--
-- Name: tasks refuse_unasked; Type: TRIGGER; Schema: agentic_ai; Owner: -
--

CREATE TRIGGER refuse_unasked BEFORE INSERT ON agentic_ai.tasks FOR EACH ROW WHEN (((new.status)::text IS DISTINCT FROM 'pending'::text)) EXECUTE FUNCTION agentic_ai.refuse_unasked();


--
-- Name: schedules tell_of_schedules; Type: TRIGGER; Schema: agentic_ai; Owner: -
--

CREATE TRIGGER tell_of_schedules AFTER INSERT OR UPDATE OF cron, time_zone, paused_at ON agentic_ai.schedules FOR EACH STATEMENT EXECUTE FUNCTION agentic_ai.tell_of_schedules();


--
-- Name: tasks wake_workers; Type: TRIGGER; Schema: agentic_ai; Owner: -
--

CREATE TRIGGER wake_workers AFTER INSERT ON agentic_ai.tasks FOR EACH STATEMENT EXECUTE FUNCTION agentic_ai.wake_workers();


--
-- Name: FUNCTION audit_hash(entry agentic_ai.audit_log); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.audit_hash(entry agentic_ai.audit_log) FROM PUBLIC;


--
-- Name: FUNCTION chain_audit_entry(); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.chain_audit_entry() FROM PUBLIC;


--
-- Name: FUNCTION complete_plain_write(); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.complete_plain_write() FROM PUBLIC;


--
-- Name: FUNCTION fill_in_tenant(); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.fill_in_tenant() FROM PUBLIC;


--
-- Name: FUNCTION is_my_tenants(task_id uuid); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.is_my_tenants(task_id uuid) FROM PUBLIC;


--
-- Name: FUNCTION keep_audit_log(); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.keep_audit_log() FROM PUBLIC;


--
-- Name: FUNCTION lane_of(agent_name text, task_type text, tenant text, payload jsonb); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.lane_of(agent_name text, task_type text, tenant text, payload jsonb) FROM PUBLIC;


--
-- Name: FUNCTION my_tenant(); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.my_tenant() FROM PUBLIC;


--
-- Name: FUNCTION place_of(agent_name text, task_type text, tenant text, payload jsonb, OUT lane text, OUT gap text); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.place_of(agent_name text, task_type text, tenant text, payload jsonb, OUT lane text, OUT gap text) FROM PUBLIC;


--
-- Name: FUNCTION refuse_unasked(); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.refuse_unasked() FROM PUBLIC;


--
-- Name: FUNCTION ruled_among(handlers text[]); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.ruled_among(handlers text[]) FROM PUBLIC;


--
-- Name: FUNCTION sort_tasks(places tid[]); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.sort_tasks(places tid[]) FROM PUBLIC;


--
-- Name: FUNCTION submit(agent_name text, task_type text, payload jsonb, priority integer, run_at timestamp with time zone, idempotency_key text, max_attempts integer, on_crash text, tenant text, parent_id uuid, id uuid); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.submit(agent_name text, task_type text, payload jsonb, priority integer, run_at timestamp with time zone, idempotency_key text, max_attempts integer, on_crash text, tenant text, parent_id uuid, id uuid) FROM PUBLIC;


--
-- Name: FUNCTION tell_of_schedules(); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.tell_of_schedules() FROM PUBLIC;


--
-- Name: FUNCTION uuid7(); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.uuid7() FROM PUBLIC;


--
-- Name: FUNCTION waits_in_lane(handlers text[]); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.waits_in_lane(handlers text[]) FROM PUBLIC;


--
-- Name: FUNCTION wake_workers(); Type: ACL; Schema: agentic_ai; Owner: -
--

REVOKE ALL ON FUNCTION agentic_ai.wake_workers() FROM PUBLIC;


--
-- PostgreSQL database dump complete
--
