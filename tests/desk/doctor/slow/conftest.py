"""One server that counts statements and logs waits, for all tests of this process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from agentpg.db import Database, connect
from agentpg.desk.doctor.slow.findings import find
from agentpg.desk.doctor.slow.looking import look_at_work
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.finding import Finding
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from agentpg.settings import Settings, load_settings
from tests.servers import SCHEMA, Mould, OwnServers, Reaper

# Room for few locks and few statements is soon taken, and a second is long.
OPTIONS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "100",
    "max_connections": "30",
    "max_locks_per_transaction": "10",
    "max_prepared_transactions": "5",
    "log_min_duration_statement": "500ms",
    "log_lock_waits": "on",
    "deadlock_timeout": "100ms",
    "track_io_timing": "on",
    "max_parallel_workers_per_gather": "0",
}


@dataclass(frozen=True, slots=True)
class Counting:
    """A running server, and the database in it."""

    server: EmbeddedServer
    settings: Settings

    @property
    def database(self) -> Database:
        """As the superuser, who sees all."""
        return Database(self.server.dsn("postgres"), SCHEMA)

    def look(self, policy: Policy | None = None) -> dict[str, Finding]:
        """The first finding of each check."""
        return look(self.database, policy, self.settings)


def look(
    database: Database, policy: Policy | None = None, settings: Settings | None = None
) -> dict[str, Finding]:
    """What the room says first of each check."""
    facts = look_at_work(database, settings or load_settings())
    found: dict[str, Finding] = {}
    for finding in find(facts, policy or Policy()):
        found.setdefault(finding.code, finding)
    return found


@pytest.fixture(scope="session")
def counting(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counting]:
    """The server; a test leaves it as it was."""
    servers = OwnServers(tmp_path_factory.mktemp("counting"), reaper, mould)
    server = servers(options=OPTIONS)
    server.start()
    migrate(Database(server.dsn(), SCHEMA))
    with connect(Database(server.dsn("postgres"))) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    yield Counting(server, load_settings(home=server.status().data.parent.parent))
    servers.close()


@pytest.fixture
def forgetful(counting: Counting) -> Counting:
    """The same, having counted nothing yet."""
    with connect(counting.database) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
    return counting
