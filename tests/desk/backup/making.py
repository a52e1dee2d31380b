"""Making a backup in a process of its own, which may be killed at any moment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from agentpg.db import Database, connect
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.desk.backup.storage.records import find_backups
from tests.servers import PG_BIN
from tests.waiting import eventually


class Making:
    """One `agentpg backup create`."""

    def __init__(self, database: Database, home: Path, *arguments: str, **variables: str) -> None:
        self.home = home
        self.folder = open_folder(
            Path(variables.get("AGENTPG_BACKUP_REPOSITORY", home / "backups"))
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agentpg", "backup", "create", *arguments],
            env={
                **os.environ,
                "AGENTPG_DSN": database.dsn,
                "AGENTPG_HOME": str(home),
                "AGENTPG_PG_BIN": PG_BIN,
                "AGENTPG_BACKUP_COMPRESSION": "gzip:9",
                **variables,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = ""

    def begun(self) -> str:
        """Wait until it has taken its name, and return that."""
        return eventually(lambda: [*find_backups(self.folder).unfinished, ""][0])

    def tools(self, name: str = "pg_dump") -> list[int]:
        """The processes of a program that work for it."""
        return [pid for pid, line in command_lines() if name in line[0] and self.is_ours(line)]

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def ends(self) -> int:
        """Wait for its end; its exit code."""
        _, self.said = self._process.communicate(timeout=120)
        return self._process.returncode

    def has_left(self) -> list[str]:
        """What of backups there is in the repository and the stages."""
        stages = self.home / "stages"
        staged = [str(path) for path in stages.rglob("*")] if stages.exists() else []
        return [stored.key for stored in self.folder.objects("")] + staged

    def close(self) -> None:
        """End it."""
        self._process.kill()
        with contextlib.suppress(ValueError):
            self._process.communicate()

    def is_ours(self, line: list[str]) -> bool:
        """Whether a process with these arguments works in its folders."""
        return any(str(self.folder.root) in part or str(self.home) in part for part in line)


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """The arguments of all processes of this machine."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
                yield int(entry.name), line.split("\0")


def copying(database: Database, table: str) -> bool:
    """Whether a table is being copied out at the moment."""
    with connect(database) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_progress_copy WHERE relid = to_regclass(%s)", [table]
        )
        return found.fetchone() is not None


def fill_with_noise(database: Database, table: str = "noise1", megabytes: int = 16) -> None:
    """A table that no method compresses well or soon."""
    with connect(database) as connection:
        connection.execute(
            f"CREATE TABLE {table} AS SELECT string_agg(md5(random()::text), '') AS text"
            " FROM generate_series(1, %s) AS n GROUP BY n / 32",
            [megabytes * 32 * 1024],
        )
        connection.execute(f"ANALYZE {table}")
