"""An archive comes back to the last byte, and never over what is there."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from agentpg.db import Database
from agentpg.desk.archive import MANIFEST
from agentpg.desk.removal import RemovalOptions, remove_history
from agentpg.desk.restoring import Restored, check_part, find_parts, restore
from agentpg.desk.retention import Policy
from agentpg.errors import ArchiveNotRead
from tests.desk.ended import change, everything, task_ids, write_ended

STRANGE = [
    'UPDATE tasks SET payload = \'{"n": 12345678901234567890.000000001, "t": "a\\\\b\\n한국"}\'',
    "UPDATE tasks SET result = 'null', error_message = E'tab\\t line\\n back\\\\slash \\\\N end '",
    "UPDATE tasks SET error_message = ''",
    "UPDATE tasks SET error_message = '\\N', tenant = '\"quoted\"', idempotency_key = 'k' || id",
    "UPDATE tasks SET created_at = '2001-02-03 04:05:06.123456+09', run_at = '-infinity'",
    "UPDATE tasks SET priority = 0, suspect = true, max_attempts = 7, on_crash = 'fail'",
    "UPDATE tasks SET parent_id = gen_random_uuid(), started_at = now()",
    "UPDATE tasks SET adopted = true, finished_at = NULL",
    "UPDATE tasks SET adopted = true, agent_name = NULL, task_type = ''",
    "UPDATE agent_executions SET duration_seconds = 0.1::float8 + 0.2::float8, cost_usd = 1e-10",
    "UPDATE agent_executions SET adopted = true, outcome = NULL, execution_start = NULL",
    "UPDATE llm_requests SET input_tokens = 9223372036854775807, trace_id = 'ÿ', model = E'\\x01'",
]


def archive(database: Database, folder: Path) -> None:
    policy = Policy(completed=timedelta(days=30), adopted=True)
    remove_history(database, RemovalOptions(policy=policy, archive=folder))


def bring_back(database: Database, folder: Path) -> Restored:
    """One part."""
    [restored] = restore(database, find_parts(folder))
    return restored


@pytest.mark.parametrize("strange", STRANGE)
def test_every_row_comes_back_exactly(database: Database, tmp_path: Path, strange: str) -> None:
    write_ended(database, 3)
    change(database, strange)
    before = everything(database)
    archive(database, tmp_path)
    assert everything(database) == []
    # The session's own forms of moments and numbers are not those of the archive.
    change(database, f"ALTER DATABASE {name_of(database)} SET DateStyle = 'German, DMY'")
    change(database, f"ALTER DATABASE {name_of(database)} SET TimeZone = 'Asia/Seoul'")
    restored = bring_back(database, tmp_path)
    change(database, f"ALTER DATABASE {name_of(database)} RESET DateStyle")
    change(database, f"ALTER DATABASE {name_of(database)} RESET TimeZone")
    assert (restored.tasks, restored.executions, restored.llm_requests) == (3, 6, 3)
    assert everything(database) == before


def name_of(database: Database) -> str:
    return dict(pair.split("=", 1) for pair in database.dsn.split())["dbname"]


def test_what_is_there_already_is_left_and_counted(database: Database, tmp_path: Path) -> None:
    write_ended(database, 3)
    before = everything(database)
    archive(database, tmp_path)
    bring_back(database, tmp_path)
    change(database, "DELETE FROM llm_requests")
    again = bring_back(database, tmp_path)
    assert (again.tasks, again.already_there, again.in_the_way) == (0, 3, 0)
    assert (again.executions, again.llm_requests) == (0, 3)
    assert everything(database) == before


def test_a_task_with_a_new_life_keeps_it(database: Database, tmp_path: Path) -> None:
    """Its old executions would take the numbers of the attempts to come."""
    [task] = write_ended(database)
    archive(database, tmp_path)
    change(database, "INSERT INTO tasks (id, agent_name, task_type) VALUES (%s, 'New', 'x')", task)
    before = everything(database)
    restored = bring_back(database, tmp_path)
    assert (restored.tasks, restored.in_the_way, restored.some) == (0, 1, (task,))
    assert everything(database) == before


def test_a_key_that_was_used_again_is_in_the_way(database: Database, tmp_path: Path) -> None:
    first, other = write_ended(database, 2)
    change(database, "UPDATE tasks SET idempotency_key = 'k' WHERE id = %s", first)
    archive(database, tmp_path)
    change(
        database,
        "INSERT INTO tasks (agent_name, task_type, idempotency_key) VALUES ('Old', 'work', 'k')",
    )
    restored = bring_back(database, tmp_path)
    assert (restored.tasks, restored.executions, restored.some) == (1, 2, (first,))
    assert other in task_ids(database)


def test_a_newer_schema_gets_its_defaults(database: Database, tmp_path: Path) -> None:
    write_ended(database, 2)
    archive(database, tmp_path)
    change(database, "ALTER TABLE tasks ADD colour text NOT NULL DEFAULT 'red'")
    assert bring_back(database, tmp_path).tasks == 2


def test_a_column_that_is_gone_is_named(database: Database, tmp_path: Path) -> None:
    write_ended(database)
    archive(database, tmp_path)
    change(database, "ALTER TABLE tasks DROP COLUMN tenant")
    with pytest.raises(ArchiveNotRead, match="tasks has no column tenant"):
        bring_back(database, tmp_path)
    assert task_ids(database) == set()


@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_file_that_is_not_whole_is_refused(database: Database, tmp_path: Path, how: str) -> None:
    write_ended(database, 20)
    archive(database, tmp_path)
    [path] = tmp_path.rglob("agent_executions.copy.gz")
    spoil(path, how)
    with pytest.raises(ArchiveNotRead, match=r"agent_executions\.copy\.gz"):
        bring_back(database, tmp_path)
    assert everything(database) == []


def spoil(path: Path, how: str) -> None:
    text = path.read_bytes()
    if how == "changed":
        path.write_bytes(text[:40] + bytes([text[40] ^ 1]) + text[41:])
    elif how == "cut":
        path.write_bytes(text[:-20])
    else:
        path.unlink()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1, "tables": {}}', "{"])
def test_a_manifest_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(ArchiveNotRead, match=r"manifest\.json"):
        find_parts(tmp_path)


def test_a_folder_without_an_archive_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArchiveNotRead, match="there is none in it"):
        find_parts(tmp_path)


@pytest.mark.parametrize("how", ["no folder", "no manifest"])
def test_a_part_that_is_missing_among_others_is_named(tmp_path: Path, how: str) -> None:
    for number in (1, 2, 3):
        part = tmp_path / "archive" / f"{number:06}"
        part.mkdir(parents=True)
        (part / MANIFEST).write_text(_whole(), encoding="utf-8")
    assert len(find_parts(tmp_path)) == 3
    (tmp_path / "archive" / "000002" / MANIFEST).unlink()
    if how == "no folder":
        (tmp_path / "archive" / "000002").rmdir()
    for folder in (tmp_path, tmp_path / "archive"):
        with pytest.raises(ArchiveNotRead, match="archive/000002: the part is missing"):
            find_parts(folder)
    assert len(find_parts(tmp_path / "archive" / "000003")) == 1


def _whole() -> str:
    """A manifest, as far as it is read before the files are."""
    file = {"file": "f", "columns": [], "rows": 0, "size_bytes": 0, "sha256": ""}
    tables = dict.fromkeys(("tasks", "agent_executions", "llm_requests"), file)
    made = "2026-03-01T04:00:00+00:00"
    return json.dumps({"format": 1, "schema": "s", "made_at": made, "tables": tables})


def test_a_manifest_names_no_file_elsewhere(database: Database, tmp_path: Path) -> None:
    write_ended(database)
    archive(database, tmp_path)
    [manifest] = tmp_path.rglob(MANIFEST)
    said = json.loads(manifest.read_text(encoding="utf-8"))
    said["tables"]["tasks"]["file"] = f"{tmp_path}/../tasks.copy.gz"
    manifest.write_text(json.dumps(said), encoding="utf-8")
    [part] = find_parts(tmp_path)
    assert part.tables["tasks"].file == "tasks.copy.gz"
    check_part(part)


def test_parts_in_the_making_are_no_parts(database: Database, tmp_path: Path) -> None:
    write_ended(database)
    archive(database, tmp_path)
    [manifest] = tmp_path.rglob(MANIFEST)
    manifest.parent.rename(manifest.parent.with_suffix(".partial"))
    with pytest.raises(ArchiveNotRead):
        find_parts(tmp_path)


def test_a_task_id_is_kept(database: Database, tmp_path: Path) -> None:
    ids: list[UUID] = write_ended(database, 5)
    archive(database, tmp_path)
    bring_back(database, tmp_path)
    assert task_ids(database) == set(ids)
