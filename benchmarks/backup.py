"""Measures what a proved backup costs beside the best hand-tuned pg_dump and pg_restore.

python -m benchmarks.backup                    5 million tasks, some 5 GB: hours
python -m benchmarks.backup --quick            a short look
python -m benchmarks.backup --only hash --rows 10000000
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agentpg import load_settings
from agentpg.db import Database, Statements, connect, environment_of
from agentpg.desk.backup.making.compressing import choose_compression, compression_option
from agentpg.desk.backup.programs import Programs, find_programs
from agentpg.desk.backup.proof.contents import list_tables
from agentpg.desk.backup.proof.reading import read_contents
from benchmarks.figures import Ratio, ratio
from benchmarks.retention import Site, drained, submit, wait

_HASHED = """
CREATE TABLE hashed AS
SELECT gen_random_uuid() AS id, 'Agent' || mod(n, 10) AS agent_name, 'completed' AS status,
       now() - n * interval '1 s' AS created_at, n AS number,
       jsonb_build_object('n', n, 'text', repeat('x', 64)) AS payload
FROM generate_series(1, %s) AS n
"""
_FILL = """
WITH made AS (
    INSERT INTO agentic_ai.tasks
        (agent_name, task_type, status, created_at, finished_at, attempt, payload, result)
    SELECT 'Old', 'work', 'completed', ended, ended, 1,
           jsonb_build_object('n', n, 'text', t), jsonb_build_object('answer', reverse(t))
    FROM (
        SELECT n, now() - interval '40 days' + n * interval '1 ms' AS ended,
               (SELECT string_agg(md5((n * 7 + k)::text), ' ') FROM generate_series(1, 6) AS k) AS t
        FROM generate_series(1, %s) AS n
    ) AS o
    RETURNING *
), tried AS (
    INSERT INTO agentic_ai.agent_executions
        (task_id, attempt, agent_name, task_type, execution_start, execution_end, outcome)
    SELECT id, 1, agent_name, task_type, created_at, finished_at, 'completed' FROM made
)
INSERT INTO agentic_ai.llm_requests
    (task_id, attempt, agent_name, status, started_at, ended_at, input_tokens, output_tokens)
SELECT id, 1, agent_name, 'ok', created_at, finished_at, 100, 20 FROM made
"""
_FORGET = """
WITH gone AS (
    DELETE FROM agentic_ai.tasks WHERE agent_name = 'Bench' RETURNING id
)
DELETE FROM agentic_ai.agent_executions WHERE task_id IN (SELECT id FROM gone)
"""
_READING = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity WHERE application_name = 'pg_dump' AND query LIKE 'COPY %'
)
"""
_BATCH = 100_000


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds, bytes made, and the most memory that a process of it had."""

    seconds: float
    size_bytes: int = 0
    memory_bytes: int = 0


class Bench:
    """A filled installation, the programs that fit it, and a place for what is made."""

    def __init__(self, site: Site, home: Path) -> None:
        self.site = site
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        settings = load_settings()
        with connect(site.database) as connection:
            major = connection.info.server_version // 10000
        self.programs: Programs = find_programs(settings.pg_bin, major)
        self.compression = choose_compression("", self.programs)

    def fill(self, tasks: int) -> None:
        """Tasks with their executions and calls, in parts; not where they are there already."""
        there = self.site.run("SELECT count(*) FROM agentic_ai.tasks WHERE agent_name = 'Old'")
        if there == tasks:
            return
        self.site.clear()
        for start in range(0, tasks, _BATCH):
            self.site.run(_FILL, min(_BATCH, tasks - start))
        self.site.settle_down()

    def dump_by_hand(self) -> Run:
        """The best pg_dump, two connections, to files that lie on the disk."""
        target = self._home / "by-hand"
        shutil.rmtree(target, ignore_errors=True)
        run = self._run(
            [str(self.programs.tool("pg_dump")), "-Fd", "-j2", f"--file={target}",
             compression_option(self.compression, self.programs)],
            environment_of(self.site.database.dsn),
        )  # fmt: skip
        return Run(run.seconds, _size(target), run.memory_bytes)

    def dump_by_us(self) -> Run:
        """`agentpg backup create`, with its manifest; the backup before it is removed."""
        shutil.rmtree(self._home / "repository", ignore_errors=True)
        run = self._agentpg("backup", "create", "--jobs", "2", "--compression", self.compression)
        return Run(run.seconds, _size(self._home / "repository"), run.memory_bytes)

    def restore_by_hand(self) -> Run:
        """pg_restore with two connections into a new database, and ANALYZE."""
        postgres = Database(self.site.superuser_dsn("postgres"))
        with connect(postgres) as connection:
            connection.execute("DROP DATABASE IF EXISTS by_hand WITH (FORCE)")
            connection.execute("CREATE DATABASE by_hand")
        dsn = self.site.superuser_dsn("by_hand")
        run = self._run(
            [str(self.programs.tool("pg_restore")), "-j2", "--dbname=by_hand",
             str(self._home / "by-hand")],
            environment_of(dsn),
        )  # fmt: skip
        begun = time.monotonic()
        with connect(Database(dsn)) as connection:
            connection.execute("ANALYZE")
        return Run(run.seconds + time.monotonic() - begun)

    def restore_by_us(self, *, verify: bool) -> Run:
        """`agentpg backup restore` into a new database."""
        with connect(Database(self.site.superuser_dsn("postgres"))) as connection:
            connection.execute("DROP DATABASE IF EXISTS by_us WITH (FORCE)")
        options = ["--jobs", "2", "--into", "by_us", "--unfinished", "keep", "--yes"]
        options += [] if verify else ["--no-verify"]
        return self._agentpg("backup", "restore", *options)

    @contextlib.contextmanager
    def again_and_again(self, dump: Callable[[], Run]) -> Iterator[None]:
        """Dumps one after the other, from the first row that one reads; the last is broken off."""
        over = threading.Event()

        def repeat() -> None:
            while not over.is_set():
                try:
                    dump()
                except RuntimeError:
                    if not over.is_set():
                        raise

        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            wait(lambda: bool(self.site.run(_READING)))
            yield
        finally:
            over.set()
            if self._process is not None:
                self._process.terminate()
            thread.join()

    def _agentpg(self, *command: str) -> Run:
        settings = {
            **os.environ,
            "AGENTPG_DSN": self.site.superuser_dsn("agentic_ai"),
            "AGENTPG_BACKUP_REPOSITORY": str(self._home / "repository"),
            "AGENTPG_HOME": str(self._home / "home"),
        }
        return self._run([sys.executable, "-m", "agentpg", *command], settings)

    def _run(self, command: Sequence[str], environment: dict[str, str]) -> Run:
        """Run a program to its end, and what it has written to the disk's."""
        log = self._home / "log"
        begun = time.monotonic()
        with log.open("wb") as said:
            # A session of its own, as both have where they are run for themselves: systems
            # share the processors out by sessions.
            process = subprocess.Popen(
                command, env=environment, stdout=said, stderr=said, start_new_session=True
            )
            self._process = process
            _, status, usage = os.wait4(process.pid, 0)
            self._process = None
        os.sync()
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{command[0]} failed: {log.read_text(errors='replace')[-2000:]}")
        return Run(seconds, memory_bytes=usage.ru_maxrss * 1024)


def pairs_of(
    ours: Callable[[], Run], theirs: Callable[[], Run], pairs: int, say: Callable[[str], None]
) -> tuple[list[Run], list[Run]]:
    """Runs in turns; who begins changes from pair to pair."""
    our_runs: list[Run] = []
    their_runs: list[Run] = []
    for pair in range(pairs):
        both = [(ours, our_runs), (theirs, their_runs)]
        for run, runs in both if pair % 2 else reversed(both):
            runs.append(run())
        say(
            f"pair {pair + 1}: {our_runs[-1].seconds:,.2f} s, by hand {their_runs[-1].seconds:,.2f}"
        )
    return our_runs, their_runs


def hash_speed(
    site: Site, rows: int, pairs: int, say: Callable[[str], None]
) -> tuple[Ratio, Ratio]:
    """The speed of counting and hashing against `count(t::text)`: by the clock, by processor."""
    site.run("DROP TABLE IF EXISTS hashed")
    site.run(_HASHED, rows)
    site.settle_down()
    database = Database(site.superuser_dsn("agentic_ai"), "agentic_ai")
    clock: list[tuple[float, float]] = []
    processor: list[tuple[float, float]] = []
    with connect(database) as connection:
        sql = Statements("manifest", "agentic_ai")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute(sql["pin"], {"workers": "0"})
        tables = [t for t in list_tables(connection, sql, "agentic_ai") if ".hashed" in t.name]
        pid = connection.info.backend_pid
        runs: list[Callable[[], object]] = [
            lambda: read_contents([connection], sql, tables),
            lambda: connection.execute(
                f"SELECT count(t::text) FROM {tables[0].name} AS t".encode()
            ).fetchone(),
        ]
        for pair in range(pairs):
            measured = {}
            for number in (0, 1) if pair % 2 else (1, 0):
                begun, used = time.monotonic(), _processor_seconds(pid)
                runs[number]()
                measured[number] = time.monotonic() - begun, _processor_seconds(pid) - used
            clock.append((measured[0][0], measured[1][0]))
            processor.append((measured[0][1], measured[1][1]))
            say(f"pair {pair + 1}: {clock[-1][0]:,.2f} s, count(t::text) {clock[-1][1]:,.2f} s")
    site.run("DROP TABLE hashed")
    by_clock, by_processor = (
        ratio([ours for ours, _ in both], [theirs for _, theirs in both], "less")
        for both in (clock, processor)
    )
    return by_clock, by_processor


def engine_beside(bench: Bench, tasks: int, pairs: int, say: Callable[[str], None]) -> Ratio:
    """The engine's rate beside our dumps against its rate beside pg_dump alone.

    The tables stay filled, so that a dump has more to read than a drain takes.
    """
    ours: list[float] = []
    theirs: list[float] = []
    for pair in range(pairs):
        both = [(bench.dump_by_us, ours), (bench.dump_by_hand, theirs)]
        for dump, rates in both if pair % 2 else reversed(both):
            submit(bench.site, tasks)
            bench.site.settle_down()
            rates.append(drained(bench.site, tasks, bench.again_and_again(dump)))
            bench.site.run(_FORGET)
        say(f"pair {pair + 1}: {ours[-1]:,.0f} tasks/s, beside pg_dump {theirs[-1]:,.0f}")
    return ratio(ours, theirs, "more")


def _processor_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Do what the options say."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a short look")
    parser.add_argument("--tasks", type=int, help="tasks in the database (5,000,000)")
    parser.add_argument("--rows", type=int, help="rows to hash (10,000,000)")
    parser.add_argument("--drain", type=int, help="tasks of a drain (200,000)")
    parser.add_argument("--pairs", type=int, help="pairs of each (7)")
    parser.add_argument("--only", nargs="+", choices=("hash", "dump", "restore", "engine"))
    parser.add_argument("--home", type=Path, help="keep the filled server there, or use it again")
    said = parser.parse_args()
    home = said.home or Path(tempfile.mkdtemp(prefix="agentpg-bench-"))
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    try:
        site = Site(home / "server")
        try:
            _measure(site, home, said)
        finally:
            site.close()
    finally:
        if said.home is None:
            shutil.rmtree(home, ignore_errors=True)
    return 0


def _measure(site: Site, home: Path, said: argparse.Namespace) -> None:
    progress = Console(stderr=True, highlight=False)
    pairs = said.pairs or (3 if said.quick else 7)
    chosen = said.only or ("hash", "dump", "restore", "engine")
    table = Table("what", "figure", "to reach")
    if "hash" in chosen:
        rows = said.rows or (200_000 if said.quick else 10_000_000)
        by_clock, by_processor = hash_speed(site, rows, pairs, progress.print)
        table.add_row(f"speed of hash to count(t::text), {rows:,} rows", _said(by_clock), "0.90")
        table.add_row("the same by processor time", _said(by_processor), "0.90")
    bench = Bench(site, home)
    if {"dump", "restore", "engine"} & set(chosen):
        bench.fill(said.tasks or (50_000 if said.quick else 5_000_000))
    if {"dump", "restore"} & set(chosen):
        _measure_dump(bench, pairs, table, progress)
    if "restore" in chosen:
        _measure_restore(bench, pairs, table, progress)
    if "engine" in chosen:
        drain = said.drain or (20_000 if said.quick else 200_000)
        kept = engine_beside(bench, drain, pairs, progress.print)
        table.add_row("engine's rate beside our dump to pg_dump's", _said(kept), "0.95")
    Console(highlight=False).print(table)


def _measure_dump(bench: Bench, pairs: int, table: Table, progress: Console) -> None:
    ours, theirs = pairs_of(bench.dump_by_us, bench.dump_by_hand, pairs, progress.print)
    table.add_row("database", f"{bench.site.size_bytes() / 1e9:,.2f} GB", "")
    table.add_row(
        f"dump's time to pg_dump -Fd -j2, {bench.compression}", _times(ours, theirs), "1.15"
    )
    sizes = ours[-1].size_bytes, theirs[-1].size_bytes
    table.add_row("its size", f"{sizes[0] / sizes[1]:.4f} ({sizes[0] - sizes[1]:+,} bytes)", "1.0")
    most = max(run.memory_bytes for run in ours)
    table.add_row("most memory of a process of ours", f"{most / 1e6:,.0f} MB", "200")


def _measure_restore(bench: Bench, pairs: int, table: Table, progress: Console) -> None:
    for verify in (False, True):
        ours, theirs = pairs_of(
            lambda verify=verify: bench.restore_by_us(verify=verify),  # type: ignore[misc]
            bench.restore_by_hand,
            pairs,
            progress.print,
        )
        what = ", compared exactly" if verify else ""
        limit = "" if verify else "1.1"
        table.add_row(f"restore's time to pg_restore -j2{what}", _times(ours, theirs), limit)


def _times(ours: Sequence[Run], theirs: Sequence[Run]) -> str:
    return _said(ratio([run.seconds for run in ours], [run.seconds for run in theirs], "more"))


def _said(found: Ratio) -> str:
    return f"{found.median:.3f} ({found.low:.3f} to {found.high:.3f})"


if __name__ == "__main__":
    sys.exit(main())
