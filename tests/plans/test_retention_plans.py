"""A removal reads the pages of its batch, and finds what hangs on it by its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from agentpg.db import Connection
from tests.plans.plan import plan_of
from tests.plans.test_plans import planned, statement

pytestmark = pytest.mark.xdist_group("plans")


@pytest.fixture(params=["used", "flooded"])
def removing(request: pytest.FixtureRequest) -> Iterator[Connection[Any]]:
    """The connection of a removal, with a long history, or a backlog that was never analysed."""
    with planned(request.getfixturevalue(request.param), "a worker's planner") as connection:
        yield connection


@pytest.mark.parametrize("limit", [100, 10_000])
@pytest.mark.parametrize("until", [33, 17_000])
def test_a_batch_reads_its_pages_and_no_more(
    removing: Connection[Any], limit: int, until: int
) -> None:
    plan = plan_of(
        removing,
        statement("retention", "lock_expired"),
        {
            "after": "(1,0)",
            "before": f"({until},0)",
            "completed": None,
            "failed": None,
            "cancelled": None,
            "adopted": False,
            "limit": limit,
        },
    )
    assert "Tid Range Scan" in plan.kinds()
    assert not plan.scanned()
    assert plan.indexes() <= {"tasks_pkey"}, "of the parents"


@pytest.mark.parametrize("batch", [1, 500, 10_000])
def test_what_hangs_on_a_batch_is_found_by_its_keys(removing: Connection[Any], batch: int) -> None:
    ids = [uuid7() for _ in range(batch)]
    plan = plan_of(removing, statement("retention", "remove"), {"ids": ids})
    assert plan.indexes() == {"tasks_pkey", "agent_executions_pkey", "llm_requests_execution_idx"}
    assert not plan.scanned()


def test_looking_whether_the_engine_is_busy_reads_no_history(removing: Connection[Any]) -> None:
    plan = plan_of(
        removing, statement("retention", "busy"), {"own_task": uuid7(), "schema": "agentic_ai"}
    )
    assert "tasks" not in plan.scanned()
    assert plan.indexes() <= {"tasks_pkey", "workers_pkey", "workers_alive_idx"}
