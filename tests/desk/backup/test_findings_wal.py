"""What the findings say of a server's archiving and pages: on servers that really do so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.db import Database
from agentpg.desk.backup.inspection.facts import Archiver, Facts
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import binaries_for, find_binaries
from agentpg.schema import migrate
from tests.desk.backup.watched import DAY, HOUR, Watched
from tests.servers import PG_BIN, OwnServers
from tests.waiting import eventually

MINUTE = timedelta(minutes=1)
SEGMENT = "00000001000000000000{:04X}"

Start = Callable[..., tuple[EmbeddedServer, Watched]]


@pytest.fixture
def start(own_server: OwnServers, tmp_path: Path) -> Start:
    """Call it with settings for a server, and the watched database of it as a superuser."""

    def make(**options: str) -> tuple[EmbeddedServer, Watched]:
        server = own_server(options=options)
        server.start()
        migrate(Database(server.dsn(), "agentic_ai"))
        return server, Watched(Database(server.dsn("postgres"), "agentic_ai"), tmp_path / "repo")

    return make


def _later(facts: Facts, time: timedelta) -> Facts:
    """The same facts, asked for so much later by the server's clock."""
    assert isinstance(facts.archiver, Archiver)
    archiver = dataclasses.replace(facts.archiver, asked_at=facts.archiver.asked_at + time)
    return dataclasses.replace(facts, archiver=archiver)


def _write(watched: Watched, size: int = 200_000) -> None:
    watched.run(f"SELECT pg_logical_emit_message(true, 'test', repeat('x', {size}))")


def test_wal_that_lies_open_beside_sealed_backups(start: Start) -> None:
    _, watched = start()
    watched.settings["backup_passphrase"] = "correct horse"
    assert watched.levels("B16") == {"B16": "ok"}
    [(system,)] = watched.run("SELECT system_identifier::text FROM pg_control_system()")
    name = f"{SEGMENT.format(2)}.zst"
    watched.repository.write(f"wal/{system}/{name}", b"")
    found = watched.findings()["B16"]
    assert (found.level, found.subject) == ("warning", name)
    watched.repository.write(
        f"wal/{system}/{SEGMENT.format(3)}-20990101T000000Z-{'a' * 64}.zst.age", b""
    )
    assert watched.levels("B16") == {"B16": "ok"}


def test_a_server_that_archives_is_silent(start: Start, tmp_path: Path) -> None:
    # A command that keeps each file where the test's server can write.
    server, watched = start(archive_mode="on", archive_command="test -f %p")
    watched.backup(HOUR, kind="base")
    _write(watched)
    watched.run("SELECT pg_switch_wal()")
    eventually(lambda: watched.run("SELECT archived_count FROM pg_stat_archiver") != [(0,)])
    expected = dict.fromkeys(("B05", "B06", "B07", "B08", "B09"), "ok")
    assert watched.levels(*expected) == expected
    assert server.status().running


def test_a_failing_command(start: Start) -> None:
    _, watched = start(archive_mode="on", archive_command="test ! -f %p")
    _write(watched)
    watched.run("SELECT pg_switch_wal()")
    eventually(lambda: watched.run("SELECT failed_count > 0 FROM pg_stat_archiver") == [(True,)])
    facts = watched.facts()
    found = watched.judge(facts)["B05"]
    assert found.level == "warning"
    assert found.subject == watched.run("SELECT last_failed_wal FROM pg_stat_archiver")[0][0]
    assert watched.judge(_later(facts, 6 * MINUTE))["B05"].level == "critical"
    watched.run("ALTER SYSTEM SET archive_command = 'test -f %p'")
    watched.run("SELECT pg_reload_conf()")
    eventually(lambda: watched.levels("B05") == {"B05": "ok"})


@pytest.mark.parametrize(("files", "level"), [(9, "ok"), (10, "warning"), (100, "critical")])
def test_wal_that_waits(start: Start, files: int, level: str) -> None:
    server, watched = start(archive_mode="on", archive_command="false")
    status = server.status().data / "pg_wal" / "archive_status"
    account = choose_account(server.status().data)
    there = watched.run("SELECT count(*) FROM pg_ls_archive_statusdir()")[0][0]
    for number in range(files - there):
        waiting = status / f"{SEGMENT.format(0x1000 + number)}.ready"
        waiting.touch()
        account.own(waiting)
    found = watched.findings()["B06"]
    assert (found.level, found.evidence["files"]) == (level, files)


def test_wal_that_was_not_archived_for_long(start: Start) -> None:
    _, watched = start(archive_mode="on", archive_command="test -f %p", archive_timeout="0")
    _write(watched)
    watched.run("SELECT pg_switch_wal()")
    eventually(lambda: watched.run("SELECT archived_count FROM pg_stat_archiver") != [(0,)])
    idle = watched.facts()
    assert watched.judge(_later(idle, HOUR))["B07"].level == "ok", "nothing was written since"
    _write(watched)
    busy = watched.facts()
    levels = [watched.judge(_later(busy, minutes * MINUTE))["B07"].level for minutes in (1, 6, 16)]
    assert levels == ["ok", "warning", "critical"]
    assert watched.judge(busy)["B07"].evidence["unarchived_bytes"] > 200_000


def test_wal_that_is_missing_in_the_middle(start: Start) -> None:
    _, watched = start()
    system = watched.run("SELECT system_identifier::text FROM pg_control_system()")[0][0]
    for number in (1, 2, 4):
        watched.repository.write(f"wal/{system}/{SEGMENT.format(number)}.zst", b"wal")
    found = watched.findings()["B08"]
    assert (found.level, found.subject) == ("critical", SEGMENT.format(3))
    watched.repository.write(f"wal/{system}/{SEGMENT.format(3)}.zst", b"wal")
    assert watched.levels("B08") == {"B08": "ok"}


@pytest.mark.parametrize("command", ["true", ":", "", "/bin/true"])
def test_a_command_that_keeps_nothing(start: Start, command: str) -> None:
    _, watched = start(archive_mode="on", archive_command=command)
    found = watched.findings()["B09"]
    assert found.level == "critical"
    assert repr(command) in found.message()


def test_no_archiving_is_critical_only_for_who_had_it(start: Start) -> None:
    """A base backup holds the WAL that it needs itself."""
    _, watched = start()
    watched.backup(DAY)
    assert watched.levels("B09") == {"B09": "ok"}
    watched.backup(HOUR, kind="base")
    found = watched.findings()["B09"]
    assert (found.level, "to no later moment" in found.message()) == ("warning", True)
    [(system,)] = watched.run("SELECT system_identifier::text FROM pg_control_system()")
    watched.repository.write(f"wal/{system}/{SEGMENT.format(1)}.zst", b"wal")
    assert watched.levels("B09") == {"B09": "critical"}


def test_pages_without_checksums_and_with_a_flipped_byte(start: Start) -> None:
    server, watched = start()
    watched.run("CREATE TABLE broken AS SELECT repeat('x', 100) FROM generate_series(1, 1000)")
    path = watched.run("SELECT pg_relation_filepath('broken')")[0][0]
    _set_checksums(server, "disable")
    assert watched.levels("B10", "B11") == {"B10": "ok", "B11": "warning"}
    _set_checksums(server, "enable")
    assert watched.levels("B10", "B11") == {"B10": "ok", "B11": "ok"}
    server.stop()
    with (server.status().data / path).open("r+b") as file:
        file.seek(8192 + 4000)
        byte = file.read(1)
        file.seek(8192 + 4000)
        file.write(bytes([byte[0] ^ 1]))
    server.start()
    with pytest.raises(Exception, match="invalid page"):
        watched.run("SELECT count(*) FROM broken")
    eventually(lambda: watched.levels("B10") == {"B10": "critical"})


def test_a_copy_with_page_errors_is_named(start: Start) -> None:
    _, watched = start()
    backup = watched.backup(HOUR, kind="pgbackrest", details={"page_errors": True, "label": "x"})
    found = watched.findings()["B10"]
    assert (found.level, found.subject) == ("critical", backup.name)


def _set_checksums(server: EmbeddedServer, what: str) -> None:
    server.stop()
    data = server.status().data
    account = choose_account(data)
    binaries = binaries_for(account, find_binaries(PG_BIN))
    with account.reach(data) as (path, fds):
        command: list[str | Path] = [binaries.tool("pg_checksums")]
        command += [f"--{what}", "--no-sync", f"--pgdata={path}"]
        done = account.run(command, fds=fds)
    # It says so where it is as it should be already.
    assert done.returncode == 0 or "already" in done.stderr, done.stderr
    server.start()
