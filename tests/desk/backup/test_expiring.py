"""Which archived WAL goes with old base backups: never what one that stays needs."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC

import pytest

from agentpg.desk.backup.pruning import Plan, Retention, apply_plan, plan_pruning
from agentpg.desk.backup.recovery.wal import SEGMENT_BYTES, lsn_text
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import complete, list_backups
from tests.desk.backup.sample import SOURCE, a_backup, store_base, store_segments

pytestmark = pytest.mark.without_server

_SYSTEM = SOURCE.system_identifier
_LAST = Retention(last=1, daily=0, weekly=0, monthly=0, zone=UTC)


def _history(folder: Folder, timeline: int, *forks: tuple[int, int]) -> None:
    """Where a timeline left its ancestors: at the middle of these segments."""
    middle = SEGMENT_BYTES // 2
    lines = [f"{parent}\t{lsn_text(n * SEGMENT_BYTES + middle)}\there\n" for parent, n in forks]
    content = gzip.compress("".join(lines).encode())
    folder.write(f"wal/{_SYSTEM}/{timeline:08X}.history.gz", content)


def _going(plan: Plan) -> list[str]:
    """What goes, as TIMELINE/NUMBER and what follows the segment's name."""
    names = [stored.key.rpartition("/")[2] for one in plan.wal for stored in one.going]
    return [f"{int(name[:8], 16)}/{int(name[16:24], 16)}{name[24:]}" for name in names]


def test_what_was_before_the_oldest_that_stays_goes_and_the_amounts_are_told(
    folder: Folder,
) -> None:
    old, new = store_base(folder, 0, 3), store_base(folder, 1, 8)
    store_segments(folder, 1, 2, 3, 7, 8, 9)
    store_segments(folder, 1, 6, form="-20260301T120000Z-" + "a" * 64 + ".zst.age")
    store_segments(folder, 1, 3, 8, form=".00000028.backup.zst")
    store_segments(folder, 1, 4, form=".partial.gz")
    folder.write(f"wal/{_SYSTEM}/archive_wal.sh", b"the script")
    folder.write(f"wal/{_SYSTEM}/key-abc.age", b"a key")
    plan = plan_pruning(folder, _LAST, None)
    assert (plan.going, plan.kept) == ([old], [new])
    assert [name.partition("-")[0] for name in _going(plan)] == [
        "1/2.gz",
        "1/3.00000028.backup.zst",
        "1/3.gz",
        "1/4.partial.gz",
        "1/6",
        "1/7.gz",
    ]
    [wal] = plan.wal
    assert (wal.going_bytes, wal.kept_files, wal.kept_bytes) == (60, 3, 30)
    apply_plan(folder, plan, lambda _: None)
    left = [stored.key.rpartition("/")[2] for stored in folder.objects(f"wal/{_SYSTEM}/")]
    assert len(left) == 5
    assert {"archive_wal.sh", "key-abc.age"} < set(left)
    assert not plan_pruning(folder, _LAST, None).wal_going


def test_a_backup_of_another_database_of_the_cluster_keeps_its_wal(folder: Folder) -> None:
    store_base(folder, 0, 3, source=replace(SOURCE, database="other"))
    store_base(folder, 1, 8)
    store_segments(folder, 1, 2, 3, 8)
    assert _going(plan_pruning(folder, _LAST, SOURCE)) == ["1/2.gz"]


def test_without_a_base_backup_nothing_goes(folder: Folder) -> None:
    complete(folder, a_backup())
    store_segments(folder, 1, 2, 3)
    assert plan_pruning(folder, _LAST, None).wal == ()


def test_while_a_record_can_not_be_read_nothing_goes(folder: Folder) -> None:
    store_base(folder, 1, 8)
    store_segments(folder, 1, 2, 8)
    folder.write("backups/20200101T000000Z-base/backup.json", b'{"format": 99}')
    assert plan_pruning(folder, _LAST, None).wal == ()


def test_every_timeline_that_a_backup_leads_to_stays(folder: Folder) -> None:
    store_base(folder, 0, 3)
    store_segments(folder, 1, 2, 3, 5, 6, 7)
    store_segments(folder, 2, 5, 6)
    _history(folder, 2, (1, 5))
    assert _going(plan_pruning(folder, _LAST, None)) == ["1/2.gz"]


def test_what_none_leads_to_goes_and_what_is_unclear_stays(folder: Folder) -> None:
    store_base(folder, 0, 7, timeline=2)
    store_segments(folder, 1, 4, 5, 7, 8)  # 8 was written by the one that was left
    store_segments(folder, 2, 5, 6, 7, 8)
    store_segments(folder, 3, 9)  # of no history
    store_segments(folder, 4, 8)
    _history(folder, 2, (1, 7))
    _history(folder, 4, (1, 5))
    assert _going(plan_pruning(folder, _LAST, None)) == [
        *("1/4.gz", "1/5.gz", "2/5.gz", "2/6.gz"),
        *("1/8.gz", "4/8.gz"),
    ]
    assert len(list_backups(folder)) == 1
