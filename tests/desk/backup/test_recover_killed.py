"""A recovery of a whole cluster that is killed, itself or its server, and the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.binaries import find_binaries
from agentpg.embedded.postmaster import postmaster_pid
from agentpg.errors import RecoveryEnded, UnfinishedNotSettled
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.conftest import fill
from tests.servers import PG_BIN, SCHEMA, Mould, OwnServers, Reaper
from tests.waiting import eventually

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("recover_killed")]

_RECOVER = """
import sys
from pathlib import Path
from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.desk.backup.storage.records import read_backup
from agentpg.embedded.binaries import find_binaries
root, name, home, beside, pg_bin, by, stage = sys.argv[1:]
repository = open_folder(Path(root))
def report(done, total):
    if stage == "unpacking":
        print(done, flush=True)
        sys.stdin.readline()
recover_home(
    HomeWork(
        backup=read_backup(repository, name),
        repository=repository,
        target=Target(by=by),
        home=Path(home),
        beside=Path(beside),
        binaries=find_binaries(pg_bin),
        opener=lambda path: repository.open(f"backups/{name}/{path}"),
        tablespaces={},
    ),
    report,
)
"""


@dataclass(slots=True)
class Scene:
    """A cluster that archives, and a base backup in which nobody can hold tasks for long."""

    cluster: Cluster
    backup: Backup

    def work(self, home: Path, by: Any = "backup") -> HomeWork:
        """A recovery to a new home that does not touch its tasks."""
        return HomeWork(
            backup=self.backup,
            repository=self.cluster.folder,
            target=Target(by=by),
            home=home,
            beside=self.cluster.home,
            binaries=find_binaries(PG_BIN),
            opener=self.cluster.opener(self.backup),
            tablespaces={},
            unfinished="keep",
        )


@pytest.fixture(scope="module")
def scene(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    place = tmp_path_factory.mktemp("recovering")
    for above in (place, place.parent):
        above.chmod(0o711)
    servers = OwnServers(place, reaper, mould)

    def options(**other: Any) -> CreateOptions:
        return CreateOptions(**{"stages": place / "stages", "pg_bin": PG_BIN, **other})

    cluster = make_cluster(servers, place / "cluster", open_folder(place / "repository"), options)
    cluster.archive()
    fill(Database(cluster.server.dsn(), SCHEMA), 10)
    with connect(cluster.database) as connection:
        connection.execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN PERFORM pg_sleep(600); RETURN NEW; END$$"
        )
        connection.execute(
            "CREATE TRIGGER wait BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION wait()"
        )
        connection.execute("ALTER TABLE tasks ENABLE ALWAYS TRIGGER wait")
    backup = cluster.back_up()
    cluster.end_segment()
    yield Scene(cluster, backup)
    servers.close()


@contextmanager
def _wal_that_never_comes(scene: Scene) -> Iterator[None]:
    """A next file in the archive that has no end."""
    place = scene.cluster.folder.folder("wal")
    assert place is not None
    last = max(path for path in place.glob("*/0*") if len(path.name.split(".")[0]) == 24)
    name = f"{int(last.name[:24], 16) + 1:024X}.gz"
    os.mkfifo(last.with_name(name))
    last.with_name(name).chmod(0o644)
    try:
        yield
    finally:
        # Whoever still reads there meets the end now.
        os.close(os.open(last.with_name(name), os.O_RDWR | os.O_NONBLOCK))
        last.with_name(name).unlink()


def _draft(home: Path) -> Path:
    return home / "postgresql" / "data.recovering"


def _is_recovering(home: Path) -> bool:
    log = home / "recovery.log"
    return log.exists() and "redo starts" in log.read_text()


def _is_settling(home: Path) -> bool:
    log = home / "recovery.log"
    pid = postmaster_pid(_draft(home))
    return pid is not None and log.read_text().count("ready to accept connections") == 2


def _works(pid: int) -> bool:
    """Whether a process is there, and more than an entry that nobody has read yet."""
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and command.read_bytes() != b""


@pytest.mark.parametrize("stage", ["unpacking", "recovering", "settling"])
def test_killed_itself_it_leaves_nothing_that_can_be_started_and_the_next_cleans_up(
    scene: Scene, tmp_path: Path, stage: str
) -> None:
    tmp_path.chmod(0o711)
    home = tmp_path / "home"
    by = "latest" if stage == "recovering" else "backup"
    command = [sys.executable, "-c", _RECOVER, scene.cluster.folder.place, scene.backup.name]
    command += [str(home), str(scene.cluster.home), PG_BIN, by, stage]
    with _wal_that_never_comes(scene):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
            if stage == "unpacking":
                process.stdout.readline()
            reached = {"recovering": _is_recovering, "settling": _is_settling}
            if stage in reached:
                eventually(lambda: reached[stage](home) or process.poll() is not None)
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        assert _draft(home).exists()
        assert not EmbeddedServer(home, PG_BIN).exists()
        # Its name is free again, and its server gone, with the folder of its socket.
        pid = postmaster_pid(_draft(home))
        assert (pid is None) == (stage == "unpacking")
        lines = (_draft(home) / "postmaster.pid").read_text().splitlines() if pid else []
        recover_home(scene.work(home))
        assert pid is None or not (_works(pid) or Path(lines[4]).exists())
    server = scene.cluster.started(home)
    with connect(Database(server.dsn(), SCHEMA)) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (10,)
    server.stop("immediate")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@contextmanager
def _killing(home: Path, when: Callable[[Path], bool]) -> Iterator[None]:
    """Kill the server that recovers there as soon as it is so far."""

    def kill() -> None:
        eventually(lambda: when(home))
        pid = postmaster_pid(_draft(home))
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()


def test_a_killed_server_is_no_damage(scene: Scene, tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    with (
        _wal_that_never_comes(scene),
        _killing(tmp_path / "first", _is_recovering),
        pytest.raises(RecoveryEnded, match="was ended from outside"),
    ):
        recover_home(scene.work(tmp_path / "first", "latest"))
    with (
        _killing(tmp_path / "second", _is_settling),
        pytest.raises(UnfinishedNotSettled),
    ):
        recover_home(replace(scene.work(tmp_path / "second"), unfinished="hold"))
    for name in ("first", "second"):
        assert not EmbeddedServer(tmp_path / name, PG_BIN).exists()
    # What failed with a reason stays, to be looked at.
    recover_home(scene.work(tmp_path / "third"))
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second", "third"}


def test_a_drill_whose_server_is_killed_does_not_know(scene: Scene, tmp_path: Path) -> None:
    with connect(Database(scene.cluster.server.dsn(), SCHEMA)) as connection:
        connection.execute(
            "CREATE FUNCTION held(number int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN"
            " IF current_user = 'agentpg_scratch' THEN PERFORM pg_sleep(600); END IF;"
            " RETURN true; END$$"
        )
        connection.execute("CREATE TABLE slow (number int CHECK (agentic_ai.held(number)))")
        connection.execute("INSERT INTO slow VALUES (1)")
        folder = open_folder(tmp_path / "repository")
        backup = create_backup(
            scene.cluster.database, folder, scene.cluster.options(), lambda _: None
        )
        connection.execute("DROP TABLE slow")
    parent = tmp_path / "scratch"

    def kill(_: object) -> None:
        # It is told how far it is, so that it restores.
        for data in parent.glob("*/data"):
            pid = postmaster_pid(data)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)

    options = DrillOptions(parent=parent, pg_bin=PG_BIN)
    drill = run_drill(folder, backup.name, options, kill)
    assert drill.outcome == "unknown"
    assert list(parent.iterdir()) == []
