"""A server of PostgreSQL 15 whose WAL goes to pgBackRest, as an operator sets it up."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, Step, create_backup
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.archiving import turn_on
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.embedded import EmbeddedServer
from agentpg.errors import PgbackrestNotArchiving
from agentpg.schema import migrate
from tests.desk.backup.conftest import fill
from tests.servers import OwnServers

DEBIAN = Path("/usr/lib/postgresql/15/bin")

needs_pgbackrest = pytest.mark.skipif(
    shutil.which("pgbackrest") is None, reason="pgBackRest is not installed"
)
needs_debian = pytest.mark.skipif(
    not (DEBIAN / "postgres").is_file(), reason="PostgreSQL 15 is not installed"
)


class ArchivedServer:
    """The server, its database as a superuser, and a repository that its account gets to."""

    def __init__(self, root: Path, server: EmbeddedServer, repository: Path) -> None:
        self.root = root
        self.server = server
        self.repository: Folder = open_folder(repository)
        server.start()
        self.database = Database(server.dsn("postgres"), "agentic_ai")
        migrate(Database(server.dsn(), "agentic_ai"))
        fill(self.database)

    def options(self, how: str = "full") -> CreateOptions:
        """How a backup is made here."""
        return CreateOptions(
            kind="pgbackrest", stages=self.root / "stages", more={"type": how}, pg_bin=str(DEBIAN)
        )

    def backup(self, how: str = "full", tell: Callable[[Step], None] | None = None) -> Backup:
        """Make one."""
        return create_backup(self.database, self.repository, self.options(how), tell or _ignore)

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as a superuser."""
        with connect(self.database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def archive(self) -> None:
        """Do what the refusal says: turn it on, and restart the server."""
        with pytest.raises(PgbackrestNotArchiving) as refused:
            self.backup()
        with connect(self.database) as connection:
            assert turn_on(connection, self.repository, pgbackrest=True).restart_needed
        self.server.stop()
        self.server.start()
        [(command,)] = self.run("SHOW archive_command")
        assert str(command).replace("'", "''") in str(refused.value.values["sql"])


def _ignore(step: Step) -> None:
    del step


@contextmanager
def archived_server(
    servers: OwnServers, repository: Path | None = None
) -> Iterator[ArchivedServer]:
    """One that archives; its folder is open to the account that runs the server."""
    root = Path(tempfile.mkdtemp(prefix="agentpg-test-"))
    root.chmod(0o711)
    try:
        server = servers(home=root / "home", pg_bin=str(DEBIAN))
        archived = ArchivedServer(root, server, repository or root / "repository")
        archived.archive()
        yield archived
    finally:
        servers.close()
        shutil.rmtree(root, ignore_errors=True)
