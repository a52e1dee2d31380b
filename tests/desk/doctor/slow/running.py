"""Sessions that run something until the test has seen it, and a role that may nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg.conninfo import make_conninfo

from agentpg.db import Database, ServerError, connect
from tests.waiting import eventually


@contextmanager
def running(database: Database, name: str, *statements: str) -> Iterator[int]:
    """A session that runs one statement after another until the end; its process."""
    connection = connect(database, name)
    pid = connection.info.backend_pid

    def run() -> None:
        for statement in statements:
            with suppress(ServerError):
                connection.execute(statement.encode())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with connect(database) as looking:
            asked = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s"
            eventually(lambda: (looking.execute(asked, (pid,)).fetchone() or (False,))[0])
        yield pid
    finally:
        with connect(database) as ending:
            ending.execute("SELECT pg_terminate_backend(%s)", (pid,))
        thread.join()
        connection.close()


@contextmanager
def a_role(database: Database, *granted: str) -> Iterator[Database]:
    """The database as a role that is a member of these and may nothing else."""
    with connect(database) as connection:
        connection.execute("CREATE ROLE nobody_slow LOGIN PASSWORD 'x'")
        for role in granted:
            connection.execute(f"GRANT {role} TO nobody_slow".encode())
        try:
            dsn = make_conninfo(database.dsn, user="nobody_slow", password="x")
            yield Database(dsn, database.schema)
        finally:
            connection.execute("DROP ROLE nobody_slow")
