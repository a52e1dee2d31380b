"""What the findings say of real records in a real repository, level by level."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.inspection.findings import CHECKS
from agentpg.desk.backup.model import Check
from agentpg.desk.backup.storage.records import key_of
from agentpg.desk.backup.storage.repository import RECORD
from agentpg.desk.finding import Finding
from tests.desk.backup.sample import FAILED
from tests.desk.backup.watched import DAY, HOUR, Watched
from tests.servers import SharedServer

UNKNOWN = Check(name="contents", outcome="unknown", reason="the disk was full")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")


@pytest.fixture
def watched(database: Database, superuser_dsn: Callable[..., str], tmp_path: Path) -> Watched:
    """The database of the test as a superuser, with a repository that is empty."""
    with_all = Database(superuser_dsn(_name(database)), database.schema)
    return Watched(with_all, tmp_path / "repository")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def _name(database: Database) -> str:
    with connect(database) as connection:
        return connection.info.dbname


def test_there_are_nineteen_and_each_says_something(watched: Watched) -> None:
    assert [check.code for check in CHECKS] == [f"B{number:02}" for number in range(1, 20)]
    watched.drill(watched.backup(HOUR), HOUR / 2)
    found = watched.findings()
    assert list(found) == [check.code for check in CHECKS]
    for check in CHECKS:
        assert found[check.code].level in ("ok", "unknown", *check.levels)
        assert found[check.code].threshold == check.threshold


@needs_root
def test_a_healthy_installation_is_silent(watched: Watched, small_disk: Path) -> None:
    healthy = Watched(watched.database, small_disk / "repository")
    healthy.settings["backup_recipients"] = "age1" + "q" * 58
    healthy.healthy()
    left = healthy.levels()
    # PostgreSQL 15 makes data folders without checksums, which B11 says rightly.
    left.pop("B11", None)
    assert left == {}


def test_bad_findings_have_numbers_and_remedies(watched: Watched) -> None:
    watched.drill(watched.backup(30 * DAY), 20 * DAY, (FAILED,))
    for finding in watched.findings().values():
        if finding.level != "ok":
            assert finding.remedies, finding.code
            assert all(r.command or r.sql for r in finding.remedies), finding.code
            assert "{" not in finding.message(), finding.code


def test_no_backup_is_critical_and_said_once(watched: Watched) -> None:
    found = watched.findings()
    assert found["B01"].level == "critical"
    assert not {"B02", "B03", "B04", "B12", "B13", "B17", "B18"} & set(found)


@pytest.mark.parametrize(
    ("age", "level"), [(25 * HOUR, "ok"), (27 * HOUR, "warning"), (51 * HOUR, "critical")]
)
def test_the_age_of_the_last_backup(watched: Watched, age: timedelta, level: str) -> None:
    watched.backup(age + 5 * DAY)
    last = watched.backup(age)
    found = watched.findings()["B01"]
    assert (found.level, found.subject) == (level, last.name)
    assert found.evidence["age_seconds"] == pytest.approx(age.total_seconds(), abs=60)


def test_moments_in_the_future_are_no_good_news(watched: Watched) -> None:
    watched.drill(watched.backup(60 * DAY), 50 * DAY)
    ahead = watched.backup(-2 * HOUR)
    watched.drill(ahead, -3 * HOUR)
    for found in (watched.findings()[code] for code in ("B01", "B03")):
        assert (found.level, found.subject) == ("warning", ahead.name)
        assert "ahead of this machine's clock" in found.message()
    assert watched.findings()["B01"].evidence["ahead_seconds"] == pytest.approx(7200, abs=60)


def test_the_thresholds_are_settings(watched: Watched) -> None:
    watched.backup(3 * HOUR)
    watched.settings |= {"backup_age_warning": "1h", "backup_age_critical": "2h"}
    assert watched.levels("B01") == {"B01": "critical"}


def test_one_backup_alone_is_a_warning(watched: Watched) -> None:
    first = watched.backup(2 * HOUR)
    assert watched.levels("B02") == {"B02": "warning"}
    watched.backup(HOUR)
    assert watched.levels("B02") == {"B02": "ok"}
    watched.drill(first, HOUR, (FAILED,))
    assert watched.levels("B02") == {"B02": "warning"}


def test_what_needs_another_is_no_second_backup(watched: Watched) -> None:
    full = watched.backup(2 * HOUR, kind="base")
    watched.backup(HOUR, kind="pgbackrest", details={"needs": [full.name], "label": "x"})
    assert watched.levels("B02") == {"B02": "warning"}


@pytest.mark.parametrize(
    ("age", "level"), [(7 * DAY, "ok"), (9 * DAY, "warning"), (32 * DAY, "critical")]
)
def test_the_age_of_the_last_drill(watched: Watched, age: timedelta, level: str) -> None:
    watched.drill(watched.backup(40 * DAY), age)
    watched.drill(watched.backup(HOUR), HOUR / 2, (UNKNOWN,))
    assert watched.levels("B03") == {"B03": level}


@pytest.mark.parametrize(
    ("age", "level"), [(HOUR, "info"), (9 * DAY, "warning"), (40 * DAY, "critical")]
)
def test_backups_that_nothing_proves(watched: Watched, age: timedelta, level: str) -> None:
    """The first weekly drill may be still to come; and one check says it."""
    watched.backup(age)
    found = watched.findings()
    assert found["B03"].level == level
    assert "B17" not in found


def test_a_drill_that_failed_is_critical_whatever_came_later(watched: Watched) -> None:
    broken, fine = watched.backup(2 * DAY), watched.backup(DAY)
    watched.drill(broken, DAY, (FAILED,))
    watched.drill(fine, HOUR)
    found = watched.findings()["B04"]
    assert (found.level, found.subject) == ("critical", broken.name)
    assert found.evidence["differences"] == 1
    assert "one table differs" in found.message()


def test_a_drill_that_could_not_find_out_is_unknown(watched: Watched) -> None:
    watched.drill(watched.backup(HOUR), HOUR / 2, (UNKNOWN,))
    found = watched.findings()["B04"]
    assert found.level == "unknown"
    assert "the disk was full" in found.message()


@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_a_file_that_is_not_as_it_was(watched: Watched, damage: str) -> None:
    backup, _ = watched.healthy()
    path = watched.repository.root / key_of(backup.name, "data/toc.dat")
    if damage == "missing":
        path.unlink()
    else:
        os.truncate(path, 999)
    found = watched.findings()["B12"]
    assert (found.level, found.subject) == ("critical", backup.name)
    assert watched.levels("B02") == {"B02": "warning"}


def test_a_record_that_cannot_be_read(watched: Watched) -> None:
    backup, _ = watched.healthy()
    (watched.repository.root / key_of(backup.name, RECORD)).write_text("{")
    found = watched.findings()
    assert (found["B12"].level, found["B12"].subject) == ("critical", backup.name)
    assert found["B02"].evidence["damaged"] == [backup.name]


@pytest.mark.parametrize(("size", "level"), [(1000, "ok"), (400, "critical"), (2500, "critical")])
def test_a_size_that_is_out_of_proportion(watched: Watched, size: int, level: str) -> None:
    for days in (4, 3, 2):
        watched.backup(days * DAY, size=1000 + days)
    watched.backup(HOUR, size=size)
    assert watched.levels("B12") == {"B12": level}


def test_a_database_that_shrank_with_its_backup_is_in_proportion(watched: Watched) -> None:
    for days in (4, 3, 2):
        watched.backup(days * DAY, size=1000)
    watched.backup(HOUR, size=200, source_bytes=2000)
    assert watched.levels("B12") == {"B12": "ok"}


def test_a_dump_by_a_newer_program_or_without_roles(watched: Watched) -> None:
    watched.backup(2 * HOUR)
    assert watched.levels("B13") == {"B13": "ok"}
    watched.backup(HOUR, tool_version="99.1")
    assert watched.levels("B13") == {"B13": "warning"}
    why = "permission denied for table pg_authid"
    watched.backup(HOUR / 2, details={"globals": False, "globals_missing": why})
    found = watched.findings()["B13"]
    assert found.level == "warning"
    assert why in found.message()


@needs_root
@pytest.mark.parametrize(
    ("size", "level"), [(1_000_000, "ok"), (1_500_000, "warning"), (2_000_000, "critical")]
)
def test_the_room_for_the_next_one(
    watched: Watched, small_disk: Path, size: int, level: str
) -> None:
    near = Watched(watched.database, small_disk / "repository")
    near.backup(HOUR, size=size)
    assert near.levels("B14") == {"B14": level}


def test_backups_beside_the_data(watched: Watched, shared_server: SharedServer) -> None:
    data = shared_server.server.status().data
    place = Path(tempfile.mkdtemp(prefix="agentpg-test-", dir=data.parents[2]))
    try:
        beside = Watched(watched.database, place / "repository")
        found = beside.findings()["B15"]
        assert (found.level, found.subject) == ("info", str(place / "repository"))
        beside.backup(HOUR)
        # Who gets at that disk needs no backup to read the data.
        assert beside.levels("B15", "B16") == {"B15": "warning", "B16": "info"}
    finally:
        shutil.rmtree(place)


def test_who_may_not_see_where_the_data_is_does_not_know(
    watched: Watched, database: Database
) -> None:
    limited = Watched(database, watched.repository.root)
    found = limited.findings()
    assert {code: found[code].level for code in ("B15", "B06", "B08")} == {
        "B15": "unknown",
        "B06": "ok",
        "B08": "ok",
    }
    assert "data_directory" in found["B15"].message()
    assert found["B15"].remedies[0].sql == "GRANT pg_read_all_settings TO admin"


def test_backups_that_are_not_sealed(watched: Watched) -> None:
    assert watched.levels("B01", "B16") == {"B01": "critical", "B16": "info"}
    watched.backup(HOUR)
    beside = watched.levels("B15")["B15"] == "warning"
    assert watched.levels("B16") == {"B16": "info" if beside else "warning"}
    watched.settings["backup_passphrase"] = "correct horse"
    assert watched.levels("B16") == {"B16": "ok"}


def test_a_key_beside_the_backups(watched: Watched) -> None:
    watched.settings["backup_key_file"] = str(watched.repository.root / "key.txt")
    found = watched.findings()["B16"]
    assert (found.level, found.subject) == ("warning", "backup_key_file")


@pytest.mark.parametrize(("ignored", "level"), [(False, "warning"), (True, "ok")])
def test_a_passphrase_that_git_keeps(watched: Watched, ignored: bool, level: str) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    Path(".env").write_text("AGENTPG_BACKUP_PASSPHRASE=battery\n")
    if ignored:
        Path(".gitignore").write_text(".env\n")
    found = watched.findings()["B16"]
    assert found.level == level
    assert "battery" not in str(found.document())


def test_what_is_proved_is_counted(watched: Watched) -> None:
    watched.healthy()
    found = watched.findings()["B17"]
    assert (found.level, found.evidence["proved"], found.evidence["backups"]) == ("ok", 1, 2)


@pytest.mark.parametrize(
    ("rto", "level"), [("10min", "ok"), ("70s", "warning"), ("1min", "critical")]
)
def test_the_time_to_restore_beside_its_target(watched: Watched, rto: str, level: str) -> None:
    watched.settings["backup_rto"] = rto
    assert watched.levels("B18") == {"B18": "unknown"}
    watched.healthy()
    found = watched.findings()["B18"]
    assert (found.level, found.evidence["seconds"]) == (level, 61.5)


@pytest.mark.parametrize(
    ("rpo", "level"), [("2h", "ok"), ("70min", "warning"), ("30min", "critical")]
)
def test_the_work_that_would_be_lost(watched: Watched, rpo: str, level: str) -> None:
    watched.settings["backup_rpo"] = rpo
    watched.backup(HOUR)
    assert watched.levels("B18") == {"B18": level}


def test_a_database_that_a_killed_restore_has_left(watched: Watched) -> None:
    name = f"left_{os.getpid()}_restoring_20261128_140355"
    assert watched.levels("B19") == {"B19": "ok"}
    watched.run(f"CREATE DATABASE {name}")
    try:
        found = watched.findings()["B19"]
        assert (found.level, found.subject) == ("warning", name)
        assert found.evidence["size_bytes"] > 1_000_000
        assert found.remedies[0].sql == f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
        with connect(watched.database) as filling:
            lock = "SELECT pg_advisory_lock(hashtextextended('agentpg restore ' || %s, 0))"
            filling.execute(lock, [name])
            assert watched.levels("B19") == {"B19": "ok"}
    finally:
        watched.run(f"DROP DATABASE {name}")


def test_a_repository_that_is_away_is_unknown_and_not_well(watched: Watched) -> None:
    watched.healthy()
    watched.settings["backup_repository"] = "ftp://backups"
    found = watched.findings()
    codes = ("B01", "B02", "B03", "B04", "B12", "B13", "B14", "B15", "B17")
    assert {found[code].level for code in codes} == {"unknown"}
    assert "ftp://backups" in found["B01"].message()


def test_a_server_that_is_away_leaves_the_records(watched: Watched) -> None:
    watched.healthy()
    gone = Watched(
        Database("host=127.0.0.1 port=1 dbname=x", "agentic_ai"), watched.repository.root
    )
    found: dict[str, Finding] = gone.findings()
    assert {found[code].level for code in ("B05", "B06", "B07", "B08", "B09", "B10", "B11")} == {
        "unknown"
    }
    assert found["B01"].level == found["B03"].level == "ok"
