"""A change that waits: whoever is killed, and whenever, the former file comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agentpg.desk.security.addresses.applying import last_changed, take_back_overdue, undo
from agentpg.desk.security.addresses.pending import (
    Change,
    Kept,
    kept_for,
    machine_seconds,
    machine_start,
    new_name,
)
from agentpg.desk.security.addresses.undoing import watch
from agentpg.errors import (
    ChangedSince,
    ChangePending,
    FileNotRead,
    FileNotWritten,
    NothingPending,
)
from agentpg.settings import load_settings
from tests.desk.addresses.conftest import runs
from tests.small_disk import as_root, fill_up, small_disk
from tests.waiting import eventually

pytestmark = pytest.mark.without_server

FORMER, NEW = b"local all all peer\n", b"local all all reject\n"


@pytest.fixture
def hba(tmp_path: Path) -> Path:
    """The file of a server that does not run."""
    path = tmp_path / "data" / "pg_hba.conf"
    path.parent.mkdir()
    path.write_bytes(FORMER)
    path.chmod(0o640)
    return path


@pytest.fixture
def kept(tmp_path: Path, hba: Path) -> Kept:
    return kept_for(tmp_path / "home", hba)


def change_of(hba: Path, seconds: float = 60.0) -> Change:
    there = hba.stat()
    return Change(
        name=new_name(),
        path=str(hba),
        folder=str(hba.parent),
        mode=0o640,
        uid=there.st_uid,
        gid=there.st_gid,
        before="before-x",
        digest="",
        begun_at="2026-11-29T10:30:00+00:00",
        boot=machine_start(),
        until=machine_seconds() + seconds,
    )


def test_only_one_of_many_at_once_may_change_it(kept: Kept, hba: Path) -> None:
    won: list[str] = []

    def begin() -> None:
        change = change_of(hba)
        try:
            kept.begin(change, FORMER)
        except ChangePending:
            return
        won.append(change.name)

    at_once = [threading.Thread(target=begin) for _ in range(12)]
    for one in at_once:
        one.start()
    for one in at_once:
        one.join()
    waiting = kept.read()
    assert waiting is not None
    assert won == [waiting.name]


def test_who_was_stopped_for_too_long_writes_nothing(kept: Kept, hba: Path) -> None:
    change = change_of(hba)
    kept.begin(change, FORMER)
    assert kept.take_back()
    with pytest.raises(NothingPending):
        kept.write(change, NEW)
    assert hba.read_bytes() == FORMER


def test_the_watcher_of_an_earlier_change_leaves_the_next_one_alone(kept: Kept, hba: Path) -> None:
    first, second = change_of(hba, 0.0), change_of(hba)
    kept.begin(first, FORMER)
    assert kept.confirm()
    kept.begin(second, FORMER)
    kept.write(second, NEW)
    pid = watch(kept, first.name, first.until)
    eventually(lambda: not runs(pid), 10)
    assert hba.read_bytes() == NEW
    assert not kept.take_back(first.name)
    assert kept.take_back(second.name)
    assert hba.stat().st_mode & 0o777 == 0o640


def test_it_is_taken_back_once_that_can_be_done(kept: Kept, hba: Path) -> None:
    change = change_of(hba, 0.0)
    kept.begin(change, FORMER)
    kept.write(change, NEW)
    away = hba.parent.with_name("away")
    hba.parent.rename(away)
    # A folder cannot be made where a file is: nothing can be written.
    hba.parent.write_bytes(b"")
    with pytest.raises(FileNotWritten):
        kept.take_back(change.name)
    assert kept.waits(change.name), "it was not done"
    watch(kept, change.name, change.until)
    hba.parent.unlink()
    away.rename(hba.parent)
    eventually(lambda: hba.read_bytes() == FORMER, 10)
    eventually(lambda: not kept.waits(change.name), 10)


@as_root
def test_on_a_full_disk_the_former_file_stays(tmp_path: Path) -> None:
    with small_disk(1 << 20) as disk:
        path = disk / "pg_hba.conf"
        path.write_bytes(FORMER)
        kept = kept_for(tmp_path / "home", path)
        change = change_of(path)
        kept.begin(change, FORMER)
        fill_up(disk)
        with pytest.raises(FileNotWritten):
            kept.write(change, NEW)
        assert path.read_bytes() == FORMER
        # To leave it as it is needs no room.
        assert kept.take_back(change.name)
        assert {one.name for one in disk.iterdir()} == {"pg_hba.conf", "ballast"}


@pytest.mark.parametrize("moment", ["kept", "watched", "written"])
def test_a_command_that_is_killed_leaves_the_former_file(
    kept: Kept, hba: Path, tmp_path: Path, moment: str
) -> None:
    change = change_of(hba, {"kept": -60.0, "watched": 0.5, "written": 6.0}[moment])
    step = {"kept": 1, "watched": 2, "written": 3}[moment]
    (tmp_path / "change.json").write_text(json.dumps(asdict(change)), encoding="utf-8")
    command = [sys.executable, "-c", _STEPS, str(kept.folder), str(tmp_path / "change.json")]
    with subprocess.Popen(
        [*command, str(step)], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        os.killpg(process.pid, signal.SIGKILL)
    if moment == "kept":
        # Nobody watches: the next command does it.
        assert take_back_overdue(load_settings(home=tmp_path / "home")) == [hba]
    eventually(lambda: not kept.waits(change.name), 10)
    assert hba.read_bytes() == FORMER


_STEPS = """
import json, sys, time
from pathlib import Path
from agentpg.desk.security.addresses.pending import Change, Kept
from agentpg.desk.security.addresses.undoing import watch
kept, step = Kept(Path(sys.argv[1])), int(sys.argv[3])
change = Change(**json.loads(Path(sys.argv[2]).read_text()))
kept.begin(change, b"local all all peer\\n")
if step > 1:
    watch(kept, change.name, change.until)
if step > 2:
    kept.write(change, b"local all all reject\\n")
    assert Path(change.path).read_bytes() == b"local all all reject\\n"
print("done", flush=True)
time.sleep(600)
"""


def test_after_a_restart_of_the_machine_the_next_command_takes_it_back(
    kept: Kept, hba: Path, tmp_path: Path
) -> None:
    settings = load_settings(home=tmp_path / "home")
    change = replace(change_of(hba, 3600.0), boot="another")
    kept.begin(change, FORMER)
    kept.write(change, NEW)
    assert change.left < 0
    assert take_back_overdue(settings) == [hba]
    assert hba.read_bytes() == FORMER
    assert take_back_overdue(settings) == []
    # One that waits is left alone, whatever the clock of the machine was set to.
    waiting = change_of(hba, 30.0)
    kept.begin(waiting, FORMER)
    assert take_back_overdue(settings) == []
    assert kept.take_back()


def test_what_somebody_changed_since_is_not_overwritten(
    kept: Kept, hba: Path, tmp_path: Path
) -> None:
    settings = load_settings(home=tmp_path / "home")
    change = replace(change_of(hba), digest=_digest(NEW))
    kept.begin(change, FORMER)
    kept.write(change, NEW)
    assert kept.confirm()
    hba.write_bytes(NEW + b"# mine\n")
    with pytest.raises(ChangedSince, match="changed by somebody") as refused:
        undo(hba, settings)
    assert "before-x" in refused.value.advice(str)
    hba.write_bytes(NEW)
    assert last_changed(settings) == hba
    undo(hba, settings)
    assert hba.read_bytes() == FORMER


def test_what_is_no_change_of_ours_is_said(kept: Kept, tmp_path: Path) -> None:
    kept.folder.mkdir(parents=True)
    for text in ("", "[]", '{"path": 1}', "\x00", '{"name": "x"}'):
        (kept.folder / "pending.json").write_text(text, encoding="utf-8")
        with pytest.raises(FileNotRead):
            kept.read()
        with pytest.raises(FileNotRead):
            take_back_overdue(load_settings(home=tmp_path / "home"))


def _digest(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def nobody_left(kept: Kept) -> Iterator[None]:
    """No process watches a folder that goes with the test."""
    yield
    (kept.folder / "pending.json").unlink(missing_ok=True)
