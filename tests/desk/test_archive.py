"""Whatever fails or is killed when, a row is in the database, in a whole part, or in both."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from agentpg.db import Database, connect
from agentpg.desk.archive import MANIFEST, PASSING, rows_in
from agentpg.desk.removal import RemovalOptions, Removed, remove_history
from agentpg.desk.restoring import check_part, find_parts, restore
from agentpg.desk.retention import Policy
from agentpg.errors import FileNotWritten
from tests.desk.ended import change, everything, task_ids, write_ended
from tests.desk.test_removal import waiting
from tests.waiting import eventually

POLICY = Policy(completed=timedelta(days=30))
ROOT = Path(__file__).parents[2]


def archive(database: Database, folder: Path) -> Removed:
    return remove_history(database, RemovalOptions(policy=POLICY, archive=folder))


def archived_ids(folder: Path) -> set[UUID]:
    """The tasks in all whole parts."""
    found = set()
    for part in find_parts(folder):
        check_part(part)
        place = part.tables["tasks"].columns.index("id")
        with gzip.open(part.folder / "tasks.copy.gz", "rt", encoding="utf-8") as rows:
            found |= {UUID(row.split("\t")[place]) for row in rows}
    return found


def test_what_is_removed_is_in_the_archive(database: Database, tmp_path: Path) -> None:
    ids = set(write_ended(database, 1000))
    removed = archive(database, tmp_path / "kept")
    assert (removed.tasks, removed.batches) == (1000, len(find_parts(tmp_path)))
    assert removed.archive is not None
    assert removed.archive.parent == tmp_path / "kept"
    assert archived_ids(tmp_path) == ids
    assert everything(database) == []


def test_a_part_says_what_it_holds(database: Database, tmp_path: Path) -> None:
    write_ended(database, 7)
    archive(database, tmp_path)
    [manifest] = tmp_path.rglob(MANIFEST)
    said = json.loads(manifest.read_text(encoding="utf-8"))
    assert (said["format"], said["schema"]) == (1, "agentic_ai")
    rows = {table: file["rows"] for table, file in said["tables"].items()}
    assert rows == {"tasks": 7, "agent_executions": 14, "llm_requests": 7}
    for file in said["tables"].values():
        assert rows_in(manifest.parent / file["file"]) == file["rows"]
        assert (manifest.parent / file["file"]).stat().st_size == file["size_bytes"]


def test_nothing_to_remove_leaves_no_folder(database: Database, tmp_path: Path) -> None:
    assert archive(database, tmp_path / "kept").archive is None
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_written_keeps_the_rows(database: Database, tmp_path: Path) -> None:
    write_ended(database, 3)
    before = everything(database)
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(FileNotWritten, match="cannot write"):
        archive(database, tmp_path / "file")
    assert everything(database) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounting.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounting.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_keeps_what_did_not_fit(database: Database, small_disk: Path) -> None:
    ids = set(write_ended(database, 3000, width=20))
    # What does not compress.
    change(
        database,
        "UPDATE tasks SET payload = (SELECT to_jsonb(string_agg(gen_random_uuid()::text, ''))"
        " FROM generate_series(1, 20) WHERE tasks.id IS NOT NULL)",
    )
    with pytest.raises(FileNotWritten) as raised:
        archive(database, small_disk)
    assert "No space left on device" in str(raised.value)
    left = task_ids(database)
    kept = archived_ids(small_disk) if list(small_disk.rglob(MANIFEST)) else set()
    assert kept | left == ids
    assert not kept & left
    assert list(small_disk.rglob(f"*{PASSING}")) == []
    assert [path for path in small_disk.rglob("*") if path.is_dir() and not [*path.iterdir()]] == []


# Where the process stands when it is killed: it waits for the lock of another session.
MOMENTS = {
    "while a part is written": "ACCESS EXCLUSIVE",
    "between the part and the removal": "SHARE",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_nothing_is_lost(
    database: Database, tmp_path: Path, moment: str
) -> None:
    write_ended(database, 300)
    before = everything(database)
    with connect(database, autocommit=False) as blocking:
        blocking.execute(f"LOCK TABLE llm_requests IN {MOMENTS[moment]} MODE".encode())
        with removing(database, tmp_path) as process:
            eventually(lambda: waiting(database))
            process.kill()
    eventually(lambda: others(database) == 0)
    assert everything(database) == before
    whole = list(tmp_path.rglob(MANIFEST))
    assert len(whole) == (moment != "while a part is written")
    # The next one does all of it, and the archive brings all of it back.
    assert archive(database, tmp_path).tasks == 300
    assert sum(restored.tasks for restored in restore(database, find_parts(tmp_path))) == 300
    assert everything(database) == before


@pytest.mark.parametrize("batches", [1, 3])
def test_killed_among_batches_nothing_is_lost(
    database: Database, tmp_path: Path, batches: int
) -> None:
    ids = set(write_ended(database, 5000))
    before = everything(database)
    with removing(database, tmp_path) as process:
        assert process.stdout is not None
        for _ in range(batches):
            process.stdout.readline()
        process.kill()
    eventually(lambda: others(database) == 0)
    left = task_ids(database)
    assert len(left) < 5000
    assert archived_ids(tmp_path) | left == ids
    list(restore(database, find_parts(tmp_path)))
    assert everything(database) == before


def removing(database: Database, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.desk.removing", database.dsn, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )


def others(database: Database) -> int:
    """How many sessions of a removal are still there."""
    with connect(database) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'agentpg retention'"
        ).fetchone()
    assert row is not None
    return int(row[0])
