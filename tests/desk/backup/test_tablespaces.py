"""A database that lies in a tablespace: backed up in every way, drilled, restored, recovered."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
from agentpg.desk.backup.recovery.targets import Copy, Target
from agentpg.desk.backup.restore.plan import RestoreOptions
from agentpg.desk.backup.restore.restoring import open_restore
from agentpg.desk.backup.restore.swapping import drop_databases
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import TablespacesMissing, TablespaceUnmapped
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.conftest import fill
from tests.servers import PG_BIN, SCHEMA, Mould, OwnServers, Reaper

pytestmark = pytest.mark.xdist_group("tablespaces")

_ROWS = "SELECT count(*) FROM agentic_ai.notes UNION ALL SELECT count(*) FROM agentic_ai.plain"


def _ignore(*_: object) -> None:
    return


@dataclass(slots=True)
class Spaced:
    """A cluster whose installation lies in the tablespace `fast`, but for one table in `slow`.

    Both are folders in `space`.
    """

    cluster: Cluster
    space: Path
    backups: dict[str, Backup]

    def held(self) -> set[str]:
        """All files of the tablespace."""
        return {str(path) for path in self.space.rglob("*")}


@pytest.fixture(scope="module")
def spaced(reaper: Reaper, mould: Mould) -> Iterator[Spaced]:
    # The server reaches its tablespace by its path, which leads through no closed folder.
    place = Path(tempfile.mkdtemp(prefix="agentpg-test-"))
    place.chmod(0o711)
    servers = OwnServers(place, reaper, mould)

    def options(**other: Any) -> CreateOptions:
        return CreateOptions(**{"stages": place / "stages", "pg_bin": PG_BIN, **other})

    folder = open_folder(place / "repository")
    cluster = make_cluster(servers, place / "cluster", folder, options)
    space = place / "space"
    space.mkdir(mode=0o711)
    with connect(Database(cluster.server.dsn("postgres", "postgres"))) as connection:
        for name in ("fast", "slow"):
            (space / name).mkdir(mode=0o700)
            choose_account(cluster.server.status().data).own(space / name)
            statement = f"CREATE TABLESPACE {name} OWNER admin LOCATION '{space / name}'"
            connection.execute(statement.encode())
        connection.execute("COMMENT ON TABLESPACE fast IS 'it''s\nfast'")
        connection.execute("ALTER DATABASE agentic_ai SET TABLESPACE fast")
    fill(Database(cluster.server.dsn(), SCHEMA), 100)
    with connect(cluster.database) as connection:
        connection.execute(
            "CREATE TABLE agentic_ai.plain TABLESPACE pg_default AS SELECT 1 AS number"
        )
        connection.execute("CREATE TABLE agentic_ai.spaced (id int) TABLESPACE slow")
    backups = {
        kind: create_backup(cluster.database, folder, options(kind=kind), _ignore)
        for kind in ("dump", "sql", "base")
    }
    yield Spaced(cluster, space, backups)
    servers.close()
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize("kind", ["dump", "sql", "base"])
def test_a_drill_passes_and_leaves_the_tablespace_alone(
    spaced: Spaced, tmp_path: Path, kind: str
) -> None:
    before = spaced.held()
    options = DrillOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN)
    drill = run_drill(spaced.cluster.folder, spaced.backups[kind].name, options, _ignore)
    bad = {c.name: (c.reason, c.differences) for c in drill.checks if c.outcome != "passed"}
    assert bad == {}
    assert spaced.held() == before
    assert list((tmp_path / "scratch").iterdir()) == []


def _restore(spaced: Spaced, server: EmbeddedServer, kind: str, parent: Path) -> Database:
    postgres = Database(server.dsn("postgres", "postgres"))
    options = RestoreOptions(into="elsewhere", parent=parent, pg_bin=PG_BIN)
    folder, backup = spaced.cluster.folder, spaced.backups[kind]
    with open_restore(postgres, backup, folder, None, options) as one:
        one.run(one.plan(_ignore), _ignore)
    return postgres.renamed("elsewhere")


@pytest.mark.parametrize("kind", ["dump", "sql"])
def test_it_is_restored_where_the_tablespace_is(spaced: Spaced, tmp_path: Path, kind: str) -> None:
    restored = _restore(spaced, spaced.cluster.server, kind, tmp_path)
    with connect(restored) as connection:
        assert connection.execute(_ROWS.encode()).fetchall() == [(100,), (1,)]
    drop_databases(restored.renamed("postgres"), ["elsewhere"])


def test_another_server_goes_without_it_or_says_so(
    spaced: Spaced, own_server: OwnServers, tmp_path: Path
) -> None:
    other = own_server()
    other.start()
    with connect(_restore(spaced, other, "dump", tmp_path / "work")) as connection:
        assert connection.execute(_ROWS.encode()).fetchall() == [(100,), (1,)]
    drop_databases(Database(other.dsn("postgres", "postgres")), ["elsewhere"])
    with pytest.raises(TablespacesMissing, match=r"the file names: slow$") as refused:
        _restore(spaced, other, "sql", tmp_path / "work")
    assert refused.value.exit_code == 4
    with connect(Database(other.dsn("postgres", "postgres"))) as connection:
        made = connection.execute("SELECT FROM pg_database WHERE datname LIKE 'elsewhere%'")
        assert made.fetchall() == []


@pytest.fixture
def work(spaced: Spaced) -> Callable[..., HomeWork]:
    """Call it with where the tablespaces go, for a recovery to a new home."""

    def make(tablespaces: dict[str, Path]) -> HomeWork:
        return HomeWork(
            backup=spaced.backups["base"],
            repository=spaced.cluster.folder,
            target=Target(by="backup"),
            home=spaced.space.parent / "home",
            beside=spaced.cluster.home,
            binaries=find_binaries(PG_BIN),
            opener=spaced.cluster.opener(spaced.backups["base"]),
            tablespaces=tablespaces,
        )

    return make


def test_a_cluster_is_recovered_with_its_tablespace_elsewhere(
    spaced: Spaced, work: Callable[..., HomeWork]
) -> None:
    home, new = spaced.space.parent / "home", spaced.space.parent / "new space"
    before = spaced.held()
    moved = {str(spaced.space / name): new / name for name in ("fast", "slow")}
    assert set(Copy.of(spaced.backups["base"]).tablespaces.values()) == set(moved)
    with pytest.raises(TablespaceUnmapped, match=str(spaced.space)):
        recover_home(work({}))
    assert not home.exists()
    recover_home(work(moved))
    server = spaced.cluster.started(home)
    with connect(Database(server.dsn("postgres"))) as connection:
        assert connection.execute(_ROWS.encode()).fetchall() == [(100,), (1,)]
        place = connection.execute(
            "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'"
        ).fetchone()
    server.stop("immediate")
    assert place == (str(new / "fast"),)
    assert spaced.held() == before
