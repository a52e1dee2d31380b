"""`agentpg agent limit`, `pause` and `resume`."""

from __future__ import annotations

import json

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from tests.cli.conftest import Call

pytestmark = pytest.mark.one_server


def test_limits_are_set_changed_shown_and_lifted(call: Call, installed: Database) -> None:
    assert "Nothing is limited." in call("agent", "limit").out
    call("agent", "limit", "Billing", "--concurrency", "5")
    tenants = ("agent", "limit", "Billing", "--type", "invoice", "--key", "tenant")
    call(*tenants, "--concurrency", "2", "--rate", "100/h")
    shown = call("agent", "limit", "Billing").out.splitlines()
    assert [line.split() for line in shown[-2:]] == [
        ["Billing", "–", "–", "5", "–", "operator"],
        ["Billing", "invoice", "tenant", "2", "100/1h", "operator"],
    ]
    call(*tenants, "--rate", "10/30s")
    found = json.loads(call("agent", "limit", "--json").out)
    assert {"concurrency": None, "rate": 10, "period_seconds": 30.0}.items() <= found[1].items()
    left = call(*tenants, "--remove").out
    assert "invoice" not in left
    again = call(*tenants, "--remove")
    assert again.code == 2
    assert "there is no limit of Billing/invoice (tenant)" in again.err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--concurrency", "0"), "concurrency of a limit cannot be 0"),
        (("--concurrency", "-3"), "cannot be -3"),
        (("--rate", "0/min"), "rate of a limit cannot be 0"),
        (("--rate", "10/0s"), "period of a limit cannot be 0s"),
        (("--rate", "10/fortnight"), "cannot be 10/fortnight"),
        (("--rate", "many"), "cannot be many"),
        (("--key", "", "--concurrency", "1"), "key of a limit cannot be ''"),
        (("--key", "tenant"), "concurrency of a limit cannot be None"),
        (("--remove", "--concurrency", "1"), "--remove lifts the whole limit"),
    ],
)
def test_what_is_no_limit_is_named(
    call: Call, installed: Database, options: tuple[str, ...], named: str
) -> None:
    answer = call("agent", "limit", "Billing", *options)
    assert answer.code == 2
    assert named in answer.err


def test_a_limit_needs_its_agent(call: Call, installed: Database) -> None:
    answer = call("agent", "limit", "--concurrency", "1")
    assert (answer.code, "name the agent" in answer.err) == (2, True)


def test_pausing_is_shown_and_undone(call: Call, installed: Database) -> None:
    with connect(installed) as connection:
        connection.execute(
            "INSERT INTO agentic_ai.tasks (agent_name, task_type) VALUES ('Billing', 'invoice')"
        )
    assert call("agent", "pause", "Billing", "--reason", "audit").out == "Billing is paused.\n"
    assert call("agent", "pause", "Billing").out == "Billing was paused already.\n"
    last = call("agent", "list").out.splitlines()[-1]
    assert last.startswith("paused since 20")
    assert last.endswith(": Billing: audit")
    [listed] = json.loads(call("agent", "list", "--json").out)
    assert listed["paused"]["reason"] == "audit"
    assert "paused" in call("status").out
    assert json.loads(call("status", "--json").out)["paused"][0]["agent_name"] == "Billing"
    assert call("agent", "resume", "Billing").out == "Billing goes on.\n"
    again = call("agent", "resume", "Billing")
    assert (again.code, "Billing is not paused" in again.err) == (2, True)


def test_scripts_read_what_became_of_an_agent(call: Call, installed: Database) -> None:
    paused = json.loads(call("agent", "pause", "Billing", "--reason", "audit", "--json").out)
    assert (paused["agent_name"], paused["changed"]) == ("Billing", True)
    assert paused["paused"].keys() == {"agent_name", "paused_at", "paused_by", "reason"}
    assert paused["paused"]["reason"] == "audit"
    again = json.loads(call("agent", "pause", "Billing", "--reason", "other", "--json").out)
    assert again == {**paused, "changed": False}
    [listed] = json.loads(call("agent", "list", "--json").out)
    assert listed["paused"] == paused["paused"]
    resumed = json.loads(call("agent", "resume", "Billing", "--json").out)
    assert resumed == {"agent_name": "Billing", "paused": None, "changed": True}
    assert call("agent", "resume", "Billing", "--json").code == 2


def test_an_agent_that_nobody_knows_is_told_and_listed(call: Call, installed: Database) -> None:
    unknown = "No task and no worker names the agent Biling so far."
    assert unknown in call("agent", "limit", "Biling", "--concurrency", "1").err
    called = call("agent", "pause", "Biling", "--reason", "it\nis down")
    assert unknown in called.err
    *_, row, last = call("agent", "list").out.splitlines()
    assert row.split() == ["Biling", "–", "0", "0", "0", "0", "0"]
    assert last.endswith("Biling: it is down")
    [listed] = json.loads(call("agent", "list", "--json").out)
    assert (listed["agent_name"], listed["pending"]) == ("Biling", 0)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_table_fits_a_terminal(call: Call, installed: Database, language: str) -> None:
    name = "AgentWithAVeryLongNameIndeed" * 2
    call("agent", "limit", name, "--type", "type" * 20, "--key", "key" * 20, "--rate", "100000/7d")
    for line in call("--lang", language, "agent", "limit").out.splitlines():
        assert cell_width(line) <= 80
