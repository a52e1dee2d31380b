"""Which backups are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest

from agentpg.desk.backup.model import Check
from agentpg.desk.backup.pruning import Retention, apply_plan, plan_pruning
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import complete, list_backups, write_drill
from tests.desk.backup.sample import FAILED, NOON, SOURCE, a_backup, a_drill

pytestmark = pytest.mark.without_server

NOTHING = Retention(last=1, daily=0, weekly=0, monthly=0, zone=UTC)


def _store(folder: Folder, days: int, **other: Any) -> list[str]:
    """A backup each day at noon, the last on the first of March; their names by the day."""
    names = []
    for ago in reversed(range(days)):
        moment = NOON - timedelta(days=ago)
        name = f"{moment:%m%d}-{other.get('kind', 'dump')}"
        complete(folder, a_backup(name, taken_at=moment, **other))
        names.append(name)
    return names


def _kept(folder: Folder, **rules: Any) -> Mapping[str, tuple[str, ...]]:
    plan = plan_pruning(folder, replace(NOTHING, **rules), None)
    return {fate.backup.name: fate.reasons for fate in plan.fates if fate.reasons}


def test_the_last_are_kept(folder: Folder) -> None:
    names = _store(folder, 5)
    assert list(_kept(folder, last=2)) == names[-2:]
    assert list(_kept(folder, last=9)) == names


def test_the_last_of_days_weeks_and_months_are_kept(folder: Folder) -> None:
    _store(folder, 60)
    complete(folder, a_backup("0227-early", taken_at=NOON - timedelta(days=2, hours=5)))
    kept = _kept(folder, daily=3, weekly=2, monthly=3)
    # The first of March 2026 is a Sunday: it ends its week.
    assert kept == {
        "0131-dump": ("monthly",),
        "0222-dump": ("weekly",),
        "0227-dump": ("daily",),
        "0228-dump": ("daily", "monthly"),
        "0301-dump": ("recent", "daily", "weekly", "monthly"),
    }


@pytest.mark.parametrize(("rule", "there"), [("daily", 40), ("weekly", 6), ("monthly", 3)])
def test_fewer_days_weeks_or_months_than_are_kept_are_all_kept(
    folder: Folder, rule: str, there: int
) -> None:
    _store(folder, 40)
    everything = list(_kept(folder, **{rule: 1000}))
    assert len(everything) == there
    for count in (1, there - 1, there, there + 1, 2 * there):
        assert list(_kept(folder, **{rule: count})) == everything[-count:]


def test_days_begin_in_the_zone(folder: Folder) -> None:
    complete(folder, a_backup("a", taken_at=NOON))
    complete(folder, a_backup("b", taken_at=NOON + timedelta(hours=5)))
    assert list(_kept(folder, daily=2)) == ["b"]
    assert list(_kept(folder, daily=2, zone=timezone(timedelta(hours=9)))) == ["a", "b"]


def test_the_last_that_passed_a_drill_is_kept(folder: Folder) -> None:
    names = _store(folder, 5)
    for name in names[:2]:
        write_drill(folder, a_drill(name))
    write_drill(folder, a_drill(names[2], checks=(FAILED,)))
    assert _kept(folder) == {names[1]: ("proved",), names[4]: ("recent",)}
    # What failed later is proved no longer.
    write_drill(folder, a_drill(names[1], begun_at=NOON + timedelta(days=9), checks=(FAILED,)))
    assert _kept(folder) == {names[0]: ("proved",), names[4]: ("recent",)}


def test_a_drill_that_could_not_find_out_takes_no_proof_away(folder: Folder) -> None:
    names = _store(folder, 3)
    write_drill(folder, a_drill(names[0]))
    unknown = Check(name="drill", outcome="unknown", reason="the disk was full")
    for name in names:
        write_drill(folder, a_drill(name, begun_at=NOON + timedelta(days=9), checks=(unknown,)))
    assert _kept(folder) == {names[0]: ("proved",), names[2]: ("recent",)}


def test_a_failed_one_pushes_no_good_one_out(folder: Folder) -> None:
    names = _store(folder, 4)
    for name in names[2:]:
        write_drill(folder, a_drill(name, checks=(FAILED,)))
    assert list(_kept(folder)) == names[1:]
    assert list(_kept(folder, daily=1)) == names[1:]


def test_where_all_have_failed_the_rules_stay_as_they_are(folder: Folder) -> None:
    names = _store(folder, 9)
    kept = _kept(folder, daily=3, weekly=2)
    for name in names:
        write_drill(folder, a_drill(name, checks=(FAILED,)))
    assert _kept(folder, daily=3, weekly=2) == kept


def test_each_kind_and_each_database_counts_by_itself(folder: Folder) -> None:
    _store(folder, 2)
    _store(folder, 2, kind="sql")
    other = replace(SOURCE, database="other")
    complete(folder, a_backup("other", taken_at=NOON - timedelta(days=9), source=other))
    assert set(_kept(folder)) == {"0301-dump", "0301-sql", "other"}
    plan = plan_pruning(folder, NOTHING, SOURCE)
    assert {fate.backup.name for fate in plan.fates} == {
        "0228-dump",
        "0301-dump",
        "0228-sql",
        "0301-sql",
    }


def test_what_a_kept_one_needs_is_kept(folder: Folder) -> None:
    names = _store(folder, 2)
    complete(folder, a_backup("c", taken_at=NOON + timedelta(1), details={"needs": [names[0]]}))
    assert _kept(folder) == {names[0]: ("needed",), "c": ("recent",)}


def test_what_goes_is_gone_and_what_stays_is_whole(folder: Folder) -> None:
    names = _store(folder, 3)
    write_drill(folder, a_drill(names[0]))
    write_drill(folder, a_drill(names[2]))
    gone: list[str] = []
    apply_plan(folder, plan_pruning(folder, NOTHING, None), lambda one: gone.append(one.name))
    assert gone == names[:2]
    assert [backup.name for backup in list_backups(folder)] == names[2:]
    assert not [stored for stored in folder.objects("") if names[0] in stored.key]
