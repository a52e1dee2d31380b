"""A worker as a service, without a command line around it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from agentpg.db import Database
from agentpg.errors import DatabaseUnavailable, SchemaMismatch
from agentpg.settings import load_settings
from agentpg.tasks.client import Client
from agentpg.tasks.handlers import App
from agentpg.tasks.run import Run
from agentpg.tasks.service import Service, ready_database, run_in_loop, run_service, signals

NOWHERE = Database("host=127.0.0.1 port=1 user=admin dbname=x")


def test_a_service_works_until_it_is_told_to_stop(database: Database) -> None:
    app, done = App(), threading.Event()

    @app.task("A", "b")
    async def handle(run: Run) -> None:
        done.set()

    service = Service(app, lambda: database, load_settings())
    with Client(database) as client:
        task_id = client.submit("A", "b")

        async def main() -> None:
            working = asyncio.create_task(service.run())
            assert await asyncio.to_thread(done.wait, 60)
            service.stop()
            await working

        run_in_loop(main())
        assert client.get(task_id).status == "completed"


def test_a_database_that_is_found_late_is_waited_for(database: Database) -> None:
    answers: list[Database | Exception] = [
        DatabaseUnavailable("not yet", target="here"),
        NOWHERE,
        database,
    ]

    def find() -> Database:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def main() -> Database | None:
        return await ready_database(find, asyncio.Event())

    assert run_in_loop(main()) == database
    assert answers == []


def test_a_wrong_schema_is_not_waited_for(empty_database: Database) -> None:
    async def main() -> Database | None:
        return await ready_database(lambda: empty_database, asyncio.Event())

    with pytest.raises(SchemaMismatch):
        run_in_loop(main())


def test_the_database_is_prepared_before_it_is_given(empty_database: Database) -> None:
    prepared: list[Database] = []

    async def main() -> Database | None:
        return await ready_database(lambda: empty_database, asyncio.Event(), prepared.append)

    assert run_in_loop(main()) == empty_database
    assert prepared == [empty_database]


def test_waiting_ends_when_told_to_stop() -> None:
    async def main() -> Database | None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, stopping.set)
        return await ready_database(lambda: NOWHERE, stopping)

    assert run_in_loop(main()) is None


def test_a_service_that_is_stopped_first_never_begins() -> None:
    service = Service(App(), lambda: NOWHERE, load_settings())
    service.stop()
    run_service(service)


def test_signals_give_one_order_after_the_other() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        first, second, last = asyncio.Event(), asyncio.Event(), asyncio.Event()
        with signals((first.set, second.set), last.set):
            os.kill(os.getpid(), signal.SIGTERM)
            await first.wait()
            assert not second.is_set()
            os.kill(os.getpid(), signal.SIGINT)
            await second.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            await last.wait()

    run_in_loop(main())
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_loop_ends_in_spite_of_a_task_that_will_not_be_cancelled() -> None:
    released = threading.Event()

    async def deaf() -> None:
        while not released.is_set():
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue

    async def main() -> str:
        asyncio.ensure_future(deaf())  # noqa: RUF006 - it is meant to be left behind
        await asyncio.sleep(0)
        return "done"

    began = time.monotonic()
    assert run_in_loop(main()) == "done"
    assert time.monotonic() - began < 10
    released.set()
