"""The plan: its order, what each step gives and needs, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.case import rewrite_bytes
from agentpg.desk.doctor.disk.facts import Facts, Logs, Wal
from agentpg.desk.doctor.disk.findings import find
from agentpg.desk.doctor.disk.planning import plan
from agentpg.desk.doctor.disk.policy import Policy
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
    # 30 MB of rows and 20 MB of indexes, once more and a fifth, and their WAL.
    assert round(rewrite_bytes(bloated) / MIB) == 110
    roomy = facts(a_volume(free_bytes=115 * MIB), tables=(bloated,))
    steps = {step.kind: step for step in _plan(roomy).steps}
    assert steps["vacuum_full"].needs_bytes == rewrite_bytes(bloated)
    assert steps["vacuum_full"].gives_bytes == int(0.9 * 300 * MIB)
    narrow = facts(a_volume(free_bytes=105 * MIB), tables=(bloated,))
    assert "vacuum_full" not in [step.kind for step in _plan(narrow).steps]


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
