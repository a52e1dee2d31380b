"""A session's statement is explained without running it, and cancelled if it is still that one."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest
from uuid_utils.compat import uuid7

from agentpg.db import Database, ServerError, connect, make_conninfo
from agentpg.desk.monitor.acting import cancel, explain
from agentpg.desk.monitor.reading import reading
from agentpg.desk.monitor.sessions import Session, read_activity
from agentpg.errors import NotCancelled, NotExplained
from tests.waiting import eventually


@contextmanager
def ran(
    database: Database, statement: str, values: Sequence[object] | None = None
) -> Iterator[Session]:
    """A session that has run this, as it is seen."""
    with connect(database, "it") as connection:
        with suppress(ServerError):
            connection.execute(statement.encode(), values)
        yield seen(database, connection.info.backend_pid)


def seen(database: Database, pid: int) -> Session:
    with reading(database, "the test") as reader:
        return next(one for one in read_activity(reader).sessions if one.pid == pid)


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("SELECT id FROM agentic_ai.tasks WHERE agent_name LIKE 'a%' -- so", None),
        ("DELETE FROM agentic_ai.tasks WHERE id = %s AND agent_name = %s;", (uuid7(), "a")),
        ("INSERT INTO agentic_ai.tasks (agent_name, task_type) SELECT 'a', 'b' WHERE false", None),
    ],
)
def test_a_statement_is_explained_and_not_run(
    database: Database, statement: str, values: Sequence[object] | None
) -> None:
    with ran(database, statement, values) as session, connect(database) as connection:
        connection.execute("INSERT INTO tasks (agent_name, task_type) VALUES ('a', 'b')")
        plan = explain(database, session)
        row = connection.execute("SELECT count(*) FROM tasks").fetchone()
    assert any("cost=" in line for line in plan.lines)
    assert plan.search_path
    assert row == (1,)


@pytest.mark.parametrize(
    "statement",
    ["VACUUM agentic_ai.users", "SELECT 1; DROP TABLE agentic_ai.users", "SET jit = on"],
)
def test_what_has_no_plan_is_refused(database: Database, statement: str) -> None:
    with connect(database) as connection:
        connection.execute("ALTER TABLE users RENAME TO people")
        connection.execute("CREATE TABLE users (n int)")
    with ran(database, statement) as session, pytest.raises(NotExplained):
        explain(database, session)


def test_a_table_that_is_locked_is_not_waited_for(database: Database) -> None:
    wrong = pytest.raises(NotExplained, match="is locked")
    with (
        connect(database, autocommit=False) as locking,
        ran(database, "SELECT * FROM agentic_ai.users") as session,
    ):
        locking.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        with wrong:
            explain(database, session)


def test_a_statement_that_the_server_has_cut_is_refused(database: Database) -> None:
    long = f"SELECT {'1 + ' * 1000} 1"
    wrong = pytest.raises(NotExplained, match="track_activity_query_size")
    with ran(database, long) as session, wrong:
        explain(database, session)


def test_a_stranger_cannot_have_functions_run_with_our_rights(
    database: Database, superuser_dsn: Callable[..., str]
) -> None:
    role = f"stranger_{secrets.token_hex(4)}"
    with connect(Database(superuser_dsn())) as administrator:
        administrator.execute(f"CREATE ROLE {role} LOGIN PASSWORD 's'".encode())
        try:
            dsn = make_conninfo(database.dsn, user=role, password="s")
            watcher = Database(superuser_dsn(database.name()), database.schema)
            wrong = pytest.raises(NotExplained, match="rights")
            with ran(Database(dsn, database.schema), "SELECT 1") as session, wrong:
                explain(watcher, seen(watcher, session.pid))
        finally:
            administrator.execute(f"DROP ROLE {role}".encode())


def test_an_owner_of_the_database_is_no_superuser(
    database: Database, superuser_dsn: Callable[..., str]
) -> None:
    watcher = Database(superuser_dsn(database.name()), database.schema)
    wrong = pytest.raises(NotExplained, match="rights")
    with ran(database, "SELECT 1") as session, wrong:
        explain(watcher, session)


def test_a_plan_is_shown_without_secrets(database: Database) -> None:
    with connect(database) as connection:
        connection.execute("CREATE TABLE keys (token varchar)")
    statement = "SELECT * FROM agentic_ai.keys WHERE token = 'hunter2'"
    with ran(database, statement) as session:
        plan = explain(database, session)
    assert any("***" in line for line in plan.lines)
    assert "hunter2" not in str(plan)


def test_a_statement_is_cancelled_and_no_other(database: Database) -> None:
    failed: list[BaseException] = []
    with connect(database, "sleeper") as connection:

        def sleep() -> None:
            try:
                connection.execute("SELECT pg_sleep(60)")
            except ServerError as error:
                failed.append(error)

        thread = threading.Thread(target=sleep)
        thread.start()
        pid = connection.info.backend_pid
        session = eventually(lambda: active(database, pid))
        assert session is not None
        cancel(database, session)
        thread.join()
        assert len(failed) == 1
        with pytest.raises(NotCancelled, match="does not run any more"):
            cancel(database, session)


def active(database: Database, pid: int) -> Session | None:
    found = seen(database, pid)
    return found if found.state == "active" else None
