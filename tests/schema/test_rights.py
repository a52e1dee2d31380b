"""The rights that the page on an existing PostgreSQL names suffice to submit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from agentpg.db import Database, connect
from agentpg.settings import load_settings
from agentpg.tasks.client import Client

PAGE = Path(__file__).parents[2] / "docs/howto/existing-postgresql.md"


def test_a_program_that_only_submits(database: Database, superuser_dsn: Callable[..., str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(r"CREATE ROLE shop LOGIN;\n((?:GRANT [^;]*;\n)+)", page)
    assert found is not None
    with connect(database) as owner:
        [name] = owner.execute("SELECT current_database()").fetchone() or ("",)
        owner.execute(
            "INSERT INTO agentic_ai.limits (agent_name, key, concurrency) VALUES ('L', 'k', 1)"
        )
    role = f"shop_{name}"
    with connect(Database(superuser_dsn(name))) as administrator:
        administrator.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'".encode())
        administrator.execute(found[1].replace("shop", role).encode())
    dsn = re.sub(r"user=\S+", f"user={role}", re.sub(r"passfile=\S+", "", database.dsn))
    shop = Database(f"{dsn} password=secret", database.schema)
    try:
        with Client(shop, settings=load_settings()) as client, connect(shop) as connection:
            client.submit("A", "t", {"n": 1})
            client.submit("A", "t", {"n": 1}, idempotency_key="once", tenant="north")
            client.submit("L", "t", {"k": "v"})
            connection.execute("SELECT agentic_ai.submit('A', 't')")
            connection.execute(
                "INSERT INTO agentic_ai.tasks (agent_name, task_type) VALUES ('A', 't')"
            )
        with connect(database) as owner:
            assert owner.execute("SELECT count(*) FROM agentic_ai.tasks").fetchone() == (5,)
    finally:
        with connect(Database(superuser_dsn(name))) as administrator:
            administrator.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
