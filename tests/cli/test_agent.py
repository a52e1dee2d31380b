"""`agentpg agent`."""

from __future__ import annotations

import json

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from tests.cli.conftest import Call
from tests.desk.history import write_history

pytestmark = pytest.mark.one_server


@pytest.fixture
def busy(installed: Database) -> Database:
    write_history(installed, days=3)
    return installed


def test_list_shows_agents_with_workers_and_waiting_tasks(call: Call, busy: Database) -> None:
    lines = call("agent", "list").out.splitlines()
    assert lines[0].split()[:3] == ["Agent", "Task", "type"]
    assert [line.split() for line in lines if line.startswith("BillingAgent")] == [
        ["BillingAgent", "invoice", "0", "4", "0", "0", "0"]
    ]
    assert lines[-1] == "no worker knows this: BillingAgent / invoice"


def test_list_tells_programs_what_nobody_knows(call: Call, busy: Database) -> None:
    agents = json.loads(call("agent", "list", "--json").out)
    assert [a["agent_name"] for a in agents if a["nobody_knows"]] == ["BillingAgent"]
    assert {"agent_name": "ReportAgent", "workers": 1}.items() <= agents[2].items()


def test_a_name_cannot_steer_the_terminal(call: Call, installed: Database) -> None:
    with connect(installed) as connection:
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type, status) VALUES (%s, 'b', 'pending')",
            ("\x1b[2J\x9bA",),
        )
    for arguments in (("agent", "list"), ("status",), ("agent", "list", "--json")):
        out = call(*arguments).out
        assert "\x1b" not in out
        assert "\x9b" not in out
        assert "[2J" in out


def test_a_name_of_two_lines_makes_one(call: Call, installed: Database) -> None:
    name = "A\nno worker knows this: Forged / x"
    with connect(installed) as connection:
        connection.execute("INSERT INTO tasks (agent_name, task_type) VALUES (%s, 'b')", (name,))
        connection.execute(
            "INSERT INTO paused_agents (agent_name, reason) VALUES (%s, E'for\nnow')", (name,)
        )
    for arguments in (("agent", "list"), ("status",)):
        lines = call(*arguments).out.splitlines()
        assert not [line for line in lines if line.lstrip().startswith("no worker knows this: F")]
        assert [line for line in lines if "no worker knows this" in line]


def test_stats_equal_the_guides_query(call: Call, busy: Database) -> None:
    with connect(busy) as connection:
        connection.execute("DELETE FROM agent_executions WHERE outcome = 'released'")
        guide = connection.execute(
            "SELECT agent_name, COUNT(*) as total_executions, "
            "AVG(duration_seconds) as avg_duration, SUM(llm_total_tokens) as total_tokens "
            "FROM agent_executions "
            "WHERE execution_start >= CURRENT_DATE - INTERVAL '7 days' GROUP BY agent_name"
        ).fetchall()
    stats = {s["agent_name"]: s for s in json.loads(call("agent", "stats", "--json").out)}
    assert len(guide) == len(stats) == 4
    for name, total, average, tokens in guide:
        assert (stats[name]["total_executions"], stats[name]["total_tokens"]) == (total, tokens)
        assert stats[name]["avg_duration_seconds"] == pytest.approx(average)


def test_stats_show_unknown_cost_as_unknown(call: Call, busy: Database) -> None:
    lines = {line.split()[0]: line for line in call("agent", "stats").out.splitlines()}
    assert lines["TriageAgent"].split()[-1] == "–"
    assert lines["SchemaAgent"].split()[-1] == "$0.00"
    assert "+ and more" in lines["+"]


@pytest.mark.parametrize("verb", ["list", "stats"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_tables_fit_80_columns(call: Call, busy: Database, verb: str, language: str) -> None:
    called = call("--lang", language, "agent", verb)
    assert called.code == 0
    assert max(map(cell_width, called.out.splitlines())) <= 80


@pytest.mark.parametrize("verb", ["list", "stats"])
def test_an_empty_installation_says_so(call: Call, installed: Database, verb: str) -> None:
    called = call("agent", verb)
    assert called.code == 0
    assert len(called.out.splitlines()) == 1
    assert json.loads(call("agent", verb, "--json").out) == []
