"""`agentpg tune vacuum`: the plan first, then what it gave."""

from __future__ import annotations

import json
import re

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from tests.cli.conftest import Call

pytestmark = pytest.mark.one_server


@pytest.fixture(autouse=True)
def airy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is mostly dead."""
    monkeypatch.setenv("AGENTPG_DSN", database.dsn)
    with connect(database) as connection:
        connection.execute(
            b"CREATE TABLE airy AS SELECT n, repeat('x', 200) FROM generate_series(1, 9000) AS n"
        )
        connection.execute(b"DELETE FROM airy WHERE n % 10 > 0")
        connection.execute(b"ANALYZE airy")


def test_the_plan_comes_first_and_changes_nothing(call: Call) -> None:
    called = call("tune", "vacuum", "--full", "--dry-run", "airy")
    assert called.code == 0, called.err
    assert re.search(r"VACUUM \(FULL\) \w+\.airy; ANALYZE \w+\.airy", called.out)
    assert "gives back about" in called.out
    told = json.loads(call("tune", "vacuum", "--full", "--dry-run", "--json", "airy").out)
    assert told["size_bytes"] > 2 * 1024**2
    assert sum(room["needed_bytes"] for room in told["rooms"]) == told["needed_bytes"]
    assert all(room["free_bytes"] > 0 for room in told["rooms"])


@pytest.mark.parametrize("none", ["0s", "0.5ms"])
def test_a_wait_without_end_is_refused(call: Call, none: str) -> None:
    called = call("tune", "vacuum", "--lock-timeout", none, "airy")
    assert (called.code, "at least 1ms" in called.err) == (2, True)


def test_it_is_done_and_measured(call: Call) -> None:
    asked = call("tune", "vacuum", "--full", "airy")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    called = call("tune", "vacuum", "--full", "--yes", "--json", "airy")
    assert called.code == 0, called.err
    assert json.loads(called.out)["gained_bytes"] > 1024**2
    again = call("tune", "vacuum", "airy")
    assert again.code == 0
    assert again.out.startswith("airy was vacuumed in ")


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_whose_sessions_would_wait(
    call: Call, database: Database, monkeypatch: pytest.MonkeyPatch, lang: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with connect(database, "a reader with a rather long name", autocommit=False) as reader:
        reader.execute(b"SELECT count(*) FROM airy WHERE n > 1 AND n < 2 AND n > 3 AND n < 4")
        called = call("--lang", lang, "tune", "vacuum", "--full", "--yes", "airy")
    assert called.code == 4
    assert "a reader" in called.out
    assert [line for line in called.out.splitlines() if cell_width(line) > columns] == []
