"""Measures the removal of old history: its rate, what it takes from the engine, and the sizes.

python -m benchmarks.retention            200,000 old tasks, seven pairs, ten rounds
python -m benchmarks.retention --quick    a tenth of it, three pairs, three rounds
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agentpg import App, Client, NewTask, Run, load_settings
from agentpg.db import Database, connect
from agentpg.desk.removal import RemovalOptions, Removed, remove_history
from agentpg.desk.retention import TABLES, Policy
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from benchmarks.figures import Ratio, ratio, spread
from benchmarks.server import options

app = App()

_POLICY = Policy(completed=timedelta(days=30))
_PATIENCE_SECONDS = 600.0
_SUBMIT = 5_000

_OLD = """
WITH made AS (
    INSERT INTO agentic_ai.tasks
        (agent_name, task_type, status, created_at, finished_at, attempt, payload, result)
    SELECT 'Old', 'work', 'completed', ended, ended, 1,
           jsonb_build_object('n', n, 'text', repeat('x', 64)), to_jsonb(n)
    FROM (SELECT n, now() - interval '40 days' + n * interval '1 ms' AS ended
          FROM generate_series(1, %s) AS n) AS o
    RETURNING *
), tried AS (
    INSERT INTO agentic_ai.agent_executions
        (task_id, attempt, agent_name, task_type, execution_start, execution_end, outcome)
    SELECT id, 1, agent_name, task_type, created_at, finished_at, 'completed' FROM made
)
INSERT INTO agentic_ai.llm_requests
    (task_id, attempt, agent_name, status, started_at, ended_at, input_tokens, output_tokens)
SELECT id, 1, agent_name, 'ok', created_at, finished_at, 100, 20
FROM made WHERE (payload ->> 'n')::int %% 4 = 0
"""


@app.task("Bench", "nothing")
async def nothing(run: Run, n: int) -> None:
    """No work at all: what is measured is the engine."""


class Site:
    """One installation on a server of its own, with these settings besides."""

    def __init__(self, home: Path, **settings: str) -> None:
        self._server = EmbeddedServer(
            home, load_settings().pg_bin, options={**options(), **settings}
        )
        self._server.start()
        self.database = Database(self._server.dsn(), "agentic_ai")
        self._superuser = Database(self.superuser_dsn("agentic_ai"))
        migrate(self.database)

    def superuser_dsn(self, database: str) -> str:
        """A database of this server as the role postgres."""
        return self._server.dsn("postgres", database)

    def run(self, statement: str, *values: object) -> object:
        """Execute a statement; the first value it gives, if any."""
        with connect(self._superuser) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def clear(self) -> None:
        """Begin with empty tables."""
        self.run("TRUNCATE agentic_ai.tasks, agentic_ai.agent_executions,"
                 " agentic_ai.llm_requests, agentic_ai.workers")  # fmt: skip

    def settle_down(self) -> None:
        """Nothing that came before is to be paid now."""
        self.run("VACUUM ANALYZE")
        self.run("CHECKPOINT")

    def unfinished(self) -> bool:
        """Whether there is work left."""
        found = self.run(
            "SELECT EXISTS (SELECT FROM agentic_ai.tasks WHERE status IN ('pending', 'running'))"
        )
        return bool(found)

    def size_bytes(self) -> int:
        """The tables of history with their indexes."""
        sizes = (self.run(f"SELECT pg_total_relation_size('agentic_ai.{t}')") for t in TABLES)
        return sum(int(str(size)) for size in sizes)

    @contextlib.contextmanager
    def worker(self) -> Iterator[None]:
        """A worker process."""
        process = subprocess.Popen(
            [sys.executable, "-m", "agentpg", "worker", "--app", "benchmarks.retention:app",
             "--concurrency", "500"],
            env={**os.environ, "AGENTPG_DSN": self.database.dsn, "AGENTPG_LOG_LEVEL": "warning"},
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait()

    def close(self) -> None:
        """Stop the server."""
        self._server.stop("fast")


def idle_rate(site: Site, tasks: int, archive: Path | None) -> tuple[float, Removed]:
    """Old tasks removed in a second, the cleaning at the end included."""
    site.run(_OLD, tasks)
    site.settle_down()
    begun = time.monotonic()
    removed = remove_history(site.database, RemovalOptions(policy=_POLICY, archive=archive))
    return removed.tasks / (time.monotonic() - begun), removed


def drain_rate(site: Site, tasks: int, *, removing: bool) -> tuple[float, int]:
    """Tasks that a worker runs in a second, and old ones removed meanwhile."""
    site.clear()
    site.run(_OLD, tasks)
    submit(site, tasks)
    site.settle_down()
    removed: list[int] = []
    beside = _removal(site, removed) if removing else contextlib.nullcontext()
    return drained(site, tasks, beside), sum(removed)


def submit(site: Site, tasks: int) -> None:
    """Tasks without work, for a drain."""
    with Client(site.database) as client:
        for start in range(0, tasks, _SUBMIT):
            client.submit_many(
                [
                    NewTask(agent_name="Bench", task_type="nothing", payload={"n": n})
                    for n in range(start, min(start + _SUBMIT, tasks))
                ]
            )


def drained(site: Site, tasks: int, beside: contextlib.AbstractContextManager[None]) -> float:
    """Tasks that a worker runs in a second, of those that were submitted, beside other work."""
    with site.worker():
        wait(lambda: bool(site.run("SELECT count(*) FROM agentic_ai.workers")))
        with beside:
            begun = time.monotonic()
            wait(lambda: not site.unfinished())
            return tasks / (time.monotonic() - begun)


@contextlib.contextmanager
def _removal(site: Site, batches: list[int]) -> Iterator[None]:
    """Remove all the time, and note the sizes of the batches."""
    over = threading.Event()

    def check() -> None:
        if over.is_set():
            raise InterruptedError

    def remove() -> None:
        with contextlib.suppress(InterruptedError):
            while not over.is_set():
                remove_history(
                    site.database,
                    RemovalOptions(policy=_POLICY),
                    check=check,
                    tell=lambda batch: batches.append(batch.tasks),
                )

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def busy_share(
    site: Site, tasks: int, pairs: int, say: Callable[[str], None]
) -> tuple[Ratio, float]:
    """The engine's rate with a removal against without, and old tasks removed in a second."""
    with_it: list[float] = []
    without: list[float] = []
    removed: list[float] = []
    for pair in range(pairs):
        for removing in (True, False) if pair % 2 else (False, True):
            rate, gone = drain_rate(site, tasks, removing=removing)
            (with_it if removing else without).append(rate)
            if removing:
                removed.append(gone * rate / tasks)
        say(f"pair {pair + 1}: {without[-1]:,.0f}/s alone, {with_it[-1]:,.0f}/s beside a removal")
    return ratio(with_it, without, "more"), spread(removed).median


def round_sizes(site: Site, tasks: int, rounds: int) -> list[tuple[int, int]]:
    """The tables' sizes after each fill and after each removal."""
    site.clear()
    sizes = []
    for _ in range(rounds):
        site.run(_OLD, tasks)
        filled = site.size_bytes()
        remove_history(site.database, RemovalOptions(policy=_POLICY))
        sizes.append((filled, site.size_bytes()))
    return sizes


def wait(condition: Callable[[], bool]) -> None:
    """Wait until it holds. Raises TimeoutError."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the engine did not come to an end")
        time.sleep(0.01)


def main() -> int:
    """Do what the options say."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retention",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a short look")
    parser.add_argument("--tasks", type=int, help="old tasks, and tasks of a drain (200,000)")
    parser.add_argument("--pairs", type=int, help="drains with and without a removal (7)")
    said = parser.parse_args()
    tasks = said.tasks or (20_000 if said.quick else 200_000)
    pairs = said.pairs or (3 if said.quick else 7)
    home = Path(tempfile.mkdtemp(prefix="agentpg-bench-"))
    try:
        site = Site(home)
        try:
            _measure(site, home, tasks, pairs, 3 if said.quick else 10)
        finally:
            site.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


def _measure(site: Site, home: Path, tasks: int, pairs: int, rounds: int) -> None:
    progress = Console(stderr=True, highlight=False)
    table = Table("what", "figure", "to reach")
    for name, folder in (("idle", None), ("idle, archived", home / "archive")):
        rate, removed = idle_rate(site, tasks, folder)
        progress.print(f"{name}: {rate:,.0f} tasks/s, {removed.batches} batches")
        table.add_row(f"removal, {name}", f"{rate:,.0f} tasks/s", "" if folder else "20,000")
    kept, removed_rate = busy_share(site, tasks, pairs, progress.print)
    table.add_row(
        "engine's rate beside a removal",
        f"{kept.median:.3f} ({kept.low:.3f} to {kept.high:.3f})",
        "0.95",
    )
    table.add_row("removal beside a busy engine", f"{removed_rate:,.0f} tasks/s", "")
    for number, (filled, emptied) in enumerate(round_sizes(site, tasks, rounds), 1):
        figure = f"{filled / 1e6:,.1f} MB, then {emptied / 1e6:,.1f} MB"
        table.add_row(f"round {number}: filled, removed", figure, "no growth")
    Console(highlight=False).print(table)


if __name__ == "__main__":
    sys.exit(main())
