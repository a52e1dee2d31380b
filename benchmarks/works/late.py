"""Tasks that come in behind what the claim has passed: how soon they are seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from agentpg import Client, Database
from agentpg.db import Connection
from benchmarks.draining import start
from benchmarks.figures import percentile
from benchmarks.processes import WorkerProcess
from benchmarks.roster import OURS, Competitor, PeerFailed
from benchmarks.work import Deadline, Figure, Scene, Stage, Work

# The n of late tasks begin here; of all others they are smaller.
_FIRST_LATE = 1_000_000_000
_EACH_SECONDS = 0.1
_ROUNDS = 20
_OPEN_SECONDS = 0.3
_PATIENCE_SECONDS = 300.0

_INSERT = """
    INSERT INTO agentic_ai.tasks (
        agent_name, task_type, status, created_at, payload, priority, run_at
    )
    SELECT 'Bench', 'nothing', 'pending', now(),
           jsonb_build_object('n', %s::int, 'text', ''), %s, now() - %s * interval '1 minute'
    RETURNING id
"""
_INSERT_FINISHED = """
    INSERT INTO agentic_ai.tasks (
        agent_name, task_type, status, created_at, payload, priority, attempt, finished_at
    )
    SELECT 'Bench', 'nothing', 'failed', now(),
           jsonb_build_object('n', %s::int, 'text', ''), 10, 1, now()
    RETURNING id
"""
# Tasks of which only dead entries are left, as long as a snapshot is held.
_MAKE_DEAD = (
    """
    INSERT INTO agentic_ai.tasks (
        id, agent_name, task_type, status, created_at, run_at, payload
    )
    SELECT agentic_ai.uuid7(), 'Bench', 'nothing', 'pending', at, at,
           jsonb_build_object('n', n, 'text', repeat('0123456789abcdef', 4))
    FROM (
        SELECT n, now() - interval '2 hours' + n * interval '1 hour' / {n} AS at
        FROM generate_series(1, {n}) n
    ) spread
    """,
    """
    UPDATE agentic_ai.tasks SET status = 'completed', attempt = 1, finished_at = now()
    WHERE status = 'pending'
    """,
)


@dataclass(frozen=True, slots=True)
class Late(Work):
    """During a drain, four kinds come in that belong before all that is left of it:

    a transaction that inserted earlier and commits now, a plain INSERT with an old `run_at`, a
    task with a smaller priority, and one that is retried and has a smaller priority. Measured
    is the time from just before the commit to the start of the handler. With `dead`, so many
    dead entries lie before the backlog, and the snapshot that keeps them stays open.
    """

    paired: ClassVar[bool] = False

    backlog: int
    dead: int = 0

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return "late-dead" if self.dead else "late"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Percentiles over all kinds; the JSON has each kind too."""
        key = self.key
        behind = f" behind {self.dead / 1e6:g} million dead entries" if self.dead else ""
        what = f"late arrivals{behind}"
        return (
            Figure(f"{key}-p50", f"{what}, p50", "ms", "less", plotted=False),
            Figure(f"{key}-max", f"{what}, slowest", "ms", "less"),
        )

    def takes_part(self, peer: Competitor) -> bool:
        """Ours: the kinds are written in its own SQL."""
        return peer.key == OURS

    def measure(self, scene: Scene) -> dict[str, float]:
        """Begin a drain, and let tasks come in meanwhile."""
        if not self.dead:
            with scene.stage() as stage:
                return self._measure(stage)
        with scene.stage() as stage, stage.held_snapshot():
            for statement in _MAKE_DEAD:
                stage.watch.run(statement.replace("{n}", str(self.dead)))
            return self._measure(stage)

    def _measure(self, stage: Stage) -> dict[str, float]:
        with ExitStack() as stack:
            arrivals = stack.enter_context(_arrivals(stage))
            stage.ask("submit-bulk", "--tasks", str(self.backlog))
            stage.settle_down()
            (worker,) = start(stage, stack, "--starts-from", str(_FIRST_LATE))
            self._wait(worker, lambda: worker.progress.count > 0)
            begun_before_end = self._let_come_in(worker, arrivals)
            came = arrivals.came
            self._wait(worker, lambda: len(worker.progress.starts) >= len(came))
            starts = worker.progress.starts
        late = {n: 1000 * (starts[n] - at) for n, at in came.items()}
        return self._figures({n: late[n] for n in begun_before_end})

    def _let_come_in(self, worker: WorkerProcess, arrivals: _Arrivals) -> list[int]:
        """Rounds of all kinds while the drain is under way; the n of those that came."""
        came: list[int] = []
        for number in range(_ROUNDS):
            if worker.progress.count >= self.backlog:
                break
            came += arrivals.one_of_each(number)
        if not came:
            raise PeerFailed("the drain was over before a task could come in late")
        return came

    def _figures(self, late: dict[int, float]) -> dict[str, float]:
        values = list(late.values())
        slowest = {
            f"{self.key}-{kind}-max": max(ms for n, ms in late.items() if n % 4 == place)
            for place, kind in enumerate(_Arrivals.kinds)
        }
        return {
            f"{self.key}-p50": percentile(values, 50),
            f"{self.key}-max": max(values),
            **slowest,
        }

    def _wait(self, worker: WorkerProcess, reached: Callable[[], bool]) -> None:
        deadline = Deadline(_PATIENCE_SECONDS, "not all late tasks were begun")
        while not reached():
            deadline.check()
            worker.check()
            time.sleep(0.005)


class _Arrivals:
    """Lets tasks come in; `came` says when, by n. The kind is the n's remainder by four."""

    kinds = ("commit", "run-at", "priority", "retry")

    def __init__(
        self, plain: Connection, slow: Connection, client: Client, finished: list[UUID]
    ) -> None:
        self._plain = plain
        self._slow = slow
        self._client = client
        self._finished = finished
        self.came: dict[int, float] = {}

    def one_of_each(self, number: int) -> list[int]:
        """One task of each kind, a little apart; the first one's transaction stays open long."""
        numbers = [_FIRST_LATE + 4 * number + place for place in range(4)]
        self._slow.execute("BEGIN")
        self._slow.execute(_INSERT, (numbers[0], 100, 90))
        opened = time.monotonic()
        self._come(numbers[1], lambda: self._plain.execute(_INSERT, (numbers[1], 100, 90)))
        self._come(numbers[2], lambda: self._plain.execute(_INSERT, (numbers[2], 10, 0)))
        self._come(numbers[3], lambda: self._client.retry(self._finished[number]))
        time.sleep(max(0.0, opened + _OPEN_SECONDS - time.monotonic()))
        self._come(numbers[0], lambda: self._slow.execute("COMMIT"))
        return numbers

    def _come(self, n: int, commit: Callable[[], object]) -> None:
        time.sleep(_EACH_SECONDS / 4)
        self.came[n] = time.monotonic()
        commit()


@contextmanager
def _arrivals(stage: Stage) -> Iterator[_Arrivals]:
    database = Database(stage.server.dsn("admin", stage.watch.database))
    with (
        stage.server.session(stage.watch.database) as plain,
        stage.server.session(stage.watch.database) as slow,
        Client(database) as client,
    ):
        finished = [_finished_task(plain, _FIRST_LATE + 4 * n + 3) for n in range(_ROUNDS)]
        yield _Arrivals(plain, slow, client, finished)


def _finished_task(connection: Connection, n: int) -> UUID:
    row = connection.execute(_INSERT_FINISHED, (n,)).fetchone()
    assert row is not None
    found: UUID = row[0]
    return found
