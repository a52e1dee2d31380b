"""Whose folder it is: nothing is believed of one, or removed in it, that is not the server's."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentpg.db import Database
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.data_folder import (
    NO_DATA_FOLDER,
    OF_ANOTHER,
    OF_ROOT,
    Cluster,
    why_not,
    why_not_of,
)
from agentpg.desk.doctor.disk.findings import find
from agentpg.desk.doctor.disk.fixing import Agreed, Fixer
from agentpg.desk.doctor.disk.folders import read_slots
from agentpg.desk.doctor.disk.looking import look_at_disks
from agentpg.desk.doctor.disk.planning import plan
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.doctor.disk.steps import Step
from agentpg.desk.doctor.disk.volumes import place_at
from agentpg.settings import load_settings
from tests.desk.doctor.disk.standin import SYSTEM, give_away, stand_in, write_log

STARTED = datetime(2026, 3, 1, tzinfo=UTC)
CLUSTER = Cluster(system=SYSTEM, port=5432, started_at=STARTED)


def _runs(data: Path, *, port: int = 5432, started_at: datetime = STARTED) -> None:
    """A process has noted that it works there."""
    lines = ("4711", str(data), str(int(started_at.timestamp())), str(port), "/tmp", "*", "")
    (data / "postmaster.pid").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.without_server
def test_a_folder_of_something_else_is_none(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    assert why_not(tmp_path) == why_not(tmp_path / "missing") == NO_DATA_FOLDER
    data = stand_in(tmp_path / "data")
    assert why_not(data) is None
    (data / "global" / "pg_control").unlink()
    assert why_not(data) == NO_DATA_FOLDER


@pytest.mark.without_server
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is root's")
def test_no_server_works_as_root(tmp_path: Path) -> None:
    data = stand_in(tmp_path / "data")
    os.chown(data, 0, 0)
    assert why_not(data) == OF_ROOT


@pytest.mark.without_server
def test_a_copy_is_not_the_server_that_answers(tmp_path: Path) -> None:
    data = stand_in(tmp_path / "data")
    assert isinstance(why_not_of(data, CLUSTER), Unlooked), "nobody works there"
    _runs(data)
    assert why_not_of(data, CLUSTER) is None
    for other in (
        Cluster(system="7", port=5432, started_at=STARTED),
        Cluster(system=SYSTEM, port=5433, started_at=STARTED),
        Cluster(system=SYSTEM, port=5432, started_at=STARTED + timedelta(hours=1)),
    ):
        assert why_not_of(data, other) == OF_ANOTHER


@pytest.mark.without_server
def test_logs_are_removed_in_a_data_folder_alone(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    write_log(folder / "postgresql-old.log")
    write_log(folder / "postgresql-new.log", old=False)
    give_away(tmp_path)
    fixer = Fixer(None, load_settings(home=str(tmp_path)), Agreed(data=tmp_path))
    step = Step(kind="remove_logs", sentence="", doer="fix", subject=str(folder))
    assert fixer.do(step).skipped == NO_DATA_FOLDER.reason
    assert len(list(folder.iterdir())) == 2


@pytest.mark.without_server
def test_a_link_that_leads_nowhere_is_no_disk(tmp_path: Path) -> None:
    assert place_at("backups", tmp_path / "later").device == tmp_path.stat().st_dev
    for role in ("data", "wal", "tablespace"):
        with pytest.raises(FileNotFoundError):
            place_at(role, tmp_path / "gone")


@pytest.mark.without_server
def test_what_no_server_would_call_a_slot_is_none(tmp_path: Path) -> None:
    data = stand_in(tmp_path / "data")
    for name in ("old_replica", "$(reboot)", "a; b"):
        (data / "pg_replslot" / name).mkdir()
    assert [slot.name for slot in read_slots(data)] == ["old_replica"]


def test_a_folder_that_is_set_is_the_servers_or_refused(
    database: Database, superuser_dsn: Callable[..., str], tmp_path: Path
) -> None:
    superuser = Database(superuser_dsn(database.name()), database.schema)
    other = stand_in(tmp_path / "data")
    write_log(other / "log" / "postgresql-old.log")
    said = load_settings(home=str(tmp_path), data_folder=str(other))
    facts = look_at_disks(superuser, said, Policy())
    assert facts.data == OF_ANOTHER
    findings = find(facts, Policy())
    assert "unknown" in [one.level for one in findings if one.code == "D01"]
    assert "remove_logs" not in [one.kind for one in plan(facts, findings, Policy()).steps]
    own = look_at_disks(superuser, load_settings(home=str(tmp_path)), Policy())
    assert isinstance(own.data, Path)
    named = load_settings(home=str(tmp_path), data_folder=str(own.data))
    assert look_at_disks(superuser, named, Policy()).data == own.data
    assert own.system == facts.system != ""
