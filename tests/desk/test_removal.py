"""Old history goes, and nothing else, whoever else is at it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from agentpg.db import Connection, Database, TupleRow, connect
from agentpg.desk.removal import (
    WORK,
    Batch,
    EndRemoval,
    RemovalOptions,
    Removed,
    Walk,
    remove_history,
)
from agentpg.desk.retention import Policy, find_expired
from agentpg.desk.turn import turn
from agentpg.errors import RetentionNotSet, TaskNotFound, WorkUnderWay
from agentpg.tasks.client import Client
from tests.desk.ended import TABLES, a_worker, change, everything, task_ids, write_ended
from tests.waiting import eventually

MONTH = timedelta(days=30)
POLICY = Policy(completed=MONTH, failed=MONTH, cancelled=MONTH)


def remove(database: Database, policy: Policy = POLICY) -> Removed:
    return remove_history(database, RemovalOptions(policy=policy))


def test_old_tasks_go_with_their_executions_and_calls(database: Database) -> None:
    for status in ("completed", "failed", "cancelled"):
        write_ended(database, 100, status=status)
    new = set(write_ended(database, 5, age="29 days"))
    removed = remove(database)
    assert (removed.tasks, removed.executions, removed.llm_requests) == (300, 600, 300)
    assert removed.complete
    assert task_ids(database) == new
    assert len(everything(database)) == 5 + 10 + 5


def test_each_state_has_its_own_period(database: Database) -> None:
    kept = set(
        write_ended(database, 2, status="failed") + write_ended(database, 2, status="cancelled")
    )
    write_ended(database, 2)
    assert remove(database, Policy(completed=MONTH, failed=timedelta(days=41))).tasks == 2
    assert task_ids(database) == kept


KEPT = {
    "unfinished": "UPDATE tasks SET status = 'pending', finished_at = NULL WHERE id = %s",
    "running": "UPDATE tasks SET status = 'running', finished_at = NULL WHERE id = %s",
    "waiting": "UPDATE tasks SET status = 'waiting', finished_at = NULL WHERE id = %s",
    "held": "UPDATE tasks SET held_reason = 'evidence' WHERE id = %s",
    "adopted": "UPDATE tasks SET adopted = true WHERE id = %s",
    "of another status": "UPDATE tasks SET adopted = true, status = 'done' WHERE id = %s",
    "ended late": "UPDATE tasks SET finished_at = now() - interval '29 days' WHERE id = %s",
    "child of an unfinished one": (
        "WITH parent AS (INSERT INTO tasks (agent_name, task_type) VALUES ('A', 'x') RETURNING id)"
        " UPDATE tasks SET parent_id = (SELECT id FROM parent) WHERE id = %s"
    ),
}


@pytest.mark.parametrize("why", KEPT)
def test_what_must_stay_stays(database: Database, why: str) -> None:
    stays, goes = write_ended(database, 2)
    change(database, KEPT[why], stays)
    assert sum(e.tasks for e in find_expired(database, POLICY)) == 1
    assert remove(database).tasks == 1
    left = task_ids(database)
    assert stays in left
    assert goes not in left


def test_a_child_goes_when_its_parent_has_ended_or_gone(database: Database) -> None:
    [parent] = write_ended(database, age="1 day")
    for of in (parent, uuid4()):
        [child] = write_ended(database)
        change(database, "UPDATE tasks SET parent_id = %s WHERE id = %s", of, child)
    assert remove(database).tasks == 2
    assert task_ids(database) == {parent}


def test_adopted_rows_go_by_an_explicit_choice(database: Database) -> None:
    known, unknown, strange = write_ended(database, 3)
    change(database, "UPDATE tasks SET adopted = true")
    change(database, "UPDATE tasks SET finished_at = NULL WHERE id IN (%s, %s)", unknown, strange)
    change(database, "UPDATE tasks SET status = 'done' WHERE id = %s", strange)
    removed = remove(database, Policy(completed=MONTH, adopted=True))
    assert removed.tasks == 2
    assert task_ids(database) == {strange}
    assert known not in task_ids(database)


def test_random_ids_and_equal_moments_go_too(database: Database) -> None:
    change(
        database,
        "INSERT INTO tasks (id, agent_name, task_type, status, created_at, finished_at)"
        " SELECT gen_random_uuid(), 'A', 'x', 'completed', m, m"
        " FROM generate_series(1, 5000), (SELECT now() - interval '40 days') AS t (m)",
    )
    assert remove(database).tasks == 5000
    assert task_ids(database) == set()


def test_a_policy_that_keeps_all_removes_nothing(database: Database) -> None:
    with pytest.raises(RetentionNotSet):
        remove(database, Policy())


def test_a_task_that_is_opened_again_meanwhile_stays(database: Database) -> None:
    first, second = write_ended(database, 2)
    with connect(database, autocommit=False) as retrying:
        retrying.execute(
            "UPDATE tasks SET status = 'pending', finished_at = NULL WHERE id = %s", (first,)
        )
        assert remove(database).tasks == 1
        retrying.commit()
    with Client(database) as client:
        assert client.get(first).status == "pending"
    assert task_ids(database) == {first}
    assert second not in task_ids(database)


def test_a_retry_that_comes_too_late_finds_no_task(database: Database) -> None:
    [task] = write_ended(database)
    with connect(database, autocommit=False) as blocking, Client(database) as client:
        # The batch has locked its tasks when it wants to delete their calls.
        blocking.execute("LOCK TABLE llm_requests IN SHARE MODE")
        removing = in_background(lambda: remove(database))
        eventually(lambda: waiting(database) == 1)
        retrying = in_background(lambda: client.retry(task))
        eventually(lambda: waiting(database) == 2)
        blocking.rollback()
        removing.join(60)
        retrying.join(60)
    assert isinstance(retrying.raised, TaskNotFound)
    assert everything(database) == []


def test_only_one_removes_at_a_time(database: Database) -> None:
    write_ended(database)
    with (
        connect(database) as connection,
        turn(connection, database.schema, WORK),
        pytest.raises(WorkUnderWay),
    ):
        remove(database)
    assert remove(database).tasks == 1


def test_a_removal_that_is_told_to_end_keeps_what_it_did(database: Database) -> None:
    write_ended(database, 3000)
    seen: list[Batch] = []

    def check() -> None:
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove_history(database, RemovalOptions(policy=POLICY), check=check, tell=seen.append)
    assert len(task_ids(database)) == 3000 - sum(batch.tasks for batch in seen)
    assert remove(database).tasks == 3000 - sum(batch.tasks for batch in seen)


def test_one_whose_time_is_over_leaves_the_rest(database: Database) -> None:
    write_ended(database, 10)
    options = RemovalOptions(policy=POLICY, most=timedelta())
    removed = remove_history(database, options)
    assert (removed.complete, removed.tasks) == (False, 0)
    assert remove(database).complete


@pytest.mark.parametrize(
    ("running", "idle", "beat", "busy"),
    [
        (0, True, "now()", False),
        (1, True, "now()", True),
        (0, False, "now()", True),
        (5, False, "now() - interval '1 minute'", False),
    ],
    ids=["idle", "running", "claiming", "silent"],
)
def test_it_rests_in_proportion_while_a_worker_is_busy(
    database: Database, running: int, idle: bool, beat: str, busy: bool
) -> None:
    write_ended(database, 100)
    a_worker(database, running=running, idle=idle, beat=beat)
    until_counted(database)
    removed = remove(database)
    assert removed.tasks == 100
    if busy:
        assert removed.rested_seconds >= 31 * removed.worked_seconds
    else:
        assert removed.rested_seconds == 0


@pytest.mark.parametrize(("running", "rests"), [(1, False), (2, True)])
def test_the_worker_of_its_own_task_is_not_busy_by_that(
    database: Database, running: int, rests: bool
) -> None:
    write_ended(database, 100)
    worker = a_worker(database, running=running, idle=False)
    [task] = write_ended(database)
    change(
        database,
        "UPDATE tasks SET status = 'running', worker = %s, finished_at = NULL WHERE id = %s",
        worker,
        task,
    )
    until_counted(database)
    removed = remove_history(database, RemovalOptions(policy=POLICY, own_task=task))
    assert (removed.rested_seconds > 0) is rests


def test_it_rests_while_any_program_writes_tasks(database: Database) -> None:
    write_ended(database, 5000)
    until_counted(database)
    wrote = False

    def write(_: Batch) -> None:
        nonlocal wrote
        if not wrote:
            wrote = True
            write_ended(database, 100, age="1 day")
            until_counted(database)

    removed = remove_history(database, RemovalOptions(policy=POLICY), tell=write)
    assert removed.tasks == 5000
    assert removed.rested_seconds > 0


def test_it_may_be_ended_in_order(database: Database, tmp_path: Path) -> None:
    write_ended(database, 5000)
    a_worker(database, running=1, idle=False)  # so that it rests after each batch
    told: list[Batch] = []

    def check() -> None:
        if told:
            raise EndRemoval

    options = RemovalOptions(policy=POLICY, archive=tmp_path)
    removed = remove_history(database, options, check=check, tell=told.append)
    assert (removed.complete, removed.vacuumed, removed.batches) == (False, (), 1)
    assert removed.tasks == told[0].tasks == 5000 - len(task_ids(database))
    assert removed.archive is not None
    assert removed.archive.parent == tmp_path


def test_over_ten_rounds_of_fill_and_remove_the_tables_do_not_grow(database: Database) -> None:
    sizes = []
    for _ in range(10):
        write_ended(database, 2000)
        sizes.append(size(database))
        removed = remove(database)
        assert removed.tasks == 2000
        assert set(removed.vacuumed) == set(TABLES)
    # Pages that keep another round's rows are not given back before the second round, on a busy
    # machine the third.
    assert max(sizes[3:]) <= 1.1 * sizes[2], sizes


def test_small_removals_leave_the_cleaning_to_autovacuum(database: Database) -> None:
    write_ended(database, 10)
    assert remove(database).vacuumed == ()


@pytest.mark.parametrize("page_count", [0, 1, 2, 40, 1000])
@pytest.mark.parametrize("found", [0, 1])
def test_a_walk_goes_over_each_page_once(page_count: int, found: int) -> None:
    walk = Walk(page_count)
    pages: list[int] = []
    while not walk.ended:
        after, before = (int(place.strip("()").split(",")[0]) for place in walk.stretch())
        pages += range(after, before)
        walk.go_on(found, "", 0.01, 0.05)
    assert sorted(pages) == list(range(page_count))


def test_a_full_batch_goes_on_behind_its_last_row() -> None:
    walk = Walk(1)
    walk.go_on(walk.rows, "(0,17)", 0.05, 0.05)
    assert walk.stretch() == ("(0,17)", "(1,0)")


def test_a_slow_batch_is_followed_by_a_smaller_one() -> None:
    walk = Walk(1000)
    pages, rows = walk.pages, walk.rows
    walk.go_on(rows, "(0,17)", 0.5, 0.05)
    assert (walk.pages, walk.rows) == (pages / 2, rows / 2)


def until_counted(database: Database) -> None:
    """Wait until the server has counted what earlier sessions wrote: each does so as it ends."""
    with connect(database) as connection:
        others = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            " AND application_name <> 'agentpg retention'"
        )
        eventually(lambda: count(connection, others) == 0)


class Background(threading.Thread):
    """A call in a thread, with what it raised."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.raised: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._call()
        except BaseException as error:
            self.raised = error


def in_background(call: Callable[[], object]) -> Background:
    return Background(call)


def waiting(database: Database) -> int:
    """How many sessions of this database wait for a lock."""
    with connect(database) as connection:
        return count(
            connection,
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )


def size(database: Database) -> int:
    """What the tables of history take on disk, with their indexes."""
    with connect(database) as connection:
        return sum(
            count(connection, f"SELECT pg_total_relation_size('{table}')") for table in TABLES
        )


def count(connection: Connection[TupleRow], query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
