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

pytestmark = pytest.mark.one_server

# From one beat to the fourth after it: 17 s at the default lease.
_BEATS = 4

# The looks for tasks do not keep time with the beats, and once a minute schedules are looked at.
_MORE = 3


def test_an_idle_worker_asks_once_a_second_at_most(own_server: OwnServers, tmp_path: Path) -> None:
    """At the default settings, as the server's log has it."""
    server = own_server(options={"log_statement": "all"})
    server.start()
    database = Database(server.dsn(), SCHEMA)
    migrate(database)
    engine = Engine(database, tmp_path)
    worker = engine.process(lease="30s", poll_interval="2s")
    eventually(lambda: engine.ask("SELECT id FROM workers WHERE pid = %s AND idle", worker.pid))

    def asked() -> list[str]:
        said = server.status().log.read_text(encoding="utf-8")
        return re.findall(r"agentpg (?:worker|pulse) \S+ \S+ LOG:  (?:statement|execute).*", said)

    def beats() -> list[int]:
        return [place for place, line in enumerate(asked()) if "-- A sign of life" in line]

    # It beats twice as it begins; what it does only now and then comes with these.
    eventually(lambda: len(beats()) >= 3)
    first, began = len(beats()) - 1, time.monotonic()
    eventually(lambda: len(beats()) > first + _BEATS)
    seconds = time.monotonic() - began
    engine.close()
    statements = beats()[first + _BEATS] - beats()[first]
    assert seconds / 3 < statements <= seconds + _MORE


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
