"""One server whose pg_hba.conf each test may change, and the settings that lead to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.finding import Finding
from agentpg.desk.security.addresses.facts import Facts
from agentpg.desk.security.addresses.findings import find
from agentpg.desk.security.addresses.looking import look_at_addresses
from agentpg.desk.security.addresses.pending import tell_to_read
from agentpg.desk.security.addresses.policy import policy_of
from agentpg.embedded import EmbeddedServer
from agentpg.settings import Settings, load_settings
from tests.servers import Mould, OwnServers, Reaper
from tests.waiting import eventually


@dataclass(frozen=True)
class Guarded:
    """The server, and how one looks at who gets in."""

    server: EmbeddedServer
    home: Path
    former: str

    @property
    def hba(self) -> Path:
        return self.server.status().data / "pg_hba.conf"

    @property
    def settings(self) -> Settings:
        return load_settings(home=self.home)

    @property
    def database(self) -> Database:
        return Database(self.server.dsn())

    def superuser(self) -> Database:
        return Database(self.server.dsn("postgres"))

    def write(self, text: str) -> None:
        """Give it these lines, unseen by any check, and have them hold."""
        self.hba.write_text(text, encoding="utf-8")
        before = self.loaded_at()
        tell_to_read(self.server.status().data)
        eventually(lambda: self.loaded_at() > before)

    def loaded_at(self) -> datetime:
        with connect(self.superuser()) as connection:
            row = connection.execute(b"SELECT pg_conf_load_time()").fetchone()
        assert row is not None
        loaded_at: datetime = row[0]
        return loaded_at

    def facts(self) -> Facts:
        return look_at_addresses(self.database, self.settings)

    def found(self, *codes: str) -> list[Finding]:
        """What is found of these codes, but for what is well."""
        said = find(self.facts(), policy_of(self.settings))
        return [one for one in said if one.code in codes and one.level != "ok"]


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="session")
def guarded_server(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    servers = OwnServers(tmp_path_factory.mktemp("guarded"), reaper, mould)
    home = tmp_path_factory.mktemp("guarded-home") / "home"
    server = servers(home=home, options={"listen_addresses": "*"})
    server.start()
    data = server.status().data
    yield Guarded(server, home, (data / "pg_hba.conf").read_text(encoding="utf-8"))
    servers.close()


@pytest.fixture
def guarded(guarded_server: Guarded) -> Iterator[Guarded]:
    """The server with its first lines, as each test finds it."""
    yield guarded_server
    guarded_server.write(guarded_server.former)
