"""Counts logins that fail while passwords are rotated, at the highest rate of new connections.

python -m benchmarks.rotation            10 rotations; rates with 1 to 64 programs, 3 s each
python -m benchmarks.rotation --quick    3 rotations, 1 s each

Programs connect by the service, prove their password by SCRAM, ask one thing and leave, again and
again, each in a process of its own. First their number is doubled as long as they connect more
often: that is the rate that the machine sustains. Then, under that, a pair of logins is rotated
again and again. What fails is counted with what the server said.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from agentpg.db import Database, connect
from agentpg.desk.security.rotation.draining import Patience
from agentpg.desk.security.rotation.rotating import Rotator, Wanted
from agentpg.desk.security.rotation.turn import Logins
from agentpg.embedded import EmbeddedServer

_PG_BIN = os.environ.get("AGENTPG_PG_BIN", "")
_GROUP = "benchmark_agent"
_MOST_PROGRAMS = 64
# More programs are no gain where they connect less than this much more often.
_GAIN = 1.05


@dataclass(frozen=True, slots=True)
class Done:
    """What one or several programs did: connections, the longest, and failures by their text."""

    connected: int
    longest: float
    failed: Counter[str]


@dataclass(frozen=True, slots=True)
class Run:
    """What all programs did within some seconds."""

    programs: int
    seconds: float
    done: Done

    @property
    def rate(self) -> float:
        """Connections a second."""
        return self.done.connected / self.seconds


def connect_again_and_again(dsn: str, ending: Event, told: Pipe) -> None:
    """One program."""
    connected, longest, failed = 0, 0.0, Counter[str]()
    while not ending.is_set():
        begun = time.perf_counter()
        try:
            with psycopg.connect(dsn) as connection:
                connection.execute("SELECT 1")
            connected += 1
            longest = max(longest, time.perf_counter() - begun)
        except psycopg.Error as error:
            failed[str(error).strip()] += 1
    told.send(Done(connected, longest, failed))


class Programs:
    """Some programs that run until they are asked what they did."""

    def __init__(self, number: int, dsn: str) -> None:
        self._number = number
        self._ending = multiprocessing.Event()
        self._ends = [multiprocessing.Pipe(duplex=False) for _ in range(number)]
        self._processes = [
            multiprocessing.Process(
                target=connect_again_and_again, args=(dsn, self._ending, told), daemon=True
            )
            for _, told in self._ends
        ]
        for process in self._processes:
            process.start()
        self._begun = time.perf_counter()

    def end(self) -> Run:
        """What all of them did."""
        self._ending.set()
        seconds = time.perf_counter() - self._begun
        each = [heard.recv() for heard, _ in self._ends]
        for process in self._processes:
            process.join()
        failed = sum((one.failed for one in each), Counter[str]())
        connected = sum(one.connected for one in each)
        done = Done(connected, max(one.longest for one in each), failed)
        return Run(self._number, seconds, done)


def highest_rate(dsn: str, seconds: float) -> list[Run]:
    """With ever more programs, until more of them connect no more often; the best is in it."""
    runs: list[Run] = []
    number = 1
    while number <= _MOST_PROGRAMS:
        programs = Programs(number, dsn)
        time.sleep(seconds)
        runs.append(programs.end())
        if len(runs) > 1 and runs[-1].rate < runs[-2].rate * _GAIN:
            break
        number *= 2
    return runs


@contextmanager
def server() -> Iterator[EmbeddedServer]:
    """A private server with settings as by default."""
    with tempfile.TemporaryDirectory(prefix="agentpg-rotation-") as folder:
        Path(folder).chmod(0o711)
        started = EmbeddedServer(Path(folder) / "home", _PG_BIN)
        started.start()
        try:
            yield started
        finally:
            started.stop("fast")


def measure(rotations: int, seconds: float) -> tuple[list[Run], Run, list[float]]:
    """The rates, the run with the rotations, and how long each of them took."""
    with server() as started:
        database = Database(started.dsn("postgres"))
        with connect(database) as connection:
            connection.execute(f"CREATE ROLE {_GROUP} NOLOGIN".encode())
        logins = Logins(started.status().data.parent.parent)
        rotator = Rotator(database, logins, Patience(quiet=timedelta(seconds=5)))
        rotator.rotate(Wanted(name=_GROUP))
        os.environ["PGSERVICEFILE"] = str(logins.service_file)
        dsn = f"service={_GROUP}"
        runs = highest_rate(dsn, seconds)
        best = max(runs, key=lambda run: run.rate)
        programs, took = Programs(best.programs, dsn), []
        for _ in range(rotations):
            begun = time.perf_counter()
            rotator.rotate(Wanted(name=_GROUP))
            took.append(time.perf_counter() - begun)
        return runs, programs.end(), took


def main() -> int:
    """Measure and show; 1 where a login failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rotation")
    parser.add_argument("--quick", action="store_true", help="3 rotations, 1 s for each rate")
    quick = parser.parse_args().quick
    runs, under_load, took = measure(3 if quick else 10, 1 if quick else 3)
    table = Table(
        "programs", "connections/s", "longest", "failed", title="while nothing is rotated"
    )
    for run in runs:
        table.add_row(*_row(run))
    console = Console()
    console.print(table)
    table = Table("programs", "connections/s", "longest", "failed", title="while logins change")
    table.add_row(*_row(under_load))
    console.print(table)
    failed = under_load.done.failed
    console.print(
        f"{len(took)} rotations of {min(took):.1f} to {max(took):.1f} s, "
        f"{under_load.done.connected} connections, {failed.total()} failed"
    )
    for text, number in failed.most_common(5):
        console.print(f"  {number} × {text}")
    return 1 if failed else 0


def _row(run: Run) -> tuple[str, str, str, str]:
    longest = f"{run.done.longest * 1000:.0f} ms"
    return str(run.programs), f"{run.rate:.0f}", longest, str(run.done.failed.total())


if __name__ == "__main__":
    sys.exit(main())
