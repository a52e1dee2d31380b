"""`agentpg tune explain` and `tune indexes`: what they show, refuse, and hide."""

from __future__ import annotations

import json

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from tests.cli.conftest import Call

pytestmark = pytest.mark.one_server

_SLOW = (
    "SELECT name, count(*) FROM big WHERE token = 'sEcReT' GROUP BY name ORDER BY 2 DESC LIMIT 3"
)


@pytest.fixture(autouse=True)
def big(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table worth an index, and one index too many."""
    monkeypatch.setenv("AGENTPG_DSN", database.dsn)
    with connect(database) as connection:
        connection.execute(
            b"CREATE TABLE public.big AS SELECT n, 'a name ' || n AS name, md5(n::text) AS token "
            b"FROM generate_series(1, 12000) AS n"
        )
        connection.execute(b"CREATE INDEX one ON public.big (n)")
        connection.execute(b"CREATE INDEX two ON public.big (n)")
        connection.execute(b"ANALYZE big")


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_both_fit_the_terminal(
    call: Call, monkeypatch: pytest.MonkeyPatch, lang: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in (("explain", "--analyze", _SLOW), ("indexes",)):
        called = call("--lang", lang, "tune", *arguments)
        assert called.code in (0, 5), called.err
        too_wide = [line for line in called.out.splitlines() if cell_width(line) > columns]
        assert too_wide == []


def test_the_code_stands_at_its_node_and_no_secret_is_shown(call: Call) -> None:
    called = call("tune", "explain", "--analyze", _SLOW)
    assert "[P02] Seq Scan on big" in called.out
    assert "P02 " in called.out.split("execution")[1]
    told = call("tune", "explain", "--analyze", "--json", _SLOW)
    assert "sEcReT" not in called.out + told.out
    document = json.loads(told.out)
    [node] = [one for one in document["nodes"] if "P02" in one["findings"]]
    assert node["label"] == "Seq Scan on big"
    assert 0 < node["share"] <= 1
    wrong = call("tune", "explain", "SELECT 'sEcReT'::int AS x, token = 'sEcReT' FROM big")
    assert (wrong.code, "no plan" in wrong.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--analyze", "DELETE FROM big"), 4),
        (("--analyze", "SELECT $1::int"), 2),
        (("--write", "DELETE FROM big"), 2),
        ((), 2),
        (("--query-id", "1", "SELECT 1"), 2),
        (("--query-id", "1"), 1),
        (("--file", "nowhere.sql"), 2),
        (("SELECT 1; COMMIT",), 2),
        (("SELECT 1 AS a b; -- ';'",), 1),
    ],
)
def test_what_is_wrong_is_said(call: Call, arguments: tuple[str, ...], code: int) -> None:
    called = call("tune", "explain", *arguments)
    assert (called.code, called.out) == (code, "")
    assert "hint: " in called.err or code == 2
    assert "Traceback" not in called.err


def test_an_index_is_dropped_only_where_that_is_agreed(call: Call, database: Database) -> None:
    planned = call("tune", "indexes", "--fix", "--dry-run")
    assert planned.code == 5, planned.err
    assert "  DROP INDEX CONCURRENTLY public.two" in planned.out
    assert "What runs is not known" in planned.out
    asked = call("tune", "indexes", "--fix")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    done = json.loads(call("tune", "indexes", "--fix", "--yes", "--json").out)
    [one] = done["done"]
    assert (one["kind"], one["index"]) == ("drop", "public.two")
    assert one["undo"].endswith("-drop-public.two.sql")
    assert "reason" in done["workload"]
    again = call("tune", "indexes", "--apply", "public.two", "--yes")
    assert (again.code, "public.two" in again.err) == (1, True)
    undone = call("tune", "indexes", "--undo", one["undo"], "--yes")
    assert (undone.code, "It was taken back." in undone.err) == (0, True)
    assert "  CREATE INDEX CONCURRENTLY two ON public.big USING btree (n);" in undone.out
    twice = call("tune", "indexes", "--undo", one["undo"], "--yes")
    assert (twice.code, "already exists" in twice.err) == (1, True)
    assert call("tune", "settings", "--undo", one["undo"], "--yes").code == 2
    assert call("tune", "indexes", "--undo", one["undo"], "--fix").code == 2
