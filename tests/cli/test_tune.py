"""`agentpg tune`: the plan first, then what it gave."""

from __future__ import annotations

import json
import re
from pathlib import Path

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
    assert again.out.startswith("agentic_ai.airy was vacuumed in ")


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


def test_which_tables_need_it_and_why(call: Call, database: Database) -> None:
    assert call("tune", "vacuum").out.strip() == "Autovacuum keeps up with every table."
    with connect(database) as connection:
        connection.execute(b"CREATE TABLE behind (n int) WITH (autovacuum_enabled = off)")
        connection.execute(b"INSERT INTO behind SELECT generate_series(1, 12000)")
        connection.execute(b"DELETE FROM behind")
        connection.execute(b"SELECT pg_stat_force_next_flush()")
    said = call("tune", "vacuum").out
    assert re.search(r"^agentic_ai\.behind +12,000 dead rows, ", said, re.MULTILINE)
    assert said.endswith("  agentpg tune vacuum agentic_ai.behind\n")
    needs = json.loads(call("tune", "vacuum", "--json").out)["needs"]
    told = [(need["table"], need["kind"], need["state"]) for need in needs]
    table = "agentic_ai.behind"
    assert told == [(table, "dead", "off"), (table, "inserts", "off")]
    refused = call("tune", "vacuum", "--full")
    assert (refused.code, "Name the table." in refused.err) == (2, True)


_BIG = ("--ram", "16GiB", "--cpus", "4", "--disk", "ssd", "--planned")


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_settings_are_proposed(
    call: Call, monkeypatch: pytest.MonkeyPatch, lang: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    called = call("--lang", lang, "tune", "settings", *_BIG)
    assert called.code == 0, called.err
    assert re.search(r"^shared_buffers +128MB → 4GB", called.out, re.MULTILINE)
    assert [line for line in called.out.splitlines() if cell_width(line) > columns] == []
    told = json.loads(call("tune", "settings", *_BIG, "--json").out)
    known = {one["name"]: one for one in told["proposals"]}
    assert told["machine"]["ram_bytes"] == 16 * 1024**3
    assert known["random_page_cost"]["sql"] == "ALTER SYSTEM SET random_page_cost = '1.1'"


def test_settings_are_not_set_without_right_or_word(call: Call, home: Path) -> None:
    unnamed = call("tune", "settings", "random_page_cost")
    assert (unnamed.code, "names are for --apply" in unnamed.err) == (2, True)
    asked = call("tune", "settings", "--disk", "ssd", "--apply", "random_page_cost")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    called = call("tune", "settings", "--disk", "ssd", "--apply", "random_page_cost", "--yes")
    assert called.code == 4
    assert "GRANT ALTER SYSTEM ON PARAMETER random_page_cost TO admin" in called.err
    unknown = call("tune", "settings", "--apply", "port", "--yes")
    assert (unknown.code, "nothing is proposed for port" in unknown.err) == (2, True)
    planned = call("tune", "settings", *_BIG, "--apply", "--yes")
    assert (planned.code, "only planned" in planned.err) == (2, True)
    beyond = call("tune", "settings", "--ram", "9000GiB")
    assert (beyond.code, "--planned" in beyond.err) == (2, True)
    missing = call("tune", "settings", "--undo", str(home / "none.sql"), "--yes")
    assert (missing.code, "none.sql" in missing.err) == (2, True)
