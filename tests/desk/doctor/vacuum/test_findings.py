"""What can hardly be had on a server of a test's own, decided on facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.vacuum.bloat import estimated_share
from agentpg.desk.doctor.vacuum.facts import (
    AgedTable,
    DatabaseAge,
    Facts,
    Holder,
    LargeTable,
    Server,
    Table,
)
from agentpg.desk.doctor.vacuum.findings import CHECKS, find
from agentpg.desk.doctor.vacuum.needs import needs_of
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.finding import Finding

pytestmark = pytest.mark.without_server

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


def a_server(**other: Any) -> Server:
    said = {
        "role": "monitor",
        "database": "agentic_ai",
        "server_version": 180000,
        "in_recovery": False,
        "sees_all": True,
        "autovacuum": True,
        "track_counts": True,
        "workers": 3,
        "cost_limit": 200,
        "freeze_max_age": 200_000_000,
        "multixact_freeze_max_age": 400_000_000,
        "failsafe_age": 1_600_000_000,
        "multixact_failsafe_age": 1_600_000_000,
        "page_bytes": 8192,
        "has_pgstattuple": False,
        "asked_at": NOW,
    }
    return Server(**{**said, **other})


def a_table(**other: Any) -> Table:
    said = {
        "oid": 1,
        "name": "tasks",
        "toast": False,
        "never": False,
        "bare": False,
        "enabled": True,
        "size_bytes": 1024**3,
        "live_rows": 1_000_000,
        "dead_rows": 0,
        "vacuum_trigger": 20_000,
        "inserted_rows": 0,
        "insert_trigger": 200_000,
        "changed_rows": 0,
        "analyze_trigger": 100_000,
        "vacuumed_at": NOW - timedelta(hours=2),
        "analyzed_at": NOW - timedelta(hours=2),
        "at_work": False,
        "found": 1,
    }
    return Table(**{**said, **other})


def a_database(**other: Any) -> DatabaseAge:
    said = {"name": "agentic_ai", "own": True, "xid_age": 1, "multixact_age": 1, "at_work": False}
    return DatabaseAge(**{**said, **other})


def facts(*tables: Table, **other: Any) -> Facts:
    said: dict[str, Any] = {
        "server": a_server(),
        "tables": tables,
        "running_workers": 0,
        "databases": (a_database(),),
        "aged": (),
        "holders": (),
        "large": (),
        "sequences": (),
        "collations": (),
        "triggers": (),
        "constraints": (),
    }
    return Facts(**{**said, **other})


def judged(found: Facts, code: str) -> Finding:
    return next(one for one in find(found, Policy()) if one.code == code)


@pytest.mark.parametrize(
    ("told", "level"),
    [
        ({"dead_rows": 30_000}, "ok"),
        ({"dead_rows": 50_000}, "warning"),
        ({"dead_rows": 150_000}, "critical"),
        # A busy table is far behind for a while, and seen to again and again.
        ({"dead_rows": 900_000, "vacuumed_at": NOW - timedelta(minutes=5)}, "ok"),
        ({"dead_rows": 900_000, "at_work": True}, "ok"),
        ({"dead_rows": 900_000, "vacuumed_at": NOW - timedelta(minutes=30)}, "warning"),
        ({"dead_rows": 900_000, "vacuumed_at": None}, "warning"),
        ({"dead_rows": 900_000, "vacuumed_at": None, "enabled": False}, "critical"),
    ],
)
def test_dead_rows(told: dict[str, Any], level: str) -> None:
    assert judged(facts(a_table(**told)), "V01").level == level


def test_workers_are_too_few_only_while_tables_wait() -> None:
    late = a_table(dead_rows=50_000)
    assert judged(facts(late, running_workers=2), "V05").level == "ok"
    assert judged(facts(running_workers=3), "V05").level == "ok"
    found = facts(late, running_workers=3)
    assert judged(found, "V05").level == "warning"
    assert judged(found, "V01").cause == "all workers of autovacuum are busy elsewhere"


@pytest.mark.parametrize(
    ("age", "at_work", "level"),
    [
        (210_000_000, False, "ok"),
        (230_000_000, False, "warning"),
        (260_000_000, False, "critical"),
        (260_000_000, True, "warning"),
        (1_700_000_000, True, "critical"),
    ],
)
def test_old_transactions(age: int, at_work: bool, level: str) -> None:
    other = a_database(name="other", own=False, xid_age=age, at_work=at_work)
    finding = judged(facts(databases=(a_database(), other)), "V06")
    assert finding.level == level
    if level != "ok":
        assert finding.subject == "other"
        assert finding.remedies[0].command.endswith("--dbname=other")


def test_old_multixacts_have_ages_of_their_own() -> None:
    old = facts(databases=(a_database(multixact_age=600_000_000),))
    assert judged(old, "V06").level == "ok"
    finding = judged(old, "V07")
    assert (finding.level, finding.evidence["percent"]) == ("critical", 150)


@pytest.mark.parametrize(
    ("told", "level"),
    [
        ({"since": NOW - timedelta(minutes=50)}, "ok"),
        ({"since": NOW - timedelta(hours=2)}, "warning"),
        ({"since": NOW - timedelta(hours=7)}, "critical"),
        ({"kind": "prepared", "since": NOW - timedelta(minutes=10)}, "warning"),
        ({"kind": "slot", "transactions": 20_000_000}, "warning"),
        ({"kind": "standby", "transactions": 200_000_000}, "critical"),
        ({"kind": "catalogue slot", "transactions": 9_000_000}, "ok"),
    ],
)
def test_who_keeps_dead_rows(told: dict[str, Any], level: str) -> None:
    said = {
        "kind": "session",
        "name": "reader",
        "process": 7,
        "application": "",
        "state": "active",
        "since": None,
        "transactions": 5,
    }
    holder = Holder(**{**said, **told})
    assert judged(facts(holders=(holder,)), "V08").level == level


def test_no_vacuum_makes_a_table_younger_than_who_reads() -> None:
    old = AgedTable(
        oid=1,
        name="old",
        toast=False,
        temporary=False,
        xid_age=300_000_000,
        xid_most=200_000_000,
        multixact_age=0,
        multixact_most=400_000_000,
        at_work=False,
    )
    reader = Holder(
        kind="session",
        name="reader",
        process=7,
        application="",
        state="active",
        since=NOW - timedelta(days=2),
        transactions=299_000_000,
    )
    held, free = facts(aged=(old,), holders=(reader,)), facts(aged=(old,))
    assert [need.state for need in needs_of(held, Policy())] == ["held"]
    assert [need.state for need in needs_of(free, Policy())] == ["late"]


def test_a_standby_counts_nothing_and_unknown_is_not_ok() -> None:
    standby = find(facts(server=a_server(in_recovery=True)), Policy())
    unknown = {one.code for one in standby if one.level == "unknown"}
    assert unknown == {"V01", "V02", "V03"}
    names = Facts.__slots__
    blind = replace(facts(), **dict.fromkeys(names, Unlooked("it was refused")))
    found = find(blind, Policy())
    assert {one.level for one in found} == {"unknown"}
    assert len(found) == len(CHECKS)


def test_the_estimate_of_bloat() -> None:
    table = LargeTable(
        oid=1,
        name="t",
        pages=1000,
        rows=100_000,
        fill_factor=100,
        columns=3,
        has_nulls=False,
        row_bytes=44.0,
    )
    # A row takes 24 + 48 + 4 bytes, so that 107 are in a page of 8192.
    assert estimated_share(table, 8192) == pytest.approx(1 - 935 / 1000)
    assert estimated_share(replace(table, fill_factor=50), 8192) == 0.0
    assert estimated_share(replace(table, row_bytes=None), 8192) is None
