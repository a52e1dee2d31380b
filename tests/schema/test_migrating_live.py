"""A migration while programs submit and workers run loses nothing and stops nothing."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from agentpg.db import Database
from agentpg.schema import Migration, migrate, released_migrations
from agentpg.tasks.handlers import App
from agentpg.tasks.run import Run
from tests.invariants import contradictions
from tests.schema.old import rows
from tests.tasks.engine import Engine
from tests.waiting import eventually

NEXT = released_migrations()[-1].version + 1

# Each takes the strongest lock on a table that is written all the time.
MORE = [
    Migration(NEXT, "colour", "ALTER TABLE tasks ADD COLUMN colour text DEFAULT 'red';"),
    Migration(NEXT + 1, "rule", "ALTER TABLE tasks ADD CONSTRAINT c CHECK (colour <> '');"),
    Migration(NEXT + 2, "shade", "ALTER TABLE agent_executions ADD COLUMN shade integer;"),
    Migration(NEXT + 3, "beat", "ALTER TABLE workers ADD COLUMN beat integer DEFAULT 0;"),
]


class Submitter(threading.Thread):
    """Submits one task after the other until it is told to stop."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True)
        self._engine = engine
        self._stopping = threading.Event()
        self.submitted: list[str] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.submitted.append(str(self._engine.client.submit("Painter", "paint", 1)))
        except Exception as error:
            self.failure = error

    def stop(self) -> list[str]:
        """Let it finish; the ids that it was given."""
        self._stopping.set()
        self.join(20)
        if self.failure is not None:
            raise self.failure
        return self.submitted


def test_a_migration_beside_running_workers(database: Database, tmp_path: Path) -> None:
    app = App()

    @app.task("Painter", "paint")
    def paint(run: Run, payload: int) -> int:
        return payload

    with closing(Engine(database, tmp_path)) as engine:
        workers = [engine.work(app, concurrency=4, lease="2s") for _ in range(2)]
        submitter = Submitter(engine)
        submitter.start()
        eventually(lambda: len(submitter.submitted) > 20)

        applied = migrate(
            database,
            lock_timeout=timedelta(milliseconds=200),
            migrations=[*released_migrations(), *MORE],
        )
        reached = len(submitter.submitted)
        eventually(lambda: len(submitter.submitted) > reached + 20)
        submitted = submitter.stop()
        engine.until_all_ended()

        assert applied == MORE
        assert all(worker.alive for worker in workers)
        done = rows(
            database,
            "SELECT t.id::text FROM tasks t JOIN agent_executions e ON e.task_id = t.id"
            " WHERE t.status = 'completed' AND t.attempt = 1 AND e.outcome = 'completed'",
        )
        assert sorted(row[0] for row in done) == sorted(submitted)
        assert rows(database, "SELECT DISTINCT colour FROM tasks") == [("red",)]
        assert rows(database, "SELECT count(*) FROM workers WHERE ended_how = 'lost'") == [(0,)]
        assert contradictions(database) == {}
