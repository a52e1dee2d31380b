"""What must be true of an installation at any moment, and once all its work is done."""

from __future__ import annotations

from agentpg.db import Database, Statements, connect

# Each query gives the rows that contradict its name.
_ALWAYS = {
    "only a running task has a worker": (
        "SELECT id FROM tasks WHERE worker IS NOT NULL AND status <> 'running'"
    ),
    "a final state has its time, and no other has": (
        "SELECT id FROM tasks WHERE NOT adopted"
        " AND (finished_at IS NOT NULL) <> (status IN ('completed', 'failed', 'cancelled'))"
    ),
    "every claim opened one execution": (
        "SELECT t.id, t.attempt, count(e.task_id) FROM tasks t"
        " LEFT JOIN agent_executions e ON e.task_id = t.id AND e.attempt <= t.attempt"
        " GROUP BY t.id HAVING count(e.task_id) <> t.attempt"
    ),
    "only the newest execution of a running task is open": (
        "SELECT e.task_id, e.attempt FROM agent_executions e LEFT JOIN tasks t ON t.id = e.task_id"
        " WHERE e.execution_end IS NULL"
        " AND (t.status IS DISTINCT FROM 'running' OR t.attempt <> e.attempt)"
    ),
    "at most one execution completed a task": (
        "SELECT task_id FROM agent_executions WHERE outcome = 'completed'"
        " GROUP BY task_id HAVING count(*) > 1"
    ),
    "failures are counted": (
        "SELECT t.id, t.errors, t.crashes FROM tasks t WHERE t.errors + t.crashes > t.attempt"
        " OR t.errors > t.max_attempts"
    ),
    "no call is open when its execution has ended": (
        "SELECT r.id FROM llm_requests r JOIN agent_executions e"
        " ON e.task_id = r.task_id AND e.attempt = r.attempt"
        " WHERE r.status = 'open' AND e.execution_end IS NOT NULL"
    ),
}


def contradictions(database: Database) -> dict[str, list[object]]:
    """What is not as it must be: the rule, and up to five rows that break it."""
    found: dict[str, list[object]] = {}
    with connect(database) as connection:
        connection.execute(f"SET search_path = {database.schema}")
        for rule, query in _ALWAYS.items():
            if rows := connection.execute(f"{query} LIMIT 5").fetchall():
                found[rule] = list(rows)
        differences = Statements("usage", database.schema)["ledger_differences"]
        if rows := connection.execute(differences, {"since": None}).fetchall():
            found["the counters are the sums of the calls"] = list(rows[:5])
    return found
