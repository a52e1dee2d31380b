-- Tenants: which login works for which. And who may only ask may not say that it is done.
-- works with: 1
--
-- The release before binds nobody to a tenant, and its policies are none.

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

REVOKE ALL ON FUNCTION my_tenant() FROM PUBLIC;
REVOKE ALL ON FUNCTION is_my_tenants(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION fill_in_tenant() FROM PUBLIC;

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
REVOKE ALL ON FUNCTION refuse_unasked() FROM PUBLIC;

-- A key may be taken by a task of another tenant, which is not shown.
CREATE OR REPLACE FUNCTION submit(
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
