"""What must be true while the load goes on, and what once all its work is done."""

from __future__ import annotations

import time

from tests.chaos.book import Book
from tests.chaos.ground import Ground
from tests.invariants import contradictions

_SECOND_LOOK_SECONDS = 3.0

# Each query gives the rows that contradict its name, once all work is done.
_AT_THE_END = {
    "every task has reached an end": (
        "SELECT id, task_type, status FROM tasks"
        " WHERE status NOT IN ('completed', 'failed', 'cancelled')"
    ),
    "every task has the end that its kind has": (
        "SELECT id, task_type, status, errors, error_message, ARRAY("
        "     SELECT e.error_message FROM agent_executions e WHERE e.task_id = id"
        " ) FROM tasks WHERE status <> 'cancelled' AND NOT CASE task_type"
        "     WHEN 'doomed' THEN status = 'failed' AND errors = 2"
        "     WHEN 'once' THEN status = 'completed' OR error_message LIKE '%%must not run twice%%'"
        "     WHEN 'flaky' THEN status = 'completed' AND errors = 1"
        "     ELSE status = 'completed' AND errors = 0 END"
    ),
    "nobody is blamed for a crash": "SELECT id, crashes FROM tasks WHERE crashes > 0",
    "every execution has ended": (
        "SELECT task_id, attempt FROM agent_executions WHERE execution_end IS NULL"
    ),
    "each completed task has one completed execution": (
        "SELECT t.id, count(e.task_id) FROM tasks t LEFT JOIN agent_executions e"
        " ON e.task_id = t.id AND e.outcome = 'completed'"
        " GROUP BY t.id HAVING count(e.task_id) <> (t.status = 'completed')::int"
    ),
    "each attempt before the last ended otherwise than completed": (
        "SELECT t.id FROM tasks t JOIN agent_executions e ON e.task_id = t.id"
        " WHERE e.attempt < t.attempt AND e.outcome = 'completed'"
    ),
    "no call to a model is open": "SELECT id FROM llm_requests WHERE status = 'open'",
    "no worker lives": "SELECT id FROM workers WHERE ended_at IS NULL",
}


def complaints(ground: Ground, book: Book) -> dict[str, list[object]]:
    """What is wrong, and is so still at a second look; the load may go on meanwhile.

    While the database is away a worker gives up what its handler left open in the background,
    so the first look may come before that is written.
    """
    first = _look(ground, book)
    if not first:
        return {}
    time.sleep(_SECOND_LOOK_SECONDS)
    second = _look(ground, book)
    return {rule: rows for rule, rows in second.items() if rule in first}


def _look(ground: Ground, book: Book) -> dict[str, list[object]]:
    acknowledged, withdrawn = book.acknowledged(), book.withdrawn()
    found = contradictions(ground.database)
    lost = ground.ask(
        "SELECT id FROM unnest(%s::uuid[]) AS id EXCEPT SELECT id FROM tasks LIMIT 5", acknowledged
    )
    ghosts = ground.ask("SELECT id FROM tasks WHERE id = ANY (%s::uuid[]) LIMIT 5", withdrawn)
    if lost:
        found["what was acknowledged is there"] = list(lost)
    if ghosts:
        found["what was rolled back is not there"] = list(ghosts)
    return found


def last_complaints(ground: Ground, book: Book) -> dict[str, list[object]]:
    """What is wrong when all work is done and all workers have stopped."""
    found = _look(ground, book)
    for rule, query in _AT_THE_END.items():
        if rows := ground.ask(f"{query} LIMIT 5"):
            found[rule] = list(rows)
    cancelled = ground.ask(
        "SELECT id FROM tasks WHERE status = 'cancelled' AND id <> ALL (%s::uuid[]) LIMIT 5",
        book.asked(),
    )
    if cancelled:
        found["only what was to be cancelled is cancelled"] = list(cancelled)
    return found
