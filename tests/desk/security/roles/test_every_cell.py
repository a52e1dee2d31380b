"""Every cell of the table of roles is tried on a real server: as each role, each thing, each right.

The server checks the rights of a statement that it explains as it does of one that it runs, so
nothing is changed; what cannot be explained is run, and rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from agentpg.db import Connection, Database, connect
from agentpg.desk.security.roles.looking import look_at_roles
from agentpg.desk.security.roles.names import GROUPS, Part, RoleNames
from agentpg.desk.security.roles.rights import FUNCTIONS, RELATIONS, Right

DENIED = "42501"

_PROBE = """
CREATE SCHEMA probe;
GRANT USAGE ON SCHEMA probe TO PUBLIC;
CREATE FUNCTION probe.tried(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = 'ZZ000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
CREATE SCHEMA others;
GRANT USAGE ON SCHEMA others TO PUBLIC;
CREATE TABLE others.theirs (id int);
CREATE SEQUENCE others.numbers;
"""
DONE = "ZZ000"


@contextmanager
def session_as(database: Database, role: str) -> Iterator[Connection[Any]]:
    """A session of a role, whether it may log in or not."""
    with connect(database) as connection:
        connection.execute(f'SET SESSION AUTHORIZATION "{role}"'.encode())
        yield connection


def tried(connection: Connection[Any], statements: Sequence[str]) -> dict[str, str]:
    """How each of the statements ends, as SQLSTATE; all are undone."""
    rows = connection.execute(
        "SELECT s, probe.tried(s) FROM unnest(%s::text[]) AS s", [list(statements)]
    ).fetchall()
    return dict(rows)


@pytest.fixture
def probed(with_roles: Database) -> Database:
    """With a function that tries statements, and things of others."""
    with connect(with_roles) as connection:
        connection.execute(_PROBE.encode())
    return with_roles


def _may(part: Part, relation: str, privilege: str, column: str = "") -> bool:
    if part == "backup":
        return privilege == "SELECT"
    rights: Sequence[Right] = RELATIONS[relation].get(part, ())
    return any(
        one.privilege == privilege and (not one.columns or column in one.columns) for one in rights
    )


def test_every_right_on_every_table(probed: Database) -> None:
    """Each role x each column of each table and view x read, insert, change; delete, truncate."""
    present = look_at_roles(probed)
    relations = [one for one in present.relations if one.kind != "sequence"]
    assert {one.name for one in relations} == set(RELATIONS), "a new table wants a decision"
    number = 0
    for part in GROUPS:
        expected: dict[str, bool] = {}
        for one in relations:
            place = f"{probed.schema}.{one.name}"
            for column in one.columns:
                may = {p: _may(part, one.name, p, column) for p in ("SELECT", "INSERT", "UPDATE")}
                expected[f"EXPLAIN SELECT {column} FROM {place}"] = may["SELECT"]
                if one.kind == "table":
                    values = f"({column}) OVERRIDING SYSTEM VALUE VALUES (DEFAULT)"
                    expected[f"EXPLAIN INSERT INTO {place} {values}"] = may["INSERT"]
                    change = f"SET {column} = DEFAULT WHERE false"
                    expected[f"EXPLAIN UPDATE {place} {change}"] = may["UPDATE"]
            if one.kind == "table":
                expected[f"EXPLAIN DELETE FROM {place} WHERE false"] = _may(
                    part, one.name, "DELETE"
                )
                expected[f"TRUNCATE {place}"] = False
        with session_as(probed, present.names.group(part)) as connection:
            found = tried(connection, list(expected))
        wrong = {
            statement: found[statement]
            for statement, may in expected.items()
            if found[statement] != (DONE if may else DENIED)
        }
        assert wrong == {}, part
        number += len(expected)
    assert number > 3000


def test_every_function(probed: Database) -> None:
    """Each role x each function: those that are not triggers are called in a plan."""
    present = look_at_roles(probed)
    assert {one.name for one in present.functions} == set(FUNCTIONS), "a new one wants a decision"
    for part in GROUPS:
        with session_as(probed, present.names.group(part)) as connection:
            for one in present.functions:
                may = part in FUNCTIONS[one.name]
                [(has,)] = connection.execute(
                    "SELECT has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p"
                    " JOIN pg_namespace n ON n.oid = p.pronamespace"
                    " WHERE n.nspname = %s AND p.proname = %s",
                    [probed.schema, one.name],
                ).fetchall()
                assert has == may, (part, one.name)
        calls = _calls(probed)
        with session_as(probed, present.names.group(part)) as connection:
            found = tried(connection, list(calls))
        for statement, name in calls.items():
            may = part in FUNCTIONS[name]
            assert found[statement] == (DONE if may else DENIED), (part, name)


def _calls(database: Database) -> dict[str, str]:
    with connect(database) as connection:
        rows = connection.execute(
            "SELECT p.proname, ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) t)"
            " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname = %s AND p.prorettype <> 'trigger'::regtype",
            [database.schema],
        ).fetchall()
    return {
        f"EXPLAIN SELECT * FROM {database.schema}.{name}"
        f"({', '.join(f'NULL::{one}' for one in types)})": name
        for name, types in rows
    }


def test_no_role_makes_or_changes_anything(probed: Database) -> None:
    """DDL, other roles, files and programs of the server, and things of others."""
    names = RoleNames(probed.name())
    schema = probed.schema
    forbidden = [
        f"CREATE TABLE {schema}.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        f"ALTER TABLE {schema}.tasks ADD mine int",
        f"ALTER TABLE {schema}.tasks DISABLE TRIGGER ALL",
        f"ALTER TABLE {schema}.tasks OWNER TO CURRENT_USER",
        f"CREATE INDEX mine ON {schema}.tasks (id)",
        f"DROP TABLE {schema}.tasks",
        f"LOCK TABLE {schema}.tasks IN ACCESS EXCLUSIVE MODE",
        f"CREATE FUNCTION {schema}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        f"ALTER FUNCTION {schema}.uuid7() RESET ALL",
        f"DROP SCHEMA {schema} CASCADE",
        f"ALTER DATABASE {probed.name()} SET search_path = mine",
        "CREATE ROLE mine",
        "ALTER ROLE admin PASSWORD 'mine'",
        "SET ROLE admin",
        "GRANT admin TO CURRENT_USER",
        "GRANT pg_write_all_data TO CURRENT_USER",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/dev/null'",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT pg_reload_conf()",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        "EXPLAIN INSERT INTO others.theirs VALUES (1)",
        "EXPLAIN UPDATE others.theirs SET id = 1",
        "EXPLAIN DELETE FROM others.theirs",
        "SELECT nextval('others.numbers')",
    ]
    for part in GROUPS:
        with session_as(probed, names.group(part)) as connection:
            found = tried(connection, [*forbidden, "EXPLAIN SELECT * FROM others.theirs"])
            others = [names.group(one) for one in GROUPS if one != part]
            become = tried(connection, [f'SET ROLE "{one}"' for one in others])
        reads_theirs = found.pop("EXPLAIN SELECT * FROM others.theirs")
        assert reads_theirs == (DONE if part == "backup" else DENIED), part
        wrong = {one: state for one, state in {**found, **become}.items() if state != DENIED}
        assert wrong == {}, part


def test_nobody_else_gets_in(probed: Database) -> None:
    """A role that nothing was granted to cannot even connect, and sees nothing of the schema."""
    stranger = f"{probed.name()}_stranger"
    with connect(probed) as connection:
        connection.execute(f"CREATE ROLE {stranger}".encode())
        try:
            [row] = connection.execute(
                "SELECT has_database_privilege(%s, current_database(), 'CONNECT'),"
                " has_database_privilege(%s, current_database(), 'TEMPORARY'),"
                " has_schema_privilege(%s, %s, 'USAGE')",
                [stranger, stranger, stranger, probed.schema],
            ).fetchall()
        finally:
            connection.execute(f"DROP ROLE {stranger}".encode())
    assert row == (False, False, False)
