"""The hot statements read what they need and no history, on a large table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from agentpg.db import Connection, Database, Statements, pin_plans
from agentpg.desk.doctor.slow.findings import find
from agentpg.desk.doctor.slow.own_plans import read_own_plans
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.monitor.reading import Reader
from agentpg.tasks.retry import LOSSES_TO_QUARANTINE
from tests.desk.doctor.slow.sample import facts
from tests.plans.plan import WORKER, Plan, plan_of
from tests.tasks.claimed import FROM_THE_HEAD

pytestmark = pytest.mark.xdist_group("plans")


@contextmanager
def planned(session: Connection[Any], planner: str) -> Iterator[Connection[Any]]:
    """A session with the planner's defaults, or with the settings of a worker."""
    if planner == "a worker's planner":
        session.execute(pin_plans("agentic_ai"))
    yield session
    session.execute("RESET ALL")
    session.execute("SET search_path = agentic_ai")


@pytest.fixture(params=["the server's planner", "a worker's planner"])
def planner(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def settled(used: Connection[Any], planner: str) -> Iterator[Connection[Any]]:
    """The long history, by both planners."""
    with planned(used, planner) as session:
        yield session


@pytest.fixture(params=["used", "flooded"])
def connection(request: pytest.FixtureRequest, planner: str) -> Iterator[Connection[Any]]:
    """Both installations, by both planners."""
    with planned(request.getfixturevalue(request.param), planner) as session:
        yield session


def statement(file: str, name: str) -> Any:
    return Statements(file, "agentic_ai")[name]


# These tables have a handful of rows: they are read by whatever index, or whole.
OF_WORKERS = {"workers_pkey", "workers_alive_idx"}
OF_RULES = {"limits_pkey", "limits_are_one_for_each", "paused_agents_pkey"}
SMALL = {"workers", "limits", "paused_agents"}

BATCHES = pytest.mark.parametrize("batch", [1, 50, 500])


HANDLERS = [f"Agent{n}\x1fwork" for n in range(20)]


@BATCHES
def test_a_claim_reads_the_next_tasks_and_no_more(connection: Connection[Any], batch: int) -> None:
    marks = {"priorities": [0, 100], "run_ats": ["-infinity"] * 2, "ids": [UUID(int=0)] * 2}
    plan = plan_of(
        connection,
        statement("worker", "claim"),
        {"worker": uuid7(), "batch": batch, "handlers": HANDLERS, "not_twice": [], **marks},
    )
    ready = plan.part("ready")
    assert ready.indexes() - OF_WORKERS - OF_RULES == {"tasks_ready_idx"}
    assert not {"Sort", "Incremental Sort"} & ready.kinds()
    assert plan.scanned() <= SMALL
    assert "Tid Scan" in plan.part("claimed").kinds()
    assert not plan.part("claimed").indexes()


def test_a_claim_begins_at_its_marks(connection: Connection[Any]) -> None:
    plan = plan_of(
        connection,
        statement("worker", "claim"),
        {"worker": uuid7(), "batch": 50, "handlers": HANDLERS, "not_twice": [], **FROM_THE_HEAD},
    )
    for bound in ("priority = mark.priority", ">= ROW(mark.run_at, mark.id)", "run_at <= now()"):
        assert bound in plan.part("ready").bounds("tasks_ready_idx")


def test_a_look_reads_the_heads_of_the_queue(connection: Connection[Any]) -> None:
    parameters = {"handlers": HANDLERS, "margin": timedelta(seconds=1)}
    plan = plan_of(connection, statement("worker", "look"), parameters)
    assert plan.indexes() == {"tasks_ready_idx"}
    assert not {"Sort", "Incremental Sort", "Seq Scan"} & plan.kinds()


@BATCHES
def test_completions_find_their_rows_by_their_keys(connection: Connection[Any], batch: int) -> None:
    ids = running(connection, batch)
    same = {"attempts": [1] * batch, "results": [None] * batch, "seconds": [0.1] * batch}
    parameters = {"worker": WORKER, "ids": ids, **same}
    plan = plan_of(connection, statement("worker", "complete"), parameters)
    assert plan.indexes() == {"tasks_pkey", "agent_executions_pkey"}
    assert not plan.scanned()
    assert "id = " in plan.bounds("tasks_pkey")
    assert "task_id = " in plan.bounds("agent_executions_pkey")


@BATCHES
def test_a_settle_finds_its_rows_by_their_keys(connection: Connection[Any], batch: int) -> None:
    plan = plan_of(connection, statement("worker", "settle"), settlements(connection, batch))
    assert plan.indexes() == {"tasks_pkey", "agent_executions_pkey"}
    assert not plan.scanned()
    assert "id = " in plan.bounds("tasks_pkey")
    assert "task_id = " in plan.bounds("agent_executions_pkey")


@BATCHES
def test_a_heartbeat_looks_only_at_what_its_worker_holds(
    settled: Connection[Any], batch: int
) -> None:
    held = running(settled, batch)
    parameters = {"worker": WORKER, "ids": held, "attempts": [1] * len(held)}
    check = plan_of(settled, statement("worker", "check_held"), parameters)
    assert check.indexes() == {"tasks_pkey"}
    assert "id = " in check.bounds("tasks_pkey")
    forgotten = plan_of(settled, statement("worker", "find_forgotten"), parameters)
    assert by_status(forgotten)


@BATCHES
def test_a_call_finds_its_execution_by_its_key(settled: Connection[Any], batch: int) -> None:
    ids = running(settled, batch)
    call = {"id": uuid7(), "task_id": ids[0], "attempt": 1}
    names = ("agent_name", "provider", "model")
    opening = plan_of(
        settled, statement("usage", "open_call"), {**call, **dict.fromkeys(names, "a")}
    )
    assert opening.indexes() == {"agent_executions_pkey"}
    assert "task_id = " in opening.bounds("agent_executions_pkey")


@BATCHES
def test_calls_are_given_up_by_their_execution(settled: Connection[Any], batch: int) -> None:
    assert finds_open_calls(settled, batch)


def test_a_whole_rescue_gives_up_calls_by_their_execution(used: Connection[Any]) -> None:
    with planned(used, "a worker's planner") as session:
        assert finds_open_calls(session, 1000)


def test_a_rescue_finds_the_running_by_their_state(settled: Connection[Any]) -> None:
    plan = plan_of(
        settled,
        statement("upkeep", "put_back"),
        {"losses_to_quarantine": LOSSES_TO_QUARANTINE},
    )
    assert plan.part("orphaned").indexes() - OF_WORKERS == {"tasks_status_idx"}
    assert "'running'" in plan.part("orphaned").bounds("tasks_status_idx")
    assert not {"tasks", "agent_executions"} & plan.scanned()
    for index, key in (
        ("tasks_pkey", "id = "),
        ("agent_executions_pkey", "task_id = "),
    ):
        assert key in plan.bounds(index)
    looking = plan_of(settled, statement("upkeep", "observe"), None)
    assert looking.indexes() - OF_WORKERS == {"tasks_status_idx"}
    assert "tasks" not in looking.scanned()


def test_a_task_is_read_by_its_keys(connection: Connection[Any]) -> None:
    parameters = {"id": uuid7(), "reason": None, "channel": "c", "work_channel": "w"}
    for file, name, index in (
        ("lookup", "get_task", "tasks_pkey"),
        ("lookup", "executions", "agent_executions_pkey"),
        ("lookup", "llm_requests", "llm_requests_execution_idx"),
        ("lifecycle", "cancel", "tasks_pkey"),
        ("lifecycle", "retry", "tasks_pkey"),
        ("lifecycle", "hold", "tasks_pkey"),
    ):
        plan = plan_of(connection, statement(file, name), parameters)
        if name != "llm_requests":  # an empty table is read from end to end
            assert plan.indexes() == {index}, name


def test_a_repeated_key_is_found_by_its_index(used: Connection[Any]) -> None:
    parameters = {
        "ids": [uuid7()],
        "agent_names": ["Agent1"],
        "task_types": ["work"],
        "payloads": [None],
        "keys": ["k"],
    }
    plan = plan_of(used, statement("lifecycle", "find_first"), parameters)
    assert plan.indexes() == {"tasks_idempotency_key_idx"}


def test_the_guide_s_query_by_agent_uses_an_index(used: Connection[Any]) -> None:
    plan = plan_of(used, "SELECT * FROM tasks WHERE agent_name = 'ReportAgent'", None)
    assert plan.indexes() == {"tasks_agent_name_idx"}


def test_the_guide_s_pending_and_failed_tasks_use_an_index(used: Connection[Any]) -> None:
    columns = "agent_name, task_type, status, created_at"
    pending = f"SELECT {columns} FROM tasks WHERE status = 'pending' ORDER BY created_at DESC"
    assert not plan_of(used, pending, None).scanned()
    failed = (
        f"SELECT {columns} FROM tasks WHERE status = 'failed' ORDER BY created_at DESC LIMIT 10"
    )
    assert plan_of(used, failed, None).indexes() == {"tasks_status_idx"}


def test_closing_an_execution_writes_no_index(used: Connection[Any]) -> None:
    """The update stays in its page (HOT), since no index holds what it writes."""
    [[indexed]] = used.execute(
        "SELECT string_agg(indexdef, ' ') FROM pg_indexes WHERE tablename = 'agent_executions'"
    ).fetchall()
    for column in ("execution_end", "duration_seconds", "outcome", "error_message", "llm_", "cost"):
        assert column not in indexed


@pytest.mark.parametrize("installation", ["used", "flooded"])
def test_the_doctor_knows_these_plans_for_those_that_they_must_be(
    request: pytest.FixtureRequest, installation: str
) -> None:
    session = request.getfixturevalue(installation)
    own = read_own_plans(Reader(Database("", "agentic_ai"), session))
    [finding] = [one for one in find(facts(own_plans=own), Policy()) if one.code == "S16"]
    assert finding.level == "ok", finding.message()


def finds_open_calls(connection: Connection[Any], batch: int) -> bool:
    """Whether they are found by the index of executions, and nothing else is read."""
    parameters = {"ids": [uuid7() for _ in range(batch)], "attempts": [1] * batch, "reason": "r"}
    plan = plan_of(connection, statement("usage", "give_up_calls"), parameters)
    bounds = plan.bounds("llm_requests_execution_idx")
    return plan.indexes() == {"llm_requests_execution_idx"} and "task_id = " in bounds


def by_status(plan: Plan) -> bool:
    return plan.indexes() <= {"tasks_status_idx"} and not plan.scanned()


def running(connection: Connection[Any], number: int) -> list[UUID]:
    rows = connection.execute(
        "SELECT id FROM tasks WHERE worker = %s LIMIT %s", (WORKER, number)
    ).fetchall()
    assert len(rows) == number
    return [row[0] for row in rows]


def settlements(connection: Connection[Any], number: int) -> dict[str, list[Any]]:
    ids = running(connection, number)
    same = {
        "workers": WORKER, "attempts": 1, "statuses": "completed", "outcomes": "completed",
        "results": '{"a": 1}', "error_messages": None, "attempt_errors": None, "seconds": 0.1,
        "delays": 0.0, "errors": 0, "crashes": 0, "max_attempts": 3, "suspects": False,
    }  # fmt: skip
    return {"ids": ids, **{name: [value] * number for name, value in same.items()}}


@BATCHES
def test_news_find_their_executions_by_their_keys(used: Connection[Any], batch: int) -> None:
    held = running(used, batch)
    names = {
        "ids": held,
        "attempts": [1] * len(held),
        "workers": [WORKER] * len(held),
    }
    told = {"fractions": [0.5] * len(held), "texts": ["half"] * len(held)}
    progress = plan_of(used, statement("journal", "note_progress"), {**names, **told})
    assert progress.indexes() == {"agent_executions_pkey"}
    assert not progress.scanned()
    lines = {
        "numbers": [1] * len(held),
        "ages": [0.0] * len(held),
        "levels": ["info"] * len(held),
        "messages": ["a line"] * len(held),
    }
    kept = plan_of(used, statement("journal", "keep_lines"), {**names, **lines})
    assert kept.indexes() == {"agent_executions_pkey"}
    assert not kept.scanned()


def test_metrics_read_what_is_new_and_what_was_open(used: Connection[Any]) -> None:
    held = running(used, 100)
    # All calls of this history have begun just now.
    now = datetime.now(UTC) + timedelta(seconds=1)
    times = {"since": now, "until": now + timedelta(seconds=15)}
    executions = plan_of(
        used,
        statement("metrics", "executions"),
        {**times, "ids": held, "attempts": [1] * len(held), "bounds": [-1.0, -0.1]},
    )
    assert executions.indexes() == {
        "agent_executions_start_idx", "agent_executions_pkey", "tasks_pkey",
    }  # fmt: skip
    assert not executions.scanned()
    calls = plan_of(used, statement("metrics", "calls"), {**times, "ids": held})
    assert calls.indexes() == {"llm_requests_started_at_idx", "llm_requests_pkey"}
    assert not calls.scanned()


@pytest.mark.parametrize("name", ["queue", "nobody_knows", "open_executions", "open_calls"])
def test_metrics_count_no_history(used: Connection[Any], name: str) -> None:
    plan = plan_of(used, statement("metrics", name), {"before": datetime.now(UTC)})
    assert not plan.scanned() - SMALL
    assert "tasks_status_idx" in plan.indexes() or "tasks_ready_idx" in plan.indexes()
