"""The steps that need the server: looked at again right before, and not done twice."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from agentpg.db import Database, connect
from agentpg.desk.doctor.disk.fixing import Fixer
from agentpg.desk.doctor.disk.steps import Step
from agentpg.errors import DatabaseUnavailable, PermissionDenied, SlotNotFound
from agentpg.settings import Settings, load_settings
from tests.waiting import eventually


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=str(tmp_path))


@pytest.fixture
def superuser(database: Database, superuser_dsn: Callable[..., str]) -> Database:
    return Database(superuser_dsn(database.name()), database.schema)


def _drop(slot: str) -> Step:
    return Step(kind="drop_slot", sentence="", doer="named", subject=slot)


def test_a_slot_is_dropped_once(
    superuser: Database, database: Database, settings: Settings
) -> None:
    slot = f"slot_{secrets.token_hex(6)}"
    with connect(superuser) as connection:
        create = "SELECT pg_create_physical_replication_slot(%s, true)"
        connection.execute(create, [slot])
    with pytest.raises(PermissionDenied):
        Fixer(database, settings, None).do(_drop(slot))
    fixer = Fixer(superuser, settings, None)
    assert fixer.do(_drop(slot)).freed_bytes is None, "from here the disk can't be seen"
    with pytest.raises(SlotNotFound, match=slot):
        fixer.do(_drop(slot))


def _cancel(process: int, started_at: datetime) -> Step:
    values = {"started_at": started_at}
    return Step(kind="cancel_query", sentence="", doer="asked", subject=str(process), values=values)


def test_only_the_query_that_was_seen_is_cancelled(superuser: Database, settings: Settings) -> None:
    fixer = Fixer(superuser, settings, None)
    with _sleeping(superuser) as (process, started_at, ended):
        earlier = _cancel(process, started_at - timedelta(seconds=1))
        assert fixer.do(earlier).skipped == "it runs something else by now"
        assert not ended.is_set()
        assert fixer.do(_cancel(process, started_at)).done == 1
        assert ended.wait(20)


@contextmanager
def _sleeping(database: Database) -> Iterator[tuple[int, datetime, threading.Event]]:
    """A session that runs a query for long."""
    ended = threading.Event()
    with connect(database, "asleep") as session:
        process = session.info.backend_pid

        def run() -> None:
            with suppress(psycopg.Error):
                session.execute(b"SELECT pg_sleep(600)")
            ended.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        began = eventually(lambda: _began(database, process))
        assert began is not None
        yield process, began, ended
        thread.join(20)


def _began(database: Database, process: int) -> datetime | None:
    with connect(database) as connection:
        query = "SELECT query_start FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        rows = connection.execute(query, [process]).fetchall()
    return rows[0][0] if rows else None


def test_a_checkpoint_wants_the_right_to_it(
    superuser: Database, database: Database, settings: Settings
) -> None:
    step = Step(kind="checkpoint", sentence="", doer="fix")
    assert Fixer(superuser, settings, None).do(step).done == 1
    with pytest.raises(PermissionDenied):
        Fixer(database, settings, None).do(step)


def test_without_a_server_it_says_so(settings: Settings) -> None:
    away = Database("host=127.0.0.1 port=1 dbname=x user=x connect_timeout=2")
    with pytest.raises(DatabaseUnavailable):
        Fixer(away, settings, None).do(Step(kind="checkpoint", sentence="", doer="fix"))
