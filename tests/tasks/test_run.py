"""What a handler sees of its own attempt."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from agentpg.errors import HandlerStopped, WrongArgument
from agentpg.tasks.handlers import App, Handler
from agentpg.tasks.run import Run
from tests.tasks.claimed import attempt_of, claimed
from tests.tasks.engine import Engine


def test_a_run_tells_what_was_claimed(engine: Engine) -> None:
    seen: list[Run] = []
    app = App()
    app.add(lambda run, **payload: seen.append(run), agent_name="A", task_type="t")
    engine.work(app)
    parent = engine.run("A", "t")
    task = engine.run("A", "t", {"a": 1}, tenant="acme", parent_id=parent.id)
    run = seen[1]
    assert (run.task.id, run.task.agent_name, run.task.task_type) == (task.id, "A", "t")
    assert (run.task.attempt, run.task.payload) == (1, {"a": 1})
    assert (run.task.tenant, run.task.parent_id) == ("acme", parent.id)
    assert run.database == engine.agent


def test_log_lines_carry_the_attempt(caplog: pytest.LogCaptureFixture) -> None:
    run = run_of()
    with caplog.at_level(logging.INFO, logger="agentpg.run"):
        run.log.info("said %s", "so", extra={"more": 1})
    [record] = caplog.records
    assert record.getMessage() == "said so"
    fields: dict[str, Any] = vars(record)
    assert fields["task"] == str(run.task.id)
    assert (fields["agent"], fields["task_type"], fields["attempt"]) == ("A", "t", 1)
    assert fields["more"] == 1


def test_a_run_that_must_stop_says_so() -> None:
    run = run_of()
    assert not run.stopping
    run.check()
    run.stop("cancelled on request")
    assert run.stopping
    with pytest.raises(HandlerStopped, match="the run must stop: cancelled on request"):
        run.check()


@pytest.mark.parametrize("said", ["half", None, (1, 2), 10**400])
def test_progress_that_is_no_number_is_the_handlers_own_fault(said: Any) -> None:
    with pytest.raises(WrongArgument, match="progress is a number from 0 to 1, not") as raised:
        run_of().progress(said)
    assert isinstance(raised.value, TypeError)


def run_of() -> Run:
    async def making() -> Run:
        handler = Handler(agent_name="A", task_type="t", function=lambda run: None)
        return attempt_of(handler, claimed()).run

    return asyncio.run(making())
