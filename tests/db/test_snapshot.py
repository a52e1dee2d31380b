"""A snapshot sees one moment and changes nothing."""

from __future__ import annotations

import pytest

from agentpg.db import Database, connect, snapshot
from agentpg.errors import DatabaseUnavailable, ServerReadOnly

_COUNT = "SELECT count(*) FROM tasks"
_INSERT = "INSERT INTO tasks (agent_name, task_type) VALUES ('A', 't')"


def test_what_others_commit_meanwhile_is_not_seen(database: Database) -> None:
    with snapshot(database) as reading:
        assert reading.execute(_COUNT).fetchone() == (0,)
        with connect(database) as writing:
            writing.execute(_INSERT)
        assert reading.execute(_COUNT).fetchone() == (0,)
    with snapshot(database) as reading:
        assert reading.execute(_COUNT).fetchone() == (1,)


def test_nothing_can_be_changed(database: Database) -> None:
    with pytest.raises(ServerReadOnly, match="read-only"), snapshot(database) as reading:
        reading.execute(_INSERT)
    with snapshot(database) as reading:
        assert reading.execute(_COUNT).fetchone() == (0,)


def test_an_unreachable_server_is_said() -> None:
    with pytest.raises(DatabaseUnavailable), snapshot(Database("host=127.0.0.1 port=1")):
        pass
