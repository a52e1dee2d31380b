"""How far work on a backup is, told in bytes while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agentpg.db import Database, connect, snapshot
from agentpg.desk.backup.creating import STORING, CreateOptions, Step, create_backup
from agentpg.desk.backup.proof.matching import read_manifest
from agentpg.desk.backup.proof.taking import fill_outline, take_outline
from agentpg.desk.backup.storage.bringing import bring
from agentpg.desk.backup.storage.bucket import Bucket
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.keys import public_key, seal_for_opening, seal_of
from agentpg.desk.backup.storage.passing import Passing
from agentpg.desk.backup.storage.repository import MANIFEST
from agentpg.desk.backup.storage.sealing import Seal, age_library
from agentpg.settings import load_settings

MIB = 1024**2

Options = Callable[..., CreateOptions]


@pytest.fixture
def seal() -> Seal:
    """A new key."""
    secret = str(age_library().x25519.Identity.generate())
    return Seal((public_key(secret),), (secret,))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three megabytes and a bit."""
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * MIB + 5))
    return path


@pytest.mark.without_server
def test_what_goes_by_twice_is_told_once() -> None:
    told: list[tuple[int, int]] = []
    passing = Passing(100, 2, lambda *one: told.append(one))
    passing(60)
    passing(200)
    passing.ended()
    # The second came at once, and is not worth a word of its own.
    assert told == [(30, 100), (100, 100)]


@pytest.mark.without_server
def test_a_file_is_heard_on_its_way(folder: Folder, file: Path, seal: Seal, tmp_path: Path) -> None:
    gone: list[int] = []
    folder.put("a", file, gone.append)
    folder.fetch("a", tmp_path / "back", gone.append)
    seal.seal(file, tmp_path / "sealed", gone.append)
    assert sum(gone) == 3 * (3 * MIB + 5)
    assert max(gone) <= MIB


@pytest.mark.one_server
def test_sealing_and_uploading_are_told(
    filled: Database, bucket: Bucket, options: Options, tmp_path: Path
) -> None:
    steps: list[Step] = []
    settings = load_settings(backup_passphrase="correct horse battery staple")
    seal = seal_of(settings, bucket)
    backup = create_backup(filled, bucket, options(seal=seal), steps.append)
    stored = [step for step in steps if step.work == STORING]
    done = [step.done_bytes for step in stored]
    assert done == sorted(done)
    [total] = {step.total_bytes for step in stored}
    # Sealed files are a little longer.
    assert 0.8 * backup.size_bytes < total < backup.size_bytes
    assert done[-1] == total
    told: list[tuple[int, int]] = []
    opening = seal_for_opening(settings, bucket, backup)
    brought = bring(backup, bucket, opening, tmp_path, lambda *one: told.append(one))
    assert told[-1] == (backup.size_bytes, backup.size_bytes)
    assert read_manifest(brought.folder / MANIFEST, backup.name).rows == backup.rows


@pytest.mark.one_server
def test_within_one_table_it_goes_on(filled: Database) -> None:
    told: list[tuple[int, int]] = []
    with snapshot(filled) as reading, connect(filled, autocommit=False) as locking:
        outline = take_outline(reading, filled.schema)
        locking.execute("LOCK TABLE agentic_ai.notes")

        def tell(done: int, total: int) -> None:
            told.append((done, total))
            if len(told) == 2:
                locking.rollback()

        fill_outline(reading, outline, progress=tell)
    # The largest table is read first; it has been told of before it was over.
    [total] = {one[1] for one in told}
    done = [one[0] for one in told]
    assert 0 < done[0] <= done[1] < total
    assert done[-1] == total
