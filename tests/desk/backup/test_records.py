"""What a repository says of its backups."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.desk.backup.model import UNKNOWN_SYSTEM, Check
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import (
    begin,
    checksum_of,
    complete,
    find_backups,
    key_of,
    list_backups,
    read_backup,
    read_begun,
    read_drills,
    remove_backup,
    remove_remains,
    write_drill,
)
from agentpg.desk.backup.storage.repository import BEGUN, RECORD
from agentpg.errors import BackupNotFound, RecordDamaged, RecordTooNew
from tests.desk.backup.sample import FAILED, NOON, SOURCE, a_backup, a_drill

pytestmark = pytest.mark.without_server

_BEGIN = """
import sys
from pathlib import Path
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.desk.backup.storage.records import begin
from tests.desk.backup.sample import NOON, SOURCE
print(begin(open_folder(Path(sys.argv[1])), "dump", SOURCE, NOON).name)
"""

ROOT = Path(__file__).parents[3]


def _begin_elsewhere(folder: Folder) -> str:
    """Begin a backup in a process that has ended since."""
    command = [sys.executable, "-c", _BEGIN, str(folder.root)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_record_and_its_drills_come_back_as_they_were(folder: Folder) -> None:
    backup = a_backup(recipients=("age1abc",), details={"mark": "x", "jobs": 2})
    complete(folder, backup)
    passed, failed = a_drill(), a_drill(begun_at=NOON + timedelta(days=1), checks=(FAILED,))
    for drill in (failed, passed):
        write_drill(folder, drill)
    assert read_backup(folder, backup.name) == backup
    assert read_drills(folder, backup.name) == [passed, failed]
    assert [drill.outcome for drill in (passed, failed)] == ["passed", "failed"]


def test_backups_are_listed_by_the_moment_they_hold(folder: Folder) -> None:
    late = a_backup("20260301T130000Z-sql", kind="sql", taken_at=NOON + timedelta(hours=1))
    for backup in (late, a_backup()):
        complete(folder, backup)
    assert list_backups(folder) == [a_backup(), late]


def test_names_that_are_taken_get_a_number(folder: Folder) -> None:
    names = [begin(folder, "dump", SOURCE, NOON).name for _ in range(3)]
    assert names == [f"20260301T120000Z-dump{suffix}" for suffix in ("", "-2", "-3")]
    begun = read_begun(folder, names[0])
    assert (begun.process, begun.source, begun.begun_at) == (os.getpid(), SOURCE, NOON)
    assert begun.is_at_work()


def test_what_has_no_record_is_no_backup(folder: Folder) -> None:
    begun = begin(folder, "dump", SOURCE, NOON)
    folder.write(key_of(begun.name, "data", "toc.dat"), b"PGDMP")
    found = find_backups(folder)
    assert (found.backups, found.unfinished) == ((), (begun.name,))
    with pytest.raises(BackupNotFound, match=begun.name):
        read_backup(folder, begun.name)


@pytest.mark.parametrize("name", ["", "..", "../../etc", "a/b", "x" * 300, "a\x1b[2J", "\udcff"])
def test_no_backup_has_a_name_that_is_none(folder: Folder, name: str) -> None:
    with pytest.raises(BackupNotFound):
        read_backup(folder, name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:100], "JSON|char|Expecting|Unterminated"),
        (lambda text: text.replace('"rows": 3456', '"rows": "many"'), "many"),
        (lambda text: text.replace('"kind": "dump"', '"kind": "tape"'), "tape"),
        (lambda text: text.replace("+00:00", ""), "offset"),
        (lambda text: text.replace('"lsn"', '"nsl"'), "lsn"),
        (lambda text: text.replace("20260301T120000Z-dump", "other"), "that of other"),
        (lambda text: text.replace("data/toc.dat", "data/../../toc.dat"), "no path below it"),
        (lambda text: text.replace("data/toc.dat", "/etc/passwd"), "no path below it"),
        (lambda text: "[]", "indices|list"),
    ],
)
def test_a_damaged_record_is_named_and_hides_no_other(folder: Folder, change, said) -> None:  # type: ignore[no-untyped-def]
    bad = a_backup()
    good = a_backup("20260301T130000Z-dump")
    for backup in (bad, good):
        complete(folder, backup)
    key = key_of(bad.name, RECORD)
    folder.write(key, _signed(change(folder.read(key).decode())))
    found = find_backups(folder)
    assert found.backups == (good,)
    assert list(found.damaged) == [bad.name]
    with pytest.raises(RecordDamaged, match=said):
        read_backup(folder, bad.name)


def _signed(text: str) -> bytes:
    """A record as if it had been written so."""
    with suppress(ValueError, TypeError):
        document = json.loads(text)
        document.pop("sha256")
        return json.dumps({**document, "sha256": checksum_of(document)}).encode()
    return text.encode()


def test_one_flipped_bit_is_noticed_wherever_it_is(folder: Folder) -> None:
    complete(folder, a_backup())
    key = key_of(a_backup().name, RECORD)
    content = folder.read(key)
    for place in range(len(content)):
        flipped = bytes([content[place] ^ 1 << place % 8])
        folder.root.joinpath(key).write_bytes(content[:place] + flipped + content[place + 1 :])
        with pytest.raises(RecordDamaged):
            read_backup(folder, a_backup().name)


def test_a_record_of_a_newer_release_says_so(folder: Folder) -> None:
    complete(folder, a_backup())
    key = key_of(a_backup().name, RECORD)
    folder.write(key, json.dumps({**json.loads(folder.read(key)), "format": 99}).encode())
    with pytest.raises(RecordTooNew, match="format 99"):
        read_backup(folder, a_backup().name)


@pytest.mark.parametrize("content", [b"{", b'{"format": 1}', b'{"format": 99}'])
def test_of_a_drill_that_cannot_be_read_it_is_unknown_what_it_found(
    folder: Folder, content: bytes
) -> None:
    later = a_drill(begun_at=NOON + timedelta(days=1))
    for drill in (a_drill(), later):
        write_drill(folder, drill)
    damaged, _ = (stored.key for stored in folder.objects("drills/"))
    folder.write(damaged, content)
    unknown, last = read_drills(folder, a_backup().name)
    assert (unknown.outcome, unknown.begun_at) == ("unknown", a_drill().begun_at)
    assert "cannot be read" in unknown.checks[0].reason or "format 99" in unknown.checks[0].reason
    assert last == later


def test_an_outcome_that_is_not_known_is_no_pass(folder: Folder) -> None:
    write_drill(folder, a_drill())
    [stored] = folder.objects("drills/")
    changed = folder.read(stored.key).decode().replace('"passed"', '"splendid"')
    folder.write(stored.key, _signed(changed))
    [drill] = read_drills(folder, a_backup().name)
    assert drill.checks == (Check(name="contents", outcome="unknown"),)
    assert drill.outcome == "unknown"


def test_remains_of_a_killed_run_go_and_others_stay(folder: Folder) -> None:
    left = _begin_elsewhere(folder)
    folder.write(key_of(left, "data", "toc.dat"), b"PGDMP")
    mine = begin(folder, "dump", SOURCE, NOON).name
    whole = a_backup("20260301T130000Z-dump")
    complete(folder, whole)
    assert remove_remains(folder, replace(SOURCE, database="other")) == []
    assert remove_remains(folder, SOURCE) == [left]
    found = find_backups(folder)
    assert (found.backups, found.unfinished) == ((whole,), (mine,))


@pytest.mark.parametrize(
    ("target", "same"),
    [
        ("db1:5432/agentic_ai", True),
        ("localhost:5432/agentic_ai", False),
        ("127.0.0.1:5432/agentic_ai", False),
        ("the local socket:5432/agentic_ai", False),
        ("/run/postgresql:5432/agentic_ai", False),
    ],
)
def test_remains_from_another_machine_go_if_the_address_is_the_same(
    folder: Folder, target: str, same: bool
) -> None:
    source = replace(SOURCE, target=target)
    left = _begin_elsewhere(folder)
    key = key_of(left, BEGUN)
    said = json.loads(folder.read(key))
    said["source"]["target"] = target
    there = {**said, "host": "elsewhere", "begun_at": _now()}
    folder.write(key, _signed(json.dumps(there)))
    assert remove_remains(folder, replace(SOURCE, target="copy:5432/agentic_ai")) == []
    assert remove_remains(folder, source) == ([left] if same else [])
    # Whatever it is, nobody has been at it for so long.
    folder.write(key, _signed(json.dumps({**there, "begun_at": "2026-03-01T12:00:00Z"})))
    assert remove_remains(folder, source) == [left]


def test_of_a_cluster_that_is_not_known_only_one_address_is_one_source(folder: Folder) -> None:
    unknown = replace(SOURCE, system_identifier=UNKNOWN_SYSTEM)
    assert unknown.same_database(SOURCE)
    assert not unknown.same_database(replace(unknown, target="other:5432/agentic_ai"))
    assert SOURCE.same_database(replace(SOURCE, target="other:5432/agentic_ai"))


def test_removal_leaves_nothing_of_a_backup(folder: Folder) -> None:
    begun = begin(folder, "dump", SOURCE, NOON)
    folder.write(key_of(begun.name, "data", "toc.dat"), b"PGDMP")
    complete(folder, a_backup(begun.name))
    write_drill(folder, a_drill(begun.name))
    remove_backup(folder, begun.name)
    assert list(folder.objects("")) == []


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat()
