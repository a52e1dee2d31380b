"""`agentpg doctor slow`: what it shows, asks and does."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from tests.cli.conftest import Call
from tests.desk.doctor.slow.running import running
from tests.desk.monitor.quarrel import SECRET, quarrel

pytestmark = pytest.mark.one_server


@pytest.fixture
def seeing(
    database: Database, superuser_dsn: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Database:
    """The database of the test as who sees all of it; the calls use it."""
    dsn = superuser_dsn(database.name())
    monkeypatch.setenv("AGENTPG_DSN", dsn)
    for name in ("WAIT", "QUERY", "TRANSACTION", "IDLE"):
        monkeypatch.setenv(f"AGENTPG_SLOW_{name}", "1ms")
    return Database(dsn, database.schema)


def test_it_shows_who_blocks_whom_in_each_width_and_language(
    call: Call, seeing: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quarrel(seeing) as between, running(seeing, "x" * 60, "SELECT pg_sleep(60)"):
        for lang in ("en", "ko"):
            for columns in (80, 120):
                monkeypatch.setenv("COLUMNS", str(columns))
                called = call("--lang", lang, "doctor", "slow", "--all")
                assert called.code == 5
                lines = called.out.splitlines()
                too_long = [line for line in lines if cell_width(line) > columns]
                # Commands and SQL are to be copied, and stay in one line.
                assert [line for line in too_long if not line.startswith("      ")] == []
                assert f"└─ process {between.waiter}, waits" in called.out or lang == "ko"
                assert "Billing/invoice" in called.out
                assert SECRET not in called.out
        document = json.loads(call("doctor", "slow", "--json").out)
    [root] = document["blocking"]
    assert (root["pid"], root["state"]) == (between.holder, "idle in transaction")
    assert root["agents"] == ["Billing", "Report"]
    [waiter] = root["blocks"]
    assert waiter["waits_for"] == "RowExclusiveLock on agentic_ai.users"
    assert document["rooms"]["slow"][0]["level"] == "critical"
    assert document["statements"] is None
    assert "done" not in document


def test_what_blocks_is_shown_asked_for_and_ended(call: Call, seeing: Database) -> None:
    with quarrel(seeing) as between:
        root = str(between.holder)
        refused = call("doctor", "slow", "--terminate", root)
        assert refused.code == 2
        assert "--yes" in refused.err
        assert f"SELECT pg_terminate_backend({root})" in refused.out
        assert call("doctor", "slow", "--cancel", root, "--yes").code == 4
        called = call("doctor", "slow", "--terminate", root, "--yes", "--fail-on", "critical")
        assert f"The session of process {root} has ended" in called.out
        assert f"These wait no longer: {between.waiter}." in called.out
        assert "Who blocks whom" not in called.out
    with running(seeing, "a report", "SELECT pg_sleep(60)") as pid:
        called = call("doctor", "slow", "--cancel", str(pid), "--yes", "--json")
        [done] = json.loads(called.out)["done"]
        assert (done["way"], done["session"]["application"]) == ("cancel", "a report")


def test_a_process_that_is_not_there_is_said(call: Call, seeing: Database) -> None:
    with connect(seeing) as gone:
        pid = gone.info.backend_pid
    called = call("doctor", "slow", "--terminate", str(pid), "--yes")
    assert (called.code, called.out) == (1, "")
    assert f"no session with process {pid}" in called.err
    assert call("doctor", "slow", "--cancel", "many").code == 2


def test_without_a_server_all_is_unknown(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPG_DSN", "host=127.0.0.1 port=1 user=admin dbname=a")
    called = call("doctor", "slow")
    assert called.code == 6
    assert called.out.count("cannot reach the database") == 1


def test_fix_does_nothing_where_nothing_is_safe(call: Call, seeing: Database) -> None:
    with quarrel(seeing):
        for arguments in (("doctor", "slow", "--fix", "--yes"), ("doctor", "--fix", "slow")):
            called = call(*arguments)
            assert called.code == 5
            assert "There is nothing that could be done here." in called.err
        document = json.loads(call("doctor", "slow", "--fix", "--yes", "--json").out)
    assert document["fixes"] == []
    assert document["rooms"]["slow"][0]["level"] == "critical", "and nobody was ended"
