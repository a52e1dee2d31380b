"""What a worker costs that has nothing to do."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.draining import start
from benchmarks.processes import WorkerProcess
from benchmarks.work import Figure, Scene, Stage, Work

# So much of the time is let pass before, for what only a start does.
_SETTLE_SHARE = 0.25
_LOOK_SECONDS = 0.2
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): ")
_CONNECTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Idle(Work):
    """One idle worker, set up for single tasks, some seconds after its start.

    Every statement counts, as the server logs it; BEGIN and COMMIT are statements too.
    """

    paired: ClassVar[bool] = False
    rival_rounds: ClassVar[int | None] = 2

    seconds: float

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return "idle"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Statements and connections."""
        return (
            Figure("idle-statements", "idle worker, statements", "per second", "less"),
            Figure("idle-connections", "idle worker, connections at most", "", "less"),
        )

    def measure(self, scene: Scene) -> dict[str, float]:
        """Watch it; the harness's own session began before, so it is not logged."""
        with scene.stage() as stage, ExitStack() as stack:
            stage.watch.run(f"ALTER DATABASE {stage.watch.database} SET log_statement = 'all'")
            (worker,) = start(stage, stack, "--eager")
            self._most_connections(stage, worker, self.seconds * _SETTLE_SHARE)
            log = stage.server.log
            logged = log.stat().st_size
            connections = self._most_connections(stage, worker, self.seconds)
            statements = count_statements(_text_from(log, logged))
        return {
            "idle-statements": statements / self.seconds,
            "idle-connections": float(connections),
        }

    def _most_connections(self, stage: Stage, worker: WorkerProcess, seconds: float) -> int:
        most, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            worker.check()
            found = stage.watch.ask(_CONNECTIONS)
            assert isinstance(found, int)
            most = max(most, found)
            time.sleep(_LOOK_SECONDS)
        return most


def count_statements(log: str) -> int:
    """How many statements a piece of the server's log tells of."""
    return len(_STATEMENT.findall(log))


def _text_from(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")
