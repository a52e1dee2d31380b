"""Drills: real restores into a scratch server, which tell a good backup from a bad one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, Step, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Check, Drill
from agentpg.desk.backup.programs import find_programs
from agentpg.desk.backup.proof.proving import Proof
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import complete, read_drills, remove_backup
from agentpg.errors import BackupNotFound
from tests.desk.backup.sample import a_backup
from tests.servers import PG_BIN

Options = Callable[..., CreateOptions]


def _ignore(_: object) -> None:
    return


@pytest.fixture
def drill(folder: Folder, tmp_path: Path) -> Callable[..., Drill]:
    """Call it with the name of a backup to drill it."""

    def run(name: str, **other: Any) -> Drill:
        options = DrillOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN, **other)
        return run_drill(folder, name, options, _ignore)

    return run


def _named(drill: Drill) -> dict[str, Check]:
    return {check.name: check for check in drill.checks}


@pytest.mark.parametrize("kind", ["dump", "sql"])
def test_a_good_backup_passes(
    filled: Database,
    folder: Folder,
    options: Options,
    drill: Callable[..., Drill],
    kind: str,
    tmp_path: Path,
) -> None:
    compression = "gzip:1" if kind == "sql" else ""
    backup = create_backup(filled, folder, options(kind=kind, compression=compression), _ignore)
    found = drill(backup.name)
    bad = {c.name: (c.reason, c.differences) for c in found.checks if c.outcome != "passed"}
    assert bad == {}
    assert {"files", "restore", "constraints", "foreign keys", "sequences"} <= _named(found).keys()
    assert {"indexes", "schema", "queries of the guide", "contents"} <= _named(found).keys()
    assert found.restore.total_seconds() > 0
    assert read_drills(folder, backup.name) == [found]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_damage_fails_and_is_recorded(
    filled: Database, folder: Folder, options: Options, drill: Callable[..., Drill]
) -> None:
    backup = create_backup(filled, folder, options(), _ignore)
    data = folder.root / "backups" / backup.name / "data"
    path = max(data.iterdir(), key=lambda one: one.stat().st_size)
    path.write_bytes(path.read_bytes()[:-100])
    found = drill(backup.name)
    assert found.outcome == "failed"
    assert path.name in str(_named(found)["files"].differences)
    assert [one.outcome for one in read_drills(folder, backup.name)] == ["failed"]


def test_what_could_not_be_tried_is_unknown_and_recorded(
    filled: Database, folder: Folder, options: Options, tmp_path: Path
) -> None:
    backup = create_backup(filled, folder, options(), _ignore)
    (tmp_path / "file").touch()
    drill_options = DrillOptions(parent=tmp_path / "file", pg_bin=PG_BIN)
    found = run_drill(folder, backup.name, drill_options, _ignore)
    assert found.outcome == "unknown"
    assert found.checks[-1].name == "drill"
    assert [one.outcome for one in read_drills(folder, backup.name)] == ["unknown"]


def test_rows_that_break_a_foreign_key_are_found(
    filled: Database,
    folder: Folder,
    options: Options,
    drill: Callable[..., Drill],
    superuser_dsn: Callable[..., str],
) -> None:
    with connect(filled) as connection:
        connection.execute("CREATE TABLE parts (id int, note bigint REFERENCES notes)")
        connection.execute("INSERT INTO parts VALUES (1, 1), (2, NULL)")
        database = connection.info.dbname
    with connect(Database(superuser_dsn(database))) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("INSERT INTO agentic_ai.parts VALUES (3, 99999)")
    backup = create_backup(filled, folder, options(), _ignore)
    found = drill(backup.name)
    assert found.outcome == "failed"
    # pg_restore itself proves the key while it makes it.
    assert "parts_note_fkey" in _named(found)["restore"].reason


def test_foreign_keys_are_compared_by_their_own_operators(
    filled: Database, superuser_dsn: Callable[..., str]
) -> None:
    server = Database(superuser_dsn(filled.name()), filled.schema)
    with connect(server) as connection:
        connection.execute("CREATE EXTENSION citext")
        connection.execute("CREATE TABLE kinds (name citext PRIMARY KEY)")
        connection.execute("CREATE TABLE things (kind citext REFERENCES kinds)")
        connection.execute("INSERT INTO kinds VALUES ('Large')")
        connection.execute("INSERT INTO things VALUES ('large')")
        assert _keys(server).outcome == "passed"
        connection.execute("SET session_replication_role = replica")
        connection.execute("INSERT INTO things VALUES ('small')")
    assert [one.found for one in _keys(server).differences] == ["1"]


def _keys(database: Database) -> Check:
    checks = Proof(a_backup(), database, find_programs(PG_BIN, 0)).checks()
    return next(check for check in checks if check.name == "foreign keys")


def test_a_sequence_that_was_behind_at_the_source_is_named_and_no_failure(
    filled: Database, folder: Folder, options: Options, drill: Callable[..., Drill]
) -> None:
    with connect(filled) as connection:
        connection.execute("SELECT setval('notes_id_seq', 5)")
    notes: list[Step] = []
    backup = create_backup(
        filled, folder, options(), lambda step: notes.append(step) if step.note else None
    )
    assert [dict(note.values) for note in notes] == [
        {"sequence": "agentic_ai.notes_id_seq", "column": "agentic_ai.notes.id"}
    ]
    found = drill(backup.name)
    check = _named(found)["sequences"]
    assert (found.outcome, check.outcome) == ("passed", "passed")
    assert "at the source" in check.reason
    assert check.differences[0].expected == "agentic_ai.notes.id"


def test_a_sequence_that_is_behind_in_the_restore_alone_fails(filled: Database) -> None:
    with connect(filled) as connection:
        connection.execute("SELECT setval('notes_id_seq', 5)")
        connection.execute("CREATE TABLE others (id serial)")
        connection.execute("INSERT INTO others VALUES (7)")
    known = frozenset(("agentic_ai.others_id_seq",))
    check = Proof(a_backup(), filled, find_programs(PG_BIN, 0), known).sequences()
    assert check.outcome == "failed"
    assert [one.expected for one in check.differences] == ["agentic_ai.notes.id"]


def test_a_schema_that_was_changed_is_found(
    filled: Database, folder: Folder, options: Options, drill: Callable[..., Drill]
) -> None:
    with connect(filled) as connection:
        connection.execute("ALTER TABLE tasks DROP COLUMN tenant CASCADE")
    backup = create_backup(filled, folder, options(), _ignore)
    found = _named(drill(backup.name))
    assert found["restore"].outcome == "passed"
    assert "tenant" in str(found["schema"].differences)


def test_a_backup_that_goes_meanwhile_leaves_no_drill(
    filled: Database, folder: Folder, options: Options, tmp_path: Path
) -> None:
    backup = create_backup(filled, folder, options(), _ignore)
    drill_options = DrillOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN)
    with pytest.raises(BackupNotFound, match=backup.name):
        run_drill(folder, backup.name, drill_options, lambda _: remove_backup(folder, backup.name))
    assert list(folder.objects("")) == []


def test_a_disk_too_small_is_no_pass(
    filled: Database,
    folder: Folder,
    options: Options,
    drill: Callable[..., Drill],
) -> None:
    backup = create_backup(filled, folder, options(), _ignore)
    complete(folder, replace(backup, source_bytes=1 << 60))
    found = drill(backup.name)
    assert found.outcome == "unknown"
    assert "B left, and" in found.checks[-1].reason
