"""`agentpg backup create/list/show/verify/prune`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.cli.progress import measure_text
from agentpg.cli.wrapping import cell_width
from agentpg.db import Database
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.records import begin, complete, read_backup, write_drill
from tests.cli.conftest import Call
from tests.desk.backup.sample import (
    FAILED,
    NOON,
    SOURCE,
    a_backup,
    a_drill,
    store_base,
    store_segments,
)
from tests.servers import PG_BIN

pytestmark = pytest.mark.one_server


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The repository of the calls."""
    monkeypatch.setenv("AGENTPG_PG_BIN", PG_BIN)
    return open_folder(home / "backups")


def _made(call: Call, *arguments: str) -> str:
    called = call("backup", "create", "--json", *arguments)
    assert called.code == 0, called.err
    return str(json.loads(called.out)["name"])


def _change(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def test_a_backup_is_made_shown_and_verified(
    call: Call, installed: Database, folder: Folder
) -> None:
    made = call("backup", "create", "--jobs", "2", "--compression", "gzip:1")
    assert (made.code, made.err) == (0, "")
    name = re.search(r"^backup +(\S+-dump)$", made.out, re.MULTILINE)
    assert name is not None
    assert re.search(r"^roles +yes$", made.out, re.MULTILINE)
    assert "(gzip:1)" in made.out
    listed = call("backup", "list")
    assert listed.out.splitlines()[1].split()[0] == name[1]
    [document] = json.loads(call("backup", "list", "--json").out)
    assert (document["name"], document["last_drill"]) == (name[1], None)
    shown = call("backup", "show", "--files")
    assert "No drill has proved it yet." in shown.out
    assert "data/toc.dat" in shown.out
    assert json.loads(call("backup", "show", name[1], "--json").out)["compression"] == "gzip:1"
    verified = call("backup", "verify")
    assert (verified.code, verified.out.count("passed")) == (0, verified.out.count("\n") - 1)


def test_a_plain_file_comes_with_its_restore_line(
    call: Call, installed: Database, folder: Folder
) -> None:
    made = call("backup", "create", "--kind", "sql")
    [line] = [line for line in made.out.splitlines() if "psql -d" in line]
    assert Path(line.rpartition(" ")[2]).read_bytes().startswith(b"--\n-- PostgreSQL database dump")


def test_the_list_says_how_far_archived_wal_reaches(
    call: Call, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(folder, a_backup("a-dump"))
    first, second = store_base(folder, 1, 3), store_base(folder, 2, 7)
    written = (NOON + timedelta(days=9)).strftime("-%Y%m%dT%H%M%SZ-")
    store_segments(folder, 1, 4, 5, 7, 8, 9, form=f"{written}{'a' * 64}.zst")
    for width, language in ((80, "en"), (80, "ko"), (120, "en"), (120, "ko")):
        monkeypatch.setenv("COLUMNS", str(width))
        called = call("--lang", language, "backup", "list")
        assert max(map(cell_width, called.out.splitlines())) <= width
        assert all(one.name in called.out for one in (first, second))
        assert f"{first.name}: " in called.err
        assert "000000010000000000000006" in called.err
        assert f"{second.name}: " not in called.err
    listed = {one["name"]: one["recoverable"] for one in json.loads(_list(call))}
    assert listed["a-dump"] is None
    assert listed[first.name]["missing"] == ["000000010000000000000006"]
    for name in (first.name, second.name):
        assert listed[name]["to_at"] == (NOON + timedelta(days=9)).isoformat()


def _list(call: Call) -> str:
    return call("backup", "list", "--json").out


def test_damage_is_named_with_exit_code_1(call: Call, installed: Database, folder: Folder) -> None:
    name = _made(call)
    data = folder.root / "backups" / name / "data"
    _change(data / "toc.dat", lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    first = next(path for path in sorted(data.iterdir()) if path.name != "toc.dat")
    first.unlink()
    (data / "more.dat").write_bytes(b"12345")
    called = call("backup", "verify", name)
    assert called.code == 1
    for said in ("toc.dat", first.name, "missing", "more.dat", "sha256"):
        assert said in called.out
    assert max(cell_width(line) for line in called.out.splitlines()) <= 80
    [files, *_] = json.loads(call("backup", "verify", name, "--json").out)["checks"]
    assert {d["subject"] for d in files["differences"]} == {
        "data/toc.dat",
        f"data/{first.name}",
        "data/more.dat",
    }


def test_all_are_looked_at_whatever_one_of_them_is_like(
    call: Call, installed: Database, folder: Folder
) -> None:
    name = _made(call)
    folder.write("backups/bad/backup.json", b"{")
    called = call("backup", "verify", "--all")
    assert called.code == 1
    assert re.search(r"^bad +record +failed", called.out, re.MULTILINE)
    assert re.search(rf"^{name} +files +passed", called.out, re.MULTILINE)
    documents = json.loads(call("backup", "verify", "--all", "--json").out)
    assert {one["backup"] for one in documents} == {name, "bad"}


def test_what_cannot_be_looked_at_is_exit_code_6(
    call: Call, installed: Database, folder: Folder
) -> None:
    backup = read_backup(folder, _made(call))
    details = {**backup.details, "globals": False, "globals_missing": "permission denied"}
    files = tuple(file for file in backup.files if file.path != "globals.sql")
    complete(folder, replace(backup, details=details, files=files))
    folder.remove([f"backups/{backup.name}/globals.sql"])
    called = call("backup", "verify")
    assert called.code == 6
    assert "permission denied" in called.out


def test_without_backups_it_says_how_to_make_one(call: Call, folder: Folder) -> None:
    assert call("backup", "list").out == "There are no backups.\n"
    for verb in ("show", "verify"):
        called = call("backup", verb)
        assert called.code == 1
        assert "agentpg backup create" in called.err
    called = call("backup", "show", "nothing")
    assert (called.code, "there is no backup nothing" in called.err) == (1, True)
    assert call("backup", "verify", "nothing", "--all").code == 2


def test_the_list_tells_drills_damage_and_what_is_unfinished(
    call: Call, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in range(3):
        complete(folder, a_backup(f"b{hour}", taken_at=NOON + timedelta(hours=hour)))
    write_drill(folder, a_drill("b0"))
    write_drill(folder, a_drill("b1", checks=(FAILED,)))
    begun = begin(folder, "dump", SOURCE, NOON)
    folder.write("backups/bad/backup.json", b"{")
    listed = call("backup", "list")
    states = [re.search("passed|failed|never", line) for line in listed.out.splitlines()[1:]]
    assert [state and state[0] for state in states] == ["passed", "failed", "never"]
    assert begun.name in listed.err
    assert "record of the backup bad" in listed.err
    for width, language in ((80, "en"), (80, "ko"), (120, "en")):
        monkeypatch.setenv("COLUMNS", str(width))
        for words in (("list",), ("show", "b1"), ("prune", "--dry-run", "--every-database")):
            called = call("backup", *words, "--lang", language)
            assert called.code == 0
            assert max(map(cell_width, called.out.splitlines())) <= width
    assert "contents: one table differs" in call("backup", "show", "b1").out


def test_prune_shows_asks_and_removes(call: Call, installed: Database, folder: Folder) -> None:
    names = [_made(call) for _ in range(3)]
    write_drill(folder, a_drill(names[0]))
    keep = ("--keep-last", "1", "--keep-daily", "0", "--keep-weekly", "0", "--keep-monthly", "0")
    shown = call("backup", "prune", *keep, "--dry-run")
    assert shown.code == 0
    assert [line.split()[-1] for line in shown.out.splitlines()[1:4]] == [
        "proved",
        "goes",
        "recent",
    ]
    assert re.search(r"before +3 backups", shown.out)
    assert re.search(r"after +2 backups", shown.out)
    asked = call("backup", "prune", *keep)
    assert (asked.code, "Say --yes" in asked.err) == (2, True)
    assert len(json.loads(call("backup", "list", "--json").out)) == 3
    done = json.loads(call("backup", "prune", *keep, "--yes", "--json").out)
    assert (done["before"]["backups"], done["after"]["backups"]) == (3, 2)
    left = [one["name"] for one in json.loads(call("backup", "list", "--json").out)]
    assert left == [names[0], names[2]]
    assert not any(f"/{names[1]}/" in stored.key for stored in folder.objects(""))


def test_prune_leaves_other_databases_alone(
    call: Call, installed: Database, folder: Folder
) -> None:
    for hour in range(3):
        complete(folder, a_backup(f"b{hour}", taken_at=NOON + timedelta(hours=hour)))
    keep = ("--keep-last", "1", "--keep-daily", "0", "--keep-weekly", "0", "--keep-monthly", "0")
    assert json.loads(call("backup", "prune", *keep, "--yes", "--json").out)["backups"] == []
    every = call("backup", "prune", *keep, "--yes", "--every-database", "--json")
    assert json.loads(every.out)["after"]["backups"] == 1


def test_a_backup_without_a_server_is_exit_code_3(call: Call, folder: Folder) -> None:
    called = call("backup", "create", "--dsn", "host=/nowhere password=s3cret")
    assert called.code == 3
    assert "s3cret" not in called.err


def test_a_measure_tells_bytes_rate_and_time_left() -> None:
    gigabyte = 1024**3
    assert measure_text(gigabyte // 2, 2 * gigabyte, 8.0, "{time} left") == (
        "512 MB / 2 GB, 64 MB/s, 24 s left"
    )
    assert measure_text(0, gigabyte, 0.0, "{time} left") == "0 B / 1 GB, 0 B/s"
