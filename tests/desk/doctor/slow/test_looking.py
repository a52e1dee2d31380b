"""Each cause is there for real, is named with its culprit, and goes away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta

import pytest

from agentpg.db import Database, ServerError, connect
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.finding import Finding
from agentpg.desk.monitor.samples import keep_sample
from tests.desk.doctor.slow.conftest import Counting, look
from tests.desk.doctor.slow.running import a_role, running
from tests.desk.monitor.quarrel import SECRET, quarrel
from tests.waiting import eventually

# Whatever lasts is long.
AT_ONCE = Policy(
    wait=timedelta(milliseconds=1),
    query=timedelta(milliseconds=1),
    transaction=timedelta(milliseconds=1),
    idle=timedelta(milliseconds=1),
    prepared=timedelta(milliseconds=1),
    holding=timedelta(milliseconds=1),
)


@pytest.fixture
def seeing(database: Database, superuser_dsn: Callable[..., str]) -> Database:
    """The database of the test as who sees all of it."""
    return Database(superuser_dsn(database.name()), database.schema)


def test_who_blocks_is_named_with_its_agent_and_task(seeing: Database) -> None:
    with quarrel(seeing) as between:
        found = look(seeing, AT_ONCE)
    blocked = found["S01"]
    assert blocked.level == "critical"
    assert blocked.evidence["pid"] == between.holder
    assert blocked.evidence["blocked_pids"] == [between.waiter]
    assert blocked.evidence["agents"] == ["Billing", "Report"]
    assert "Billing/invoice" in blocked.subject
    work = blocked.evidence["work"]
    assert {one["worker"] for one in work} == {str(between.worker)}
    assert str(between.task) in {one["task_id"] for one in work}
    assert blocked.evidence["wanted"] == "RowExclusiveLock on agentic_ai.users"
    # It is idle in its transaction, which is told beside; and who waits is not called slow.
    assert found["S04"].evidence["pid"] == between.holder
    assert found["S02"].level == "ok"
    assert SECRET not in repr(found)
    cleared = look(seeing, AT_ONCE)
    assert (cleared["S01"].level, cleared["S04"].level) == ("ok", "ok")


def test_a_row_that_is_locked_is_told_by_its_table(seeing: Database) -> None:
    change = "UPDATE users SET role = 'viewer' WHERE username = 'a'"
    with connect(seeing, autocommit=False) as holder:
        holder.execute("INSERT INTO users (username) VALUES ('a')")
        holder.commit()
        holder.execute(change)
        with running(seeing, "one", change) as one, running(seeing, "other", change) as other:
            blocked = once(
                lambda: look(seeing, AT_ONCE),
                lambda found: found["S01"].evidence.get("blocked") == 2,
            )["S01"]
            assert blocked.evidence["pid"] == holder.info.backend_pid
            assert blocked.evidence["blocked_pids"] == sorted([one, other])
            assert "on agentic_ai.users (row)" in blocked.evidence["wanted"]


def once(
    looked: Callable[[], dict[str, Finding]], fires: Callable[[dict[str, Finding]], bool]
) -> dict[str, Finding]:
    """The findings, once it is so."""
    found: dict[str, Finding] = {}

    def look_again() -> bool:
        found.update(looked())
        return fires(found)

    eventually(look_again)
    return found


def test_what_lasts_is_named(seeing: Database) -> None:
    with connect(seeing, "a long transaction", autocommit=False) as holder:
        holder.execute("SELECT count(*) FROM tasks")
        with running(seeing, "a report", "SELECT pg_sleep(60) /* 'hunter2' */") as sleeper:
            found = look(seeing, AT_ONCE)
    assert (found["S02"].subject, found["S02"].evidence["pid"]) == ("a report", sleeper)
    assert found["S02"].evidence["query"] == "SELECT pg_sleep(?)"
    assert found["S02"].remedies[0].sql == f"SELECT pg_cancel_backend({sleeper})"
    assert found["S04"].subject == "a long transaction"
    # Each has a snapshot that keeps dead rows.
    assert found["S06"].subject in ("a report", "a long transaction")
    cleared = look(seeing, AT_ONCE)
    assert {cleared[code].level for code in ("S02", "S03", "S04", "S06")} == {"ok"}


def test_what_many_wait_for_is_named(counting: Counting) -> None:
    """Commits that wait for a standby which is not there."""
    _have_standby(counting, "gone")
    try:
        with ExitStack() as opened:
            for number in range(4):
                made = f"CREATE TABLE waits_{number} ()"
                opened.enter_context(running(counting.database, f"writer {number}", made))
            waiting = once(counting.look, lambda found: found["S08"].level != "ok")["S08"]
            assert (waiting.level, waiting.subject) == ("info", "IPC: SyncRep")
            assert waiting.evidence["number"] == 4
    finally:
        _have_standby(counting, "")
    with connect(counting.database) as connection:
        for number in range(4):
            connection.execute(f"DROP TABLE IF EXISTS waits_{number}".encode())
    assert counting.look()["S08"].level == "ok"


def _have_standby(counting: Counting, name: str) -> None:
    with connect(counting.database) as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'".encode())
        connection.execute(b"SELECT pg_reload_conf()")

    def holds() -> bool:
        with connect(counting.database) as looking:
            return looking.execute(b"SHOW synchronous_standby_names").fetchone() == (name,)

    eventually(holds)


def test_a_transaction_that_does_one_thing_after_another_is_long(seeing: Database) -> None:
    with connect(seeing, "in parts", autocommit=False) as holder:
        holder.execute("SELECT pg_sleep(1.1)")
        # What runs now began a second after its transaction.
        thread = threading.Thread(target=_sleep, args=(holder,))
        thread.start()
        found = once(lambda: look(seeing, AT_ONCE), lambda said: said["S03"].level != "ok")["S03"]
        with connect(seeing) as other:
            other.execute("SELECT pg_cancel_backend(%s)", (holder.info.backend_pid,))
        thread.join()
    assert found.subject == "in parts"


def _sleep(connection: object) -> None:
    with suppress(ServerError):
        connection.execute("SELECT pg_sleep(60)")  # type: ignore[attr-defined]


def test_an_index_that_is_missing_is_named_with_what_makes_it(seeing: Database) -> None:
    assert look(seeing)["S16"].level == "ok"
    with connect(seeing) as connection:
        connection.execute("DROP INDEX tasks_ready_idx")
        missing = look(seeing)["S16"]
        assert (missing.level, missing.subject) == ("critical", "tasks_ready_idx")
        assert missing.evidence["statements"] == "claim, look"
        connection.execute(missing.remedies[0].sql.encode())
    assert look(seeing)["S16"].level == "ok"


def test_an_index_that_was_not_built_to_its_end_is_named(seeing: Database) -> None:
    with connect(seeing) as connection:
        connection.execute("DROP INDEX llm_requests_execution_idx")
        name = "llm_requests_execution_idx"
        made = f"CREATE INDEX CONCURRENTLY {name} ON llm_requests (task_id, attempt)"
        with connect(seeing, autocommit=False) as writer:
            # It waits for those who write, and is ended there.
            writer.execute("LOCK TABLE llm_requests IN ROW EXCLUSIVE MODE")
            connection.execute("SET lock_timeout = '50ms'")
            with pytest.raises(ServerError):
                connection.execute(made.encode())
        invalid = look(seeing)["S16"]
        assert (invalid.level, invalid.subject) == ("critical", name)
        connection.execute(invalid.remedies[0].sql.encode())
    assert look(seeing)["S16"].level == "ok"


def test_an_index_of_another_form_is_not_taken_for_ours(seeing: Database) -> None:
    with connect(seeing) as connection:
        connection.execute("DROP INDEX tasks_ready_idx")
        connection.execute("CREATE INDEX tasks_ready_idx ON tasks (worker)")
    found = look(seeing, Policy(small_table_bytes=0))["S16"]
    assert (found.level, found.subject) == ("warning", "tasks_ready_idx")
    assert "there and not used by claim" in found.message()


def test_a_database_that_is_not_ours_is_looked_at_as_far_as_it_goes(
    empty_database: Database, superuser_dsn: Callable[..., str]
) -> None:
    with running(empty_database, "a report", "SELECT pg_sleep(60)"):
        found = look(Database(superuser_dsn(empty_database.name()), "agentic_ai"), AT_ONCE)
    assert found["S02"].subject == "a report"
    assert found["S16"].level == "unknown"
    assert "not in this database" in found["S16"].message()


def test_a_role_without_rights_is_told_what_to_grant(seeing: Database) -> None:
    with a_role(seeing) as nobody:
        found = look(nobody)
        for code in ("S01", "S02", "S03", "S04", "S06", "S08"):
            assert found[code].level == "unknown"
            assert found[code].remedies[0].sql == "GRANT pg_monitor TO nobody_slow"
        assert found["S16"].level == "unknown"
        # The log is read from its file; what stands in it is of other tests as well.
        assert found["S15"].level != "unknown"


def test_no_server_is_unknown() -> None:
    away = Database("host=127.0.0.1 port=1 dbname=a user=a", "agentic_ai")
    assert {one.level for one in look(away).values()} == {"unknown"}


# What takes a server that is set so.


def test_a_slow_statement_is_named_and_compared_with_yesterday(forgetful: Counting) -> None:
    quick = Policy(very_slow_milliseconds=15.0, very_slow_calls=2, slow_calls=2)
    statement = "SELECT pg_sleep({}), 'hunter2' AS a_secret"
    with connect(forgetful.database) as connection:
        for _ in range(3):
            connection.execute(statement.format("0.02").encode())
        found = forgetful.look(quick)["S10"]
        assert found.level == "warning"
        assert found.evidence["query"] == "SELECT pg_sleep($1), $2 AS a_secret"
        assert found.evidence["calls"] == 3
        assert found.evidence["percent"] > 50
        assert forgetful.look(Policy())["S10"].level == "ok"
        keep_sample(forgetful.database)
        for _ in range(2):
            connection.execute(statement.format("0.4").encode())
        slower = forgetful.look(quick)["S10"]
        assert slower.evidence["calls"] == 2
        assert 20 <= slower.evidence["before_milliseconds"] < 130
        assert "a call, and took" in slower.message()
        connection.execute("DELETE FROM agentic_ai.samples")


def test_statements_that_do_not_fit_are_told(forgetful: Counting) -> None:
    assert forgetful.look()["S11"].level == "ok"
    with connect(forgetful.database) as connection:
        for number in range(1, 250):
            connection.execute(f"SELECT {', '.join(['1'] * number)}".encode())
    found = forgetful.look()["S11"]
    assert found.level == "warning"
    assert found.remedies[0].sql == "ALTER SYSTEM SET pg_stat_statements.max = 200"
    with connect(forgetful.database) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
    assert forgetful.look()["S11"].level == "ok"


def test_where_the_extension_is_missing_the_finding_makes_it(counting: Counting) -> None:
    with connect(counting.database) as connection:
        connection.execute("DROP EXTENSION pg_stat_statements")
        missing = counting.look()["S10"]
        assert missing.level == "unknown"
        connection.execute(missing.remedies[0].sql.encode())
    assert counting.look()["S10"].level != "unknown"


def test_a_prepared_transaction_that_is_left_holds_up_others(counting: Counting) -> None:
    with connect(counting.database) as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE agentic_ai.users IN EXCLUSIVE MODE")
        connection.execute("PREPARE TRANSACTION 'order 7'")
        write = "LOCK TABLE agentic_ai.users IN ROW EXCLUSIVE MODE"
        with running(counting.database, "one", f"BEGIN; {write}"):
            found = once(lambda: counting.look(AT_ONCE), lambda said: said["S01"].level != "ok")
            assert found["S01"].subject == "order 7"
            assert found["S05"].subject == "order 7"
            assert found["S06"].subject == "order 7"
            connection.execute(found["S05"].remedies[0].sql.encode())
    cleared = counting.look(AT_ONCE)
    assert {cleared[code].level for code in ("S01", "S05", "S06")} == {"ok"}


def test_who_takes_the_table_of_locks_is_named(counting: Counting) -> None:
    with connect(counting.database, "an eager one") as connection:
        connection.execute("SELECT pg_advisory_lock(n) FROM generate_series(1, 150) AS n")
        found = counting.look()["S07"]
        assert (found.level, found.subject) == ("warning", "an eager one")
        assert found.evidence["of_most"] >= 150
        connection.execute("SELECT pg_advisory_unlock_all()")
    assert counting.look()["S07"].level == "ok"


def test_a_deadlock_is_counted_and_told_by_the_log(counting: Counting) -> None:
    with connect(counting.database) as connection:
        connection.execute("CREATE TABLE quarrels AS SELECT n FROM generate_series(1, 2) AS n")
        keep_sample(counting.database)
        before = counting.look()["S09"]
        assert before.level == "ok"
        _deadlock(counting.database)
        found = once(counting.look, lambda said: said["S09"].level != "ok")
        connection.execute("DELETE FROM agentic_ai.samples")
        connection.execute("DROP TABLE quarrels")
    assert found["S09"].level == "warning"
    assert found["S09"].evidence["number"] == 1
    assert "UPDATE quarrels SET n = n WHERE n = ?" in found["S09"].evidence["statements"][0]
    log = found["S15"]
    assert log.level == "info"
    assert log.evidence["deadlocks"] >= 1


def _deadlock(database: Database) -> None:
    """Two transactions that change two rows in different orders; the server ends one of them."""
    change = "UPDATE quarrels SET n = n WHERE n = {}"
    with (
        connect(database, autocommit=False) as one,
        connect(database, autocommit=False) as other,
    ):
        one.execute(change.format(1).encode())
        other.execute(change.format(2).encode())

        def cross() -> None:
            with suppress(ServerError):
                other.execute(change.format(1).encode())

        thread = threading.Thread(target=cross)
        thread.start()
        with suppress(ServerError):
            one.execute(change.format(2).encode())
        one.rollback()
        thread.join()


def test_temporary_files_are_told_with_the_statement_that_wrote_most(forgetful: Counting) -> None:
    little = Policy(temp_bytes_an_hour=100_000)
    with connect(forgetful.database) as connection:
        connection.execute("DELETE FROM agentic_ai.samples")
        keep_sample(forgetful.database)
        assert forgetful.look(little)["S12"].level == "ok"
        connection.execute("SET work_mem = '64kB'")
        connection.execute("SELECT n FROM generate_series(1, 100000) AS n ORDER BY -n").fetchone()
        connection.execute("SELECT pg_stat_force_next_flush()")
        found = once(lambda: forgetful.look(little), lambda said: said["S12"].level != "ok")["S12"]
        connection.execute("DELETE FROM agentic_ai.samples")
    assert found.level == "warning"
    assert "ORDER BY -n" in found.evidence["query"]


def test_a_statement_in_the_log_has_no_values(counting: Counting) -> None:
    with connect(counting.database) as connection:
        connection.execute("SELECT pg_sleep(2), 'hunter2'")
    found = once(counting.look, lambda said: "pg_sleep" in said["S15"].evidence["query"])["S15"]
    assert found.level == "info"
    assert "hunter2" not in repr(found)
