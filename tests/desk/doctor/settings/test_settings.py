"""The server's settings, each fault produced on a server of the test's own: found, applied with a
way back, and refused where it would harm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.doctor.settings.findings import find
from agentpg.desk.doctor.settings.looking import Given, look_at_settings
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.proposal import Proposal
from agentpg.desk.doctor.settings.proposing import propose
from agentpg.desk.finding import Finding
from agentpg.desk.tune.settings_applying import CHANGE, Applier, changes_of, choose
from agentpg.desk.tune.settings_undo import Change, Undo, read_undo
from agentpg.desk.turn import lasting_turn
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import binaries_for, find_binaries
from agentpg.embedded.postmaster import wait_until_ready
from agentpg.errors import (
    FileNotRead,
    SettingNotProposed,
    SettingPinned,
    SettingsNotAllowed,
    SettingsNotApplied,
    UndoElsewhere,
    UndoUnreadable,
    WorkUnderWay,
)
from tests.pgbouncer import PROGRAM, pgbouncer
from tests.servers import PG_BIN, Mould, OwnServers, Reaper
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("settings")

_GIB = 1024**3
_GIVEN = Given(ram_bytes=16 * _GIB, cpus=4, disk="ssd")


@pytest.fixture(scope="module")
def server(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer]:
    """A server that keeps what is committed, and with nothing wrong; a test leaves it so."""
    servers = OwnServers(tmp_path_factory.mktemp("settings"), reaper, mould)
    made = servers(options={"fsync": "on", "full_page_writes": "on"})
    made.start()
    yield made
    servers.close()


@pytest.fixture
def database(server: EmbeddedServer) -> Database:
    return Database(server.dsn("postgres"))


def run(database: Database, *statements: str) -> None:
    with connect(database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def reload(database: Database, *statements: str) -> None:
    """Run these, and have every new session see what they change."""
    before = _loaded_at(database)
    run(database, *statements, "SELECT pg_reload_conf()")
    eventually(lambda: _loaded_at(database) > before)


def _loaded_at(database: Database) -> datetime:
    with connect(database) as connection:
        [(moment,)] = connection.execute(b"SELECT pg_conf_load_time()").fetchall()
        assert isinstance(moment, datetime)
        return moment


def look(database: Database) -> list[Finding]:
    return list(find(look_at_settings(database, _GIVEN), Policy()))


def bad(database: Database) -> list[tuple[str, str, str]]:
    found = look(database)
    return [(f.code, f.level, f.subject) for f in found if f.level in ("warning", "critical")]


def proposals(database: Database) -> dict[str, Proposal]:
    found = propose(look_at_settings(database, _GIVEN), Policy())
    return {one.label: one for one in found}


def test_nothing_is_wrong_with_a_new_server(database: Database) -> None:
    found = look(database)
    assert [f.message() for f in found if f.level not in ("ok", "info")] == []
    assert list(dict.fromkeys(f.code for f in found)) == [f"G{n:02}" for n in range(1, 14)]


def test_lines_that_cannot_be_used(server: EmbeddedServer, database: Database) -> None:
    data = server.status().data
    files = {"postgresql.auto.conf": "work_mem = 'much'\n= nothing\n", "pg_hba.conf": "host all\n"}
    before = {name: (data / name).read_text(encoding="utf-8") for name in files}
    try:
        for name, line in files.items():
            (data / name).write_text(before[name] + line, encoding="utf-8")
        found = [one for one in look(database) if one.level == "critical"]
    finally:
        for name, text in before.items():
            (data / name).write_text(text, encoding="utf-8")
    assert [one.code for one in found][-1] == "G02"
    lines = {(one.code, one.evidence["line"]) for one in found}
    first = before["postgresql.auto.conf"].count("\n")
    # What can't be read at all hides what can't be used.
    assert ("G01", first + 2) in lines
    assert ("G02", before["pg_hba.conf"].count("\n") + 1) in lines
    assert bad(database) == []


def test_a_value_that_cannot_be_used_is_taken_out(
    server: EmbeddedServer, database: Database
) -> None:
    file = server.status().data / "postgresql.auto.conf"
    file.write_text(file.read_text(encoding="utf-8") + "work_mem = 'much'\n", encoding="utf-8")
    [finding] = [one for one in look(database) if one.level == "critical"]
    assert (finding.code, finding.subject) == ("G01", "work_mem")
    assert finding.evidence["file"].endswith("postgresql.auto.conf")
    run(database, *(remedy.sql for remedy in finding.remedies))
    assert bad(database) == []


def test_switches_that_harm(database: Database) -> None:
    wrong = {
        "fsync": "off",
        "synchronous_commit": "off",
        "zero_damaged_pages": "on",
        "enable_hashjoin": "off",
        "autovacuum": "off",
        "statement_timeout": "1min",
        "default_transaction_read_only": "on",
    }
    reload(database, *(f"ALTER SYSTEM SET {name} = {value!r}" for name, value in wrong.items()))
    assert set(bad(database)) == {
        ("G04", "critical", "fsync"),
        ("G04", "critical", "zero_damaged_pages"),
        ("G04", "warning", "synchronous_commit"),
        ("G05", "warning", "enable_hashjoin"),
        ("G06", "warning", "autovacuum"),
        ("G10", "warning", "statement_timeout"),
        ("G13", "critical", "default_transaction_read_only"),
    }
    statements = [
        one.remedies[0].sql.split(";")[0]
        for one in look(database)
        if one.code in ("G04", "G05", "G13")
    ]
    reload(database, *statements)
    assert {code for code, *_ in bad(database)} == {"G06", "G10"}
    reload(database, "ALTER SYSTEM RESET ALL")
    assert bad(database) == []


def test_what_roles_and_databases_have_for_themselves(database: Database) -> None:
    run(
        database,
        "ALTER DATABASE agentic_ai SET enable_seqscan = off",
        "ALTER ROLE admin SET synchronous_commit = off",
        "ALTER ROLE admin IN DATABASE agentic_ai SET zero_damaged_pages = on",
        "ALTER DATABASE agentic_ai SET work_mem = '4GB'",
        "ALTER ROLE admin SET statement_timeout = '1ms'",
    )
    found = [one for one in look(database) if one.code in ("G04", "G05", "G13")]
    assert [(one.level, one.subject, one.evidence["role"]) for one in found] == [
        ("info", "synchronous_commit", "admin"),
        ("critical", "zero_damaged_pages", "admin"),
        ("warning", "enable_seqscan", ""),
        ("warning", "statement_timeout", "admin"),
    ]
    # A database's own value is not the server's.
    assert "work_mem" not in proposals(database)
    run(
        database,
        *(one.remedies[0].sql for one in found),
        "ALTER DATABASE agentic_ai RESET work_mem",
    )
    assert bad(database) == []


def test_a_database_that_is_read_only_is_freed_by_what_the_finding_says(
    database: Database,
) -> None:
    run(database, "ALTER DATABASE agentic_ai SET default_transaction_read_only = on")
    [found] = [one for one in look(database) if one.level == "critical"]
    assert (found.code, found.evidence["database"]) == ("G13", "agentic_ai")
    run(database, found.remedies[0].sql)
    assert bad(database) == []


def test_what_is_applied_holds_and_can_be_taken_back(database: Database, tmp_path: Path) -> None:
    reload(database, "ALTER SYSTEM SET random_page_cost = 3.5")
    known = proposals(database)
    assert known["shared_buffers"].proposed == "4GB"
    assert (known["random_page_cost"].now, known["random_page_cost"].proposed) == ("3.5", "1.1")
    named = ["shared_buffers", "random_page_cost", "idle_in_transaction_session_timeout@admin"]
    applier = Applier(database, tmp_path)
    applied = applier.apply(changes_of(choose(list(known.values()), named)))
    assert {one.label: one.state for one in applied.outcomes} == {
        "shared_buffers": "after restart",
        "random_page_cost": "holds",
        "idle_in_transaction_session_timeout@admin": "holds",
    }
    assert applied.undo.stat().st_mode & 0o777 == 0o600
    assert not set(named[1:]) & set(proposals(database))
    [waits] = [one for one in look(database) if one.code == "G03"]
    assert (waits.level, waits.subject, waits.evidence["value"]) == (
        "warning",
        "shared_buffers",
        "4GB",
    )
    back = read_undo(applied.undo)
    assert [one.sql for one in back.changes] == [
        'ALTER ROLE "admin" RESET "idle_in_transaction_session_timeout";',
        "ALTER SYSTEM SET \"random_page_cost\" = '3.5';",
        'ALTER SYSTEM RESET "shared_buffers";',
    ]
    undone = applier.undo(back, applied.undo)
    assert {one.state for one in undone.outcomes} == {"holds"}
    after = proposals(database)
    assert after["random_page_cost"].now == "3.5"
    assert set(named) <= set(after)
    assert bad(database) == []
    reload(database, "ALTER SYSTEM RESET ALL")


@contextmanager
def started_with(server: EmbeddedServer, *options: str) -> Iterator[None]:
    """The same server with options on its command line, and without them afterwards."""
    server.stop()
    data = server.status().data
    account = choose_account(data)
    binaries = binaries_for(account, find_binaries(PG_BIN))
    with (
        Path(os.devnull).open("wb") as nothing,
        account.reach(data.parent) as (place, fds),
    ):
        command: list[str | Path] = [binaries.tool("postgres"), "-D", f"{place}/{data.name}"]
        # The folder of its socket went with the server before.
        command += [*options, "-c", "unix_socket_directories="]
        pid = account.detach(command, nothing.fileno(), fds)
    assert wait_until_ready(pid, data, timedelta(seconds=30))
    try:
        yield
    finally:
        server.stop()
        server.start()


def test_what_the_command_line_gives_is_not_said_to_be_set(
    server: EmbeddedServer, database: Database, tmp_path: Path
) -> None:
    change = Change(name="random_page_cost", value_sql="'1.1'")
    with started_with(server, "-c", "random_page_cost=3.5"):
        one = proposals(database)["random_page_cost"]
        assert "command line" in one.pinned
        with pytest.raises(SettingPinned, match="random_page_cost can't be set"):
            Applier(database, tmp_path).apply([change])
    assert not (tmp_path / "undo").exists()
    assert not proposals(database)["random_page_cost"].pinned


def test_of_two_that_change_settings_at_once_one_waits(database: Database, tmp_path: Path) -> None:
    change = Change(name="track_io_timing", value_sql="'on'")
    with lasting_turn(database, CHANGE), pytest.raises(WorkUnderWay):
        Applier(database, tmp_path).apply([change])
    if PROGRAM is not None:
        # The process of the server that a pooler lends is kept by the transaction alone.
        with (
            pgbouncer(database) as pooler,
            lasting_turn(pooler.database, CHANGE),
            pytest.raises(WorkUnderWay),
        ):
            Applier(database, tmp_path).apply([change])
    assert not (tmp_path / "undo").exists()


def test_all_are_taken_back_where_one_is_refused(database: Database, tmp_path: Path) -> None:
    changes = [
        Change(name="track_io_timing", value_sql="'on'"),
        Change(name="work_mem", value_sql="'much'"),
    ]
    with pytest.raises(SettingsNotApplied, match="work_mem was refused"):
        Applier(database, tmp_path).apply(changes)
    assert proposals(database)["track_io_timing"].now == "off"


def test_commits_are_not_made_less_safe(database: Database, tmp_path: Path) -> None:
    reload(database, "ALTER SYSTEM SET fsync = off")
    applier = Applier(database, tmp_path)
    applied = applier.apply(changes_of(choose(list(proposals(database).values()), ["fsync"])))
    undone = applier.undo(read_undo(applied.undo), applied.undo)
    assert undone.left == ("fsync",)
    assert bad(database) == []
    # The files have it off, so that taking it out of the server's own would switch it off.
    reset = Change(name="fsync", value_sql=None)
    assert applier.undo(Undo(system="", changes=(reset,)), applied.undo).left == ("fsync",)


def test_no_library_at_all_comes_back(database: Database, tmp_path: Path) -> None:
    empty = Change(name="shared_preload_libraries", value_sql="''")
    applied = Applier(database, tmp_path).apply([empty])
    assert applied.outcomes[0].state in ("holds", "after restart")
    reload(database, "ALTER SYSTEM RESET ALL")


def test_who_may_not_is_told_what_to_grant(
    server: EmbeddedServer, database: Database, tmp_path: Path
) -> None:
    admin = Database(server.dsn())
    chosen = choose(list(proposals(database).values()), ["track_io_timing"])
    with pytest.raises(SettingsNotAllowed) as refused:
        Applier(admin, tmp_path).apply(changes_of(chosen))
    assert refused.value.exit_code == 4
    assert not (tmp_path / "undo").exists()
    grants = str(refused.value.values["grants"])
    assert grants.startswith("GRANT ALTER SYSTEM ON PARAMETER track_io_timing TO admin; ")
    run(database, *grants.split("; "))
    applied = Applier(admin, tmp_path).apply(changes_of(chosen))
    assert applied.outcomes[0].state == "holds"
    assert read_undo(applied.undo).changes[0].value_sql is None
    reload(
        database,
        "REVOKE ALTER SYSTEM ON PARAMETER track_io_timing FROM admin",
        "REVOKE pg_read_all_settings FROM admin",
        "REVOKE EXECUTE ON FUNCTION pg_reload_conf() FROM admin",
        "ALTER SYSTEM RESET ALL",
    )


def test_a_role_without_rights_sees_what_it_may(server: EmbeddedServer) -> None:
    found = {one.code: one for one in look(Database(server.dsn()))}
    assert {code for code, one in found.items() if one.level == "unknown"} == {"G01", "G02"}
    assert found["G01"].remedies[0].sql.startswith("GRANT SELECT ON pg_file_settings TO admin")


def test_any_name_and_value_comes_back(database: Database, tmp_path: Path) -> None:
    role = 'a.b@c "d"\n50 % \u2028;\U0001f600'
    quoted = '"' + role.replace('"', '""') + '"'
    run(database, f"CREATE ROLE {quoted}", f"ALTER ROLE {quoted} SET statement_timeout = '7s'")
    change = Change(name="statement_timeout", value_sql="'5min'", role=role)
    applier = Applier(Database(database.dsn, database.schema), tmp_path)
    applied = applier.apply([change])
    back = read_undo(applied.undo)
    assert [(one.role, one.value_sql) for one in back.changes] == [(role, "'7s'")]
    applier.undo(back, applied.undo)
    with connect(database) as connection:
        kept = connection.execute(b"SELECT rolconfig FROM pg_roles WHERE rolname = %s", [role])
        assert kept.fetchall() == [(["statement_timeout=7s"],)]
    run(database, f"DROP ROLE {quoted}")


@pytest.mark.parametrize(
    "line",
    [
        "ALTER SYSTEM SET \"work_mem\" = '1MB'; DROP TABLE tasks;",
        "DROP TABLE tasks;",
        'ALTER ROLE "admin" SUPERUSER;',
    ],
)
def test_a_file_with_anything_else_is_not_undone(tmp_path: Path, line: str) -> None:
    file = tmp_path / "undo.sql"
    file.write_text(f"-- agentpg: undo of settings; server 1\n{line}\n", encoding="utf-8")
    with pytest.raises(UndoUnreadable):
        read_undo(file)


def test_a_file_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotRead, match=r"nothing\.sql: No such file or directory$"):
        read_undo(tmp_path / "nothing.sql")
    binary = tmp_path / "binary.sql"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(UndoUnreadable):
        read_undo(binary)


def test_only_what_is_ours_is_undone_and_where_it_was(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "undo.sql"
    file.write_text("ALTER SYSTEM RESET work_mem;\n", encoding="utf-8")
    with pytest.raises(UndoUnreadable, match="not written by agentpg"):
        read_undo(file)
    file.write_text("-- agentpg: undo of settings; server 17\n", encoding="utf-8")
    with pytest.raises(UndoElsewhere):
        Applier(database, tmp_path).undo(read_undo(file), file)
    with pytest.raises(SettingNotProposed, match="no_such"):
        choose((), ["no_such"])


def test_nobody_elses_functions_are_called(database: Database, tmp_path: Path) -> None:
    run(
        database,
        "CREATE SCHEMA theirs",
        "CREATE SEQUENCE theirs.called",
        *(
            f"CREATE FUNCTION theirs.{name} LANGUAGE sql AS "
            f"$$SELECT pg_catalog.nextval('theirs.called'); {body}$$"
            for name, body in (
                ("now() RETURNS timestamptz", "SELECT pg_catalog.now()"),
                ("pg_reload_conf() RETURNS bool", "SELECT true"),
                (
                    "set_config(text, text, bool) RETURNS text",
                    "SELECT pg_catalog.set_config($1, $2, $3)",
                ),
            )
        ),
        f"ALTER DATABASE {database.name()} SET search_path = theirs, pg_catalog",
    )
    try:
        assert [one for one in look(database) if one.level == "unknown"] == []
        change = Change(name="track_io_timing", value_sql="'on'")
        applier = Applier(database, tmp_path)
        applied = applier.apply([change])
        applier.undo(read_undo(applied.undo), applied.undo)
        with connect(database) as connection:
            called = connection.execute(b"SELECT is_called FROM theirs.called").fetchall()
        assert called == [(False,)]
    finally:
        reset = f"ALTER DATABASE {database.name()} RESET search_path"
        run(database, reset, "DROP SCHEMA theirs CASCADE")
