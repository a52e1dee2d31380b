"""VACUUM FULL where there is room and nobody in the way, and refused where there is not."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Connection, Database, connect
from agentpg.desk.tune.vacuuming import (
    VacuumOptions,
    VacuumPlan,
    plan_vacuum,
    refuse,
    run_vacuum,
    statement_of,
)
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.embedded.account import choose_account
from agentpg.errors import (
    RewriteTooLarge,
    RoomUnknown,
    TableInUse,
    TableLocked,
    TableNotFound,
    VacuumNotAllowed,
    VacuumThroughPooler,
    WorkUnderWay,
)
from agentpg.settings import Settings, load_settings
from tests.desk.doctor.disk.test_looking import far
from tests.pgbouncer import PROGRAM, pgbouncer
from tests.servers import SharedServer
from tests.small_disk import as_root, fill_up, small_disk

_FULL = VacuumOptions(full=True, lock_timeout=timedelta(milliseconds=50))
# As awkward as a name may be.
_NAME = '"Airy; 9%s%% table"'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    return load_settings(home=str(home))


def _fill(database: Database, where: str = "") -> None:
    with connect(database) as connection:
        connection.execute(
            f"CREATE TABLE {_NAME} {where} AS "
            "SELECT n, repeat('x', 200) AS text FROM generate_series(1, 20000) AS n".encode()
        )
        connection.execute(f"DELETE FROM {_NAME} WHERE n % 10 > 0".encode())


def _require_pgstattuple(connection: Connection[Any]) -> None:
    there = b"SELECT FROM pg_available_extensions WHERE name = 'pgstattuple'"
    if not connection.execute(there).fetchall():
        pytest.skip("pgstattuple is not installed")
    connection.execute(b"CREATE EXTENSION pgstattuple")


@pytest.fixture
def airy(database: Database) -> Database:
    """A database with a table that is mostly dead."""
    _fill(database)
    return database


def test_a_rewrite_gives_back_what_it_said(airy: Database, settings: Settings) -> None:
    with connect(airy) as connection:
        connection.execute(f"ANALYZE {_NAME}".encode())
    plan = plan_vacuum(airy, settings, _NAME, _FULL)
    whole = f"{airy.schema}.{_NAME}"
    assert statement_of(plan) == f"VACUUM (FULL) {whole}; ANALYZE {whole}"
    assert plan.users == ()
    done = run_vacuum(airy, settings, _NAME, _FULL)
    assert done.warnings == ()
    assert done.gained_bytes > 3 * 1024**2
    assert done.gained_bytes == pytest.approx(plan.gain_bytes, rel=0.25)
    with connect(airy) as connection:
        rows = connection.execute(f"SELECT count(*) FROM {_NAME}".encode()).fetchall()
    assert rows == [(2000,)]


def test_a_plain_vacuum_needs_no_room_and_waits_for_nobody(
    airy: Database, settings: Settings
) -> None:
    with connect(airy, autocommit=False) as reader:
        reader.execute(f"SELECT count(*) FROM {_NAME}".encode())
        done = run_vacuum(airy, settings, _NAME, VacuumOptions())
        assert done.gained_bytes <= 0


def test_it_is_refused_while_the_table_is_used(airy: Database, settings: Settings) -> None:
    with connect(airy, "a reader", autocommit=False) as reader:
        reader.execute(f"SELECT count(*) FROM {_NAME}".encode())
        plan = plan_vacuum(airy, settings, _NAME, _FULL)
        assert [user.application for user in plan.users] == ["a reader"]
        with pytest.raises(TableInUse) as refused:
            run_vacuum(airy, settings, _NAME, _FULL)
        assert refused.value.exit_code == 4
        told = VacuumOptions(full=True, lock_timeout=_FULL.lock_timeout, while_in_use=True)
        with pytest.raises(TableLocked, match=r"longer than 0\.05 s"):
            run_vacuum(airy, settings, _NAME, told)


def test_workers_use_every_table_of_ours(database: Database, settings: Settings) -> None:
    with connect(database, "agentpg worker 0198"):
        ours = plan_vacuum(database, settings, "tasks", _FULL)
        assert len(ours.users) == 1
        with connect(database) as connection:
            connection.execute(b"CREATE TABLE public.other (n int)")
        assert plan_vacuum(database, settings, "public.other", _FULL).users == ()


def test_nobody_elses_functions_are_called(database: Database, settings: Settings) -> None:
    """A superuser asks in a database whose owner chose the search_path; names are found by it."""
    set_config = "theirs.set_config(text, text, bool) RETURNS text LANGUAGE sql"
    with connect(database) as owner:
        for line in (
            "CREATE SCHEMA theirs",
            "CREATE TABLE theirs.table_of_theirs (n int)",
            "CREATE SEQUENCE theirs.called",
            f"CREATE FUNCTION {set_config} AS $$SELECT pg_catalog.nextval('theirs.called');"
            " SELECT pg_catalog.set_config($1, $2, $3)$$",
            f"ALTER DATABASE {database.name()} SET search_path = theirs, pg_catalog",
        ):
            owner.execute(line.encode())
    assert (
        plan_vacuum(database, settings, "table_of_theirs", _FULL).name == "theirs.table_of_theirs"
    )
    run_vacuum(database, settings, "table_of_theirs", VacuumOptions())
    with connect(database) as connection:
        called = connection.execute(b"SELECT is_called FROM theirs.called").fetchall()
    assert called == [(False,)]


def test_no_rewrite_runs_beside_a_backup(airy: Database, settings: Settings) -> None:
    with (
        connect(airy) as backup,
        turn(backup, airy.schema, UNDISTURBED),
        pytest.raises(WorkUnderWay),
    ):
        run_vacuum(airy, settings, _NAME, _FULL)


def test_a_role_that_may_not_is_told_so(
    airy: Database, settings: Settings, superuser_dsn: Callable[..., str]
) -> None:
    role = f"stranger_{secrets.token_hex(4)}"
    with connect(Database(superuser_dsn(airy.name()))) as superuser:
        superuser.execute(
            f"CREATE ROLE {role}; GRANT {role} TO admin; "
            f"GRANT USAGE ON SCHEMA {airy.schema} TO {role}".encode()
        )
        try:
            with pytest.raises(VacuumNotAllowed, match="Airy") as refused:
                run_vacuum(airy.with_settings(role=role), settings, _NAME, _FULL)
        finally:
            superuser.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    assert refused.value.exit_code == 4


def test_what_the_server_warns_of_is_told_and_undoes_nothing(
    airy: Database, settings: Settings
) -> None:
    with connect(airy) as connection:
        connection.execute(
            b"CREATE FUNCTION wary(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
            b"$$ BEGIN RAISE WARNING 'mind the gap'; RETURN n; END $$"
        )
        connection.execute(f"CREATE INDEX ON {_NAME} (wary(n))".encode())
    done = run_vacuum(airy, settings, _NAME, _FULL)
    assert done.gained_bytes > 0
    assert "mind the gap" in done.warnings


def test_statistics_that_fail_undo_nothing(airy: Database, settings: Settings) -> None:
    with connect(airy) as connection:
        connection.execute(
            b"CREATE FUNCTION shy(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
            b"$$ BEGIN IF pg_catalog.current_query() LIKE '%ANALYZE%' "
            b"THEN RAISE lock_not_available; END IF; RETURN n; END $$"
        )
        connection.execute(f"CREATE INDEX ON {_NAME} (shy(n))".encode())
    done = run_vacuum(airy, settings, _NAME, _FULL)
    assert done.gained_bytes > 0
    [warning] = done.warnings
    assert warning.startswith("ANALYZE: ")


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")
def test_a_pooler_in_between_is_refused(airy: Database, settings: Settings) -> None:
    with pgbouncer(airy) as pooler, pytest.raises(VacuumThroughPooler) as refused:
        run_vacuum(pooler.database, settings, _NAME, VacuumOptions())
    assert refused.value.exit_code == 4


def test_a_wait_for_the_table_always_ends() -> None:
    assert VacuumOptions(lock_timeout=timedelta()).lock_milliseconds == 1


def test_the_statistics_are_not_believed(airy: Database, settings: Settings) -> None:
    plan = plan_vacuum(airy, settings, _NAME, _FULL)
    assert not plan.measured
    assert plan.needed_bytes > 2 * plan.table.size_bytes


def test_what_is_measured_is_the_heap_by_its_rows(
    airy: Database, settings: Settings, superuser_dsn: Callable[..., str]
) -> None:
    superuser = Database(superuser_dsn(airy.name()), airy.schema)
    whole = f"{airy.schema}.{_NAME}"

    def planned() -> VacuumPlan:
        return plan_vacuum(superuser, settings, whole, _FULL)

    with connect(superuser) as connection:
        _require_pgstattuple(connection)
        connection.execute(f"ALTER TABLE {whole} SET (fillfactor = 50)".encode())
        connection.execute(f"CREATE INDEX ON {whole} (n)".encode())
        dead = planned()
        connection.execute(f"VACUUM {whole}".encode())
    free = planned()
    # Somebody may still see dead rows: they need room, though they go if nobody does.
    assert dead.table.dead_measured == pytest.approx(0.85, abs=0.1)
    assert free.table.dead_measured == 0
    assert dead.gain_bytes == pytest.approx(free.gain_bytes, rel=0.1)
    assert dead.needed_bytes > 3 * free.needed_bytes
    assert free.table.fill_factor == 50
    assert free.table.indexes_in == {"": free.table.index_bytes}


def test_a_table_that_is_none(database: Database, settings: Settings) -> None:
    for name in ("no_such_table", "tasks_pkey"):
        with pytest.raises(TableNotFound):
            plan_vacuum(database, settings, name, _FULL)


def test_without_a_look_at_the_disk_it_is_refused(airy: Database, settings: Settings) -> None:
    plan = plan_vacuum(far(airy), settings, _NAME, _FULL)
    assert {room.free_bytes for room in plan.rooms} == {None}
    with pytest.raises(RoomUnknown, match="data_directory"):
        refuse(plan, _FULL)
    refuse(plan, VacuumOptions(full=True, assume_room=True))


@pytest.fixture
def narrow(
    shared_server: SharedServer, database: Database, superuser_dsn: Callable[..., str]
) -> Iterator[Path]:
    """A disk with a table that is mostly dead."""
    with small_disk(16 * 1024**2) as disk:
        place = disk / "space"
        place.mkdir(mode=0o700)
        choose_account(shared_server.server.status().data).own(place)
        superuser = Database(superuser_dsn(database.name()), database.schema)
        with connect(superuser) as connection:
            connection.execute(f"CREATE TABLESPACE slim LOCATION '{place}'".encode())
            connection.execute(b"GRANT CREATE ON TABLESPACE slim TO admin")
            _fill(database, "TABLESPACE slim")
            yield disk
            connection.execute(f"DROP TABLE {_NAME}".encode())
            connection.execute(b"DROP TABLESPACE slim")


@as_root
def test_the_tablespace_of_the_database_is_looked_at(
    database: Database, settings: Settings, narrow: Path, superuser_dsn: Callable[..., str]
) -> None:
    name = f"moved_{secrets.token_hex(4)}"
    with connect(Database(superuser_dsn(database.name()))) as superuser:
        superuser.execute(f"CREATE DATABASE {name} TABLESPACE slim TEMPLATE template0".encode())
        moved = Database(superuser_dsn(name))
        try:
            with connect(moved) as connection:
                connection.execute(b"CREATE TABLE public.one AS SELECT 1 AS n")
            plan = plan_vacuum(moved, settings, "public.one", _FULL)
        finally:
            superuser.execute(f"DROP DATABASE {name}".encode())
    assert plan.table.folder == plan.table.sort_folder == str(narrow / "space")
    assert str(narrow) in {room.place for room in plan.rooms}


@as_root
def test_without_room_it_is_refused(database: Database, settings: Settings, narrow: Path) -> None:
    with connect(database) as connection:
        connection.execute(f"ANALYZE {_NAME}".encode())
    plan = plan_vacuum(database, settings, _NAME, _FULL)
    [room] = [one for one in plan.rooms if one.place == str(narrow)]
    fill_up(narrow, room.needed_bytes // 2)
    with pytest.raises(RewriteTooLarge, match=str(narrow)) as refused:
        run_vacuum(database, settings, _NAME, _FULL)
    assert refused.value.exit_code == 4
    assert "Airy" in str(refused.value)
    (narrow / "ballast").unlink()
    assert run_vacuum(database, settings, _NAME, _FULL).gained_bytes > 0


@pytest.mark.parametrize("full", [False, True])
def test_nobody_is_waited_for_beyond_the_time(
    airy: Database, settings: Settings, full: bool
) -> None:
    """Not even to tell how large the table is."""
    options = VacuumOptions(full=full, lock_timeout=_FULL.lock_timeout)
    with connect(airy, autocommit=False) as other:
        other.execute(f"LOCK TABLE {_NAME}".encode())
        with pytest.raises(TableLocked, match=r"longer than 0\.05 s"):
            plan_vacuum(airy, settings, _NAME, options)
        with pytest.raises(TableLocked):
            run_vacuum(airy, settings, _NAME, options)
