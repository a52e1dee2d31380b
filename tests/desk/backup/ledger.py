"""Processes that commit, and write down what was acknowledged: python -m tests.desk.backup.ledger

Each commits one row after another and writes its number into its file once the server has
acknowledged it. What the file has must be in any recovery to a later moment.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from agentpg.db import Database, connect
from tests.waiting import eventually

# Two hundred commits a second are load enough; more would take the processors from the others.
_PAUSE_SECONDS = 0.005

_TABLE = "CREATE TABLE IF NOT EXISTS ledger (writer int, number int, PRIMARY KEY (writer, number))"


class Ledger:
    """Writers at work on a database, until they are stopped or their server goes."""

    def __init__(self, database: Database, folder: Path, writers: int = 1) -> None:
        with connect(database) as connection:
            connection.execute(_TABLE)
        self._files = [folder / f"ledger-{number}" for number in range(writers)]
        module = [sys.executable, "-m", "tests.desk.backup.ledger"]
        root = Path(__file__).parents[3]
        self._processes = [
            subprocess.Popen([*module, database.dsn, str(number), str(file)], cwd=root)
            for number, file in enumerate(self._files)
        ]

    def acknowledged(self) -> set[tuple[int, int]]:
        """The rows whose commits were acknowledged up to now."""
        return {
            (writer, int(line))
            for writer, file in enumerate(self._files)
            if file.exists()
            for line in file.read_text().splitlines(keepends=True)
            if line.endswith("\n")
        }

    def grown(self, by: int = 50) -> set[tuple[int, int]]:
        """Wait until so many more were acknowledged."""
        before = len(self.acknowledged())
        eventually(lambda: len(self.acknowledged()) >= before + by, message="the ledger grows")
        return self.acknowledged()

    def stop(self) -> None:
        """End the writers, at whatever they are."""
        for process in self._processes:
            process.kill()
            process.wait()


def rows_of(database: Database) -> set[tuple[int, int]]:
    """What the table has."""
    with connect(database) as connection:
        return set(connection.execute("SELECT writer, number FROM ledger").fetchall())


def _write(dsn: str, writer: int, file: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection, file.open("a") as acknowledged:
        number = 0
        while True:
            number += 1
            connection.execute("INSERT INTO ledger VALUES (%s, %s)", [writer, number])
            acknowledged.write(f"{number}\n")
            acknowledged.flush()
            time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    with contextlib.suppress(psycopg.OperationalError):
        _write(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
