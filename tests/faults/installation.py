"""A healthy installation on a small disk, with all that an operator should have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentpg.db import Database
from agentpg.schema import migrate
from tests.desk.backup.watched import Watched
from tests.desk.doctor.disk import patient
from tests.desk.doctor.disk.patient import DISK
from tests.faults.fault import Patient
from tests.servers import PG_BIN, OwnServers
from tests.small_disk import small_disk

_MIB = 1024**2

_OPTIONS = {
    **patient.OPTIONS,
    "autovacuum": "on",
    "work_mem": "4MB",
    "shared_buffers": "32MB",
    # What would be a fault.
    "fsync": "on",
    "full_page_writes": "on",
    "shared_preload_libraries": "pg_stat_statements",
}


class Installation(patient.Patient):
    """A server on a disk of its own, with fresh backups on another that are sealed and drilled."""

    def __init__(self, servers: OwnServers, disk: Path, elsewhere: Path) -> None:
        archive = f"cp %p {elsewhere}/last"
        server = servers(home=disk / "home", options={**_OPTIONS, "archive_command": archive})
        server.start()
        super().__init__(server, disk)
        migrate(Database(server.dsn()))
        self.run("CREATE EXTENSION pg_stat_statements")
        self.elsewhere = elsewhere
        self.watched = Watched(self.with_schema, elsewhere / "repository")
        self.said: dict[str, Any] = {
            "home": str(disk / "home"),
            "pg_bin": PG_BIN,
            "backup_repository": str(elsewhere / "repository"),
            "backup_recipients": "age1" + "q" * 58,
        }
        self.watched.healthy()

    @property
    def with_schema(self) -> Database:
        """As its superuser, with the schema of agentpg."""
        return Database(self.server.dsn("postgres"), "agentic_ai")

    def as_it_is(self, **said: Any) -> Patient:
        """What the doctor looks at; `said` are other settings."""
        return self.with_schema, self.settings(**said)


@contextmanager
def installation(servers: OwnServers) -> Iterator[Installation]:
    """One for as long as it is wanted."""
    with small_disk(DISK) as disk, small_disk(96 * _MIB) as elsewhere:
        elsewhere.chmod(0o777)
        yield Installation(servers, disk, elsewhere)
        servers.close()
