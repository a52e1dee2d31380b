"""Roles and rights are made what they should be, by whoever may, and taken back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.security.passwords.records import mark_of, read_record
from agentpg.desk.security.roles.applying import (
    apply_roles,
    plan_roles,
    regrant,
    write_undo,
)
from agentpg.desk.security.roles.comparing import compare
from agentpg.desk.security.roles.findings import examine_roles
from agentpg.desk.security.roles.looking import look_at_roles
from agentpg.desk.security.roles.names import RoleNames
from agentpg.desk.security.roles.wishing import wish
from agentpg.embedded.binaries import find_binaries
from tests.desk.security.roles.conftest import all_names, remove_roles
from tests.servers import PG_BIN


def _run(database: Database, *statements: str) -> None:
    with connect(database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _levels(database: Database) -> dict[str, str]:
    return {one.code: one.level for one in examine_roles(database)}


def test_what_is_missing_and_too_much_is_found_and_put_right(with_roles: Database) -> None:
    """Each kind of difference: found by the finding, named as SQL, and gone after `apply`."""
    names, schema = RoleNames(with_roles.name()), with_roles.schema
    agent, client, web = (names.group(part) for part in ("agent", "client", "web"))
    assert set(_levels(with_roles).values()) == {"ok"}
    _run(
        with_roles,
        f"REVOKE UPDATE (result) ON {schema}.tasks FROM {agent}",
        f"GRANT UPDATE ON {schema}.tasks TO {client}",
        f"GRANT SELECT (username) ON {schema}.users TO {client}",
        f"GRANT SELECT ON {schema}.tasks TO {web} WITH GRANT OPTION",
        f"GRANT EXECUTE ON FUNCTION {schema}.uuid7() TO PUBLIC",
        f"GRANT CONNECT, TEMPORARY ON DATABASE {with_roles.name()} TO PUBLIC",
        f"ALTER ROLE {agent} CREATEROLE LOGIN",
        f"GRANT pg_write_all_data TO {client}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE admin IN SCHEMA {schema}"
        f" GRANT INSERT ON TABLES TO {client}",
    )
    present = look_at_roles(with_roles)
    said = [step.sql for step in compare(wish(present), present)]
    assert said == [
        f'ALTER ROLE "{agent}" NOCREATEROLE NOLOGIN',
        f'REVOKE "pg_write_all_data" FROM "{client}"',
        f'REVOKE CONNECT, TEMPORARY ON DATABASE "{with_roles.name()}" FROM PUBLIC',
        f'REVOKE EXECUTE ON FUNCTION "{schema}"."uuid7"() FROM PUBLIC',
        f'REVOKE UPDATE ON TABLE "{schema}"."tasks" FROM "{client}"',
        f'REVOKE SELECT ("username") ON TABLE "{schema}"."users" FROM "{client}"',
        f'GRANT UPDATE ("result") ON TABLE "{schema}"."tasks" TO "{agent}"',
        f'REVOKE GRANT OPTION FOR SELECT ON TABLE "{schema}"."tasks" FROM "{web}"',
        f'ALTER DEFAULT PRIVILEGES FOR ROLE "admin" IN SCHEMA "{schema}"'
        f' REVOKE INSERT ON TABLES FROM "{client}"',
    ]
    levels = _levels(with_roles)
    assert (levels["R02"], levels["R03"]) == ("warning", "warning")
    assert apply_roles(with_roles, plan_roles(with_roles)).is_done
    assert set(_levels(with_roles).values()) == {"ok"}
    assert plan_roles(with_roles).is_done, "a second time there is nothing to do"


def test_the_undo_file_brings_back_what_was_there(superuser: Database, tmp_path: Path) -> None:
    """Roles, rights, logins: all gone again by psql, whatever was there before is."""
    before = look_at_roles(superuser)
    plan = plan_roles(superuser, ("agent", "backup"))
    path = write_undo(tmp_path, plan, datetime.now(UTC))
    assert apply_roles(superuser, plan).is_done
    psql = find_binaries(PG_BIN).tool("psql")
    done = subprocess.run(
        [psql, "-X", "-q", "-f", path, superuser.dsn], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    after = look_at_roles(superuser)
    assert (after.grants, after.roles, after.memberships, after.defaults) == (
        before.grants,
        before.roles,
        before.memberships,
        before.defaults,
    )


def test_logins_get_in_with_verifiers_alone(superuser: Database) -> None:
    """The server is told verifiers; the logins have what their part has, and copy or see all."""
    told: dict[str, str] = {}

    def password(role: str) -> str:
        return told.setdefault(role, f"secret of {role}")

    names = RoleNames(superuser.name())
    plan = plan_roles(superuser, ("agent", "backup"))
    assert not any("secret" in step.sql for step in plan.steps)
    assert apply_roles(superuser, plan, password).is_done
    assert sorted(told) == sorted((*names.logins("agent"), *names.logins("backup")))
    for role, secret in told.items():
        as_role = Database(f"{superuser.as_role(role).dsn} password='{secret}'", superuser.schema)
        with connect(as_role) as connection:
            assert connection.execute(f"SELECT FROM {superuser.schema}.tasks").fetchall() == []
    with connect(superuser) as connection:
        rows = connection.execute(
            "SELECT rolname, rolreplication AND rolbypassrls, rolpassword,"
            " shobj_description(oid, 'pg_authid') FROM pg_authid"
            " WHERE rolname = ANY (%s) ORDER BY 1",
            [list(told)],
        ).fetchall()
    assert [(name, mighty) for name, mighty, *_ in rows] == [
        (name, name in names.logins("backup")) for name in sorted(told)
    ]
    for _, _, verifier, comment in rows:
        assert verifier.startswith("SCRAM-SHA-256$")
        noted = read_record(comment)
        assert noted is not None
        assert noted.mark == mark_of(verifier)
    assert examine_roles(superuser)[0].level == "ok"
    _run(superuser, f"GRANT {names.group('web')} TO {names.login('agent', 1)}")
    assert _levels(superuser)["R05"] == "warning"


def test_who_works_here_keeps_coming_in(superuser: Database) -> None:
    """A role of somebody else keeps its rights, and CONNECT by name when everybody's goes."""
    guest = f"{superuser.name()}_guest"
    _run(
        superuser,
        f"CREATE ROLE {guest} LOGIN",
        f"GRANT SELECT ON {superuser.schema}.tasks TO {guest}",
    )
    try:
        assert apply_roles(superuser, plan_roles(superuser)).is_done
        with connect(superuser) as connection:
            row = connection.execute(
                "SELECT has_database_privilege(%s, current_database(), 'CONNECT'),"
                " has_table_privilege(%s, %s, 'SELECT')",
                [guest, guest, f"{superuser.schema}.tasks"],
            ).fetchone()
        assert row == (True, True)
    finally:
        remove_roles(superuser, [guest])


def test_a_new_table_is_backed_up_and_granted_after_a_migration(
    with_roles: Database, database: Database
) -> None:
    """What the owner makes later, backup may read at once; the rest is granted again by the
    owner."""
    names, schema = RoleNames(with_roles.name()), with_roles.schema
    _run(
        database,
        f"CREATE TABLE {schema}.later (id int)",
        f"DROP VIEW {schema}.task_counts",
        f"CREATE VIEW {schema}.task_counts AS SELECT 1 AS tasks",
    )
    assert _levels(with_roles)["R02"] == "warning"
    granted = [step.sql for step in regrant(database)]
    assert granted == [
        f'GRANT SELECT ON TABLE "{schema}"."task_counts" TO "{names.group(part)}"'
        for part in ("monitor", "readonly", "web")
    ]
    assert _levels(with_roles)["R02"] == "ok"
    with connect(with_roles) as connection:
        row = connection.execute(
            "SELECT has_table_privilege(%s, %s, 'SELECT')",
            [names.group("backup"), f"{schema}.later"],
        ).fetchone()
    assert row == (True,)


@pytest.fixture
def maker(superuser: Database, database: Database) -> Iterator[Database]:
    """The database as its owner, which makes roles and is no superuser."""
    role = f"{superuser.name()}_owner"
    _run(
        superuser,
        f"CREATE ROLE {role} LOGIN CREATEROLE PASSWORD 'known'",
        f"ALTER DATABASE {superuser.name()} OWNER TO {role}",
    )
    _run(superuser, f"REASSIGN OWNED BY admin TO {role}")
    yield Database(f"{database.as_role(role).dsn} password=known", database.schema)
    _run(superuser, f"REASSIGN OWNED BY {role} TO admin")
    remove_roles(superuser, [*all_names(database), role])


def test_an_owner_who_makes_roles_does_all_but_what_takes_a_superuser(
    maker: Database, superuser: Database
) -> None:
    """Before 16 CREATEROLE gives PostgreSQL's own roles as well; from 16 on it must be told who
    may. What is left is named with its reason, and a superuser does it."""
    plan = plan_roles(maker, ("agent", "backup"))
    left = apply_roles(maker, plan)
    missing = sorted({need.what for need in left.missing})
    expected = ["replication", "superuser"]
    if plan.present.me.major >= 16:
        expected = ["replication", "role", "superuser"]
    assert (left.steps, missing) == ((), expected)
    assert apply_roles(superuser, plan_roles(superuser)).is_done
    assert plan_roles(maker).is_done
    role = maker.user()
    _run(superuser, f"ALTER ROLE {role} NOCREATEROLE")
    remove = [*RoleNames(superuser.name()).logins("agent")]
    remove_roles(superuser, remove)
    plan = plan_roles(maker, ("agent",))
    assert plan.steps == ()
    assert {need.what for need in plan.missing} == {"roles", "role"}
