"""Measures the doctor: its time, memory and locks, and what it says of a healthy busy server.

python -m benchmarks.doctor                  1,000 tables with 5 million rows, twelve runs
python -m benchmarks.doctor --rows 50000000  ten times as many rows
python -m benchmarks.doctor --quick          50 tables with 100,000 rows, three runs
python -m benchmarks.doctor --busy 10min     then that long under load; nothing may be critical
python -m benchmarks.doctor --only busy --busy 60min   that alone
python -m benchmarks.doctor --only preload --pairs 7   what pg_stat_statements costs the engine

The locks are proved, not watched: meanwhile another session holds every table of the database in
EXCLUSIVE mode, which nothing gets past but ACCESS SHARE. They are watched as well, for the tables
of agentpg and the catalogue. Each run is a process `agentpg doctor --json` of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from agentpg.db import Database, connect
from agentpg.quantities import parse_duration
from benchmarks.busy import busy
from benchmarks.figures import spread
from benchmarks.preload import preloaded_share
from benchmarks.processes import process_cpu_seconds
from benchmarks.retention import Site, wait

_LIMIT_SECONDS, _LIMIT_BYTES = 10.0, 200 * 1024**2
_LIMIT_SCRAPE_SECONDS, _LIMIT_SCRAPE_SHARE = 0.1, 0.01

# Prometheus scrapes every 15 seconds; oftener here, so that it is measured in a minute.
_SCRAPES, _SCRAPE_EVERY_SECONDS = 12, 5

# Of one drain with statements counted or not.
_TASKS = 100_000

# Between two runs under load.
_BETWEEN_SECONDS = 5

_TABLES_IN_ONE = 50

# As applications have them: a key, a reference with an index, a time, a text.
_TABLE = """
CREATE TABLE filled.t{n} (id bigint PRIMARY KEY, other bigint, at timestamptz, text text);
INSERT INTO filled.t{n}
SELECT i, i % 997, now() - i * interval '1 s', md5(i::text) FROM generate_series(1, {rows}) AS i;
CREATE INDEX ON filled.t{n} (other);
"""

# To plan a statement takes the locks that it would take; the doctor plans our own.
_LOCKS = """
SELECT DISTINCT l.mode, c.oid::regclass::text
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) JOIN pg_class AS c ON c.oid = l.relation
WHERE a.application_name LIKE 'agentpg%%' AND l.mode <> 'AccessShareLock'
  AND NOT (c.relnamespace = 'agentic_ai'::regnamespace
           AND l.mode IN ('RowShareLock', 'RowExclusiveLock'))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the doctor."""

    seconds: float
    peak_bytes: int
    document: dict[str, Any]

    def levels(self) -> Counter[str]:
        """How many findings of each level."""
        return Counter(self.document["levels"])

    def codes(self, level: str) -> list[str]:
        """The codes of the findings of a level."""
        rooms = self.document["rooms"].values()
        return [one["code"] for room in rooms for one in room if one["level"] == level]


@dataclass(slots=True)
class Watched:
    """Locks that were seen, stronger than ACCESS SHARE, and how often was looked."""

    looks: int = 0
    locks: set[tuple[str, str]] = field(default_factory=set)


def main() -> int:
    """Measure, and print what came out; 0 where all is within its limits."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.doctor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=("rest", "busy", "preload"))
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--busy", type=parse_duration, metavar="TIME")
    parser.add_argument("--quick", action="store_true")
    said = parser.parse_args()
    if said.quick:
        said.tables, said.rows, said.runs, said.pairs = 50, 100_000, 3, 3
    if said.only == "busy" and said.busy is None:
        parser.error("--only busy wants --busy TIME")
    home = Path(tempfile.mkdtemp(prefix="agentpg-doctor-"))
    home.chmod(0o711)
    try:
        results = [*(_preloaded if said.only == "preload" else _looked)(home, said)]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    _show(results)
    return 0 if all(result.is_kept for result in results) else 1


@dataclass(frozen=True, slots=True)
class Result:
    """One figure, its limit, and whether it is kept."""

    what: str
    figure: str
    limit: str
    is_kept: bool


def _looked(home: Path, said: argparse.Namespace) -> Iterator[Result]:
    """A server with tables and backups, and what the doctor says of it."""
    site = Site(home / "home", shared_preload_libraries="pg_stat_statements")
    try:
        _back_up(site, home)
        _fill(site, said.tables, said.rows)
        if said.only != "busy":
            yield from _at_rest(site, home, said.runs)
            yield from _scraped(site, home)
        if said.busy is not None and said.only != "rest":
            yield from _under_load(site, home, said.busy.total_seconds())
    finally:
        site.close()


def _preloaded(home: Path, said: argparse.Namespace) -> Iterator[Result]:
    """The engine's rate with statements counted against its rate without."""
    kept = preloaded_share(home, _TASKS // 10 if said.quick else _TASKS, said.pairs)
    yield Result(
        f"the engine's rate with pg_stat_statements, of that without, {kept.pairs} pairs",
        f"{kept.median:.3f} ({kept.low:.3f} to {kept.high:.3f}, {kept.coverage:.0%} sure)",
        "", is_kept=True,
    )  # fmt: skip


def _fill(site: Site, tables: int, rows: int) -> None:
    site.run("CREATE EXTENSION pg_stat_statements")
    site.run("CREATE SCHEMA filled")
    each = rows // tables
    for first in range(0, tables, _TABLES_IN_ONE):
        numbers = range(first, min(first + _TABLES_IN_ONE, tables))
        site.run("".join(_TABLE.format(n=n, rows=each) for n in numbers))
    site.settle_down()


def _back_up(site: Site, home: Path) -> None:
    """A server without a backup that is proved is not healthy."""
    for verb in ("create", "drill"):
        _agentpg(site, home, "backup", verb)


def _environment(site: Site, home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "AGENTPG_DSN": site.superuser_dsn("agentic_ai"),
        "AGENTPG_HOME": str(home / "home"),
        "AGENTPG_BACKUP_REPOSITORY": str(home / "backups"),
    }


def _agentpg(site: Site, home: Path, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "agentpg", *words],
        env=_environment(site, home),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _doctor(site: Site, home: Path) -> Run:
    """One run, as a process: the time by the clock, and the most memory that it had."""
    with tempfile.TemporaryFile() as out:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "agentpg", "doctor", "--json"],
            env=_environment(site, home),
            stdout=out,
        )
        _, _, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = 0
        out.seek(0)
        return Run(seconds, usage.ru_maxrss * 1024, json.load(out))


def _at_rest(site: Site, home: Path, runs: int) -> Iterator[Result]:
    watched = Watched()
    with _locked(site), _watching(site, watched):
        made = [_doctor(site, home) for _ in range(runs)]
    seconds = spread([run.seconds for run in made])
    peak = max(run.peak_bytes for run in made)
    yield Result(
        "doctor, slowest",
        f"{max(run.seconds for run in made):.2f} s (median {seconds.median:.2f})",
        f"{_LIMIT_SECONDS:g} s",
        max(run.seconds for run in made) < _LIMIT_SECONDS,
    )
    yield Result(
        "doctor, most memory", f"{peak / 2**20:.0f} MB", f"{_LIMIT_BYTES / 2**20:.0f} MB",
        peak < _LIMIT_BYTES,
    )  # fmt: skip
    seen = ", ".join(sorted(f"{mode} on {what}" for mode, what in watched.locks)) or "none"
    yield Result(
        f"locks above ACCESS SHARE, of {watched.looks} looks", seen, "none", not watched.locks
    )
    unknown = sorted({code for run in made for code in run.codes("unknown")})
    yield Result("what it could not look at", ", ".join(unknown) or "nothing", "", True)


@contextlib.contextmanager
def _locked(site: Site) -> Iterator[None]:
    """Hold all tables of the application in the strongest mode that lets ACCESS SHARE pass."""
    database = Database(site.superuser_dsn("agentic_ai"))
    with connect(database, "the benchmark", autocommit=False) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'filled'")
        names = ", ".join(f"filled.{name}" for (name,) in found.fetchall())
        connection.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE".encode())
        yield


@contextlib.contextmanager
def _watching(site: Site, watched: Watched) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        with connect(Database(site.superuser_dsn("agentic_ai")), "the watch") as connection:
            while not over.wait(0.002):
                watched.locks |= set(connection.execute(_LOCKS.encode()).fetchall())
                watched.looks += 1

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _serving(site: Site, home: Path) -> Iterator[tuple[str, int]]:
    """`agentpg monitor metrics` on a port: its address, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "agentpg", "monitor", "metrics", "--listen", str(port)],
        env=_environment(site, home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/metrics", process.pid
    finally:
        process.terminate()
        process.wait()


def _scraped(site: Site, home: Path) -> Iterator[Result]:
    """Scrapes as Prometheus does them, and what the process and its sessions take for that."""
    with _serving(site, home) as (url, pid):
        wait(lambda: _answers(url))
        begun, before = time.monotonic(), _cost(site, pid)
        times = []
        for number in range(_SCRAPES):
            time.sleep(max(begun + number * _SCRAPE_EVERY_SECONDS - time.monotonic(), 0))
            times.append(_scrape(url))
        time.sleep(max(begun + _SCRAPES * _SCRAPE_EVERY_SECONDS - time.monotonic(), 0))
        share = (_cost(site, pid) - before) / (time.monotonic() - begun)
    yield Result(
        f"scrape, slowest of {len(times)}",
        f"{max(times) * 1000:.0f} ms (median {spread(times).median * 1000:.0f})",
        f"{_LIMIT_SCRAPE_SECONDS * 1000:.0f} ms",
        max(times) < _LIMIT_SCRAPE_SECONDS,
    )
    yield Result(
        f"of one core, scraped every {_SCRAPE_EVERY_SECONDS} s",
        f"{share:.2%}", f"{_LIMIT_SCRAPE_SHARE:.0%}", share < _LIMIT_SCRAPE_SHARE,
    )  # fmt: skip


def _scrape(url: str) -> float:
    begun = time.monotonic()
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
        answer.read()
    return time.monotonic() - begun


def _answers(url: str) -> bool:
    try:
        _scrape(url)
    except OSError:
        return False
    return True


def _cost(site: Site, pid: int) -> float:
    """Processor time so far of the process that serves, and of the sessions that it has."""
    sessions = site.run(
        "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity"
        " WHERE application_name LIKE 'agentpg monitor%'"
    )
    pids = [pid, *map(int, str(sessions or "").split())]
    return sum(process_cpu_seconds(one) for one in pids)


def _under_load(site: Site, home: Path, seconds: float) -> Iterator[Result]:
    """The doctor again and again while tasks come and are run, and the tables are written."""
    found: Counter[str] = Counter()
    runs = 0
    with busy(site):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            found.update(_doctor(site, home).codes("critical"))
            runs += 1
            time.sleep(_BETWEEN_SECONDS)
    done = site.run(
        "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relid = 'agentic_ai.tasks'::regclass"
    )
    said = ", ".join(f"{code} {times} times" for code, times in found.items()) or "none"
    yield Result(
        f"critical, of {runs} runs in {seconds:.0f} s under load ({done} tasks)",
        said, "none", not found,
    )  # fmt: skip


def _show(results: list[Result]) -> None:
    table = Table("What", "Figure", "Limit", "")
    for result in results:
        table.add_row(result.what, result.figure, result.limit, "" if result.is_kept else "MISSED")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
