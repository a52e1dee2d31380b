"""A restore whose process or whose server is killed, at each of its stages, and the next one."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.restore.naming import is_staged
from agentpg.desk.backup.restore.plan import RestoreOptions
from agentpg.desk.backup.restore.restoring import open_restore
from agentpg.desk.backup.restore.swapping import drop_databases, kept_databases
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from tests.desk.backup.conftest import fill
from tests.servers import PG_BIN, SCHEMA, Mould, OwnServers, Reaper
from tests.waiting import eventually

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("restore_killed")]

_ROLE = "reader"

# What a restore waits in, where its connections have the stage's name in a setting.
_HELD = """
CREATE FUNCTION {schema}.held(stage text, number int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF current_setting('test.stage', true) = stage THEN PERFORM pg_sleep(600); END IF;
    RETURN number;
END $$;
CREATE FUNCTION {schema}.held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {schema}.held('settling', 1);
    RETURN NEW;
END $$;
CREATE TRIGGER held BEFORE UPDATE ON {schema}.tasks EXECUTE FUNCTION {schema}.held();
ALTER TABLE {schema}.tasks ENABLE ALWAYS TRIGGER held;
CREATE TABLE {schema}.slow (n int CHECK ({schema}.held('loading', n) > 0));
INSERT INTO {schema}.slow VALUES (1);
CREATE INDEX ON {schema}.slow ({schema}.held('indexing', {schema}.held('analyzing', n)));
"""

_RESTORE = """
import sys
from pathlib import Path
from agentpg.db import Database
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.desk.backup.storage.records import read_backup
from agentpg.desk.backup.restore.plan import RestoreOptions
from agentpg.desk.backup.restore.restoring import open_restore
from agentpg.errors import AgentpgError
dsn, root, name, into, parent, pg_bin, stage = sys.argv[1:]
repository = open_folder(Path(root))
options = RestoreOptions(
    into=into, replace=True, create_roles=True, parent=Path(parent), pg_bin=pg_bin
)
def tell(work):
    print(work.name, flush=True)
    if work.name == stage:
        sys.stdin.readline()
backup = read_backup(repository, name)
try:
    with open_restore(Database(dsn), backup, repository, None, options) as one:
        one.run(one.plan(tell), tell)
except AgentpgError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@dataclass(slots=True)
class Scene:
    """A server, a backup of one of its databases, and another database that is replaced."""

    server: EmbeddedServer
    folder: Folder
    backup: Backup
    work: Path

    @property
    def postgres(self) -> Database:
        """The server as its superuser."""
        return Database(self.server.dsn("postgres", "postgres"))

    def count(self, query: str, *values: object) -> int:
        """The one number that a query gives."""
        with connect(self.postgres) as connection:
            [(number,)] = connection.execute(query.encode(), values).fetchall()
        return int(number)

    def make(self, name: str) -> None:
        """A database with something that must not be lost."""
        with connect(self.postgres) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        with connect(self.postgres.renamed(name)) as connection:
            connection.execute("CREATE TABLE precious (id int)")

    def tables(self, name: str) -> set[str]:
        """Those that tell which database it is."""
        with connect(self.postgres.renamed(name)) as connection:
            rows = connection.execute(
                "SELECT relname FROM pg_class WHERE relname IN ('precious', 'notes')"
            )
            return {row[0] for row in rows}

    def staged(self, name: str) -> list[str]:
        """What was being filled for it."""
        with connect(self.postgres) as connection:
            rows = connection.execute("SELECT datname FROM pg_database").fetchall()
        return [row[0] for row in rows if is_staged(row[0], "restoring", of=name)]

    def restore_again(self, name: str) -> tuple[str, ...]:
        """The next restore; what it removed of earlier ones."""
        options = RestoreOptions(
            into=name, replace=True, create_roles=True, parent=self.work, pg_bin=PG_BIN
        )
        with open_restore(self.postgres, self.backup, self.folder, None, options) as one:
            plan = one.plan(lambda _: None)
            one.run(plan, lambda _: None)
        return plan.left


@pytest.fixture(scope="module")
def scene(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """One server for all stages; it starts again after it was killed."""
    place = tmp_path_factory.mktemp("restoring")
    servers = OwnServers(place, reaper, mould)
    server = servers()
    server.start()
    source = Database(server.dsn("postgres"), SCHEMA)
    migrate(Database(server.dsn(), SCHEMA))
    fill(source, 10)
    with connect(source) as connection:
        connection.execute(_HELD.format(schema=SCHEMA).encode())
        connection.execute(f"CREATE ROLE {_ROLE}".encode())
        connection.execute(f"GRANT SELECT ON notes TO {_ROLE}".encode())
        folder = open_folder(place / "repository")
        options = CreateOptions(stages=place / "stages", pg_bin=PG_BIN)
        backup = create_backup(source, folder, options, lambda _: None)
        connection.execute(f"REVOKE ALL ON notes FROM {_ROLE}".encode())
    yield Scene(server, folder, backup, place / "work")
    servers.close()


@pytest.fixture
def name(scene: Scene) -> Iterator[str]:
    """A database that a restore replaces."""
    with connect(scene.postgres) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {_ROLE}".encode())
    made = f"here_{secrets.token_hex(4)}"
    scene.make(made)
    yield made
    scene.server.start()
    kept = kept_databases(scene.postgres, made)
    drop_databases(scene.postgres, [made, *kept, *scene.staged(made)])


class Restoring:
    """A restore in a process of its own, brought to one stage, where it waits."""

    def __init__(self, scene: Scene, name: str, stage: str) -> None:
        self._scene, self._name = scene, name
        self._stack = ExitStack()
        setting = "" if stage[0].isupper() else f" options='-c test.stage={stage}'"
        arguments = [
            f"{scene.postgres.dsn}{setting}",
            *(str(scene.folder.root), scene.backup.name, name, str(scene.work), PG_BIN),
            {"renaming": "Swapping"}.get(stage, stage),
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _RESTORE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.enter_context(self.process)
        self._stack.callback(self.process.kill)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def reach(self, stage: str) -> None:
        """Bring it there."""
        if stage == "making":
            # Its roles are made, its database waits.
            holder = connect(self._scene.postgres, "holder", autocommit=False)
            self._stack.enter_context(suppress(Exception))
            self._stack.enter_context(holder)
            holder.execute("LOCK TABLE pg_database IN SHARE MODE")
            self._waits("wait_event_type = 'Lock' AND query LIKE 'CREATE DATABASE%%'")
        elif stage == "renaming":
            self._told("Swapping")
            [staging] = self._scene.staged(self._name)
            holder = connect(self._scene.postgres, "holder", autocommit=False)
            self._stack.enter_context(suppress(Exception))
            self._stack.enter_context(holder)
            holder.execute(f"COMMENT ON DATABASE {staging} IS 'nobody renames it now'".encode())
            self.go_on()
            # The old one has its new name already, in a transaction that has not ended.
            self._waits(f"state = 'active' AND query LIKE '%%DATABASE \"{staging}\" RENAME%%'")
        elif stage[0].isupper():
            self._told(stage)
        else:
            self._waits("wait_event = 'PgSleep'")

    def go_on(self) -> None:
        """Let it go on after a stage that it told."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def ends(self) -> str:
        """Wait for its end; what it said of what went wrong."""
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode != 0
        return said

    def _told(self, stage: str) -> None:
        assert self.process.stdout is not None
        assert any(line.strip() == stage for line in self.process.stdout)

    def _waits(self, how: str) -> None:
        query = f"SELECT count(*) FROM pg_stat_activity WHERE {how} AND pid <> pg_backend_pid()"
        eventually(lambda: self._scene.count(query) or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()


_STAGES = (
    "Reading the backup",
    "making",
    "loading",
    "indexing",
    "Comparing",
    "settling",
    "analyzing",
    "Swapping",
    "renaming",
)


@pytest.mark.parametrize("stage", _STAGES)
def test_killed_itself_the_old_one_is_there_and_the_next_cleans_up(
    scene: Scene, name: str, stage: str
) -> None:
    with Restoring(scene, name, stage) as restoring:
        restoring.reach(stage)
        restoring.process.send_signal(signal.SIGKILL)
        restoring.process.wait()
    assert scene.tables(name) == {"precious"}
    # A server goes on with what it was told last; what that makes is left too.
    made = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%%'"
    eventually(lambda: not scene.count(made), message="its database is made")
    left = scene.staged(name)
    assert len(left) == (stage != "Reading the backup")
    held = "SELECT count(*) FROM pg_stat_activity WHERE application_name = ANY (%s)"
    eventually(lambda: not scene.count(held, left), message="its session ends")
    assert set(scene.restore_again(name)) == set(left)
    assert scene.staged(name) == []
    assert scene.tables(name) == {"notes"}


@pytest.mark.parametrize("stage", _STAGES)
def test_a_killed_server_keeps_the_old_one_and_the_next_cleans_up(
    scene: Scene, name: str, stage: str
) -> None:
    with Restoring(scene, name, stage) as restoring:
        restoring.reach(stage)
        pid = scene.server.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        restoring.go_on()
        said = restoring.ends()
    assert "Traceback" not in said
    assert "DatabaseUnavailable" in said
    scene.server.start()
    assert scene.tables(name) == {"precious"}
    left = scene.staged(name)
    assert len(left) == (stage not in ("Reading the backup", "making"))
    assert set(scene.restore_again(name)) == set(left)
    assert scene.staged(name) == []
    assert scene.tables(name) == {"notes"}


# What a table that is there waits in, when rows come back into it.
_GATE = """
CREATE OR REPLACE FUNCTION {schema}.gate(number bigint) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(4711);
    RETURN true;
END $$;
ALTER TABLE {schema}.notes DROP CONSTRAINT IF EXISTS gate;
ALTER TABLE {schema}.notes ADD CONSTRAINT gate CHECK ({schema}.gate(id)) NOT VALID;
"""


@pytest.fixture
def notes(scene: Scene) -> Iterator[Database]:
    """The database that the backup is of, of whose ten notes five are lost."""
    live = Database(scene.server.dsn("postgres"), SCHEMA)
    with connect(live) as connection:
        connection.execute(_GATE.format(schema=SCHEMA).encode())
        connection.execute("DELETE FROM notes WHERE id > 5")
    yield live
    with connect(live) as connection:
        connection.execute("ALTER TABLE notes DROP CONSTRAINT gate")


def _bring_back(scene: Scene, live: Database) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "agentpg", "backup", "restore", "--table", "notes", "--yes"],
        env={
            **os.environ,
            "AGENTPG_DSN": live.dsn,
            "AGENTPG_HOME": str(scene.work),
            "AGENTPG_BACKUP_REPOSITORY": str(scene.folder.root),
            "AGENTPG_PG_BIN": PG_BIN,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("stage", ["restoring", "merging"])
def test_rows_that_were_coming_back_come_all_or_none(
    scene: Scene, notes: Database, stage: str
) -> None:
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    scratch, undo = scene.work / "scratch", scene.work / "undo"
    with connect(notes) as holder:
        holder.execute("SELECT pg_advisory_lock(4711)")
        with _bring_back(scene, notes) as process:

            def is_there() -> bool:
                if stage == "merging":
                    return scene.count(waits) > 0
                return any(scratch.glob("*/data/postmaster.pid"))

            eventually(lambda: is_there() or process.poll() is not None)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    # The server goes on with what it was told last, and then finds nobody there.
    merging = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    eventually(lambda: not scene.count(merging, "agentpg backup restore"))
    with connect(notes) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (5,)
    assert list(undo.glob("*.sql")) == []
    assert list(scratch.iterdir()) != []
    with _bring_back(scene, notes) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    with connect(notes) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (10,)
    assert list(scratch.iterdir()) == []
    [file] = undo.iterdir()
    file.unlink()
