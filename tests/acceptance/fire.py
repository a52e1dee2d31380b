"""Work under fire: workers are killed, the server is restarted, and nothing is lost.

    python -m tests.acceptance.fire --tasks 10000

Two worker processes run naps of 50 ms at concurrency 50 under a lease of 3 s. Every two
seconds one of them, picked at random, is killed by SIGKILL and replaced. The server is
restarted once in fast and once in immediate mode, after a third and after two thirds of
the work.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from agentpg.db import Database, connect
from agentpg.embedded import EmbeddedServer
from agentpg.errors import DatabaseUnavailable
from agentpg.schema import migrate
from agentpg.settings import load_settings
from agentpg.tasks.client import Client
from agentpg.tasks.model import NewTask
from tests.invariants import contradictions
from tests.servers import FAST, PG_BIN, SCHEMA, remove_server
from tests.waiting import eventually

REPOSITORY = Path(__file__).parents[2]

_RESTARTS: tuple[Literal["fast", "immediate"], ...] = ("fast", "immediate")


@dataclass(frozen=True, slots=True)
class Fire:
    """How much work, how many workers, and how heavy the fire; times in seconds.

    One task in `call_every` records a call to a language model. A rescue needs a worker that
    lives longer than the lease: where each is killed sooner, nobody is left to notice.
    """

    tasks: int = 10_000
    nap: float = 0.05
    workers: int = 2
    concurrency: int = 50
    lease: float = 3.0
    kill_every: float = 2.0
    most_kills: int | None = None
    call_every: int = 5
    seed: int = 7
    patience: float = 600.0


@dataclass(frozen=True, slots=True)
class Damage:
    """What came of it."""

    seconds: float
    kills: int
    restarts: int
    tasks_by_status: dict[str, int]
    executions_by_outcome: dict[str, int]
    completed_more_than_once: int
    quarantined: int
    crashes: int
    unclosed_by_dead_workers: int
    llm_calls: int
    llm_calls_lost: int
    contradictions: dict[str, list[object]]


class Squad:
    """Worker processes, of which one after the other is killed and replaced."""

    def __init__(self, fire: Fire, database: Database, log: Path) -> None:
        self._fire = fire
        self._log = log
        self._environment = {
            **os.environ,
            "AGENTPG_DSN": database.dsn,
            "AGENTPG_SCHEMA": database.schema,
            "AGENTPG_LEASE": f"{fire.lease:g}s",
            "AGENTPG_CONCURRENCY": str(fire.concurrency),
            "AGENTPG_SHUTDOWN_GRACE": "5s",
        }
        self.kills = 0
        self._processes = [self._start() for _ in range(fire.workers)]
        self._chance = random.Random(fire.seed)
        self._ending = threading.Event()
        self._killer = threading.Thread(target=self._kill_one_after_another)

    def open_fire(self) -> None:
        """Begin to kill."""
        self._killer.start()

    def cease_fire(self) -> None:
        """Kill no more; the last replacements go on."""
        self._ending.set()
        self._killer.join()

    def stop(self) -> None:
        """Tell all workers to stop, and wait."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(60)

    def kill(self) -> None:
        """End all that is left, whatever state it is in."""
        self._ending.set()
        for process in self._processes:
            process.kill()
            process.wait()

    def _kill_one_after_another(self) -> None:
        while self.kills != self._fire.most_kills:
            if self._ending.wait(self._fire.kill_every):
                return
            place = self._chance.randrange(len(self._processes))
            self._processes[place].kill()
            self._processes[place].wait()
            self._processes[place] = self._start()
            self.kills += 1

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.apps.serve", "tests.apps.napping"],
                cwd=REPOSITORY,
                env=self._environment,
                stdout=log,
                stderr=log,
            )


def run(fire: Fire, folder: Path) -> Damage:
    """Do all of it on a server of its own in `folder`, which is removed at the end."""
    server = EmbeddedServer(folder / "server", PG_BIN, options=FAST)
    with ExitStack() as cleanup:
        cleanup.callback(remove_server, folder / "server")
        server.start()
        database = Database(server.dsn(), SCHEMA)
        migrate(database)
        _submit(fire, database)
        started = time.monotonic()
        squad = Squad(fire, database, folder / "workers.log")
        cleanup.callback(squad.kill)
        _until_at_work(database, fire)
        squad.open_fire()
        for number, mode in enumerate(_RESTARTS, start=1):
            _until_ended(database, fire.tasks * number // 3, fire.patience)
            server.stop(mode)
            server.start()
        _until_ended(database, fire.tasks, fire.patience)
        seconds = time.monotonic() - started
        squad.cease_fire()
        squad.stop()
        return _damage(database, seconds, squad.kills)


def _submit(fire: Fire, database: Database) -> None:
    with _client(database) as client:
        client.submit_many(
            [
                NewTask(
                    agent_name="Napping",
                    task_type="nap",
                    payload={"seconds": fire.nap, "call": number % fire.call_every == 0},
                )
                for number in range(fire.tasks)
            ]
        )


@contextmanager
def _client(database: Database) -> Iterator[Client]:
    with Client(database, settings=load_settings()) as client:
        yield client


def _until_at_work(database: Database, fire: Fire) -> None:
    """Wait until all workers have had tasks, so that the dead have something to lose."""
    asked = "SELECT count(DISTINCT worker) FROM agent_executions"
    eventually(lambda: _ask(database, asked) == [(fire.workers,)])


def _until_ended(database: Database, number: int, patience: float) -> None:
    """Wait until so many tasks have ended; the server may be away meanwhile."""

    def enough() -> bool:
        with suppress(DatabaseUnavailable):
            [[ended]] = _ask(
                database,
                "SELECT count(*) FROM tasks WHERE status IN ('completed', 'failed', 'cancelled')",
            )
            return int(ended) >= number
        return False

    eventually(enough, patience, f"{number} tasks have ended")


def _ask(database: Database, query: str) -> list[tuple[Any, ...]]:
    with connect(database) as connection:
        connection.execute(f"SET search_path = {database.schema}")
        return connection.execute(query.encode()).fetchall()


def _damage(database: Database, seconds: float, kills: int) -> Damage:
    def number(query: str) -> int:
        return int(_ask(database, f"SELECT count(*) FROM {query}")[0][0])

    return Damage(
        seconds=round(seconds, 1),
        kills=kills,
        restarts=len(_RESTARTS),
        tasks_by_status=dict(_ask(database, "SELECT status, count(*) FROM tasks GROUP BY 1")),
        executions_by_outcome=dict(
            _ask(
                database,
                "SELECT coalesce(outcome, 'open'), count(*) FROM agent_executions GROUP BY 1",
            )
        ),
        completed_more_than_once=number(
            "(SELECT FROM agent_executions WHERE outcome = 'completed'"
            " GROUP BY task_id HAVING count(*) <> 1) AS twice"
        ),
        quarantined=number("tasks WHERE status = 'failed'"),
        crashes=number("tasks WHERE crashes > 0"),
        unclosed_by_dead_workers=number(
            "agent_executions e JOIN workers w ON w.id = e.worker"
            " WHERE w.ended_how = 'lost' AND e.outcome IS NULL"
        ),
        llm_calls=number("llm_requests"),
        llm_calls_lost=number("llm_requests WHERE status = 'lost'"),
        contradictions=contradictions(database),
    )


def main() -> None:
    """Run it whole and print what came of it; exit code 1 if anything was lost."""
    standard = Fire()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=standard.tasks)
    parser.add_argument("--workers", type=int, default=standard.workers)
    parser.add_argument("--concurrency", type=int, default=standard.concurrency)
    parser.add_argument("--lease", type=float, default=standard.lease, help="seconds")
    parser.add_argument("--kill-every", type=float, default=standard.kill_every, help="seconds")
    fire = Fire(**vars(parser.parse_args()))
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="agentpg-fire-") as folder:
        Path(folder).chmod(0o755)
        damage = run(fire, Path(folder))
    for name, value in asdict(damage).items():
        sys.stdout.write(f"{name.replace('_', ' '):<26} {value}\n")
    sys.exit(0 if is_whole(damage, fire) else 1)


def is_whole(damage: Damage, fire: Fire) -> bool:
    """Whether every task was completed once, nobody was blamed, and all adds up."""
    return (
        damage.tasks_by_status == {"completed": fire.tasks}
        and damage.executions_by_outcome.get("completed") == fire.tasks
        and not damage.executions_by_outcome.keys() - {"completed", "lost", "released"}
        and not damage.completed_more_than_once
        and not damage.quarantined
        and not damage.crashes
        and not damage.unclosed_by_dead_workers
        and not damage.contradictions
    )


if __name__ == "__main__":
    main()
