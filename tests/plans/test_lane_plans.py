"""The claim from lanes reads the heads of lanes and no more, among 200,000 pending tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from psycopg.sql import SQL, Composable
from uuid_utils.compat import uuid7

from agentpg.db import Connection, Database, Statements, connect, pin_plans
from agentpg.tasks.lanes import MARK, ranges
from tests.plans.plan import plan_of
from tests.servers import SharedServer

pytestmark = pytest.mark.xdist_group("plans of lanes")

FROM_THE_HEAD = {"priorities": [0, 100], "run_ats": ["-infinity"] * 2, "ids": [UUID(int=0)] * 2}
HANDLERS = [f"Agent{n}{MARK}work" for n in range(20)]

# 1,000 lanes of 20 agents with 150 tasks each, and 50,000 in none.
_PENDING = """
INSERT INTO tasks (agent_name, task_type, tenant, lane, priority)
SELECT agent, 'work', tenant, CASE WHEN tenant IS NOT NULL THEN
           concat_ws(chr(31), agent, 'work', tenant, '') END, mod(n, 3) * 100
FROM (
    SELECT n, 'Agent' || mod(n, 20) AS agent,
           CASE WHEN n <= 150000 THEN 't' || mod(n / 20, 50) END AS tenant
    FROM generate_series(1, 200000) AS n
) made
"""
_RUNNING = """
INSERT INTO tasks (agent_name, task_type, status, worker, attempt, started_at)
SELECT 'Agent1', 'work', 'running', uuid7(), 1, now() FROM generate_series(1, 600)
"""
_HISTORY = """
INSERT INTO tasks (agent_name, task_type, status, finished_at, attempt)
SELECT 'Agent' || mod(n, 20), 'work', 'completed', now(), 1 FROM generate_series(1, 50000) AS n
"""


def sql(file: str, name: str) -> Any:
    return Statements(file, "agentic_ai")[name]


@pytest.fixture(scope="module")
def filled(shared_server: SharedServer) -> Iterator[Database]:
    """All these tasks."""
    with shared_server.database() as database:
        with connect(database) as made:
            made.execute(f"SET search_path = {database.schema}")
            for statement in (_HISTORY, _PENDING, _RUNNING):
                made.execute(statement)
        yield database


@pytest.fixture(scope="module", params=["analysed", "never analysed"])
def connection(
    shared_server: SharedServer, filled: Database, request: Any
) -> Iterator[Connection[Any]]:
    with shared_server.database(like=filled) as database, connect(database) as made:
        made.execute(f"SET search_path = {database.schema}")
        if request.param == "analysed":
            made.execute("VACUUM ANALYZE tasks")
        made.execute(pin_plans(database.schema))
        yield made


def test_the_look_finds_lanes_by_their_index(connection: Connection[Any]) -> None:
    lows, highs = ranges(HANDLERS, "")
    bounds = {"lows": lows, "highs": highs, "most": 200, "room": 100}
    plan = plan_of(connection, sql("lanes", "due"), bounds)
    assert plan.indexes() == {"tasks_lane_idx"}
    assert not plan.scanned()
    assert len({row[0] for row in connection.execute(sql("lanes", "due"), bounds)}) == 200
    assert blocks_read(connection, sql("lanes", "due"), bounds) < 15_000


def test_the_look_at_what_runs_and_at_the_rest(connection: Connection[Any]) -> None:
    running = plan_of(connection, sql("lanes", "running"), {})
    assert running.indexes() == {"tasks_status_idx"}
    wanted = {"handlers": HANDLERS, "room": 100, **FROM_THE_HEAD}
    plain = plan_of(connection, sql("lanes", "plain_due"), wanted)
    assert plain.indexes() == {"tasks_ready_idx"}
    assert not (running.scanned() | plain.scanned())


@pytest.mark.parametrize("lanes", [1, 200])
def test_the_claim_reads_the_head_of_each_lane(connection: Connection[Any], lanes: int) -> None:
    names = [f"{handler}{MARK}t{n}{MARK}" for handler in HANDLERS for n in range(10)][:lanes]
    plan = plan_of(
        connection,
        sql("lanes", "claim"),
        {
            "worker": uuid7(), "not_twice": [], "lanes": names, "shares": [3] * lanes,
            "rated_lanes": [], "rated_limits": [], "rated_values": [],
        },
    )  # fmt: skip
    assert "tasks_lane_idx" in plan.part("ready").indexes()
    assert not plan.part("ready").kinds() & {"Sort", "Incremental Sort"}
    assert plan.part("claimed").indexes() == {"tasks_pkey"}
    assert "tasks" not in plan.scanned()


def test_sorting_reads_what_it_moves(connection: Connection[Any]) -> None:
    lane = f"{HANDLERS[0]}{MARK}t1{MARK}"
    plain = plan_of(connection, sql("lanes", "sort_plain"), {"batch": 2000})
    assert plan_indexes(plain) == {"tasks_ready_idx"}
    lanes = plan_of(connection, sql("lanes", "sort_lanes"), {"lanes": [lane], "batch": 2000})
    assert plan_indexes(lanes) == {"tasks_lane_idx"}
    running = plan_of(
        connection,
        sql("lanes", "sort_running"),
        {"agents": ["Agent1"], "types": ["work"], "lanes": [None]},
    )
    assert plan_indexes(running) == {"tasks_status_idx"}
    for plan in (plain, lanes, running):
        assert "tasks" not in plan.scanned()


def test_what_was_just_held_is_found_by_its_id(connection: Connection[Any]) -> None:
    ids = "{" + ",".join(str(uuid7()) for _ in range(2000)) + "}"
    plan = plan_of(connection, sql("lanes", "held"), {"ids": ids})
    assert plan_indexes(plan) == {"tasks_pkey"}
    assert "tasks" not in plan.scanned()
    # Where no limit has a key, none of the tasks is looked at.
    assert blocks_read(connection, sql("lanes", "held"), {"ids": ids}) < 10


def test_whether_something_waits_is_known_at_once(connection: Connection[Any]) -> None:
    for handlers, waits in ((HANDLERS, True), ([f"Nobody{MARK}work"] * 20, False)):
        asked = "SELECT waits_in_lane(%s)"
        assert connection.execute(asked, (handlers,)).fetchall() == [(waits,)]
        assert blocks_read(connection, SQL(asked), (handlers,)) < 300


def blocks_read(connection: Connection[Any], statement: Composable, values: Any) -> int:
    explained = SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ") + statement
    row = connection.execute(explained, values, prepare=False).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def plan_indexes(plan: Any) -> set[str]:
    return {index for index in plan.indexes() if index.startswith("tasks")}
