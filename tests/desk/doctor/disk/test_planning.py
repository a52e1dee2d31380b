"""The plan: its order, what each step gives and needs, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.facts import Facts, Logs, Place, Wal
from agentpg.desk.doctor.disk.findings import find
from agentpg.desk.doctor.disk.planning import plan
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.doctor.disk.rewriting import gain_bytes, lacking, rewrite_bytes, rooms
from agentpg.desk.doctor.disk.steps import Plan
from tests.desk.doctor.disk.sample import MIB, a_slot, a_volume, facts
from tests.desk.doctor.disk.test_findings import (
    BALLAST,
    BLOATED,
    FAILING,
    FULL,
    KEPT,
    OLD_LOG,
    SPILL,
)

pytestmark = pytest.mark.without_server

POLICY = Policy()
LOGS = Logs(folder="/data/log", files=(OLD_LOG,), removable=(OLD_LOG,))
IDLE = a_slot(name="old", active=False, retained_bytes=300 * MIB)
WAL = Wal(files=40, size_bytes=640 * MIB, waiting=20)


def _plan(some: Facts) -> Plan:
    return plan(some, find(some, POLICY), POLICY)


def _everything(**other: object) -> Facts:
    said = {
        "ballasts": (BALLAST,),
        "logs": LOGS,
        "kept": KEPT,
        "spills": (SPILL,),
        "archiver": FAILING,
        "wal": WAL,
        "slots": (IDLE,),
        "tables": (replace(BLOATED, free_share=0.9),),
        **other,
    }
    return facts(FULL, **said)


def test_a_disk_that_is_well_wants_nothing() -> None:
    assert _plan(facts(ballasts=(BALLAST,), kept=KEPT)).steps[0].kind == "prune_backups"
    assert _plan(facts(ballasts=(BALLAST,), slots=(a_slot(),))) == Plan()


def test_the_steps_come_in_their_safe_order() -> None:
    made = _plan(_everything())
    assert [step.kind for step in made.steps] == [
        "release_ballast",
        "remove_logs",
        "prune_backups",
        "cancel_query",
        "mend_archiving",
        "drop_slot",
        "checkpoint",
        "vacuum",
        "grow",
        "make_ballast",
    ]
    gives = {step.kind: (step.gives_bytes or 0) // MIB for step in made.steps}
    assert gives["release_ballast"] == 64
    assert gives["remove_logs"] == 300
    assert gives["mend_archiving"] == 320


def test_who_does_what() -> None:
    doers = {step.kind: step.doer for step in _plan(_everything()).steps}
    assert [kind for kind, doer in doers.items() if doer == "fix"] == [
        "release_ballast",
        "remove_logs",
        "prune_backups",
        "checkpoint",
    ]
    assert (doers["cancel_query"], doers["drop_slot"]) == ("asked", "named")


def test_a_ballast_is_kept_while_there_is_time() -> None:
    some = replace(_everything(), volumes=(a_volume(free_bytes=150 * MIB),))
    assert "release_ballast" not in [step.kind for step in _plan(some).steps]


def _refused(some: Facts) -> list[str]:
    return [one.sentence.format_map(one.values) for one in _plan(some).refused]


def test_what_would_do_harm_is_refused_with_the_reason() -> None:
    busy = a_slot(name="busy", retained_bytes=300 * MIB)
    some = _everything(slots=(busy,))
    assert _refused(some) == [
        "deleting files in pg_wal, or pg_resetwal",
        "removing the backup p",
        "dropping the slot busy",
        "VACUUM FULL of tasks",
    ]
    [*_, rewrite] = _plan(some).refused
    assert rewrite.reason.format_map(rewrite.values).endswith("50 MB are free")
    assert "drop_slot" not in [step.kind for step in _plan(some).steps]


def test_a_table_is_written_anew_only_where_there_is_room() -> None:
    bloated = replace(BLOATED, free_share=0.9)
    # 30 MB of rows and 20 MB of indexes, once more and a fifth, their WAL, and 30 MB to sort.
    assert round(rewrite_bytes(bloated) / MIB) == 140
    roomy = facts(a_volume(free_bytes=145 * MIB), tables=(bloated,))
    steps = {step.kind: step for step in _plan(roomy).steps}
    assert steps["vacuum_full"].needs_bytes == rewrite_bytes(bloated)
    assert steps["vacuum_full"].gives_bytes == int(0.9 * 300 * MIB)
    narrow = facts(a_volume(free_bytes=135 * MIB), tables=(bloated,))
    assert "vacuum_full" not in [step.kind for step in _plan(narrow).steps]


def test_what_was_not_measured_is_reckoned_whole_and_not_written_anew() -> None:
    # After a crash the statistics know of no live row.
    lost = replace(BLOATED, live_rows=0, dead_rows=1)
    assert rewrite_bytes(lost) > (300 + 20) * 2 * MIB
    roomy = facts(a_volume(size_bytes=9000 * MIB, free_bytes=900 * MIB), tables=(lost,))
    kinds = [step.kind for step in _plan(roomy).steps]
    assert "vacuum" in kinds
    assert "vacuum_full" not in kinds


@pytest.mark.parametrize(
    ("changed", "written", "gains"),
    [
        # What TOAST keeps is not measured, and is written whole.
        ({"size_bytes": 3000 * MIB}, 2700 + 30, 270),
        # What a fill factor keeps free stays free.
        ({"fill_factor": 10}, 300, 0),
        # Dead rows go too where no transaction may still see them.
        ({"dead_measured": 0.5}, 180, 270),
    ],
)
def test_what_is_free_in_the_heap_alone_is_left_out(
    changed: dict[str, Any], written: int, gains: int
) -> None:
    table = replace(BLOATED, index_bytes=0, free_share=0.9, **changed)
    assert round(rewrite_bytes(table) / MIB) == pytest.approx(written * 2.2, abs=2)
    assert round(gain_bytes(table) / MIB) == gains


def _on_two_disks(main: int, other: int, role: str) -> Facts:
    """Free MB of the file system of the data, and of that of another place."""
    first = a_volume(places=("data", "wal"), free_bytes=main * MIB)
    second = a_volume(device=8, mount="/other", places=(role,), free_bytes=other * MIB)
    some = facts(first)
    places = tuple(one for one in some.places if one.role != role)
    moved = Place(role=role, folder=Path("/other"), device=8)
    return replace(some, volumes=(first, second), places=(*places, moved))


@pytest.mark.parametrize(
    ("role", "where"),
    [
        ("wal", {}),
        ("tablespace", {"folder": "/other"}),
        ("tablespace", {"indexes_in": {"/other": 20 * MIB}}),
        ("tablespace", {"sort_folder": "/other"}),
    ],
)
def test_every_file_system_has_room_for_its_part(role: str, where: dict[str, Any]) -> None:
    table = replace(BLOATED, free_share=0.9, **where)
    assert lacking(rooms(_on_two_disks(500, 70, role), table)) is None
    for free in ((500, 15), (50, 500)):
        room = lacking(rooms(_on_two_disks(*free, role), table))
        assert room is not None
        assert room.place == ("/other" if free[1] == 15 else "/data")


def test_file_systems_of_one_pool_have_the_room_once() -> None:
    table = replace(BLOATED, free_share=0.9)
    # The WAL takes 50 MB, the rest 90.
    assert lacking(rooms(_on_two_disks(100, 110, "wal"), table)) is None
    room = lacking(rooms(_on_two_disks(100, 100, "wal"), table))
    assert room is not None
    assert round(room.needed_bytes / MIB) == 140


def test_a_place_that_is_not_seen_has_no_room() -> None:
    table = replace(BLOATED, free_share=0.9, folder="/nowhere")
    room = lacking(rooms(facts(), table))
    assert room is not None
    assert (room.place, room.free_bytes, room.suffices) == ("/nowhere", None, False)
    [*_, refused] = _plan(facts(a_volume(free_bytes=150 * MIB), tables=(table,))).refused
    assert refused.values["place"] == "/nowhere"


def test_without_the_server_it_is_to_be_started_once_there_is_room() -> None:
    away = Unlooked("the server does not run")
    names = ("server", "databases", "tables", "archiver", "holders", "spills")
    some = _everything(**dict.fromkeys(names, away))
    kinds = [step.kind for step in _plan(some).steps]
    assert kinds.index("release_ballast") < kinds.index("start_server") < kinds.index("drop_slot")
    assert "checkpoint" not in kinds


def test_a_forecast_alone_calls_for_the_plan() -> None:
    from tests.desk.doctor.disk.test_findings import _grown

    some = facts(a_volume(), samples=_grown(0.5, 400), logs=LOGS)
    assert "remove_logs" in [step.kind for step in _plan(some).steps]
    quiet = replace(some, samples=(), logs=replace(LOGS, files=(), removable=()))
    assert _plan(quiet).steps == ()


def test_logs_are_kept_for_as_long_as_is_set() -> None:
    [step] = [one for one in _plan(_everything()).steps if one.kind == "remove_logs"]
    assert step.values == {"files": 1, "days": timedelta(days=7).days}
