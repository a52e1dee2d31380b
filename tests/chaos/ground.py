"""The ground of a run: a server with full durability, on a small disk of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from agentpg.db import Database, connect, make_conninfo
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from tests.chaos.plan import Plan
from tests.pgbouncer import secret_of
from tests.servers import PG_BIN, SCHEMA, remove_server

_MEGABYTE = 1024 * 1024

# Full durability; small segments, so that a run of minutes sees checkpoints and a full disk
# soon hurts.
_OPTIONS = {
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "96MB",
    "min_wal_size": "32MB",
    "checkpoint_timeout": "30s",
}


class Disk:
    """A file system of its own, where root can make one; it can be made full."""

    def __init__(self, folder: Path, megabytes: int, wanted: bool) -> None:
        self.folder = folder
        self._megabytes = megabytes
        folder.mkdir(parents=True)
        self.own = wanted and os.geteuid() == 0 and self._mount(f"size={megabytes}m")
        folder.chmod(0o755)

    def fill(self) -> None:
        """Leave no room for anything new."""
        used = shutil.disk_usage(self.folder).used
        assert self._mount(f"remount,size={used // 1024 + 64}k"), "the disk cannot be shrunk"

    def empty(self) -> None:
        """Give it its room again."""
        assert self._mount(f"remount,size={self._megabytes}m")

    def remove(self) -> None:
        """Unmount it and delete it."""
        if self.own:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mount(self, options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Ground:
    """The server of a run, and how it is reached."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        megabytes = 400 + round(plan.seconds / 2)
        self.disk = Disk(folder / "disk", megabytes, wanted=plan.asks_for("full-disk"))
        self._home = self.disk.folder / "server"
        self.server = EmbeddedServer(self._home, PG_BIN, options=_OPTIONS)
        self.server.start()
        self._parameters = {k: str(v) for k, v in conninfo_to_dict(self.server.dsn()).items()}
        self.database = Database(self.dsn_at("127.0.0.1", self.port), SCHEMA)
        migrate(self.database)

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return int(self._parameters["port"])

    def dsn_at(self, host: str, port: int) -> str:
        """The connection string for a way to the server that begins at another address."""
        return make_conninfo(
            host=host,
            port=port,
            user=self._parameters["user"],
            dbname=self._parameters["dbname"],
            password=secret_of(self._parameters),
        )

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, with the schema in the path."""
        with connect(self.database, "chaos") as connection:
            connection.execute(f"SET search_path = {SCHEMA}")
            return connection.execute(query.encode(), parameters or None).fetchall()

    def remove(self) -> None:
        """Stop the server and remove its disk."""
        remove_server(self._home)
        self.disk.remove()
