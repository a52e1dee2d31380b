"""A base backup whose process or whose server is killed, at each of its stages."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.desk.backup.storage.records import find_backups
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.making import Making, fill_with_noise
from tests.servers import PG_BIN, Mould, OwnServers, Reaper
from tests.waiting import eventually

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("base_killed")]


@dataclass(slots=True)
class Scene:
    """A server that starts again after it was killed, and how many backups it is to have."""

    cluster: Cluster
    made: int = 0


@pytest.fixture(scope="module")
def scene(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    place = tmp_path_factory.mktemp("killed")
    servers = OwnServers(place, reaper, mould)

    def options(**other: Any) -> CreateOptions:
        return CreateOptions(**{"stages": place / "stages", "pg_bin": PG_BIN, **other})

    cluster = make_cluster(servers, place / "cluster", open_folder(place / "backups"), options)
    fill_with_noise(cluster.database)
    yield Scene(cluster)
    servers.close()


@pytest.fixture
def making(scene: Scene) -> Iterator[Making]:
    """A base backup on its way."""
    scene.cluster.server.start()
    one = Making(scene.cluster.database, scene.cluster.home.parent, "--kind", "base")
    yield one
    one.close()
    scene.cluster.server.start()


def _is_begun(making: Making, _: Database) -> bool:
    return bool(find_backups(making.folder).unfinished)


def _is_copying(making: Making, database: Database) -> bool:
    with connect(database) as connection:
        rows = connection.execute(
            "SELECT FROM pg_stat_progress_basebackup WHERE backup_streamed > 0"
        )
        return bool(rows.fetchall())


def _is_at_its_moment(making: Making, _: Database) -> bool:
    begun = find_backups(making.folder).unfinished
    return any((making.folder.root / "backups" / name / "data" / "wal").exists() for name in begun)


_STAGES = [_is_begun, _is_copying, _is_at_its_moment]


@pytest.mark.parametrize("stage", _STAGES)
def test_killed_itself_it_holds_nobody_up_and_the_next_cleans_up(
    scene: Scene, making: Making, stage: Callable[[Making, Database], bool]
) -> None:
    database = scene.cluster.database
    eventually(lambda: stage(making, database) or making.ended())
    making.tell(signal.SIGKILL)
    making.ends()
    found = find_backups(making.folder)
    assert len(found.backups) == scene.made
    [left] = found.unfinished
    with connect(database) as connection:
        # No lock of it is left, whatever it was at.
        connection.execute("SET lock_timeout = '5s'")
        connection.execute("CREATE TABLE IF NOT EXISTS busy (number int)")
        connection.execute("INSERT INTO busy VALUES (1)")
        # Nor anything that keeps WAL.
        slots = "SELECT FROM pg_replication_slots"
        eventually(lambda: not connection.execute(slots).fetchall(), message="its slots go")
    for program in ("pg_basebackup", "pg_receivewal"):
        eventually(lambda: not making.tools(program), message="its programs end")  # noqa: B023
    _next(scene, making, left)


@pytest.mark.parametrize("stage", _STAGES)
def test_a_killed_server_is_named_and_leaves_nothing(
    scene: Scene, making: Making, stage: Callable[[Making, Database], bool]
) -> None:
    eventually(lambda: stage(making, scene.cluster.database) or making.ended())
    pid = scene.cluster.server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert making.ends() == 3, making.said
    assert "Traceback" not in making.said
    found = find_backups(making.folder)
    assert (len(found.backups), found.unfinished) == (scene.made, ())
    scene.cluster.server.start()


def _next(scene: Scene, killed: Making, left: str) -> None:
    after = Making(scene.cluster.database, scene.cluster.home.parent, "--kind", "base")
    assert after.ends() == 0, after.said
    scene.made += 1
    assert f"{left} was begun and not ended; its remains were removed." in after.said
    found = find_backups(killed.folder)
    assert (len(found.backups), found.unfinished) == (scene.made, ())
    assert {path.name for path in Path(killed.folder.root / "backups").iterdir()} == {
        backup.name for backup in found.backups
    }
