"""What a worker costs that has nothing to do."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from agentpg.db import Database
from agentpg.schema import migrate
from tests.servers import SCHEMA, OwnServers
from tests.tasks.engine import Engine
from tests.waiting import eventually

_SECONDS = 12.0

# A look for tasks once a second, each up to a tenth sooner or later, and the heartbeat: a beat
# and a look at the others every 4.3 s.
_POLLS_A_SECOND = 1.1
_HEARTBEAT_A_SECOND = 0.5

_STATEMENT = re.compile(r"agentpg (?:worker|pulse) \S+ LOG:  (?:statement|execute)")


def test_an_idle_worker_asks_little(own_server: OwnServers, tmp_path: Path) -> None:
    """At the default settings, as the server's log has it."""
    server = own_server(options={"log_statement": "all"})
    server.start()
    database = Database(server.dsn(), SCHEMA)
    migrate(database)
    engine = Engine(database, tmp_path)
    worker = engine.process(lease="30s", poll_interval="1s")
    eventually(lambda: engine.ask("SELECT id FROM workers WHERE pid = %s AND idle", worker.pid))

    def asked() -> int:
        return len(_STATEMENT.findall(server.status().log.read_text(encoding="utf-8")))

    began, before = time.monotonic(), asked()
    eventually(lambda: time.monotonic() - began > _SECONDS)
    seconds, seen = time.monotonic() - began, asked() - before
    engine.close()
    assert seen > seconds / 2
    # Two more, since neither begins nor ends in step with the looks.
    assert seen <= seconds * (_POLLS_A_SECOND + _HEARTBEAT_A_SECOND) + 2


@pytest.mark.parametrize("task_type", ["call", "nap", "sync_nap"])
def test_a_worker_has_three_connections(engine: Engine, task_type: str) -> None:
    """Also while its handlers call models, whatever its concurrency."""
    worker = engine.process("tests.apps.plain", lease="30s", concurrency="50")
    ids = [engine.client.submit("Plain", task_type, {"seconds": 1.5}) for _ in range(40)]
    for task_id in ids[:20]:
        engine.until_running(task_id)
    most = 0
    while engine.status(ids[0]) == "running":
        [(now,)] = engine.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND (application_name LIKE '%%worker%%' OR application_name LIKE '%%pulse%%')"
        )
        most = max(most, now)
    assert worker.alive
    assert 2 <= most <= 3
    engine.until_all_ended()
