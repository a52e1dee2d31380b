"""MaintenanceAgent sees to the tables that autovacuum falls behind on, through the engine."""

from __future__ import annotations

from agentpg.agents.vacuuming import vacuuming_app
from agentpg.db import connect
from tests.tasks.engine import Engine

AGENT = ("MaintenanceAgent", "vacuum_tables")


def test_it_says_what_it_did_and_why(engine: Engine) -> None:
    with connect(engine.database) as connection:
        connection.execute(b"CREATE TABLE behind (n int) WITH (autovacuum_enabled = off)")
        connection.execute(b"INSERT INTO behind SELECT generate_series(1, 12000)")
        connection.execute(b"DELETE FROM behind")
        connection.execute(b"SELECT pg_stat_force_next_flush()")
    engine.work(vacuuming_app(), concurrency=1, dsn_admin=engine.database.dsn)
    task = engine.run(*AGENT, {"minutes": 1})
    assert task.status == "completed", task.error_message
    [done] = task.result["done"]
    assert (done["table"], done["dead_rows"]) == ("agentic_ai.behind", 0)
    assert done["why"].startswith("12,000 dead rows, ")
    assert (task.result["left"], task.result["complete"]) == ([], True)
    with connect(engine.database) as connection:
        logged = connection.execute(
            b"SELECT message FROM task_events WHERE task_id = %s", [task.id]
        ).fetchall()
    assert any("vacuum and analyze agentic_ai.behind in" in message for (message,) in logged)
    wrong = engine.run(*AGENT, {"minutes": 0})
    assert (wrong.status, engine.outcomes(wrong.id)) == ("failed", ["failed"])
