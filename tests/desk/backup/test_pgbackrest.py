"""Backups of kind pgbackrest: made, chained, verified, recovered to their exact moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import Step
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.pgbackrest.backups import remove_from_pgbackrest, verify_in_pgbackrest
from agentpg.desk.backup.pgbackrest.recovery import prepare_pgbackrest, recover_pgbackrest
from agentpg.desk.backup.pgbackrest.stanza import find_stanza, require_known
from agentpg.desk.backup.recovery.archiving import look_at_archiving, prove_archiving
from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import list_backups, remove_backup
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import (
    PgbackrestNotArchiving,
    PgbackrestOutOfReach,
    PgbackrestTooOld,
    PgbackrestTypeUnknown,
    RecoveryDiskFull,
    RepositoryFull,
    ToolFailed,
)
from tests.desk.backup.archived_server import (
    DEBIAN,
    ArchivedServer,
    archived_server,
    needs_debian,
    needs_pgbackrest,
)
from tests.desk.backup.clusters import PATIENCE
from tests.servers import OwnServers
from tests.small_disk import as_root, fill_up, small_disk
from tests.waiting import eventually

# Its server is one of PostgreSQL 15 in every run.
pytestmark = [needs_pgbackrest, needs_debian, pytest.mark.one_server]

_MIB = 1024**2


@pytest.fixture
def archived(own_server: OwnServers) -> Iterator[ArchivedServer]:
    with archived_server(own_server) as server:
        yield server


def _labels(archived: ArchivedServer, backup: Backup) -> list[str]:
    stanza = find_stanza(archived.repository, backup.source.system_identifier)
    return [kept.label for kept in stanza.kept()]


def test_full_and_what_builds_on_it_are_chained_and_whole(archived: ArchivedServer) -> None:
    told: list[Step] = []
    full = archived.backup("full", told.append)
    archived.run("INSERT INTO agentic_ai.notes (text) VALUES ('later')")
    incremental = archived.backup("incr")
    differential = archived.backup("diff")
    assert list_backups(archived.repository) == [full, incremental, differential]
    assert [b.details["type"] for b in (full, incremental, differential)] == [
        "full",
        "incr",
        "diff",
    ]
    assert full.details["needs"] == []
    assert incremental.details["needs"] == differential.details["needs"] == [full.name]
    assert incremental.details["label"].startswith(f"{full.details['label']}_")
    assert told[-1].done_bytes == told[-1].total_bytes > 0
    for backup in (full, incremental, differential):
        checks = verify_in_pgbackrest(archived.repository, backup)
        assert [(c.name, c.outcome) for c in checks] == [
            ("kept", "passed"),
            ("wal", "passed"),
            ("pages", "passed"),
        ]


def test_it_is_recovered_to_its_moment_and_not_beyond(
    archived: ArchivedServer, own_server: OwnServers
) -> None:
    archived.run("INSERT INTO agentic_ai.notes (text) VALUES ('before')")
    backup = archived.backup()
    archived.run("INSERT INTO agentic_ai.notes (text) VALUES ('after')")
    archived.run("SELECT pg_switch_wal()")
    data = archived.root / "scratch"
    account = prepare_pgbackrest(backup, archived.repository, data)
    log = archived.root / "recovery.log"
    recover_pgbackrest(backup, data, account, find_binaries(str(DEBIAN)), log)
    assert f'restore point "{backup.details["mark"]}"' in log.read_text()
    settings = (data / "postgresql.auto.conf").read_text()
    assert "recovery_target" not in settings
    assert "restore_command" not in settings
    assert _notes(data) == {"before"}


def test_it_is_recovered_into_a_home_to_any_later_moment(
    archived: ArchivedServer, own_server: OwnServers
) -> None:
    backup = archived.backup()
    with connect(archived.database) as connection:
        prove_archiving(connection, archived.repository, PATIENCE)
        connection.execute("INSERT INTO agentic_ai.notes (text) VALUES ('before')")
        [(moment,)] = connection.execute("SELECT clock_timestamp()").fetchall()
        connection.execute("INSERT INTO agentic_ai.notes (text) VALUES ('after')")
        prove_archiving(connection, archived.repository, PATIENCE)
        status = look_at_archiving(connection, archived.repository)
    assert status.is_well
    assert status.segments > 2
    for number, (target, rows) in enumerate(
        (
            (Target(by="time", at=moment), {"before"}),
            (Target(by="latest"), {"before", "after"}),
        )
    ):
        home = archived.root / f"recovered-{number}"
        recovered = recover_home(_home_work(archived, backup, target, home))
        assert recovered.unfinished == 1000
        server = own_server(home=home, pg_bin=str(DEBIAN), options={"archive_mode": "off"})
        server.start()
        with connect(Database(server.dsn("postgres"), "agentic_ai")) as connection:
            found = connection.execute(
                "SELECT text FROM agentic_ai.notes WHERE text IN ('before', 'after')"
            ).fetchall()
            held = connection.execute(
                "SELECT count(*) FROM agentic_ai.tasks WHERE held_reason IS NOT NULL"
            ).fetchone()
        assert {text for (text,) in found} == rows
        assert held == (1000,)
        server.stop("immediate")


def _home_work(archived: ArchivedServer, backup: Backup, target: Target, home: Path) -> HomeWork:
    return HomeWork(
        backup=backup,
        repository=archived.repository,
        target=target,
        home=home,
        beside=archived.root / "home",
        binaries=find_binaries(str(DEBIAN)),
        opener=lambda path: nullcontext(BytesIO(path.encode())),
        tablespaces={},
    )


def test_a_drill_proves_it_exactly(archived: ArchivedServer) -> None:
    backup = archived.backup()
    archived.run("INSERT INTO agentic_ai.notes (text) VALUES ('after')")
    assert backup.rows > 1000
    options = DrillOptions(parent=archived.root / "scratch", pg_bin=str(DEBIAN))
    drill = run_drill(archived.repository, backup.name, options, lambda stage: None)
    assert [c for c in drill.checks if c.outcome != "passed"] == []
    assert drill.outcome == "passed"
    assert drill.restore.total_seconds() > 0


def test_what_is_damaged_is_named_although_it_exits_well(archived: ArchivedServer) -> None:
    backup = archived.backup()
    repo = _repo(archived, backup)
    bundle = max((repo / "backup").rglob("bundle/*"), key=lambda path: path.stat().st_size)
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(bytes(content))
    checks = {c.name: c for c in verify_in_pgbackrest(archived.repository, backup)}
    assert checks["kept"].outcome == "failed"
    assert backup.details["label"] in checks["kept"].reason
    assert checks["wal"].outcome == "passed"


def test_missing_wal_is_named(archived: ArchivedServer) -> None:
    backup = archived.backup()
    for _ in range(3):
        archived.run("SELECT pg_logical_emit_message(true, 'test', 'x')")
        archived.run("SELECT pg_switch_wal()")
    archived.backup("incr")
    segments = sorted((_repo(archived, backup) / "archive").rglob("0*-*.zst"))
    segments[-3].unlink()
    checks = {c.name: c for c in verify_in_pgbackrest(archived.repository, backup)}
    assert checks["wal"].outcome == "failed", checks


def test_a_removed_one_leaves_pgbackrest_too(archived: ArchivedServer) -> None:
    first, second = archived.backup(), archived.backup()
    assert len(_labels(archived, first)) == 2
    remove_backup(archived.repository, first.name)
    remove_from_pgbackrest(archived.repository, first)
    assert _labels(archived, second) == [second.details["label"]]
    checks = verify_in_pgbackrest(archived.repository, first)
    assert [c.outcome for c in checks] == ["failed"]
    assert [c.outcome for c in verify_in_pgbackrest(archived.repository, second)] == ["passed"] * 3


def test_what_was_killed_is_no_backup_and_goes_with_the_next(archived: ArchivedServer) -> None:
    kept = archived.backup()
    process = _backup_elsewhere(archived)
    # Killed when pgBackRest has a backup and nobody has written its record yet.
    eventually(lambda: len(_labels(archived, kept)) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list_backups(archived.repository) == [kept]
    after = archived.backup()
    assert list_backups(archived.repository) == [kept, after]
    assert _labels(archived, kept) == [kept.details["label"], after.details["label"]]


def test_a_failing_archive_is_named_and_leaves_nothing(archived: ArchivedServer) -> None:
    system = archived.backup().source.system_identifier
    stanza = find_stanza(archived.repository, system)
    archived.run("ALTER SYSTEM SET archive_command = 'false'")
    archived.run("SELECT pg_reload_conf()")
    eventually(lambda: archived.run("SHOW archive_command") == [("false",)])
    with pytest.raises(PgbackrestNotArchiving, match="archive_command is false"):
        archived.backup()
    assert len(stanza.kept()) == 1
    assert len(list_backups(archived.repository)) == 1


@as_root
def test_disks_that_become_full_are_named_and_leave_nothing(own_server: OwnServers) -> None:
    with (
        small_disk(64 * _MIB) as disk,
        archived_server(own_server, disk / "repository") as archived,
    ):
        kept = archived.backup()
        fill_up(disk, _MIB)
        with pytest.raises(RepositoryFull, match=f"{disk}.*No space left on device"):
            archived.backup()
        assert list_backups(archived.repository) == [kept]
        assert _labels(archived, kept) == [kept.details["label"]]
        (disk / "ballast").unlink()
        after = archived.backup("incr")
        assert after.details["needs"] == [kept.name]
        # As if the cluster had been smaller; else it is refused before.
        little = replace(after, details={**after.details, "cluster_bytes": 0})
        with small_disk(16 * _MIB) as narrow:
            work = _home_work(archived, little, Target(by="backup"), narrow / "home")
            with pytest.raises(RecoveryDiskFull, match=f"{narrow}.*No space left on device"):
                recover_home(work)
            assert list(narrow.iterdir()) == []


def test_a_wrong_type_is_refused(archived: ArchivedServer) -> None:
    with pytest.raises(PgbackrestTypeUnknown, match="half"):
        archived.backup("half")
    assert list_backups(archived.repository) == []


def test_a_foreign_error_is_told_in_its_own_words(archived: ArchivedServer) -> None:
    backup = archived.backup()
    stanza = find_stanza(archived.repository, backup.source.system_identifier)
    with pytest.raises(ToolFailed, match="backup set 20000101-000000F is not valid"):
        stanza.run("restore", "--set=20000101-000000F", f"--pg1-path={archived.root / 'none'}")


def test_an_old_release_and_a_new_server_do_not_go_together() -> None:
    require_known("2.45", 15)
    require_known("2.58.0", 18)
    with pytest.raises(PgbackrestTooOld, match=r"2\.45 knows PostgreSQL up to 15.* has 16"):
        require_known("2.45", 16)


def test_a_repository_that_is_not_there_is_out_of_reach(folder: Folder) -> None:
    with pytest.raises(PgbackrestOutOfReach, match="pgbackrest/7300"):
        find_stanza(folder, "7300")


def _repo(archived: ArchivedServer, backup: Backup) -> Path:
    return archived.repository.root / "pgbackrest" / backup.source.system_identifier / "repo"


def _notes(data: Path) -> set[object]:
    """Which of the two notes a recovered folder has; read by a single-user server."""
    owner = data.stat()
    command = [str(DEBIAN / "postgres"), "--single", "-D", str(data), "agentic_ai"]
    query = "SELECT text FROM agentic_ai.notes WHERE text IN ('before', 'after')\n"
    switched = os.geteuid() == 0
    answer = subprocess.run(
        command,
        input=query,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=owner.st_uid if switched else None,
        group=owner.st_gid if switched else None,
    )
    assert answer.returncode == 0, answer.stderr
    said = answer.stdout
    return {text for text in ("before", "after") if f'"{text}"' in said}


def _backup_elsewhere(archived: ArchivedServer) -> subprocess.Popen[bytes]:
    """A process that makes a backup, and is held up when pgBackRest is done: a table is taken."""
    script = f"""
from pathlib import Path
from agentpg.db import Database
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.storage.folder import open_folder
database = Database({archived.database.dsn!r}, "agentic_ai")
options = CreateOptions(
    kind="pgbackrest", stages=Path({str(archived.root / "stages")!r}), pg_bin={str(DEBIAN)!r}
)
create_backup(database, open_folder(Path({str(archived.repository.root)!r})), options, print)
"""
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
