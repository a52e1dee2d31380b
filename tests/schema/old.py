"""Databases as the guide makes them, and as people extend them."""

from __future__ import annotations

from typing import Any

from agentpg.db import Database, connect

# As the guide prints it.
GUIDE_TABLE = """
CREATE TABLE tasks (
    id UUID PRIMARY KEY,
    agent_name VARCHAR(100),
    task_type VARCHAR(100),
    status VARCHAR(50),
    created_at TIMESTAMP WITH TIME ZONE
);
"""

# Every 20th without a status, every 21st with one that nobody knows, some without names.
GUIDE_ROWS = """
INSERT INTO tasks
SELECT gen_random_uuid(),
       CASE WHEN n % 50 <> 0 THEN 'Agent' || n % 7 END,
       CASE WHEN n % 60 <> 0 THEN 'kind' || n % 3 END,
       CASE WHEN n % 20 = 0 THEN NULL WHEN n % 21 = 0 THEN 'archived'
            ELSE (ARRAY['pending', 'running', 'completed', 'failed'])[1 + n % 4] END,
       CASE WHEN n % 30 <> 0 THEN now() - n * interval '1 minute' END
FROM generate_series(1, 5000) AS n;
"""

# What hangs on it: a view, a foreign key, a trigger, a grant's worth of other things.
DEPENDENTS = """
CREATE VIEW open_tasks AS SELECT id, agent_name FROM tasks WHERE status = 'pending';
CREATE TABLE invoices (
    id serial PRIMARY KEY,
    task_id uuid NOT NULL REFERENCES tasks (id),
    amount numeric
);
INSERT INTO invoices (task_id, amount) SELECT id, 1 FROM tasks LIMIT 500;
CREATE INDEX my_agent_idx ON tasks (agent_name);
CREATE INDEX tasks_status_idx ON tasks (status);
"""


def run(database: Database, script: str, schema: str = "") -> None:
    """Run a script, with unqualified names meaning `schema` where one is given."""
    with connect(database) as connection:
        if schema:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
            connection.execute(f"SET search_path = {schema}".encode())
        connection.execute(script.encode())


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with connect(database) as connection:
        return connection.execute(query.encode()).fetchall()


# What a system may have made of the guide's three tables.
SUPERSET = """
CREATE TYPE state AS ENUM ('pending', 'running', 'completed', 'failed', 'paused');
CREATE TABLE users (
    id serial PRIMARY KEY,
    name text NOT NULL,
    email varchar(255) NOT NULL UNIQUE,
    password_hash varchar(60),
    role varchar(10) CHECK (role IN ('admin', 'boss', 'user'))
);
INSERT INTO users (name, email, password_hash, role) VALUES
    ('kim', 'kim@example.org', '$2b$12$x', 'admin'),
    ('lee', 'lee@example.org', NULL, 'boss'),
    ('no-name', 'no-name@example.org', NULL, NULL);
CREATE TABLE badges (id serial PRIMARY KEY, user_id integer REFERENCES users (id));
INSERT INTO badges (user_id) VALUES (1), (2);
CREATE TABLE tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title text NOT NULL,
    agent_name varchar(50) NOT NULL,
    task_type text,
    status state NOT NULL DEFAULT 'pending',
    result text,
    created_at timestamp DEFAULT now(),
    owner_id integer REFERENCES users (id),
    CHECK (status <> 'paused' OR title <> '')
);
CREATE TABLE agent_executions (
    id serial PRIMARY KEY,
    task_id uuid REFERENCES tasks (id) ON DELETE CASCADE,
    execution_start timestamptz NOT NULL DEFAULT now(),
    execution_end timestamptz,
    llm_calls integer,
    llm_total_tokens integer,
    note text
);
INSERT INTO tasks (id, title, agent_name, task_type, status, result, created_at, owner_id)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, title, agent, 'kind', status::state,
       result, created_at::timestamp, 1
FROM (VALUES
    (1, 'first', 'a', 'completed', '{"n": 1}', '2026-01-01 12:00'),
    (2, 'second', 'b', 'failed', 'not json', '2026-01-02 12:00'),
    (3, 'third', 'c', 'running', NULL, '2026-01-03 12:00'),
    (4, 'fourth', 'd', 'paused', NULL, NULL)
) AS v (n, title, agent, status, result, created_at);
INSERT INTO agent_executions
    (task_id, execution_start, execution_end, llm_calls, llm_total_tokens, note)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, '2026-02-01'::date + start,
       '2026-02-01'::date + ended, calls, tokens, note
FROM (VALUES
    (1, 1, 2, 1, 100, 'x'),
    (1, 3, 4, 2, NULL, 'y'),
    (2, 1, 2, NULL, NULL, 'z'),
    (3, 5, NULL, 0, 0, NULL),
    (NULL, 5, 6, 3, 7, NULL)
) AS v (n, start, ended, calls, tokens, note);
CREATE TABLE audit (at timestamptz DEFAULT now());
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO public.audit DEFAULT VALUES; RETURN NULL; END';
CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION note_change();
"""
