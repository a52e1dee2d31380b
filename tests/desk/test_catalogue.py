"""The schema pages on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.catalogue import write_schema_pages
from agentpg.errors import FileNotOurs


def _texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_the_same_catalogue_gives_the_same_pages_but_for_one_line(
    database: Database, tmp_path: Path
) -> None:
    written = write_schema_pages(database, tmp_path / "schemas")
    assert written == sorted((tmp_path / "schemas").iterdir())
    first = _texts(tmp_path / "schemas")
    write_schema_pages(database, tmp_path / "schemas")
    second = _texts(tmp_path / "schemas")
    changed = [
        line
        for name, text in second.items()
        for line in set(text.splitlines()) - set(first[name].splitlines())
    ]
    assert len(changed) <= 1
    assert all(line.startswith("Read from the live catalogue at ") for line in changed)


def test_pages_of_dropped_tables_go_and_other_files_stay(
    database: Database, tmp_path: Path
) -> None:
    with connect(database) as connection:
        connection.execute("CREATE TABLE passing (id int)")
        write_schema_pages(database, tmp_path)
        assert (tmp_path / "passing.md").exists()
        connection.execute("DROP TABLE passing")
    (tmp_path / "notes.md").write_text("mine\n", encoding="utf-8")
    (tmp_path / "folder.md").mkdir()
    write_schema_pages(database, tmp_path)
    assert not (tmp_path / "passing.md").exists()
    assert (tmp_path / "notes.md").read_text(encoding="utf-8") == "mine\n"
    assert (tmp_path / "folder.md").is_dir()


def test_a_file_of_somebody_else_is_not_replaced(database: Database, tmp_path: Path) -> None:
    (tmp_path / "tasks.md").write_text("mine\n", encoding="utf-8")
    with pytest.raises(FileNotOurs, match=r"tasks\.md was not written by agentpg"):
        write_schema_pages(database, tmp_path)
    assert _texts(tmp_path) == {"tasks.md": "mine\n"}
