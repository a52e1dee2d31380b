"""What was seen is ended and nothing else, and that is verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from agentpg.db import Database, connect
from agentpg.desk.doctor.slow.ending import end, look_for
from agentpg.desk.doctor.slow.naming import remedies_for, saves_from_wraparound
from agentpg.errors import EndingRefused, NotEnded, SessionNotFound
from tests.desk.doctor.slow.running import a_role, running
from tests.desk.doctor.slow.sample import a_session
from tests.desk.monitor.quarrel import quarrel
from tests.waiting import eventually


@pytest.fixture
def seeing(database: Database, superuser_dsn: Callable[..., str]) -> Database:
    """The database of the test as who may end others' sessions."""
    return Database(superuser_dsn(database.name()), database.schema)


def test_who_blocks_is_ended_and_who_waited_goes_on(seeing: Database) -> None:
    with quarrel(seeing) as between:
        seen = look_for(seeing, between.holder, "terminate")
        assert seen.blocked == (between.waiter,)
        ended = end(seeing, seen, "terminate")
        assert ended.freed == (between.waiter,)
        with pytest.raises(SessionNotFound):
            look_for(seeing, between.holder, "terminate")
        # It has ended: nobody else is asked for it.
        with pytest.raises(SessionNotFound):
            end(seeing, seen, "terminate")


def test_a_statement_is_cancelled_and_its_session_stays(seeing: Database) -> None:
    with running(seeing, "a report", "SELECT pg_sleep(60)") as pid:
        ended = end(seeing, look_for(seeing, pid, "cancel"), "cancel")
        assert ended.seconds < 5
        # Nothing runs there now.
        with pytest.raises(EndingRefused, match="--terminate"):
            look_for(seeing, pid, "cancel")


@pytest.mark.parametrize("way", ["cancel", "terminate"])
def test_what_does_something_else_by_now_is_left_alone(seeing: Database, way: str) -> None:
    statements = ["SELECT pg_sleep(60)", "SELECT pg_sleep(61)"]
    with running(seeing, "in turn", *statements) as pid, connect(seeing) as other:
        seen = look_for(seeing, pid, way)  # type: ignore[arg-type]
        other.execute("SELECT pg_cancel_backend(%s)", (pid,))
        asked = "SELECT query LIKE '%%61%%' FROM pg_stat_activity WHERE pid = %s"
        eventually(lambda: (other.execute(asked, (pid,)).fetchone() or (False,))[0])
        with pytest.raises(NotEnded, match="something else"):
            end(seeing, seen, way)  # type: ignore[arg-type]
        # The same text of another session is not what was seen either.
        started = seen.session.started_at
        assert started is not None
        later = replace(seen.session, started_at=started.replace(year=2001))
        with pytest.raises(SessionNotFound):
            end(seeing, replace(seen, session=later), way)  # type: ignore[arg-type]


def test_a_backup_is_not_ended(seeing: Database) -> None:
    with (
        running(seeing, "pg_dump", "SELECT pg_sleep(60)") as pid,
        pytest.raises(EndingRefused, match="backup"),
    ):
        look_for(seeing, pid, "terminate")


def test_a_role_that_may_not_is_told_so(seeing: Database) -> None:
    with running(seeing, "a superuser's", "SELECT pg_sleep(60)") as pid:
        with a_role(seeing) as nobody, pytest.raises(EndingRefused, match="hidden"):
            look_for(nobody, pid, "cancel")
        with a_role(seeing, "pg_monitor") as monitor:
            seen = look_for(monitor, pid, "cancel")
            with pytest.raises(NotEnded, match="pg_signal_backend"):
                end(monitor, seen, "cancel")


def test_a_vacuum_that_has_to_be_is_not_offered_to_be_ended() -> None:
    vacuum = a_session(
        5, kind="autovacuum worker", query="autovacuum: VACUUM t (to prevent wraparound)"
    )
    assert saves_from_wraparound(vacuum)
    assert [one.sql for one in remedies_for(vacuum)] == [""]
    assert not saves_from_wraparound(replace(vacuum, kind="client backend"))
