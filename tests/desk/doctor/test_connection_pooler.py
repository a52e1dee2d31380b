"""A pooler in between: told apart from the server, whether it lets in or refuses."""

from __future__ import annotations

import pytest

from agentpg.db import Database, connect
from tests.desk.doctor.faulty import cause_of, looked_at
from tests.pgbouncer import PROGRAM, pgbouncer

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed"),
    pytest.mark.xdist_group("connection"),
]


def test_a_pooler_is_told_apart_from_the_server(database: Database) -> None:
    with pgbouncer(database, max_client_conn=2) as pooler:
        _, findings = looked_at(pooler.database.dsn)
        assert [(one.code, one.level) for one in findings] == [("C00", "ok"), ("C37", "info")]
        with connect(pooler.database), connect(pooler.database):
            refused = cause_of(pooler.database.dsn)
    assert (refused.code, refused.level) == ("C37", "critical"), refused
