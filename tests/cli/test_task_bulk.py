"""`agentpg task retry --failed` shows first, asks, and retries."""

from __future__ import annotations

import json

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from agentpg.tasks.client import Client
from tests.cli.conftest import Call

pytestmark = pytest.mark.one_server


@pytest.fixture
def failed(installed: Database) -> Database:
    """Three failed tasks of A and one of B."""
    with connect(installed) as connection:
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type, status, error_message)"
            " SELECT a, 'x', 'failed', 'the network is away ' || a"
            " FROM unnest(ARRAY['A', 'A', 'A', 'B']) AS a"
        )
    return installed


def _failed(database: Database) -> int:
    with Client(database) as client:
        return len(client.find(status="failed"))


def test_it_shows_what_it_would_do_and_asks_nobody_but_a_person(
    call: Call, failed: Database
) -> None:
    called = call("task", "retry", "--failed")
    assert called.code == 2
    assert [line.split()[:3] for line in called.out.splitlines()[1:]] == [
        ["A", "x", "3"],
        ["B", "x", "1"],
    ]
    assert "the network is away" in called.out
    assert "Say --yes to go ahead." in called.err
    assert max(cell_width(line) for line in called.out.splitlines()) <= 80
    assert _failed(failed) == 4


def test_yes_retries_those_that_match(call: Call, failed: Database) -> None:
    called = call("task", "retry", "--failed", "--agent", "A", "--yes")
    assert called.code == 0
    assert "3 tasks are pending again." in called.out
    assert _failed(failed) == 1
    assert json.loads(call("task", "retry", "--failed", "--yes", "--json").out) == {"retried": 1}
    assert call("task", "retry", "--failed", "--yes").out == "There are no such tasks.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--agent", "A"],
        ["--failed", "0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b"],
        ["0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b", "--type", "x"],
    ],
)
def test_ids_and_filters_do_not_mix(call: Call, installed: Database, arguments: list[str]) -> None:
    assert call("task", "retry", *arguments).code == 2


@pytest.fixture
def held(installed: Database) -> Database:
    """Three held tasks of A, two of them for one reason, and one of B."""
    with connect(installed) as connection:
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type, held_reason)"
            " VALUES ('A', 'x', 'restored from the backup n'), ('A', 'x', 'held by hand'),"
            " ('A', 'x', 'restored from the backup n'), ('B', 'x', 'restored from the backup n')"
        )
    return installed


def _held(database: Database) -> int:
    with Client(database) as client:
        return len(client.find(held=True))


def test_held_tasks_are_shown_before_they_are_released(call: Call, held: Database) -> None:
    called = call("task", "release", "--held")
    assert called.code == 2
    assert [line.split()[:3] for line in called.out.splitlines()[1:]] == [
        ["A", "x", "2"],
        ["A", "x", "1"],
        ["B", "x", "1"],
    ]
    assert "restored from the backup n" in called.out
    assert max(cell_width(line) for line in called.out.splitlines()) <= 80
    assert _held(held) == 4


def test_those_that_match_are_released(call: Call, held: Database) -> None:
    called = call("task", "release", "--held", "--agent", "A", "--reason", "restored", "--yes")
    assert called.code == 0
    assert "2 tasks may run again." in called.out
    assert _held(held) == 2
    assert json.loads(call("task", "release", "--held", "--yes", "--json").out) == {"released": 2}
    assert call("task", "release", "--held", "--yes").out == "There are no such tasks.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--reason", "restored"],
        ["--held", "0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b"],
        ["0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b", "--agent", "A"],
    ],
)
def test_release_wants_ids_or_all_held_ones(call: Call, arguments: list[str]) -> None:
    called = call("task", "release", *arguments)
    assert called.code == 2
    assert "--held" in called.err
