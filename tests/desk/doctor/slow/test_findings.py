"""What is said of facts: levels, culprits, and what is unknown."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.slow.facts import (
    Checkpoints,
    Earlier,
    Facts,
    Holder,
    Lacking,
    LockTable,
    Log,
    Logged,
    Logging,
    Prepared,
    Server,
    Tally,
    Wait,
)
from agentpg.desk.doctor.slow.findings import CHECKS, find
from agentpg.desk.doctor.slow.pace import paces
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.doctor.slow.tree import trees_of
from agentpg.desk.finding import Finding, at_or_above
from agentpg.desk.monitor.sessions import Session, Work
from agentpg.desk.monitor.statements import Extension
from agentpg.language import translation
from tests.desk.doctor.slow.sample import (
    NOW,
    READY,
    a_plan,
    a_session,
    a_statement,
    activity,
    counters,
    facts,
    plans,
    statements,
)

pytestmark = pytest.mark.without_server

POLICY = Policy()

IDLE = a_session(
    7, state="idle in transaction", state_seconds=90.0, transaction_seconds=95.0, query="LOCK t"
)
WAITING = a_session(8, blocked_by=[7], query_seconds=70.0, transaction_seconds=70.0)
BEHIND = a_session(9, blocked_by=[8], query_seconds=5.0)
WAITS = (
    Wait(
        pid=8,
        kind="relation",
        mode="ExclusiveLock",
        relation="agentic_ai.t",
        seconds=70.0,
        held_by=[[7, "AccessExclusiveLock", ""]],
    ),
)
EXTENSION = Extension(available=True, loaded=True, libraries="", schema="public", version="1.11")

SLOW = a_statement(2, milliseconds=90_000.0, calls=900)
DAY_AGO = Earlier(
    taken_at=NOW - timedelta(days=1),
    age_seconds=86_400.0,
    counters={"deadlocks": 3, "temp_bytes": 0},
    statements_since=NOW - timedelta(hours=2),
    evictions=0,
    statements={1: Tally(calls=900, milliseconds=900.0, rows=900)},
)


def said(code: str, **other: Any) -> list[Finding]:
    return [one for one in find(facts(**other), POLICY) if one.code == code]


def test_a_server_that_is_well_has_nothing() -> None:
    found = find(facts(), POLICY)
    assert {one.level for one in found} == {"ok"}
    assert [one.code for one in found] == [f"S{number:02}" for number in range(1, 18)]
    assert len(CHECKS) == 17


def test_what_could_not_be_looked_at_is_unknown() -> None:
    why = Unlooked("nobody answers")
    nothing = {field.name: why for field in fields(Facts) if field.name != "earlier"}
    found = find(facts(**nothing), POLICY)
    assert {one.level for one in found} == {"unknown"}
    assert {one.message() for one in found} == {"it could not be looked at: nobody answers"}


def test_what_is_hidden_is_not_ok() -> None:
    server = facts().server
    assert isinstance(server, Server)
    found = find(facts(server=replace(server, sees_all=False)), POLICY)
    unknown = [one for one in found if one.level == "unknown"]
    assert [one.code for one in unknown] == ["S01", "S02", "S03", "S04", "S06", "S08"]
    assert unknown[0].remedies[0].sql == "GRANT pg_monitor TO monitor"


@pytest.mark.parametrize(
    ("code", "level", "subject", "other"),
    [
        ("S01", "critical", "psql", {"activity": activity(IDLE, WAITING, BEHIND)}),
        ("S02", "info", "psql", {"activity": activity(a_session(1, query_seconds=61.0))}),
        ("S02", "warning", "psql", {"activity": activity(a_session(1, query_seconds=400.0))}),
        ("S03", "critical", "psql", {"activity": activity(a_session(1, transaction_seconds=2e3))}),
        ("S04", "warning", "psql", {"activity": activity(IDLE)}),
        (
            "S05",
            "critical",
            "x",
            {
                "prepared": (
                    Prepared(
                        name="x",
                        since=NOW - timedelta(hours=2),
                        role="admin",
                        database="agentic_ai",
                        transactions=4,
                    ),
                )
            },
        ),
        (
            "S06",
            "warning",
            "old",
            {
                "holders": (
                    Holder(kind="slot", name="old", since=None, transactions=20_000_000, pid=None),
                )
            },
        ),
        (
            "S06",
            "critical",
            "psql",
            {
                "holders": (
                    Holder(
                        kind="session",
                        name="psql",
                        since=NOW - timedelta(hours=7),
                        transactions=5,
                        pid=41,
                    ),
                )
            },
        ),
        (
            "S07",
            "critical",
            "psql",
            {"lock_table": LockTable(taken=4000, room=6400, pid=41, of_most=3990)},
        ),
        (
            "S08",
            "info",
            "LWLock: WALWrite",
            {
                "activity": activity(
                    *(a_session(n, wait_type="LWLock", wait_event="WALWrite") for n in range(1, 6)),
                    a_session(6),
                )
            },
        ),
        ("S09", "info", "", {"counters": counters(deadlocks=2)}),
        ("S09", "warning", "", {"counters": counters(deadlocks=5), "earlier": DAY_AGO}),
        ("S10", "warning", "2", {"statements": statements(a_statement(1), SLOW)}),
        ("S11", "warning", "", {"statements": statements(a_statement(1), evictions=30)}),
        ("S12", "warning", "", {"counters": counters(temp_bytes=99 * 1024**3)}),
        ("S12", "info", "", {"counters": counters(temp_bytes=99 * 1024**3, since=None)}),
        ("S13", "info", "", {"checkpoints": Checkpoints(timed=50, requested=40, since=NOW)}),
        ("S13", "warning", "", {"checkpoints": Checkpoints(timed=5, requested=40, since=NOW)}),
        (
            "S14",
            "warning",
            "",
            {"counters": counters(pages_read=900_000, read_milliseconds=5_000.0)},
        ),
        ("S14", "ok", "", {"counters": counters(pages_read=900_000)}),
        ("S14", "unknown", "", {"counters": counters(pages_read=900_000, times_reads=False)}),
        (
            "S15",
            "info",
            "",
            {"logging": Logging(least_duration="-1", tells_waits=False, language="C", now=NOW)},
        ),
        (
            "S15",
            "unknown",
            "",
            {"logging": Logging(least_duration="-1", tells_waits=True, language="ko", now=NOW)},
        ),
        ("S16", "critical", "tasks_ready_idx", {"own_plans": plans(a_plan(used=()), index=None)}),
        (
            "S16",
            "critical",
            "tasks_ready_idx",
            {"own_plans": plans(a_plan(used=()), index=replace(READY, valid=False))},
        ),
        ("S16", "warning", "tasks_ready_idx", {"own_plans": plans(a_plan(used=()))}),
        (
            "S16",
            "ok",
            "",
            {"own_plans": plans(a_plan(used=(), sorts=True), index=replace(READY, table_bytes=9))},
        ),
        ("S16", "warning", "claim", {"own_plans": plans(a_plan(sorts=True))}),
    ],
)
def test_what_is_wrong_is_named(code: str, level: str, subject: str, other: dict[str, Any]) -> None:
    [finding] = said(code, **other)
    assert (finding.level, finding.subject) == (level, subject)
    korean = translation("ko")
    assert finding.message() != finding.message(korean)
    if level != "ok":
        assert level == "unknown" or finding.reason(korean)
        assert all(korean(remedy.sentence) != remedy.sentence for remedy in finding.remedies)
    # Nothing else is said of it by other checks, but for what the same session does as well, and
    # what reads the same log.
    others = {one.code for one in at_or_above(find(facts(**other), POLICY), "info")} - {code}
    as_well = {"S01": {"S04"}, "S15": {"S17"} if level == "unknown" else set()}
    assert others <= as_well.get(code, set())


def test_the_root_is_named_and_not_who_waits_itself() -> None:
    [finding] = said("S01", activity=activity(IDLE, WAITING, BEHIND), waits=WAITS)
    assert finding.evidence["pid"] == 7
    assert finding.evidence["blocked_pids"] == [8, 9]
    assert finding.evidence["wanted"] == "ExclusiveLock on agentic_ai.t"
    assert finding.message() == (
        "process 7 blocks others: 2, the longest for 70 s; "
        "it does nothing, and leaves its transaction open (psql)"
    )
    # Nothing runs there that could be cancelled.
    assert [one.sql for one in finding.remedies] == ["SELECT pg_terminate_backend(7)"]


@pytest.mark.parametrize(
    ("waiting", "kind"),
    [
        (WAITING, "virtualxid"),
        (WAITING, "advisory"),
        (replace(WAITING, kind="autovacuum worker"), ""),
    ],
)
def test_who_waits_for_his_turn_makes_nothing_critical(waiting: Session, kind: str) -> None:
    waits = (replace(WAITS[0], kind=kind),)
    [finding] = said("S01", activity=activity(IDLE, waiting), waits=waits)
    assert finding.level == "warning"


def test_a_task_of_its_own_connection_is_to_be_cancelled_first() -> None:
    task = UUID(int=7)
    work = Work(
        named=task,
        worker=UUID(int=1),
        host="a",
        pid=1,
        task_id=task,
        attempt=2,
        agent_name="Billing",
        task_type="invoice",
    )
    [finding] = said("S04", activity=activity(replace(IDLE, work=(work,))))
    assert finding.subject == f"Billing/invoice {task} #2"
    assert finding.remedies[0].command == f"agentpg task cancel {task}"


def test_sessions_that_wait_for_each_other_are_one_tree() -> None:
    one, other = a_session(1, blocked_by=[2]), a_session(2, blocked_by=[1])
    [tree] = trees_of([one, other], ())
    assert (tree.pid, tree.blocked) == (1, 2)


def test_who_waits_for_two_is_below_both_and_counted_once_in_each() -> None:
    found = trees_of([a_session(1), a_session(2), a_session(3, blocked_by=[1, 2, 2])], ())
    assert [(tree.pid, [one.pid for one in tree.below]) for tree in found] == [(1, [3]), (2, [3])]


def test_a_prepared_transaction_is_a_root_with_a_name() -> None:
    waits = (replace(WAITS[0], held_by=[[0, "RowExclusiveLock", "order 7"]]),)
    blocked = activity(replace(WAITING, blocked_by=[0]))
    [finding] = said("S01", activity=blocked, waits=waits)
    assert finding.subject == "order 7"
    assert finding.remedies[0].sql == "ROLLBACK PREPARED 'order 7'"
    assert finding.remedies[0].risk == "destroys"


@pytest.mark.parametrize(
    "other",
    [
        {"application": "pg_dump", "query": "COPY t TO stdout"},
        {"kind": "autovacuum worker", "query": "autovacuum: VACUUM t"},
        {"kind": "walsender", "query": "START_REPLICATION 0/1"},
        {"query": "CREATE INDEX CONCURRENTLY a ON b (c)"},
        {"query": "VACUUM (VERBOSE) t"},
    ],
)
def test_what_takes_its_time_is_not_slow(other: dict[str, Any]) -> None:
    session = a_session(1, query_seconds=9e3, transaction_seconds=9e3, **other)
    assert {one.level for one in find(facts(activity=activity(session)), POLICY)} == {"ok"}


def test_of_a_day_only_what_it_took_is_counted() -> None:
    now = statements(
        a_statement(1, calls=1900, milliseconds=900.0 + 100_000.0),
        a_statement(3, calls=10, milliseconds=10.0),
    )
    [slower] = said("S10", statements=now, earlier=DAY_AGO)
    assert slower.level == "warning"
    assert slower.message() == (
        "a statement takes 100 ms a call, and took 1 ms before: SELECT a FROM t1 WHERE b = $1"
    )
    # Where the counting has begun anew since, all of it counts, and nothing is said of before.
    anew = replace(DAY_AGO, statements_since=NOW - timedelta(days=9))
    [slow] = said("S10", statements=now, earlier=anew)
    assert slow.evidence["calls"] == 1900
    assert slow.evidence["before_milliseconds"] is None


def test_a_large_batch_is_not_slow() -> None:
    # A thousand calls of 160 ms give 1,000 rows each, and gave one row before.
    batch = a_statement(1, calls=1900, milliseconds=160_900.0, rows=1_000_000)
    [finding] = said("S10", statements=statements(batch), earlier=DAY_AGO)
    assert finding.level == "ok"
    [finding] = said("S10", statements=statements(batch))
    assert finding.level == "ok"


def test_what_a_sample_did_not_have_counts_for_what_is_certain() -> None:
    found = statements(a_statement(1, calls=900, milliseconds=900.0), a_statement(3))
    [_, certain] = sorted(paces(found, DAY_AGO), key=lambda pace: pace.statement.id)
    # Up to 900 ms it may have taken before, and was cheaper than what was kept.
    assert (certain.milliseconds, certain.calls, certain.is_new) == (100.0, 100, False)
    [_, new] = sorted(paces(found, replace(DAY_AGO, has_all=True)), key=lambda p: p.statement.id)
    assert (new.milliseconds, new.calls, new.is_new) == (1000.0, 1000, True)


@pytest.mark.parametrize(
    ("other", "reason", "remedies"),
    [
        ({"schema": None}, "not made in this database", ["CREATE EXTENSION pg_stat_statements"]),
        (
            {"loaded": False, "schema": None, "libraries": "auto_explain, a b"},
            "not loaded",
            [
                "ALTER SYSTEM SET shared_preload_libraries = "
                "'auto_explain', 'a b', 'pg_stat_statements'",
                "CREATE EXTENSION pg_stat_statements",
            ],
        ),
        ({"loaded": False, "libraries": None}, "not loaded", ["SHOW shared_preload_libraries"]),
        (
            {"available": False, "loaded": False, "schema": None},
            "not installed",
            [
                "",
                "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'",
                "CREATE EXTENSION pg_stat_statements",
            ],
        ),
    ],
)
def test_where_nothing_counts_statements_it_says_how_to_have_that(
    other: dict[str, Any], reason: str, remedies: list[str]
) -> None:
    [finding] = said("S10", statements=Lacking(replace(EXTENSION, **other)))
    assert finding.level == "unknown"
    assert reason in finding.message()
    assert [one.sql for one in finding.remedies] == remedies


def test_the_log_shows_its_slowest() -> None:
    entries = tuple(
        Logged(kind="slow", at="", pid=1, milliseconds=ms, text=f"SELECT {ms}")
        for ms in (1500.0, 4000.0)
    )
    [finding] = said("S15", log=Log(path="log", bytes_read=10, entries=entries))
    assert "the slowest took 4 s: SELECT 4000.0" in finding.message()


def test_an_alert_goes_by_the_program_and_not_by_the_session() -> None:
    """Workers, tasks and processes come and go; what they do wrong is one thing."""

    def things(session: Session) -> set[str | None]:
        found = find(facts(activity=activity(session)), POLICY)
        return {one.thing for one in found if one.code == "S04"}

    def idle(pid: int, **said: Any) -> Session:
        return replace(IDLE, pid=pid, **said)

    def work(number: int) -> Work:
        task = UUID(int=number)
        said: dict[str, Any] = {"agent_name": "Billing", "task_type": "invoice", "attempt": number}
        return Work(named=task, task_id=task, worker=None, host=None, pid=None, **said)

    by_task = [idle(pid, application="x", work=[work(pid)]) for pid in (7, 8)]
    assert things(by_task[0]) == things(by_task[1]) == {"Billing/invoice"}
    by_name = [idle(7, application=f"importer {pid} {UUID(int=pid)}") for pid in (1, 22)]
    assert things(by_name[0]) == things(by_name[1]) == {"importer … …"}
