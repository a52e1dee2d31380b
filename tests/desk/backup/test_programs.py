"""Which programs are taken for which server."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpg.desk.backup import programs
from agentpg.desk.backup.programs import find_programs
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import BinariesMissing, ProgramsMissing
from tests.servers import PG_BIN

_TOOLS = ("pg_dump", "pg_dumpall", "pg_restore", "psql")


def _make(folder: Path, version: str, *more: str) -> Path:
    """Programs that say that they are of this version."""
    folder.mkdir(parents=True)
    for name in (*_TOOLS, *more):
        tool = folder / name
        tool.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        tool.chmod(0o755)
    return folder


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No programs but those of the search path, and `given` below this folder."""
    monkeypatch.setattr(programs, "packaged_folder", lambda: None)
    monkeypatch.setattr(programs, "_INSTALLED", ())
    return tmp_path


def _search(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    monkeypatch.setenv("PATH", ":".join(["/bin", *map(str, folders)]))


def test_the_programs_of_this_server_are_found() -> None:
    binaries = find_binaries(PG_BIN)
    found = find_programs(PG_BIN, binaries.major, "pg_basebackup")
    assert found.major == binaries.major
    assert found.tool("pg_verifybackup").is_file()
    with pytest.raises(BinariesMissing, match="pg_timetravel"):
        found.tool("pg_timetravel")


def test_the_nearest_that_is_not_older_is_taken(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, near, far = (_make(places / v, v) for v in ("14.9", "16.2", "18.1"))
    _search(monkeypatch, old, far, near)
    assert find_programs("", 15).folder == near
    assert find_programs("", 16).version == "16.2"
    assert find_programs(str(far), 17).folder == far
    assert find_programs(str(far), 14).folder == old


def test_of_one_version_the_folder_of_the_settings_comes_first(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = _make(places / "one", "15.3"), _make(places / "other", "15.9")
    _search(monkeypatch, other)
    assert find_programs(str(one), 15).folder == one


def test_where_all_are_older_the_error_says_what_there_is_and_what_to_do(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _make(places / "old", "14.9")
    _search(monkeypatch, old)
    with pytest.raises(ProgramsMissing) as failure:
        find_programs("", 15)
    assert f"{old} (14.9)" in str(failure.value)
    assert "postgresql-client-15" in failure.value.advice()


def test_a_folder_that_lacks_one_or_does_not_run_is_passed_over(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial, broken = _make(places / "partial", "15.1"), _make(places / "broken", "15.1")
    (partial / "psql").unlink()
    (broken / "pg_dump").write_text("#!/bin/sh\nexit 1\n")
    whole = _make(places / "whole", "18.1", "pg_basebackup")
    _search(monkeypatch, partial, broken, whole, places / "missing")
    assert find_programs("", 15, "pg_basebackup").folder == whole


def test_a_wrapper_for_all_versions_is_passed_over(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped = _make(places / "wrapped", "15.1")
    (wrapped / "pg_dump").rename(wrapped / "pg_wrapper")
    (wrapped / "pg_dump").symlink_to("pg_wrapper")
    _search(monkeypatch, wrapped)
    with pytest.raises(ProgramsMissing):
        find_programs("", 15)
