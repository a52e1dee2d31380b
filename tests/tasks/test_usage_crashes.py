"""What a process that dies in the middle of a call leaves in the ledger."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from agentpg.agents.standin import StandIn
from agentpg.db import Database
from agentpg.tasks.model import Claimed
from tests.tasks.recording import (
    calls,
    differences,
    execution,
    only_call,
    open_execution,
    rescue,
)
from tests.waiting import eventually

_ROOT = Path(__file__).parents[2]


def _spender(database: Database, task: Claimed, *endpoint: str) -> subprocess.Popen[str]:
    """A process that has begun to spend."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "tests.tasks.spender",
            database.dsn, database.schema, str(task.id), *endpoint,
        ],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_stream_whose_reader_is_killed_is_open_and_then_lost(database: Database) -> None:
    task = open_execution(database)
    with StandIn(latency=timedelta(), pace=timedelta(seconds=5)) as slow:
        process = _spender(database, task, slow.url)
        assert only_call(database).status == "open"
        _kill(process)
        assert only_call(database).status == "open"
        assert rescue(database) == 1
    call = only_call(database)
    assert (call.status, call.input_tokens, call.cost_usd) == ("lost", None, None)
    assert call.ended_at is not None
    counted = execution(database, task)
    assert counted["outcome"] == "lost"
    assert (counted["llm_calls"], counted["llm_unknown_calls"]) == (1, 1)
    assert counted["llm_unpriced_calls"] == 1
    assert differences(database) == []


def _ended_calls(database: Database, task: Claimed, enough: int) -> bool:
    """Whether that many calls have ended; at each look the sums hold."""
    assert differences(database) == []
    counted = execution(database, task)
    return bool(counted["llm_calls"] - counted["llm_unknown_calls"] >= enough)


@pytest.mark.one_server
def test_sums_hold_after_random_crashes(database: Database) -> None:
    """They hold while the calls are made, after the kill, and after the rescue."""
    tasks = [open_execution(database) for _ in range(4)]
    for task in tasks:
        process = _spender(database, task)
        enough = random.randrange(10, 60)
        eventually(partial(_ended_calls, database, task, enough))
        _kill(process)
        assert differences(database) == []
    # The server ends what a dead client had begun; then nothing moves any more.
    eventually(lambda: rescue(database) == 0)
    assert differences(database) == []
    made = calls(database)
    assert {call.status for call in made} <= {"ok", "error", "lost"}
    assert {"ok", "error"} <= {call.status for call in made}
    assert all(execution(database, task)["outcome"] == "lost" for task in tasks)
