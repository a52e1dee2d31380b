"""Rows are read piece by piece, by several sessions, and when pg_dump leaves a processor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Connection, Database, Statements, connect, snapshot
from agentpg.desk.backup.making.pacing import DumpPace
from agentpg.desk.backup.proof import contents
from agentpg.desk.backup.proof.contents import (
    Listed,
    join_moment,
    list_tables,
    pieces_of,
    statement_for,
)
from agentpg.desk.backup.proof.taking import fill_outline, take_manifest, take_outline
from tests.servers import SCHEMA

WIDE = "agentic_ai.wide"
SQL = Statements("manifest", SCHEMA)


@pytest.fixture
def wide(database: Database) -> Database:
    """A table of some dozen pages, of which some in the middle are empty."""
    with connect(database) as connection:
        connection.execute(
            "CREATE TABLE agentic_ai.wide AS"
            " SELECT n, repeat('x', 900) AS text FROM generate_series(1, 100) AS n;"
            "ALTER TABLE agentic_ai.wide ADD id bigint GENERATED ALWAYS AS IDENTITY;"
            "DELETE FROM agentic_ai.wide WHERE n BETWEEN 20 AND 45"
        )
    return database


def _listed(connection: Connection[Any]) -> Listed:
    [table] = [one for one in list_tables(connection, SQL, SCHEMA) if one.name in (WIDE, "wide")]
    return table


@pytest.mark.parametrize("pages", [1, 3])
def test_pieces_come_to_the_whole(
    wide: Database, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """Also by two sessions, while others fill pages that no piece ends at."""
    with snapshot(wide) as connection:
        [(name,)] = connection.execute("SELECT pg_export_snapshot()").fetchall()
        uncut = take_manifest(connection, SCHEMA)
        table = _listed(connection)
        monkeypatch.setattr(contents, "_PAGES", pages)
        pieces = list(pieces_of(table))
        with connect(wide) as other, join_moment(wide, name) as second:
            other.execute(
                "INSERT INTO agentic_ai.wide SELECT n, 'y' FROM generate_series(1, 999) AS n"
            )
            cut = take_manifest(connection, SCHEMA, beside=(second,))
    assert len(pieces) == -(-table.pages // pages) > 3
    assert sum(piece.size_bytes for piece in pieces) == table.size_bytes
    assert cut.tables[WIDE].sums == uncut.tables[WIDE].sums
    [sequence] = [one for one in cut.sequences if one.startswith(WIDE)]
    assert cut.sequences[sequence].columns == uncut.sequences[sequence].columns != {}


def test_a_piece_reads_no_other_pages(wide: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_PAGES", 2)
    with snapshot(wide) as connection:
        for piece in pieces_of(_listed(connection)):
            text = statement_for(SQL, piece).as_string(connection)
            plan = connection.execute(f"EXPLAIN {text}".encode()).fetchall()
            assert "Tid Range Scan" in str(plan)


class Processors:
    """What a system says of two processors, of which so many are idle."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.idle = 0.0
        self._ticks = [0, 0]
        self._over = threading.Event()
        self._write()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            self._ticks[0] += round(10 * (2 - self.idle))
            self._ticks[1] += round(10 * self.idle)
            self._write()

    def _write(self) -> None:
        busy, idle = self._ticks
        new = self.path.with_suffix(".new")
        new.write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 7 7\ncpu0 1\ncpu1 1\nintr 1\n")
        new.replace(self.path)


@pytest.fixture
def processors(tmp_path: Path) -> Iterator[Processors]:
    """Both are busy at first."""
    processors = Processors(tmp_path / "stat")
    yield processors
    processors.close()


def _pace(database: Database, stat: Path, *, same_machine: bool = True) -> DumpPace:
    return DumpPace(lambda: snapshot(database), further=2, same_machine=same_machine, stat=stat)


@pytest.mark.without_server
def test_reading_waits_for_a_processor(processors: Processors) -> None:
    pace = _pace(Database(""), processors.path)
    assert not pace.may_read()
    processors.idle = 1.0
    assert any(pace.may_read() for _ in range(10))
    # For a moment that stays so.
    processors.idle = 0.0
    assert pace.may_read()
    assert not pace.may_join()


@pytest.mark.without_server
def test_nothing_waits_once_pg_dump_has_ended(processors: Processors, tmp_path: Path) -> None:
    pace = _pace(Database(""), processors.path)
    pace.let_go()
    assert pace.may_read()
    assert pace.may_join()
    assert _pace(Database(""), processors.path, same_machine=False).may_read()
    assert _pace(Database(""), tmp_path / "no such file").may_read()


def test_further_sessions_come_when_pg_dump_has_ended(
    wide: Database, processors: Processors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, nothing is read on a machine that is busy."""
    monkeypatch.setattr(contents, "_PAGES", 1)
    came: list[bool] = []
    told: list[int] = []
    with snapshot(wide) as connection:
        [(name,)] = connection.execute("SELECT pg_export_snapshot()").fetchall()
        outline = take_outline(connection, SCHEMA)
        released = threading.Event()

        def join() -> AbstractContextManager[Connection[Any]]:
            came.append(released.is_set())
            return join_moment(wide, name)

        pace = DumpPace(join, further=2, same_machine=True, stat=processors.path)

        def tell(done: int, total: int) -> None:
            told.append(done)
            if len(told) == 2:
                released.set()
                pace.let_go()

        found = fill_outline(connection, outline, progress=tell, pace=pace)
    assert told[:2] == [0, 0]
    assert came in ([True], [True, True])
    with snapshot(wide) as connection:
        assert found.tables == take_manifest(connection, SCHEMA).tables
