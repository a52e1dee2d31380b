"""What tables lack, each produced on a real server: it is found, named, and clears."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg.conninfo import make_conninfo

from agentpg.db import Connection, Database, ServerError, connect
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.vacuum.facts import Facts
from agentpg.desk.doctor.vacuum.findings import find
from agentpg.desk.doctor.vacuum.looking import look_at_upkeep
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.finding import Finding

# Any holder counts, and tables of a test are large.
_POLICY = Policy(
    held_least=timedelta(),
    never_bytes=64 * 1024,
    bloat_least_bytes=256 * 1024,
    bloat_critical_bytes=256 * 1024,
)

Superuser = Callable[..., str]


@pytest.fixture
def superuser(database: Database, superuser_dsn: Superuser) -> Database:
    return Database(superuser_dsn(database.name()), database.schema)


def run(database: Database, *statements: str) -> None:
    with connect(database) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        flush(connection)


def flush(connection: Connection[Any]) -> None:
    """Have what was counted seen by others at once."""
    connection.execute(b"SELECT pg_stat_force_next_flush()")


def look(database: Database, policy: Policy = _POLICY) -> list[Finding]:
    return list(find(look_at_upkeep(database, policy), policy))


def amiss(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.code, one.level, one.subject) for one in findings if one.level != "ok"]


def test_a_fresh_installation_is_well(superuser: Database) -> None:
    found = look(superuser)
    assert amiss(found) == []
    assert [one.code for one in found] == [f"V{number:02}" for number in range(1, 14)]


def test_a_table_whose_autovacuum_is_off(superuser: Database) -> None:
    run(
        superuser,
        "CREATE TABLE busy (n int) WITH (autovacuum_enabled = off)",
        "INSERT INTO busy SELECT generate_series(1, 12000)",
        "ANALYZE busy",
        "DELETE FROM busy",
    )
    found = look(superuser)
    assert amiss(found) == [
        ("V04", "warning", "agentic_ai.busy"),
        ("V01", "warning", "agentic_ai.busy"),
        ("V03", "warning", "agentic_ai.busy"),
    ]
    dead = found[1]
    assert dead.evidence["dead_rows"] == 12000
    assert dead.evidence["vacuum_trigger"] == 50 + 2400
    assert "switched off for this table" in dead.reason()
    assert dead.remedies[0].command == "agentpg tune vacuum agentic_ai.busy"
    run(superuser, "ALTER TABLE agentic_ai.busy RESET (autovacuum_enabled)", "VACUUM ANALYZE busy")
    assert amiss(look(superuser)) == []


def test_many_rows_added_and_never_counted(superuser: Database) -> None:
    run(
        superuser,
        "CREATE TABLE loaded (n int) WITH (autovacuum_enabled = off)",
        "INSERT INTO loaded SELECT generate_series(1, 30000)",
    )
    found = amiss(look(superuser))
    assert ("V02", "warning", "agentic_ai.loaded") in found
    assert ("V03", "warning", "agentic_ai.loaded") in found
    run(superuser, "VACUUM ANALYZE loaded")
    # It is off still, of a table that is well.
    assert amiss(look(superuser)) == [("V04", "warning", "agentic_ai.loaded")]


def test_statistics_that_are_gone_or_were_never_made(superuser: Database) -> None:
    run(
        superuser,
        "CREATE TABLE bare AS SELECT n FROM generate_series(1, 30000) AS n",
        # What is counted late would look like changes since, for which autovacuum comes.
        "SELECT pg_stat_force_next_flush()",
        "ANALYZE bare",
        "DELETE FROM pg_statistic WHERE starelid = 'bare'::regclass",
        # Its rows were counted by the index alone; of the other nobody wants any.
        "CREATE TABLE vacuumed (n int) WITH (autovacuum_enabled = off)",
        "INSERT INTO vacuumed SELECT generate_series(1, 30000)",
        "VACUUM vacuumed",
        "CREATE TABLE unwanted (n int)",
        "ALTER TABLE unwanted ALTER n SET STATISTICS 0",
        "INSERT INTO unwanted SELECT generate_series(1, 30000)",
        "ANALYZE unwanted",
    )
    found = [one for one in look(superuser) if one.code == "V03"]
    assert {one.subject for one in found} == {"agentic_ai.bare", "agentic_ai.vacuumed"}
    [bare] = [one for one in found if one.subject == "agentic_ai.bare"]
    assert bare.message().startswith("agentic_ai.bare has rows and no statistics")
    run(superuser, bare.remedies[0].sql, "DROP TABLE vacuumed, unwanted")
    assert amiss(look(superuser)) == []


def test_a_snapshot_that_is_held_makes_vacuum_vain(superuser: Database, database: Database) -> None:
    task = uuid4()
    run(
        superuser,
        "CREATE TABLE queue (n int) WITH (autovacuum_enabled = off)",
        "INSERT INTO queue SELECT generate_series(1, 12000)",
        f"INSERT INTO tasks (id, agent_name, task_type, status, created_at) VALUES"
        f" ('{task}', 'Reader', 'read', 'pending', now())",
        "ALTER TABLE queue RESET (autovacuum_enabled)",
    )
    with connect(database, f"reader of {task}", autocommit=False) as reader:
        reader.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        [(pid,)] = reader.execute(b"SELECT pg_backend_pid() FROM tasks LIMIT 1").fetchall()
        run(superuser, "DELETE FROM queue", "VACUUM ANALYZE queue")
        first, second, *_ = look(superuser)
        assert (first.code, first.level, first.subject) == ("V08", "warning", "admin")
        assert first.evidence["process"] == pid
        assert (first.evidence["agent"], first.evidence["task"]) == ("Reader", str(task))
        assert "the agent Reader" in first.reason()
        assert first.remedies[0].sql == f"SELECT pg_terminate_backend({pid})"
        assert (second.code, second.subject) == ("V01", "agentic_ai.queue")
        assert "vacuumed in vain" in second.reason()
        # Who has only just begun hinders nobody.
        patient = replace(_POLICY, held_least=timedelta(minutes=1))
        assert amiss(look(superuser, patient)) == []
    run(superuser, "VACUUM queue")
    assert amiss(look(superuser)) == []


def test_sequences_end_where_their_columns_do(superuser: Database) -> None:
    run(
        superuser,
        "CREATE TABLE numbered (small smallserial, plain serial, big bigserial)",
        "SELECT setval('numbered_small_seq', 32000)",
        "SELECT setval('numbered_plain_seq', 1700000000)",
        "SELECT setval('numbered_big_seq', 1700000000)",
        # The sequence has room, and what it fills has none.
        "ALTER SEQUENCE agentic_ai.numbered_plain_seq AS bigint",
    )
    found = [one for one in look(superuser) if one.code == "V10"]
    assert {(one.level, one.subject, one.evidence["percent"]) for one in found} == {
        ("critical", "agentic_ai.numbered_small_seq", 97),
        ("warning", "agentic_ai.numbered_plain_seq", 79),
    }
    plain = next(one for one in found if one.level == "warning")
    assert plain.evidence["fills"] == "agentic_ai.numbered.plain"
    with connect(superuser) as connection:
        connection.execute((plain.remedies[0].sql).encode())
    run(superuser, "ALTER TABLE numbered DROP COLUMN small")
    assert amiss(look(superuser)) == []


def test_what_the_catalogue_says_is_not_as_meant(superuser: Database) -> None:
    run(
        superuser,
        "CREATE TABLE parent (n int PRIMARY KEY)",
        "CREATE TABLE child (n int)",
        'ALTER TABLE child ADD CONSTRAINT "Its parent" FOREIGN KEY (n) REFERENCES parent NOT VALID',
        "ALTER TABLE child DISABLE TRIGGER ALL",
        "ALTER TABLE tasks DISABLE TRIGGER USER",
    )
    found = look(superuser)
    assert amiss(found) == [
        ("V12", "warning", "agentic_ai.child"),
        ("V12", "warning", "agentic_ai.tasks"),
        ("V13", "warning", "agentic_ai.child"),
    ]
    remedies = [one.remedies[0].sql for one in found if one.level != "ok"]
    assert remedies[2] == 'ALTER TABLE agentic_ai.child VALIDATE CONSTRAINT "Its parent"'
    run(superuser, *remedies)
    assert amiss(look(superuser)) == []


def test_a_collation_of_another_version(superuser: Database) -> None:
    name = superuser.name()
    try:
        run(superuser, "CREATE COLLATION german (provider = icu, locale = 'de')")
    except ServerError:
        # Built without ICU; the database has a collation of its own then.
        run(superuser, f"UPDATE pg_database SET datcollversion = '0.9' WHERE datname = '{name}'")
        named, recorded, mend = name, "0.9", f"ALTER DATABASE {name} REFRESH COLLATION VERSION"
    else:
        run(
            superuser,
            "CREATE TABLE words (word text COLLATE german PRIMARY KEY)",
            "UPDATE pg_collation SET collversion = '1.0' WHERE collname = 'german'",
        )
        named, recorded = f"{superuser.schema}.german", "1.0"
        mend = f"ALTER COLLATION {named} REFRESH VERSION"
    [finding] = [one for one in look(superuser) if one.code == "V11"]
    assert (finding.level, finding.subject) == ("warning", named)
    assert finding.evidence["recorded"] == recorded
    assert mend in finding.remedies[1].sql.replace('"', "")
    run(superuser, mend)
    assert amiss(look(superuser)) == []


def test_bloat_is_estimated_and_measured_where_that_can_be(superuser: Database) -> None:
    run(
        superuser,
        "CREATE TABLE airy WITH (autovacuum_enabled = off) AS"
        " SELECT n, repeat('x', 100) AS text FROM generate_series(1, 20000) AS n",
        "DELETE FROM airy WHERE n % 10 > 0",
        "VACUUM ANALYZE airy",
    )

    def judged() -> Finding:
        found = [one for one in look(superuser) if one.code == "V09"]
        [finding] = [one for one in found if one.subject == "agentic_ai.airy"]
        return finding

    estimate = judged()
    assert (estimate.level, estimate.evidence["percent"]) == ("info", 89)
    assert estimate.message().startswith("by an estimate 89 % of agentic_ai.airy is free or dead")
    with connect(superuser) as connection:
        there = b"SELECT FROM pg_available_extensions WHERE name = 'pgstattuple'"
        if not connection.execute(there).fetchall():
            pytest.skip("pgstattuple is not installed")
        connection.execute(b"CREATE EXTENSION pgstattuple")
    measured = judged()
    assert measured.level == "critical"
    assert measured.evidence["percent"] == pytest.approx(88, abs=3)
    assert "as measured" in measured.message()


@contextmanager
def stranger(database: Database, superuser: Database) -> Iterator[Database]:
    """A role that may log in, and no more."""
    role, password = f"stranger_{secrets.token_hex(4)}", secrets.token_hex(8)
    run(superuser, f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    dsn = make_conninfo(database.dsn, user=role, password=password, passfile=None)
    try:
        yield Database(dsn, database.schema)
    finally:
        run(superuser, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_who_may_not_look_is_told_what_to_grant(database: Database, superuser: Database) -> None:
    run(superuser, "CREATE SCHEMA shut", "CREATE SEQUENCE shut.hidden AS smallint")
    with stranger(database, superuser) as other:
        facts = look_at_upkeep(other, _POLICY)
        found = {one.code: one for one in find(facts, _POLICY)}
        unknown = {code for code, one in found.items() if one.level == "unknown"}
        assert unknown == {"V05", "V08", "V10"}
        assert found["V08"].remedies[0].sql == f"GRANT pg_monitor TO {facts.role}"
        run(superuser, f"GRANT pg_monitor, pg_read_all_data TO {facts.role}")
        assert amiss(look(other)) == []


def test_locked_tables_are_left_out_and_stop_nobody(superuser: Database) -> None:
    run(superuser, "CREATE TABLE shut AS SELECT generate_series(1, 30000) AS n")
    with connect(superuser, autocommit=False) as other:
        other.execute(b"LOCK TABLE shut")
        facts = look_at_upkeep(superuser, _POLICY)
    unlooked = [name for name in Facts.__slots__ if isinstance(getattr(facts, name), Unlooked)]
    assert unlooked == []


def test_a_database_that_is_not_ours(empty_database: Database, superuser_dsn: Superuser) -> None:
    found = look(Database(superuser_dsn(empty_database.name()), "no_such_schema"))
    assert amiss(found) == []
