"""Tenants kept apart: what each login sees and submits, whatever it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from psycopg.errors import InsufficientPrivilege

from agentpg import Client, NewTask
from agentpg.db import Database, ServerError, connect, make_conninfo
from agentpg.desk.security.roles.applying import apply_roles, plan_roles
from agentpg.desk.security.roles.names import RoleNames
from agentpg.desk.security.tenants.binding import bind, look_at_tenants, run, unbind
from agentpg.desk.security.tenants.deciding import turning_off, turning_on
from agentpg.desk.security.tenants.facts import TABLES
from agentpg.errors import KeyTaken, LoginNotForTenants, TaskNotFound
from agentpg.schema import verify

_PASSWORD = "for-tests-only"


@dataclass(frozen=True)
class Site:
    """An installation with tenants north and south, each with a client's login."""

    owner: Database
    names: RoleNames

    def as_(self, login: str) -> Database:
        dsn = make_conninfo(self.owner.dsn, user=login, password=_PASSWORD)
        return Database(dsn, self.owner.schema)

    @property
    def north(self) -> Database:
        return self.as_(f"{self.names.prefix}_north")

    @property
    def south(self) -> Database:
        return self.as_(f"{self.names.prefix}_south")


@pytest.fixture(scope="module")
def site(shared_server: Any) -> Iterator[Site]:
    with shared_server.database() as owner:
        admin = Database(shared_server.superuser_dsn(_name(owner)), owner.schema)
        apply_roles(admin, plan_roles(admin, ("agent", "backup", "monitor")), lambda _: _PASSWORD)
        names = look_at_tenants(owner).names
        for tenant in ("north", "south"):
            login = f"{names.prefix}_{tenant}"
            execute(
                admin,
                f"CREATE ROLE {login} LOGIN PASSWORD '{_PASSWORD}' IN ROLE {names.group('client')}",
            )
            bind(owner, login, tenant)
        run(owner, turning_on(look_at_tenants(owner)))
        yield Site(owner, names)
        with connect(admin) as connection:
            logins = [f"{names.prefix}_north", f"{names.prefix}_south"]
            logins += [one for part in ("agent", "backup", "monitor") for one in names.logins(part)]
            for login in logins:
                connection.execute(f"DROP OWNED BY {login}; DROP ROLE {login}".encode())


def _name(database: Database) -> str:
    with connect(database) as connection:
        return str(connection.execute("SELECT current_database()").fetchone()[0])  # type: ignore[index]


def execute(database: Database, statement: str, *values: Any) -> None:
    with connect(database) as connection:
        connection.execute(statement.encode(), values)


def ask(database: Database, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connect(database) as connection:
        return connection.execute(statement.encode(), values).fetchall()


def refusal(database: Database, statement: str, *values: Any) -> str:
    with pytest.raises(ServerError) as caught:
        ask(database, statement, *values)
    assert caught.value.sqlstate == "42501", caught.value
    return str(caught.value)


def submitted(site: Site) -> tuple[UUID, UUID]:
    with Client(site.north) as north, Client(site.south) as south:
        return north.submit("Teller", "tell", {"of": "north"}), south.submit("Teller", "tell")


def test_each_client_sees_its_own_alone(site: Site) -> None:
    ours, theirs = submitted(site)
    with Client(site.north) as north:
        assert north.get(ours).tenant == "north"
        assert {task.tenant for task in north.find(limit=1000)} == {"north"}
        with pytest.raises(TaskNotFound):
            north.get(theirs)
    with Client(site.owner) as owner:
        assert {owner.get(ours).tenant, owner.get(theirs).tenant} == {"north", "south"}


@pytest.mark.parametrize("table", TABLES[1:])
def test_records_are_seen_with_their_task(site: Site, table: str) -> None:
    ours, theirs = submitted(site)
    columns = {
        "agent_executions": "(task_id, attempt, agent_name, task_type, worker,"
        " execution_start) VALUES (%s, 1, 'Teller', 'tell', uuid7(), now())",
        "llm_requests": "(task_id, attempt, agent_name, provider, model) VALUES"
        " (%s, 1, 'Teller', 'p', 'm')",
        "task_events": "(task_id, attempt, number, at, level, message) VALUES"
        " (%s, 1, 1, now(), 'info', 'said')",
    }
    for task in (ours, theirs):
        execute(site.owner, f"INSERT INTO {table} {columns[table]}", task)
    seen = {row[0] for row in ask(site.north, f"SELECT task_id FROM {table}")}
    assert ours in seen
    assert theirs not in seen


@pytest.mark.parametrize(
    "said",
    [
        "SET ROLE {client}",
        "SET agentpg.tenant = 'south'",
        "SET search_path = pg_temp, agentic_ai, pg_catalog",
        "SET row_security = on",
        "CREATE TEMPORARY TABLE tenant_logins AS SELECT session_user AS login, 'south' AS tenant",
    ],
)
def test_nothing_that_a_program_says_moves_it(site: Site, said: str) -> None:
    _, theirs = submitted(site)
    with connect(site.north) as connection:
        with suppress(InsufficientPrivilege):  # refused is as good
            connection.execute(said.format(client=site.names.group("client")).encode())
        rows = connection.execute("SELECT id FROM agentic_ai.tasks").fetchall()
        assert rows
        assert theirs not in {row[0] for row in rows}
        assert connection.execute("SELECT agentic_ai.my_tenant()").fetchone() == ("north",)


def test_it_cannot_become_another_login(site: Site) -> None:
    for other in (site.names.login("agent", 1), f"{site.names.prefix}_south"):
        refusal(site.north, f"SET ROLE {other}")
        refusal(site.north, f"SET SESSION AUTHORIZATION {other}")
    refusal(site.north, "SELECT * FROM tenant_logins")


@pytest.mark.parametrize(
    "columns",
    [
        {"tenant": "'south'"},
        {"status": "'completed'"},
        {"status": "'failed'"},
        {"status": "'running'"},
        {"status": "'waiting'"},
        {"lane": "concat_ws(chr(31), 'Teller', 'tell', 'south', '')"},
        {"result": "'{}'"},
        {"attempt": "3"},
        {"submitted_by": "'admin'"},
        {"parent_id": "'THEIRS'"},
    ],
)
def test_work_of_others_and_finished_work_is_refused(site: Site, columns: dict[str, str]) -> None:
    _, theirs = submitted(site)
    names = ", ".join(["agent_name", "task_type", *columns])
    values = ", ".join(["'Teller'", "'tell'", *columns.values()]).replace("THEIRS", str(theirs))
    refusal(site.north, f"INSERT INTO tasks ({names}) VALUES ({values})")


def test_finished_work_is_refused_without_tenants_too(site: Site) -> None:
    run(site.owner, turning_off(look_at_tenants(site.owner)))
    try:
        said = refusal(
            site.north,
            "INSERT INTO tasks (agent_name, task_type, status) VALUES ('T', 't', 'completed')",
        )
        assert "pending tasks only" in said
        theirs = ask(site.north, "SELECT count(*) FROM tasks WHERE tenant = 'south'")
        assert theirs[0][0] > 0
    finally:
        run(site.owner, turning_on(look_at_tenants(site.owner)))


def test_what_is_anothers_is_neither_changed_nor_removed(site: Site) -> None:
    refusal(site.north, "UPDATE tasks SET status = 'cancelled'")
    refusal(site.north, "DELETE FROM tasks")
    refusal(site.north, "TRUNCATE tasks")
    refusal(site.north, "ALTER TABLE tasks DISABLE ROW LEVEL SECURITY")
    refusal(site.north, "DROP POLICY own_tenant ON tasks")


def test_plain_sql_and_the_function_fill_the_tenant_in(site: Site) -> None:
    [[plain]] = ask(
        site.north,
        "INSERT INTO tasks (id, agent_name, task_type, status, created_at)"
        " VALUES (gen_random_uuid(), 'Teller', 'tell', 'pending', now()) RETURNING tenant",
    )
    [[by_function]] = ask(site.north, "SELECT submit('Teller', 'tell')")
    assert plain == "north"
    assert ask(site.north, "SELECT tenant FROM tasks WHERE id = %s", by_function) == [("north",)]


def test_many_are_submitted_at_once(site: Site) -> None:
    with Client(site.north) as north:
        ids = north.submit_many([NewTask("Bulk", "load", {"n": n}) for n in range(5000)])
        keyed = [NewTask("Bulk", "load", idempotency_key=f"k{n}") for n in range(100)]
        assert north.submit_many(keyed) == north.submit_many(keyed)
    [[number]] = ask(
        site.owner, "SELECT count(*) FROM tasks WHERE tenant = 'north' AND id = ANY(%s)", ids
    )
    assert number == 5000


def test_a_key_of_another_tenant_tells_nothing_of_its_task(site: Site) -> None:
    with Client(site.south) as south, Client(site.north) as north:
        theirs = south.submit("Teller", "tell", {"secret": "sum"}, idempotency_key="one")
        with pytest.raises(KeyTaken) as caught:
            north.submit("Teller", "tell", {"secret": "sum"}, idempotency_key="one")
    assert str(theirs) not in str(caught.value)
    assert "sum" not in str(caught.value)


def test_workers_backups_and_operators_see_all(site: Site) -> None:
    submitted(site)
    for part in ("agent", "backup", "monitor"):
        seen = ask(site.as_(site.names.login(part, 1)), "SELECT DISTINCT tenant FROM tasks")
        assert {"north", "south"} <= {row[0] for row in seen}
    backup = site.as_(site.names.login("backup", 1))
    with connect(backup) as connection:
        connection.execute(b"SET row_security = off")  # as pg_dump does
        for table in TABLES:
            connection.execute(f"SELECT count(*) FROM {table}".encode())


def test_a_login_without_a_tenant_sees_nothing(site: Site) -> None:
    submitted(site)
    assert unbind(site.owner, f"{site.names.prefix}_south") == "south"
    try:
        assert ask(site.south, "SELECT count(*) FROM tasks") == [(0,)]
        refusal(site.south, "INSERT INTO tasks (agent_name, task_type) VALUES ('T', 't')")
    finally:
        bind(site.owner, f"{site.names.prefix}_south", "south")


def test_a_login_that_would_get_past_is_refused(site: Site) -> None:
    for login in ("postgres", "nobody_there", site.names.login("agent", 1), site.names.owner):
        with pytest.raises(LoginNotForTenants):
            bind(site.owner, login, "north")


def test_on_and_off_are_done_once_and_are_no_difference(site: Site) -> None:
    tenants = look_at_tenants(site.owner)
    assert tenants.are_on
    assert turning_on(tenants) == ()
    assert {one.kind for one in verify(site.owner)} <= {"extra"}
    run(site.owner, turning_off(tenants))
    try:
        off = look_at_tenants(site.owner)
        assert not off.are_on
        assert turning_off(off) == ()
        assert [one for one in verify(site.owner) if "tenant" in one.object] == []
    finally:
        run(site.owner, turning_on(look_at_tenants(site.owner)))
    assert look_at_tenants(site.owner).are_on
