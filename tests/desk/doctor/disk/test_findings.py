"""What is said of facts: levels, the culprit, and what is unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.facts import (
    Archiver,
    Ballast,
    Facts,
    Holder,
    Kept,
    LogFile,
    Logs,
    OpenFile,
    OpenFiles,
    Orphans,
    OtherFile,
    OtherFiles,
    Sample,
    Spill,
    Table,
    Wal,
)
from agentpg.desk.doctor.disk.findings import CHECKS, find
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.finding import Finding, at_or_above
from agentpg.language import translation
from tests.desk.doctor.disk.sample import DEVICE, MIB, NOW, a_server, a_slot, a_volume, facts

pytestmark = pytest.mark.without_server

POLICY = Policy()
FULL = a_volume(free_bytes=50 * MIB)

BALLAST = Ballast(path=Path("/data/agentpg-ballast"), size_bytes=64 * MIB, made_at=NOW, device=7)
FAILING = Archiver(
    is_on=True,
    command="false",
    failing=True,
    last_failed="0" * 24,
    failed_at=NOW,
    last_archived_at=None,
)
SPILL = Spill(process=77, size_bytes=400 * MIB, files=3, started_at=NOW, role="admin")
OLD_LOG = LogFile(
    name="postgresql-1.log", size_bytes=300 * MIB, written_at=NOW - timedelta(days=30)
)
HELD = OpenFile(
    process=99, program="java", path="/data/app.log", size_bytes=300 * MIB, device=DEVICE
)
DUMP = OtherFile(path="/data/backup_20240101.sql", size_bytes=300 * MIB, device=DEVICE, left=True)
BLOATED = Table(
    name="tasks",
    size_bytes=300 * MIB,
    heap_bytes=300 * MIB,
    index_bytes=20 * MIB,
    live_rows=100,
    dead_rows=900,
    vacuumed_at=None,
)
KEPT = Kept(
    folder="/data/backups",
    backups=9,
    size_bytes=400 * MIB,
    going=("a", "b"),
    going_bytes=300 * MIB,
    proved="p",
)


def _found(some: Facts) -> dict[str, Finding]:
    return {finding.code: finding for finding in find(some, POLICY)}


def _level(code: str, **changed: Any) -> str:
    return _found(facts(**changed))[code].level


def test_a_disk_that_is_well_says_ok_or_what_is_missing() -> None:
    found = _found(facts())
    assert [check.code for check in CHECKS] == [f"D{n:02}" for n in range(1, 17)]
    assert {code for code, one in found.items() if one.level != "ok"} == {"D14", "D15"}


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("D03", {"slots": (a_slot(active=False, retained_bytes=300 * MIB),)}),
        ("D04", {"archiver": FAILING, "wal": Wal(files=30, size_bytes=480 * MIB, waiting=25)}),
        ("D05", {"wal": Wal(files=30, size_bytes=480 * MIB, waiting=0)}),
        ("D07", {"spills": (SPILL,)}),
        ("D08", {"logs": Logs(folder="/data/log", files=(OLD_LOG,), removable=(OLD_LOG,))}),
        ("D09", {"kept": KEPT}),
        ("D10", {"open_files": OpenFiles(files=(HELD,))}),
        ("D16", {"others": OtherFiles(files=(DUMP,))}),
        ("D12", {"tables": (replace(BLOATED, free_share=0.9),)}),
    ],
)
def test_what_fills_a_disk_comes_first_and_is_as_urgent(code: str, changed: dict[str, Any]) -> None:
    findings = find(facts(FULL, **changed), POLICY)
    [first, *_] = at_or_above(findings, "warning")
    assert (first.code, first.level) == (code, "critical")
    [room] = [one for one in findings if one.code == "D01"]
    assert (room.level, room.evidence["culprit"]) == ("critical", code)
    assert first.remedies


@pytest.mark.parametrize(
    "changed",
    [
        # By the statistics alone, and what no step removes.
        {"tables": (BLOATED,)},
        {"logs": Logs(folder="/data/log", files=(OLD_LOG,))},
        {"kept": replace(KEPT, going=(), going_bytes=0)},
    ],
)
def test_what_nothing_frees_is_not_blamed(changed: dict[str, Any]) -> None:
    findings = find(facts(FULL, **changed), POLICY)
    [room] = [one for one in findings if one.code == "D01"]
    assert "culprit" not in room.evidence
    assert findings[0] is room


def test_without_a_culprit_the_growth_is_named() -> None:
    [first, *_] = at_or_above(find(facts(FULL), POLICY), "warning")
    assert first.code == "D01"
    assert "agentic_ai 100 MB" in first.reason()


@pytest.mark.parametrize(
    ("free", "level"), [(201, "ok"), (199, "warning"), (101, "warning"), (99, "critical")]
)
def test_how_full_a_disk_may_be(free: int, level: str) -> None:
    assert _level("D01", volume=a_volume(free_bytes=free * MIB)) == level
    few = a_volume(inodes=1000, free_inodes=free)
    assert _level("D02", volume=few) == level


def test_the_folder_with_the_most_files_is_named() -> None:
    few = a_volume(free_inodes=100)
    counted = {"home /data": 9900, "logs /data": 9800, "data /data": 20}
    finding = _found(facts(few, files_in=counted))["D02"]
    assert finding.evidence["files"] in (9900, 9800)
    assert finding.level == "critical"


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        ({"retained_bytes": 40 * MIB}, "ok"),
        ({"retained_bytes": 150 * MIB}, "warning"),
        ({"retained_bytes": 300 * MIB}, "critical"),
        ({"active": False, "inactive_since": NOW - timedelta(minutes=10)}, "ok"),
        ({"active": False, "inactive_since": NOW - timedelta(minutes=20)}, "warning"),
        # Before PostgreSQL 17 nothing says since when.
        ({"active": False, "retained_bytes": 40 * MIB}, "ok"),
        ({"active": False, "retained_bytes": 60 * MIB}, "warning"),
        ({"wal_status": "unreserved"}, "critical"),
        ({"wal_status": "lost"}, "critical"),
    ],
)
def test_slots(changed: dict[str, Any], level: str) -> None:
    assert _level("D03", slots=(a_slot(**changed),)) == level


def test_a_slot_without_a_limit_is_a_warning() -> None:
    endless = a_server(max_slot_wal_bytes=None)
    assert _level("D06", server=endless) == "ok"
    assert _level("D06", server=endless, slots=(a_slot(),)) == "warning"


def test_settings_that_are_too_large_for_the_disk_are_told_before() -> None:
    assert _level("D05", server=a_server(max_wal_bytes=900 * MIB)) == "info"


def test_logs_without_an_end_are_told_while_they_are_small() -> None:
    for server in (a_server(log_rotation_minutes=0), a_server(log_filename="postgresql.log")):
        assert _level("D08", server=server) == "info"


def test_what_is_estimated_is_never_more_than_a_hint() -> None:
    assert _level("D12", tables=(BLOATED,)) == "info"
    assert _level("D12", tables=(replace(BLOATED, free_share=0.1),)) == "ok"
    assert _level("D12", tables=(replace(BLOATED, free_share=0.5),)) == "warning"


@pytest.mark.parametrize(("kind", "sql"), [("session", "terminate"), ("prepared", "ROLLBACK")])
def test_what_holds_vacuum_back_is_named(kind: str, sql: str) -> None:
    held = Holder(kind=kind, name="it's", since=NOW - timedelta(hours=2), horizon_age=5, process=12)
    finding = _found(facts(holders=(held,)))["D13"]
    assert finding.level == "warning"
    assert sql in finding.remedies[0].sql


def test_a_role_that_sees_little_is_told_what_to_grant() -> None:
    finding = _found(facts(server=a_server(sees_all=False)))["D13"]
    assert finding.level == "unknown"
    assert finding.remedies[0].sql == "GRANT pg_monitor TO monitor"


def test_files_of_others_that_are_hidden_are_unknown() -> None:
    assert _level("D10", open_files=OpenFiles(files=(), hidden=3)) == "unknown"


def test_orphans_are_only_reported() -> None:
    finding = _found(facts(orphans=Orphans(files=("16400",), size_bytes=8192)))["D11"]
    assert finding.level == "info"


def _grown(days: float, megabytes: float) -> tuple[Sample, ...]:
    """Samples of a day that say so much growth, up to the 500 MB of now."""
    return tuple(
        Sample(
            at=NOW - timedelta(days=days * part / 4),
            mount="/data",
            used_bytes=int((500 - megabytes * part / 4) * MIB),
            size_bytes=1000 * MIB,
        )
        for part in range(5)
    )


@pytest.mark.parametrize(
    ("samples", "level"),
    [
        ((), "info"),
        (_grown(1, 0), "ok"),
        (_grown(1, 10), "ok"),
        (_grown(1, 100), "warning"),
        (_grown(0.5, 400), "critical"),
        # An hour's growth may be over in the next.
        (_grown(0.06, 40), "warning"),
        (_grown(0.06, 200), "critical"),
        # What has begun within the last day is not hidden by quiet weeks.
        (_grown(13, 0)[1:] + _grown(0.5, 400), "critical"),
    ],
)
def test_when_it_is_full(samples: tuple[Sample, ...], level: str) -> None:
    finding = _found(facts(samples=samples))["D14"]
    assert finding.level == level
    if samples == _grown(1, 100):
        assert finding.evidence["left_seconds"] == pytest.approx(5 * 86400, rel=0.01)
        assert finding.evidence["full_at"].date().isoformat() == "2026-03-06"


def test_a_ballast_that_is_there_is_well() -> None:
    assert _level("D15", ballasts=(BALLAST,)) == "ok"


def test_without_the_server_what_needs_it_is_unknown() -> None:
    away = Unlooked("the server does not run")
    names = ("server", "databases", "tables", "archiver", "orphans", "holders", "spills", "logs")
    found = _found(facts(FULL, **dict.fromkeys(names, away)))
    assert found["D01"].level == "critical"
    unknown = {code for code, one in found.items() if one.level == "unknown"}
    assert unknown == {"D04", "D07", "D08", "D11", "D12", "D13"}


def test_without_its_files_too_nothing_is_taken_for_well() -> None:
    hidden = Unlooked("elsewhere")
    blind = replace(
        facts(), data=hidden, places=(), volumes=(), unseen={"data": "elsewhere"}, wal=hidden
    )
    found = _found(blind)
    assert {found[code].level for code in ("D01", "D02", "D04", "D05", "D14", "D15", "D16")} == {
        "unknown"
    }


def test_every_finding_is_said_in_korean_with_its_numbers() -> None:
    korean = translation("ko")
    some = facts(
        FULL,
        slots=(a_slot(active=False, retained_bytes=300 * MIB),),
        spills=(replace(SPILL, task="t", agent="A"),),
        kept=KEPT,
        open_files=OpenFiles(files=(HELD,)),
        tables=(BLOATED,),
    )
    for finding in find(some, POLICY):
        said = finding.message(korean)
        assert "{" not in said
        assert said != finding.message()
        assert "{" not in finding.reason(korean)


def test_what_was_looked_through_in_part_is_no_good_news() -> None:
    partly = OtherFiles(files=(), whole=False)
    [finding] = [one for one in find(facts(FULL, others=partly), POLICY) if one.code == "D16"]
    assert finding.level == "unknown"
    assert "a part" in finding.evidence["why"]


def test_a_role_is_named_as_sql_takes_it() -> None:
    spill = replace(SPILL, role='bad"; DROP')
    [finding] = [one for one in find(facts(FULL, spills=(spill,)), POLICY) if one.code == "D07"]
    [limit] = [one.sql for one in finding.remedies if one.sql and one.sql.startswith("ALTER")]
    assert limit.startswith('ALTER ROLE "bad""; DROP" SET')


def test_backups_of_nobody_knows_which_database_are_all_to_be_looked_at() -> None:
    kept = replace(KEPT, going=(), going_bytes=0, size_bytes=900 * MIB, of_all=True)
    [finding] = [one for one in find(facts(FULL, kept=kept), POLICY) if one.code == "D09"]
    assert finding.remedies[0].command == "agentpg backup prune --every-database"


def test_a_tablespace_that_is_not_seen_is_no_good_news() -> None:
    some = facts(unseen={"tablespace": "No such file or directory"})
    assert "unknown" in [one.level for one in find(some, POLICY) if one.code == "D01"]
