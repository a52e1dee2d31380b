"""The steps that need the server: looked at again right before, and not done twice."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from agentpg.db import Database, connect
from agentpg.desk.doctor.disk.fixing import Agreed, Fixer
from agentpg.desk.doctor.disk.steps import Step
from agentpg.errors import (
    DatabaseUnavailable,
    NoDatabase,
    OtherCluster,
    PermissionDenied,
    SlotNotFound,
)
from agentpg.settings import Settings, load_settings
from tests.desk.backup.watched import Watched
from tests.waiting import eventually


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=str(tmp_path))


@pytest.fixture
def superuser(database: Database, superuser_dsn: Callable[..., str]) -> Database:
    return Database(superuser_dsn(database.name()), database.schema)


@pytest.fixture
def agreed(superuser: Database) -> Agreed:
    """For the server of the test."""
    with connect(superuser) as connection:
        query = "SELECT system_identifier::text FROM pg_control_system()"
        return Agreed(system=connection.execute(query).fetchall()[0][0])


def _drop(slot: str) -> Step:
    return Step(kind="drop_slot", sentence="", doer="named", subject=slot)


def test_a_slot_is_dropped_once(
    superuser: Database, database: Database, settings: Settings, agreed: Agreed
) -> None:
    slot = f"slot_{secrets.token_hex(6)}"
    with connect(superuser) as connection:
        create = "SELECT pg_create_physical_replication_slot(%s, true)"
        connection.execute(create, [slot])
    with pytest.raises(PermissionDenied):
        Fixer(database, settings, agreed).do(_drop(slot))
    fixer = Fixer(superuser, settings, agreed)
    assert fixer.do(_drop(slot)).freed_bytes is None, "from here the disk can't be seen"
    with pytest.raises(SlotNotFound, match=slot):
        fixer.do(_drop(slot))


def _cancel(process: int, started_at: datetime) -> Step:
    values = {"started_at": started_at}
    return Step(kind="cancel_query", sentence="", doer="asked", subject=str(process), values=values)


def test_only_the_query_that_was_seen_is_cancelled(
    superuser: Database, settings: Settings, agreed: Agreed
) -> None:
    fixer = Fixer(superuser, settings, agreed)
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
    superuser: Database, database: Database, settings: Settings, agreed: Agreed
) -> None:
    step = Step(kind="checkpoint", sentence="", doer="fix")
    assert Fixer(superuser, settings, agreed).do(step).done == 1
    with pytest.raises(PermissionDenied):
        Fixer(database, settings, agreed).do(step)


def test_without_a_server_it_says_so(settings: Settings) -> None:
    away = Database("host=127.0.0.1 port=1 dbname=x user=x connect_timeout=2")
    with pytest.raises(DatabaseUnavailable):
        Fixer(away, settings, Agreed()).do(Step(kind="checkpoint", sentence="", doer="fix"))


def test_nothing_is_done_to_a_server_that_was_not_looked_at(
    superuser: Database, settings: Settings
) -> None:
    step = Step(kind="checkpoint", sentence="", doer="fix")
    for other in (Agreed(), Agreed(system="7123456789")):
        with pytest.raises(OtherCluster, match="looked at"):
            Fixer(superuser, settings, other).do(step)
    with pytest.raises(NoDatabase):
        Fixer(None, settings, Agreed(system="7123456789")).do(_drop("any"))


def test_what_an_open_transaction_holds_is_told(
    superuser: Database, settings: Settings, agreed: Agreed
) -> None:
    with connect(superuser, autocommit=False) as session:
        process = session.info.backend_pid
        began = session.execute(
            b"SELECT query_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchall()[0][0]
        said = Fixer(superuser, settings, agreed).do(_cancel(process, began)).skipped
    assert "open transaction" in said


def test_that_a_disk_can_not_be_measured_keeps_nothing_from_being_done(
    superuser: Database, settings: Settings, agreed: Agreed, tmp_path: Path
) -> None:
    step = Step(kind="checkpoint", sentence="", doer="fix")
    closed = replace(agreed, data=tmp_path / "missing")
    outcome = Fixer(superuser, settings, closed).do(step)
    assert (outcome.done, outcome.freed_bytes) == (1, None)


def test_only_backups_that_were_agreed_to_go(
    superuser: Database, tmp_path: Path, agreed: Agreed
) -> None:
    repository = tmp_path / "backups"
    keep = {f"backup_keep_{rule}": 0 for rule in ("daily", "weekly", "monthly")}
    said = load_settings(
        home=str(tmp_path), backup_repository=str(repository), backup_keep_last=1, **keep
    )
    watched = Watched(superuser, repository)
    names = [watched.backup(timedelta(days=age)).name for age in (4, 3, 2)]
    step = Step(kind="prune_backups", sentence="", doer="fix", subject=str(repository))

    def left() -> list[str]:
        return sorted(path.name for path in (repository / "backups").iterdir())

    for unknown in (Fixer(None, said, agreed), Fixer(superuser, said, Agreed(system="712345"))):
        assert "--every-database" in unknown.do(step).skipped
    assert left() == sorted(names), "of which database they are was not known"
    [first, *others] = names
    one = replace(agreed, backups=frozenset({first}))
    assert Fixer(superuser, said, one).do(step).done == 1
    assert left() == sorted(others)
