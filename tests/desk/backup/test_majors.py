"""Backups that move between major versions of PostgreSQL, and those that can't."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.restore.plan import Restored, RestoreOptions
from agentpg.desk.backup.restore.restoring import open_restore
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import RestoreServerTooOld, WrongMajorVersion
from agentpg.schema import migrate
from tests.desk.backup.conftest import fill
from tests.servers import SCHEMA, Mould, OwnServers, Reaper

OLDER = Path("/usr/lib/postgresql/15/bin")

pytestmark = [
    pytest.mark.one_server,
    pytest.mark.xdist_group("majors"),
    pytest.mark.skipif(not OLDER.exists(), reason="there is no PostgreSQL 15 here"),
]


def _ignore(*_: object) -> None:
    return


@pytest.fixture(scope="module")
def servers(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, EmbeddedServer]]:
    """One of 15 and one of 18, each with an installation."""
    own = OwnServers(tmp_path_factory.mktemp("majors"), reaper, mould)
    made = {"15": own(pg_bin=str(OLDER)), "18": own(pg_bin="")}
    for server in made.values():
        server.start()
        database = Database(server.dsn(), SCHEMA)
        migrate(database)
        fill(database, 100)
    yield made
    own.close()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A repository."""
    return open_folder(tmp_path / "repository")


def _create(server: EmbeddedServer, folder: Folder, stages: Path, **other: Any) -> Backup:
    options = CreateOptions(stages=stages, **other)
    return create_backup(Database(server.dsn("postgres"), SCHEMA), folder, options, _ignore)


def _restore(server: EmbeddedServer, folder: Folder, backup: Backup, parent: Path) -> Restored:
    postgres = Database(server.dsn("postgres", "postgres"))
    options = RestoreOptions(into=f"from_{backup.kind}", parent=parent)
    with open_restore(postgres, backup, folder, None, options) as one:
        return one.run(one.plan(_ignore), _ignore)


@pytest.mark.parametrize("kind", ["dump", "sql"])
def test_an_older_one_goes_into_a_newer_server_with_all_that_it_holds(
    servers: dict[str, EmbeddedServer], folder: Folder, tmp_path: Path, kind: str
) -> None:
    backup = _create(servers["15"], folder, tmp_path / "stages", kind=kind)
    done = _restore(servers["18"], folder, backup, tmp_path / "work")
    outcomes = {check.name: check.outcome for check in done.checks}
    assert outcomes["contents"] == "passed"
    assert "failed" not in outcomes.values()
    restored = Database(servers["18"].dsn("postgres", done.database))
    with connect(restored) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (100,)


@pytest.mark.parametrize("kind", ["dump", "sql"])
def test_a_newer_one_does_not_go_into_an_older_server(
    servers: dict[str, EmbeddedServer], folder: Folder, tmp_path: Path, kind: str
) -> None:
    backup = _create(servers["18"], folder, tmp_path / "stages", kind=kind)
    with pytest.raises(RestoreServerTooOld, match=r"is of PostgreSQL 18, and .* 15") as refused:
        _restore(servers["15"], folder, backup, tmp_path / "work")
    assert refused.value.exit_code == 4
    with connect(Database(servers["15"].dsn("postgres", "postgres"))) as connection:
        made = connection.execute("SELECT FROM pg_database WHERE datname LIKE 'from_%%'")
        assert made.fetchall() == []


def test_a_cluster_is_recovered_by_its_own_version_alone(
    servers: dict[str, EmbeddedServer], folder: Folder, tmp_path: Path
) -> None:
    backup = _create(servers["15"], folder, tmp_path / "stages", kind="base")
    work = HomeWork(
        backup=backup,
        repository=folder,
        target=Target(by="backup"),
        home=tmp_path / "home",
        beside=tmp_path,
        binaries=find_binaries(""),
        opener=lambda path: folder.open(f"backups/{backup.name}/{path}"),
        tablespaces={},
    )
    with pytest.raises(WrongMajorVersion, match="15"):
        recover_home(work)
    assert not (tmp_path / "home").exists()
