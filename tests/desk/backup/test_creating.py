"""Backups of kind dump and sql: made whole or not at all, on a server that goes on working."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from agentpg.db import Database, connect, environment_of
from agentpg.desk.backup.creating import CreateOptions, Step, create_backup
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.programs import find_programs
from agentpg.desk.backup.proof.manifest import Manifest
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import list_backups, read_backup
from agentpg.desk.backup.storage.repository import MANIFEST
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.errors import CompressionUnknown, FilesGone, WorkUnderWay
from tests.desk.backup.making import fill_with_noise
from tests.servers import PG_BIN

Options = Callable[..., CreateOptions]


def _files(folder: Folder, backup: Backup) -> Path:
    return folder.root / "backups" / backup.name


def _manifest(folder: Folder, backup: Backup) -> Manifest:
    return Manifest.parse(json.loads((_files(folder, backup) / MANIFEST).read_bytes()))


def _tool(name: str, database: Database, *arguments: str | Path, **more: object) -> None:
    with connect(database) as connection:
        major = connection.info.server_version // 10000
    command = [find_programs(PG_BIN, major).tool(name), *arguments]
    environment = environment_of(database.dsn)
    subprocess.run(command, env=environment, check=True, capture_output=True, **more)  # type: ignore[call-overload]


def _texts(database: Database) -> list[tuple[object, ...]]:
    with connect(database) as connection:
        return connection.execute("SELECT id, text FROM agentic_ai.notes ORDER BY id").fetchall()


def test_a_dump_holds_one_moment_and_restores(
    filled: Database, empty_database: Database, folder: Folder, options: Options
) -> None:
    told: list[Step] = []
    backup = create_backup(filled, folder, options(), told.append)
    assert list_backups(folder) == [backup]
    assert read_backup(folder, backup.name) == backup
    assert backup.name == f"{backup.begun_at:%Y%m%dT%H%M%SZ}-dump"
    assert backup.begun_at <= backup.taken_at <= backup.ended_at
    assert backup.details["globals"] is True
    assert backup.source.system_identifier.isdigit()
    manifest = _manifest(folder, backup)
    assert (manifest.taken_at, manifest.lsn) == (backup.taken_at, backup.lsn)
    notes = manifest.tables["agentic_ai.notes"].sums
    assert notes is not None
    assert notes.rows == 1000
    assert (backup.tables, backup.rows) == (len(manifest.tables), manifest.rows)
    assert manifest.sequences["agentic_ai.notes_id_seq"].last == 1000
    assert told[-1].done_bytes == told[-1].total_bytes > 0
    on_disk = {p for p in _files(folder, backup).rglob("*") if p.is_file()}
    recorded = {_files(folder, backup) / file.path for file in backup.files}
    assert {p.name for p in on_disk - recorded} == {"backup.json", "begun.json"}
    data = _files(folder, backup) / "data"
    _tool("pg_restore", empty_database, "--no-owner", "--dbname=", "--exit-on-error", data)
    assert _texts(empty_database) == _texts(filled)


@pytest.mark.parametrize("compression", ["", "gzip:1"])
def test_a_plain_file_restores_by_psql_alone(
    filled: Database,
    empty_database: Database,
    folder: Folder,
    options: Options,
    compression: str,
    tmp_path: Path,
) -> None:
    backup = create_backup(filled, folder, options(kind="sql", compression=compression), _ignore)
    day = datetime.now().astimezone()
    name = f"backup_{day:%Y%m%d}.sql" + (".gz" if compression else "")
    path = _files(folder, backup) / "data" / name
    if compression:
        subprocess.run(["gzip", "-dk", path], check=True)
    with path.with_name(f"backup_{day:%Y%m%d}.sql").open("rb") as file:
        _tool("psql", empty_database, "--quiet", stdin=file)
    assert _texts(empty_database) == _texts(filled)


def test_a_second_plain_file_of_a_day_has_another_name(
    filled: Database, folder: Folder, options: Options
) -> None:
    names = [
        Path(create_backup(filled, folder, options(kind="sql"), _ignore).files[0].path).name
        for _ in range(2)
    ]
    assert names[1] == names[0].replace(".sql", "-2.sql")


def test_two_at_once_are_refused(filled: Database, folder: Folder, options: Options) -> None:
    with (
        connect(filled) as connection,
        turn(connection, filled.schema, UNDISTURBED),
        pytest.raises(WorkUnderWay, match="under way"),
    ):
        create_backup(filled, folder, options(), _ignore)
    assert list(folder.objects("")) == []


class _Disturbed(Folder):
    """A repository in which somebody else removes a file as soon as it is there."""

    def settle(self, key: str) -> None:
        super().settle(key)
        if key.endswith("toc.dat"):
            self.remove([key])


def test_a_file_that_goes_meanwhile_leaves_no_backup(
    filled: Database, folder: Folder, options: Options
) -> None:
    with pytest.raises(FilesGone, match=r"1 files of the backup .* as data/toc.dat"):
        create_backup(filled, _Disturbed(folder.root), options(), _ignore)
    assert list(folder.objects("")) == []


@pytest.mark.parametrize("compression", ["rar", "gzip:10", "gzip:0", "gzip:x"])
def test_a_compression_that_is_none_is_refused(
    filled: Database, folder: Folder, options: Options, compression: str
) -> None:
    with pytest.raises(CompressionUnknown, match=compression):
        create_backup(filled, folder, options(compression=compression), _ignore)
    assert list(folder.objects("")) == []


def _ignore(step: Step) -> None:
    del step


def test_what_is_written_meanwhile_is_not_in_it(
    filled: Database, empty_database: Database, folder: Folder, options: Options
) -> None:
    fill_with_noise(filled, megabytes=8)
    over = threading.Event()
    writer = threading.Thread(target=_write_until, args=(filled, over))
    writer.start()
    try:
        backup = create_backup(filled, folder, options(compression="gzip:9"), _ignore)
    finally:
        over.set()
        writer.join()
    data = _files(folder, backup) / "data"
    _tool("pg_restore", empty_database, "--no-owner", "--dbname=", "--exit-on-error", data)
    rows = _manifest(folder, backup).tables["agentic_ai.notes"].sums
    assert rows is not None
    assert rows.rows == len(_texts(empty_database)) < len(_texts(filled))


def _write_until(database: Database, over: threading.Event) -> None:
    with connect(database) as connection:
        while not over.is_set():
            connection.execute("INSERT INTO notes (text) VALUES ('meanwhile')")
