"""Claimed tasks as a worker holds them, made without a database."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from agentpg.db import Database, SteadyConnection
from agentpg.settings import load_settings
from agentpg.tasks.attempt import Attempt
from agentpg.tasks.handlers import Handler
from agentpg.tasks.journal import Journal
from agentpg.tasks.model import Claimed
from agentpg.tasks.run import Run
from agentpg.tasks.usage import Ledger

# The marks of a claim that begins below every task of the usual priority.
FROM_THE_HEAD = {"priorities": [100], "run_ats": ["-infinity"], "ids": [UUID(int=0)]}

NOWHERE = Database("host=127.0.0.1 port=1")


def claimed(payload: Any = None, **values: Any) -> Claimed:
    """A task in its first attempt."""
    standard: dict[str, Any] = {
        "id": uuid7(),
        "agent_name": "A",
        "task_type": "t",
        "attempt": 1,
        "payload": payload,
        "errors": 0,
        "crashes": 0,
        "losses": 0,
        "max_attempts": None,
        "on_crash": "retry",
        "suspect": False,
        "tenant": None,
        "parent_id": None,
    }
    return Claimed(**{**standard, **values})


def attempt_of(handler: Handler, task: Claimed, *, result_limit: int = 1024) -> Attempt:
    """An attempt under way in the running loop; it has no database and needs none."""
    connection = SteadyConnection(NOWHERE, "test")
    journal = Journal(connection, NOWHERE.schema)
    run = Run(
        task,
        settings=load_settings(),
        database=NOWHERE,
        ledger=Ledger(connection, NOWHERE.schema),
        loop=asyncio.get_running_loop(),
        page=lambda: journal.page(task, task.id),
    )
    return Attempt(handler, task, run, result_limit)
