"""`agentpg worker` as a process: loading, waiting for the database, signals, children."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.db import Database, connect, make_conninfo
from agentpg.errors import ServerInRecovery
from agentpg.schema import migrate
from agentpg.tasks.client import Client
from agentpg.tasks.lookup import WorkerRow, workers
from tests.cli.apps import write_greeter
from tests.cli.conftest import Call, Running
from tests.servers import OwnServers
from tests.waiting import eventually

pytestmark = pytest.mark.one_server

Launch = Callable[..., Running]


@pytest.fixture
def app() -> str:
    return write_greeter()


@pytest.fixture
def client(installed: Database) -> Iterator[Client]:
    with Client(installed) as opened:
        yield opened


def _alive(database: Database) -> list[WorkerRow]:
    with connect(database) as connection:
        return [w for w in workers(connection, database.schema) if w.ended_at is None]


def test_check_lists_the_handlers(call_process: Call, app: str) -> None:
    called = call_process("worker", "--app", app, "--check")
    assert (called.code, called.err) == (0, "")
    assert "greeting.greet" in called.out


def test_an_app_that_cannot_be_loaded_is_wrong_usage(call_process: Call) -> None:
    Path("broken.py").write_text("import socket\n\n1 / 0\n", encoding="utf-8")
    for name, sentence in (
        ("nowhere:app", "there is no module nowhere"),
        ("broken:app", "importing broken raised ZeroDivisionError: division by zero"),
    ):
        called = call_process("worker", "--app", name)
        assert called.code == 2
        assert called.err.startswith(f"agentpg: cannot load the app {name}: {sentence}")
        assert "Traceback" not in called.err
    assert "Traceback" in call_process("--debug", "worker", "--app", "broken:app").err


def test_nothing_to_run_is_wrong_usage(call_process: Call) -> None:
    Path("idle.py").write_text("from agentpg import App\napp = App()\n", encoding="utf-8")
    assert "there is nothing to run" in call_process("worker").err
    called = call_process("worker", "--app", "idle:app")
    assert called.code == 2
    assert "the app has no handlers" in called.err


def test_a_signal_lets_the_handlers_finish(client: Client, launch: Launch, app: str) -> None:
    task_id = client.submit("Greeter", "nap", {"seconds": 1.5})
    worker = launch("worker", "--app", app)
    eventually(lambda: client.get(task_id).status == "running")
    worker.tell(signal.SIGTERM)
    assert worker.ends() == 0
    assert client.get(task_id).status == "completed"
    assert "Traceback" not in worker.text


def test_a_second_signal_hands_everything_back(client: Client, launch: Launch, app: str) -> None:
    asleep = client.submit("Greeter", "nap", {"seconds": 600})
    hanging = client.submit("Greeter", "hang")
    worker = launch("worker", "--app", app)
    eventually(lambda: {client.get(i).status for i in (asleep, hanging)} == {"running"})
    worker.tell(signal.SIGINT)
    worker.says("waits for 2 handlers")
    worker.tell(signal.SIGINT)
    assert worker.ends() == 0
    assert {client.get(i).status for i in (asleep, hanging)} == {"pending"}
    assert [e.outcome for e in client.executions(asleep)] == ["released"]
    assert "ending in spite of running threads" in worker.text


def test_a_third_signal_ends_a_worker_that_is_stuck(
    client: Client, launch: Launch, app: str
) -> None:
    task_id = client.submit("Greeter", "block")
    worker = launch("worker", "--app", app)
    eventually(lambda: client.get(task_id).status == "running")

    def tell() -> bool:
        worker.tell(signal.SIGTERM)
        return worker.process.poll() is not None

    eventually(tell)
    assert worker.ends() == 1


def test_a_worker_waits_for_its_database(
    own_server: OwnServers, launch: Launch, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own_server()
    server.start()
    database = Database(server.dsn())
    migrate(database)
    server.stop()
    monkeypatch.setenv("AGENTPG_DSN", database.dsn)
    worker = launch("worker", "--app", app)
    worker.says("trying again")
    assert "cannot reach the database at 127.0.0.1" in worker.text
    server.start()
    worker.says("started, with")
    server.stop("immediate")
    worker.tell(signal.SIGTERM)
    assert worker.ends(timeout=60) == 0
    assert "Traceback" not in worker.text


def test_a_worker_waits_until_recovery_has_ended(
    own_server: OwnServers, launch: Launch, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own_server()
    server.start()
    migrate(Database(server.dsn()))
    server.stop()
    (server.status().data / "standby.signal").touch()
    # A standby never says that it is ready, so starting it goes on until it is promoted.
    starting = threading.Thread(target=server.start)
    starting.start()
    monkeypatch.setenv("AGENTPG_DSN", server.dsn())
    worker = launch("worker", "--app", app)
    worker.says("is in recovery and takes no writes")
    with Client(server.dsn()) as client, pytest.raises(ServerInRecovery):
        client.submit("A", "b")
    with connect(Database(server.dsn("postgres", "postgres"))) as connection:
        connection.execute("SELECT pg_promote()")
    starting.join()
    worker.says("started, with")


def test_a_worker_that_is_told_to_stop_while_it_waits_ends(
    launch: Launch, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_DSN", "host=127.0.0.1 port=1 user=admin dbname=x")
    worker = launch("worker", "--app", app)
    worker.says("trying again")
    worker.tell(signal.SIGTERM)
    assert worker.ends(timeout=10) == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_what_waiting_cannot_mend_ends_the_worker_at_once(
    call_process: Call, database: Database, empty_database: Database, app: str, processes: str
) -> None:
    wrong = make_conninfo(database.dsn, password="s3cret", passfile=os.devnull)
    missing = make_conninfo(database.dsn, dbname="no_such_database")
    for dsn, code, sentence in (
        (wrong, 3, "refused the login"),
        (missing, 3, "the server has no such database"),
        (empty_database.dsn, 4, "this release needs"),
    ):
        called = call_process(*("worker", "--app", app, "--processes", processes), AGENTPG_DSN=dsn)
        assert called.code == code
        assert called.err.count(sentence) == 1, called.err
        assert "hint: " in called.err
        assert "s3cret" not in called.err


def test_a_process_that_dies_is_started_again(
    installed: Database, launch: Launch, app: str
) -> None:
    watching = launch("worker", "--app", app, "--processes", "2", "--concurrency", "3")
    first = eventually(lambda: _alive(installed) if len(_alive(installed)) == 2 else [], 30)
    assert {worker.concurrency for worker in first} == {3}
    os.kill(first[0].pid, signal.SIGKILL)
    watching.says(f"worker process {first[0].pid} was killed by signal 9; starting another")
    eventually(lambda: {w.pid for w in _alive(installed)} - {w.pid for w in first}, 30)
    watching.tell(signal.SIGTERM)
    assert watching.ends() == 0
    assert [worker.pid for worker in _alive(installed)] == [first[0].pid]  # not rescued yet


def test_processes_end_with_the_one_that_watches_them(
    client: Client, installed: Database, launch: Launch, app: str
) -> None:
    task_id = client.submit("Greeter", "nap", {"seconds": 600})
    watching = launch("worker", "--app", app, "--processes", "2")
    eventually(lambda: len(_alive(installed)) == 2, 30)
    eventually(lambda: client.get(task_id).status == "running")
    watching.tell(signal.SIGKILL)
    watching.ends()
    eventually(lambda: not _alive(installed))
    assert client.get(task_id).status == "pending"


def test_a_second_signal_to_the_watching_process_hands_everything_back(
    client: Client, launch: Launch, app: str
) -> None:
    task_id = client.submit("Greeter", "nap", {"seconds": 600})
    watching = launch("worker", "--app", app, "--processes", "2")
    eventually(lambda: client.get(task_id).status == "running", 30)
    watching.tell(signal.SIGTERM)
    watching.says("waits for 1 handlers")
    watching.tell(signal.SIGTERM)
    assert watching.ends() == 0
    assert client.get(task_id).status == "pending"


def test_an_app_that_no_process_can_load_is_said_once(call_process: Call) -> None:
    called = call_process("worker", "--app", "nowhere:app", "--processes", "3")
    assert called.code == 2
    assert called.err.count("there is no module nowhere") == 1


def test_global_options_reach_the_processes(database: Database, launch: Launch, app: str) -> None:
    launch("--dsn", database.dsn, "worker", "--app", app, "--processes", "2")
    found = eventually(lambda: _alive(database) if len(_alive(database)) == 2 else [], 30)
    for worker in found:
        assert database.dsn not in Path(f"/proc/{worker.pid}/cmdline").read_text(encoding="utf-8")


def test_logs_can_be_json(
    installed: Database, launch: Launch, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_LOG_FORMAT", "json")
    worker = launch("worker", "--app", app)
    worker.says('"logger": "agentpg.worker"')


def test_the_grace_is_a_setting(
    client: Client, launch: Launch, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_SHUTDOWN_GRACE", "200ms")
    task_id = client.submit("Greeter", "nap", {"seconds": 600})
    worker = launch("worker", "--app", app)
    eventually(lambda: client.get(task_id).status == "running")
    worker.tell(signal.SIGTERM)
    assert worker.ends(timeout=timedelta(seconds=15).total_seconds()) == 0
    assert client.get(task_id).status == "pending"
