"""Databases as the guide makes them, and as people extend them."""

from __future__ import annotations

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


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    with connect(database) as connection:
        return connection.execute(query.encode()).fetchall()
