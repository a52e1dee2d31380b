"""The helpers for users' tests, on a private server of their own."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect
from agentpg.errors import NotDrained, NotForTesting
from agentpg.tasks.handlers import App
from agentpg.tasks.limits import Limit
from agentpg.tasks.model import NewTask
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run
from agentpg.testing import Drained, Installation, PrivateServer
from tests.servers import PG_BIN
from tests.waiting import eventually

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("installation")]

app = App()


@app.task("Shop", "price", max_attempts=1)
async def price(run: Run, amount: int) -> int:
    if amount < 0:
        raise ValueError("an amount can't be negative")
    return amount * 119


@app.task("Shop", "flaky", max_attempts=2, backoff=Backoff(first=timedelta(hours=1), jitter=0))
async def flaky(run: Run) -> int:
    if run.task.attempt < 2:
        raise ConnectionError("not yet")
    return run.task.attempt


@app.task("Shop", "soon", max_attempts=3, backoff=Backoff(first=timedelta(), jitter=0))
def soon(run: Run) -> int:
    if run.task.attempt < 3:
        raise ConnectionError("not yet")
    return run.task.attempt


@app.task("Shop", "hang")
async def hang(run: Run) -> None:
    await asyncio.sleep(3600)


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    with PrivateServer(pg_bin=PG_BIN) as started:
        yield started


@pytest.fixture
def shop(server: PrivateServer) -> Iterator[Installation]:
    with server.installation() as made:
        yield made


def test_one_task_is_run_and_no_other(shop: Installation) -> None:
    other = shop.client.submit("Shop", "price", {"amount": 1}, priority=0)
    held = shop.client.submit("Shop", "price", {"amount": 1})
    shop.client.hold(held, reason="by the test")
    story = shop.run_one(app, "Shop", "price", {"amount": 2}, tenant="north")
    assert (story.task.status, story.task.result, story.task.tenant) == ("completed", 238, "north")
    assert [execution.outcome for execution in story.executions] == ["completed"]
    untouched = shop.client.get(other)
    assert (untouched.status, untouched.held_reason) == ("pending", None)
    assert shop.client.get(held).held_reason == "by the test"


def test_a_failure_is_data(shop: Installation) -> None:
    story = shop.run_one(app, "Shop", "price", {"amount": -1})
    assert story.task.status == "failed"
    assert story.executions[0].error_message == "ValueError: an amount can't be negative"


def test_retries_that_follow_at_once_are_run(shop: Installation) -> None:
    story = shop.run_one(app, "Shop", "soon")
    assert (story.task.status, story.task.result, len(story.executions)) == ("completed", 3, 3)


def test_time_passes_for_what_waits(shop: Installation) -> None:
    story = shop.run_one(app, "Shop", "flaky")
    assert story.task.status == "pending"
    assert shop.drain(app) == Drained(later=1)
    assert shop.advance(timedelta(minutes=59)) == 1
    assert shop.drain(app) == Drained(later=1)
    assert shop.advance(timedelta(minutes=2)) == 1
    assert shop.drain(app) == Drained(completed=1)
    assert shop.client.get(story.task.id).result == 2
    assert shop.advance(timedelta(hours=1)) == 0


def daily() -> str:
    """A cron line that comes true once a day, and not while a test runs."""
    return f"{datetime.now(UTC) - timedelta(minutes=30):%M %H} * * *"


@pytest.mark.parametrize(("catch_up", "missed"), [("one", 1), ("all", 3)])
def test_time_passes_for_schedules(shop: Installation, catch_up: str, missed: int) -> None:
    scheduled = App()
    scheduled.add(price, agent_name="Shop", task_type="price")
    scheduled.schedule(
        "daily", cron=daily(), agent_name="Shop", task_type="price",
        payload={"amount": 1}, catch_up=catch_up,
    )  # fmt: skip
    assert shop.drain(scheduled) == Drained(), "the first run writes what the app declares"
    for day in (1, 2, 3):
        assert shop.advance(timedelta(days=1)) == 0
        assert shop.drain(scheduled) == Drained(completed=1), f"day {day}"
    assert shop.drain(scheduled) == Drained()
    shop.advance(timedelta(days=3))
    assert shop.drain(scheduled) == Drained(completed=missed)
    shop.advance(timedelta(days=1))
    shop.client.schedules.pause("daily")
    assert shop.drain(scheduled) == Drained()


def test_no_schedule_fires_while_one_task_is_run(shop: Installation) -> None:
    work: dict[str, Any] = {"cron": daily(), "agent_name": "Shop", "task_type": "price"}
    for name in ("due", "paused"):
        shop.client.schedules.add(name, payload={"amount": 1}, **work)
    shop.client.schedules.pause("paused")
    shop.advance(timedelta(days=1))
    assert shop.run_one(app, "Shop", "price", {"amount": 2}).task.status == "completed"
    assert len(shop.client.find()) == 1
    assert shop.client.schedules.get("paused").paused_at is not None
    assert shop.drain(app) == Drained(completed=1)


def test_what_is_paused_is_not_waited_for(shop: Installation) -> None:
    shop.client.pause("Shop")
    assert shop.run_one(app, "Shop", "price", {"amount": 1}).task.status == "pending"
    with connect(shop.database) as connection:  # in no lane yet
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type, payload) VALUES ('Shop', 'price', %s)",
            ('{"amount": 1}',),
        )
    shop.client.submit("Nobody", "knows")
    assert shop.drain(app) == Drained(kept_back=2, unhandled=1)
    shop.client.resume("Shop")
    assert shop.drain(app) == Drained(completed=2, unhandled=1)


@pytest.mark.parametrize("key", [None, "tenant", "amount"])
def test_what_a_rate_keeps_back_is_not_waited_for(shop: Installation, key: str | None) -> None:
    shop.client.limit(Limit(agent_name="Shop", key=key, rate=2, period=timedelta(hours=1)))
    for tenant in ("a=b", "c"):
        for _ in range(3):
            shop.client.submit("Shop", "price", {"amount": "x=y"}, tenant=tenant)
    most = 4 if key == "tenant" else 2
    assert shop.drain(app) == Drained(failed=most, kept_back=6 - most)
    shop.advance(timedelta(minutes=20))
    assert shop.drain(app) == Drained(kept_back=6 - most)
    shop.advance(timedelta(minutes=41))
    assert shop.drain(app) == Drained(failed=2, kept_back=4 - most)


def test_what_a_limit_of_running_tasks_keeps_back_is_run(shop: Installation) -> None:
    shop.client.limit(Limit(agent_name="Shop", concurrency=1))
    tasks = [NewTask(agent_name="Shop", task_type="price", payload={"amount": n}) for n in range(9)]
    shop.client.submit_many(tasks)
    assert shop.drain(app) == Drained(completed=9)


def test_a_drain_counts_what_came_of_it(shop: Installation) -> None:
    tasks = [NewTask(agent_name="Shop", task_type="price", payload={"amount": n}) for n in (1, -1)]
    shop.client.submit_many(tasks * 20)
    shop.client.submit("Shop", "flaky")
    shop.client.submit("Nobody", "knows")
    shop.client.hold(shop.client.submit("Shop", "price"), reason="later")
    assert shop.drain(app) == Drained(completed=20, failed=21, later=1, held=1, unhandled=1)
    assert shop.drain(app) == Drained(later=1, held=1, unhandled=1)


def test_what_does_not_end_in_time_is_said(shop: Installation) -> None:
    shop.client.submit("Shop", "hang")
    with pytest.raises(NotDrained, match=r"1 tasks were still to do after 0\.2 s"):
        shop.drain(app, timeout=timedelta(seconds=0.2))


def test_it_works_within_a_running_event_loop(shop: Installation) -> None:
    async def test() -> object:
        return shop.run_one(app, "Shop", "price", {"amount": 1}).task.result

    assert asyncio.run(test()) == 119


def test_mistakes_are_said(shop: Installation) -> None:
    with pytest.raises(ValueError, match="no handler for Shop/prize"):
        shop.run_one(app, "Shop", "prize")
    with pytest.raises(ValueError, match="time passes forwards only"):
        shop.advance(timedelta(hours=-1))
    with pytest.raises(RuntimeError, match="was not started"), PrivateServer().installation():
        """Nothing is made."""


def test_installations_are_quick_and_apart(server: PrivateServer) -> None:
    with server.installation() as one, server.installation() as two:
        one.client.submit("Shop", "price", {"amount": 1})
        assert one.drain(app).completed == 1
        assert two.client.find() == []
        with connect(two.database) as connection:
            assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (0,)


def test_a_database_that_is_not_marked_is_refused(database: Database) -> None:
    with pytest.raises(NotForTesting, match="not marked as one to throw away"):
        Installation(database)


def test_the_clock_stands_still_where_no_mark_is(shop: Installation) -> None:
    """The statement itself refuses, whoever calls it."""
    task_id = shop.client.submit("Shop", "price", {"amount": 1}, delay=timedelta(hours=1))
    unmarked = Database(f"{shop.database.dsn} options='-c agentpg.testing=off'")
    schedule = shop.client.schedules.add(
        "daily", cron=daily(), agent_name="Shop", task_type="price"
    )
    shop.database = unmarked
    assert shop.advance(timedelta(hours=2)) == 0
    assert shop.client.schedules.get("daily").next_at == schedule.next_at
    assert shop.client.get(task_id).run_at.timestamp() > time.time()


def test_a_server_is_removed_though_its_process_was_killed(tmp_path: Path) -> None:
    script = (
        "import signal\n"
        "from agentpg.testing import PrivateServer\n"
        f"with PrivateServer(pg_bin={PG_BIN!r}) as server, server.installation() as made:\n"
        "    print(made.database.dsn, flush=True)\n"
        "    signal.pause()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    dsn = dict(part.split("=", 1) for part in process.stdout.readline().split())
    home = Path(dsn["passfile"]).parent
    assert home.is_dir()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    eventually(lambda: not home.exists())


def test_counts_are_plain_data() -> None:
    assert set(dataclasses.asdict(Drained()).values()) == {0}


def test_a_script_that_starts_itself_again_is_told(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(
        "from agentpg import App\n"
        "app = App()\n"
        "@app.task('Busy', 'add', runs_in='process')\n"
        "def add(run): return 1 + 1\n",
        encoding="utf-8",
    )
    script = tmp_path / "script.py"
    script.write_text(
        "from datetime import timedelta\n"
        "from agentpg.testing import PrivateServer\n"
        "from busy import app\n"
        f"with PrivateServer(pg_bin={PG_BIN!r}) as server, server.installation() as made:\n"
        "    made.run_one(app, 'Busy', 'add', timeout=timedelta(seconds=5))\n",
        encoding="utf-8",
    )
    ran = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ran.returncode == 1
    assert "NotDrained" in ran.stderr
    assert "this script runs again in a child process: start its work below if" in ran.stderr
