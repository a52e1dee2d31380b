"""Tables that autovacuum falls behind on are seen to, and what others work on is left."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from agentpg.db import Connection, Database, connect
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.tune.keeping_up import KeepUpOptions, KeptUp, keep_up
from agentpg.desk.tune.long_vacuums import Unfinished
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.errors import VacuumThroughPooler
from tests.pgbouncer import PROGRAM, pgbouncer
from tests.waiting import eventually

_POLICY = Policy(held_least=timedelta(), least_rows=1_000)


def make_behind(database: Database, *names: str) -> None:
    """Tables with dead rows, which the server itself leaves alone."""
    with connect(database) as connection:
        for name in names:
            connection.execute(
                f"CREATE TABLE {name} (n int) WITH (autovacuum_enabled = off)".encode()
            )
            connection.execute(f"INSERT INTO {name} SELECT generate_series(1, 3000)".encode())
            connection.execute(f"DELETE FROM {name}".encode())
        connection.execute(b"SELECT pg_stat_force_next_flush()")


def keep(database: Database, most: timedelta = timedelta(minutes=1)) -> KeptUp:
    return keep_up(database, KeepUpOptions(most=most), lambda: None, _POLICY)


def test_what_is_behind_is_vacuumed_and_what_is_in_use_is_left(database: Database) -> None:
    make_behind(database, '"Be hind"', "busy")
    with connect(database, autocommit=False) as other:
        other.execute(b"LOCK TABLE busy IN SHARE ROW EXCLUSIVE MODE")
        kept = keep(database)
    [done], [left] = kept.done, kept.left
    assert (done.table, done.did, done.dead_rows) == (
        'agentic_ai."Be hind"',
        "vacuum and analyze",
        0,
    )
    assert done.why.startswith("3,000 dead rows, 60.0 times the point where autovacuum acts")
    assert (left.table, left.why) == ("agentic_ai.busy", "somebody else works on it")
    assert kept.complete
    assert [one.table for one in keep(database).done] == ["agentic_ai.busy"]
    assert keep(database) == KeptUp(done=(), left=(), complete=True)


def test_nobody_waits_for_a_vacuum(database: Database) -> None:
    make_behind(database, "slow")
    # A rest after each page.
    gently = KeepUpOptions(cost_delay=timedelta(milliseconds=100), cost_limit=1)
    with ThreadPoolExecutor(1) as pool, connect(database) as other:
        kept = pool.submit(keep_up, database, gently, lambda: None, _POLICY)
        eventually(lambda: _is_vacuumed(other, "slow"))
        other.execute(b"SET lock_timeout = '2500ms'")
        other.execute(b"ALTER TABLE slow ADD COLUMN more int")
        [left] = kept.result().left
    assert (left.table, left.why) == ("agentic_ai.slow", "somebody else waited for it")


def _is_vacuumed(connection: Connection[Any], name: str) -> bool:
    found = connection.execute(
        b"SELECT FROM pg_stat_progress_vacuum WHERE relid = %s::regclass", [name]
    )
    return bool(found.fetchall())


def test_no_vacuum_runs_in_vain(database: Database) -> None:
    with connect(database, autocommit=False) as reader:
        reader.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute(b"SELECT count(*) FROM tasks")
        make_behind(database, "kept")
        [first] = keep(database).done
        assert first.dead_rows == 3000
        [left] = keep(database).left
        assert left.why == "admin keeps its dead rows, so a vacuum would be in vain"


def test_it_waits_for_no_backup_and_keeps_to_its_time(database: Database) -> None:
    make_behind(database, "behind")
    with connect(database) as backup, turn(backup, database.schema, UNDISTURBED):
        [left] = keep(database).left
    assert left.why == "a backup, or a rewrite of tables, is under way"
    late = keep(database, most=timedelta())
    assert (late.done, late.left[0].why, late.complete) == ((), "there was no time left", False)


def test_a_vacuum_that_is_cut_off_gets_through_in_the_end(database: Database) -> None:
    make_behind(database, "long", "quick")
    with connect(database) as connection:
        connection.execute(b"INSERT INTO long SELECT generate_series(1, 30000)")
        connection.execute(b"DELETE FROM long")
        connection.execute(b"SELECT pg_stat_force_next_flush()")
    # Rests of a tenth of a second after each page: some ten seconds, and there is one.
    gently = KeepUpOptions(
        most=timedelta(seconds=0.4),
        longest=timedelta(seconds=30),
        cost_delay=timedelta(milliseconds=100),
        cost_limit=1,
    )
    unfinished: tuple[Unfinished, ...] = ()
    said: list[str] = []
    done: list[str] = []
    for _ in range(5):
        kept = keep_up(database, gently, lambda: None, _POLICY, unfinished)
        unfinished = kept.unfinished
        said += [one.why for one in kept.left if one.table == "agentic_ai.long"]
        done += [one.table for one in kept.done]
        if not unfinished:
            break
    assert "agentic_ai.long" in done, said
    assert said[0].startswith("its vacuum was cut off after 0.")
    assert said[0].endswith("the next has 0.8 s")
    # What is quick does not wait behind it.
    assert "agentic_ai.quick" in done


def test_what_the_role_may_not_vacuum_is_left(
    database: Database, superuser_dsn: Callable[..., str]
) -> None:
    superuser = Database(superuser_dsn(database.name()), database.schema)
    name = f"theirs_{secrets.token_hex(4)}"
    make_behind(superuser, name)
    with connect(superuser) as connection:
        connection.execute(f"ALTER DATABASE {database.name()} OWNER TO postgres".encode())
    [left] = keep(database).left
    assert (left.table, left.why) == (f"agentic_ai.{name}", "the role may not vacuum it")


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")
def test_a_pooler_in_between_is_refused(database: Database) -> None:
    with pgbouncer(database) as pooler, pytest.raises(VacuumThroughPooler):
        keep(pooler.database)
