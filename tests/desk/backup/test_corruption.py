"""Tables and indexes that are damaged inside: named when they are backed up, or by a drill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Check
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import find_backups
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import binaries_for, find_binaries
from agentpg.errors import AgentpgError
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.conftest import fill
from tests.servers import PG_BIN, SCHEMA, OwnServers

_PAGE = 8192

# The key of the first entry of a B-tree's first leaf: it lies before the page's last 16 bytes.
_FIRST_KEY = (_PAGE + 8168, b"\xff\xff\xff\xff\xff\xff\xff\x7f")

# How many columns the first row of a table has: the row that was written first lies last.
_COLUMNS_AT = 18


def _ignore(_: object) -> None:
    return


@pytest.fixture
def cluster(
    own_server: OwnServers,
    tmp_path: Path,
    folder: Folder,
    options: Callable[..., CreateOptions],
) -> Cluster:
    """A server with some hundred notes."""
    made = make_cluster(own_server, tmp_path / "cluster", folder, options)
    fill(Database(made.server.dsn(), SCHEMA), 300)
    return made


def _file(cluster: Cluster, relation: str) -> Path:
    with connect(cluster.database) as connection:
        connection.execute("CHECKPOINT")
        query = "SELECT pg_relation_filepath(%s::regclass)"
        [(path,)] = connection.execute(query, [relation]).fetchall()
    return cluster.server.status().data / str(path)


def _overwrite(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


def _damage_first_row(path: Path) -> None:
    """Let the first row of a table say that it has a thousand columns."""
    page = path.read_bytes()[:_PAGE]
    item = int.from_bytes(page[24:28], "little") & 0x7FFF
    _overwrite(path, item + _COLUMNS_AT, (1000).to_bytes(2, "little"))


def _drilled(cluster: Cluster, name: str, parent: Path) -> dict[str, Check]:
    options = DrillOptions(parent=parent, pg_bin=PG_BIN)
    found = run_drill(cluster.folder, name, options, _ignore)
    assert found.outcome == "failed"
    return {check.name: check for check in found.checks}


def test_a_damaged_page_of_the_source_is_named_and_makes_no_backup(cluster: Cluster) -> None:
    index, table = _file(cluster, "notes_pkey"), _file(cluster, "notes")
    cluster.server.stop()
    _overwrite(index, *_FIRST_KEY)
    cluster.server.start()
    with pytest.raises(AgentpgError, match="checksum") as failed:
        cluster.back_up()
    assert index.name in str(failed.value)
    cluster.server.stop()
    _damage_first_row(table)
    cluster.server.start()
    with pytest.raises(AgentpgError, match="invalid page in block 0 of relation") as failed:
        create_backup(cluster.database, cluster.folder, cluster.options(), _ignore)
    assert table.name in str(failed.value)
    found = find_backups(cluster.folder)
    assert (found.backups, found.unfinished) == ((), ())


@pytest.mark.one_server
def test_damage_that_no_checksum_guards_is_found_by_the_drill(
    cluster: Cluster, tmp_path: Path
) -> None:
    index, table = _file(cluster, "notes_pkey"), _file(cluster, "notes")
    data = cluster.server.status().data
    cluster.server.stop()
    account = choose_account(data)
    tool = binaries_for(account, find_binaries(PG_BIN)).tool("pg_checksums")
    with account.reach(data) as (place, fds):
        done = account.run([tool, "--disable", "-D", place], fds=fds)
    assert done.returncode == 0, done.stderr
    _overwrite(index, *_FIRST_KEY)
    _damage_first_row(table)
    cluster.server.start()
    backup = cluster.back_up()
    tmp_path.chmod(0o711)
    found = _drilled(cluster, backup.name, tmp_path / "scratch")
    assert (found["files"].outcome, found["restore"].outcome) == ("passed", "passed")
    assert found["indexes"].outcome == "failed"
    assert "notes_pkey" in found["indexes"].reason
    assert "number of attributes 1000" in found["indexes"].reason


def test_an_index_that_is_not_what_its_table_holds_is_found_by_the_drill(
    filled: Database, folder: Folder, options: Callable[..., CreateOptions], tmp_path: Path
) -> None:
    with connect(filled) as connection:
        connection.execute(
            "CREATE FUNCTION lying(bigint) RETURNS double precision LANGUAGE sql IMMUTABLE"
            " AS 'SELECT random() + $1 * 0'"
        )
        connection.execute("CREATE UNIQUE INDEX lying_index ON notes (lying(id))")
    backup = create_backup(filled, folder, options(), _ignore)
    drilled = run_drill(
        folder, backup.name, DrillOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN), _ignore
    )
    found = {check.name: check for check in drilled.checks}
    assert found["contents"].outcome == "passed"
    assert found["indexes"].outcome == "failed"
    assert "lying_index" in found["indexes"].reason
