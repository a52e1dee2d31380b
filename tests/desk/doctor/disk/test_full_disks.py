"""Real disks that are filled in each way: the culprit is named first, and the fix frees it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from agentpg.desk.doctor.disk.ballast import make_ballast, read_ballasts
from agentpg.desk.finding import at_or_above
from agentpg.errors import AgentpgError, BallastTooLarge, ServerStarting, SlotActive
from tests.desk.backup.watched import Watched
from tests.desk.doctor.disk.patient import DISK, OPTIONS, Patient, spilling, write_log
from tests.servers import Mould, OwnServers, Reaper
from tests.small_disk import as_root, small_disk
from tests.waiting import eventually

pytestmark = [as_root, pytest.mark.one_server, pytest.mark.xdist_group("disk_doctor")]

_MIB = 1024**2


@pytest.fixture(scope="module")
def patient(reaper: Reaper, mould: Mould) -> Iterator[Patient]:
    with small_disk(DISK) as disk:
        servers = OwnServers(disk, reaper, mould)
        server = servers(home=disk / "home", options=OPTIONS)
        server.start()
        yield Patient(server, disk)
        servers.close()


@pytest.fixture(autouse=True)
def it_was_well(patient: Patient) -> None:
    """No test begins with what another that failed has left."""
    if not patient.server.status().running:
        patient.server.start()
    patient.run(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots", "CHECKPOINT"
    )


def test_a_slot_that_nobody_reads(patient: Patient) -> None:
    patient.run("SELECT pg_create_physical_replication_slot('old_replica', true)")
    patient.write_wal(6)
    with patient.crowded():
        first = patient.first()
        assert (first.code, first.level, first.subject) == ("D03", "critical", "old_replica")
        assert first.evidence["retained_bytes"] >= 80 * _MIB
        refused = patient.look()[2].refused
        assert "pg_wal" in refused[0].sentence
        outcome = patient.drop("old_replica")
        assert (outcome.freed_bytes or 0) >= 64 * _MIB
        assert patient.used() < 0.8


def test_a_slot_that_is_read_is_not_dropped(patient: Patient, tmp_path: Path) -> None:
    patient.run("SELECT pg_create_physical_replication_slot('live', true)")
    try:
        with _receiver(patient, "live"), pytest.raises(SlotActive, match="in use"):
            patient.drop("live")
    finally:
        eventually(lambda: not _active(patient, "live"))
        patient.run("SELECT pg_drop_replication_slot('live')")


@contextmanager
def _receiver(patient: Patient, slot: str) -> Iterator[None]:
    """A session that reads from a slot."""
    which = f"WHERE slot_name = '{slot}'"
    connection = psycopg.connect(patient.server.dsn("postgres") + " replication=true")
    try:
        [(position,)] = patient.ask(f"SELECT restart_lsn FROM pg_replication_slots {which}")
        connection.pgconn.send_query(f"START_REPLICATION SLOT {slot} {position}".encode())
        eventually(lambda: _active(patient, slot))
        yield
    finally:
        connection.close()


def _active(patient: Patient, slot: str) -> bool:
    query = f"SELECT active FROM pg_replication_slots WHERE slot_name = '{slot}'"
    return patient.ask(query) == [(True,)]


def test_an_archive_that_fails(patient: Patient) -> None:
    patient.run("ALTER SYSTEM SET archive_command = 'false'", "SELECT pg_reload_conf()")
    patient.write_wal(6)
    try:
        with patient.crowded():
            eventually(lambda: patient.first().code == "D04", message="the archive is blamed")
            first = patient.first()
            assert first.level == "critical"
            assert first.evidence["files"] >= 6
            steps = [step.kind for step in patient.look()[2].steps]
            assert steps[:2] == ["mend_archiving", "checkpoint"]
    finally:
        patient.run("ALTER SYSTEM RESET archive_command", "SELECT pg_reload_conf()")
    eventually(lambda: not _waiting(patient), message="all is archived")


def _waiting(patient: Patient) -> object:
    wal = patient.look()[0].wal
    return getattr(wal, "waiting", 0)


def test_the_temporary_files_of_a_query(patient: Patient) -> None:
    with spilling(patient) as ended, patient.crowded():
        first = patient.first()
        assert (first.code, first.level) == ("D07", "critical")
        assert "generate_series" in first.reason()
        assert first.evidence["application"] == "a greedy report"
        step = patient.step("cancel_query")
        outcome = patient.fix(step)
        assert (outcome.freed_bytes or 0) > 40 * _MIB
        ended.wait(20)
        assert patient.fix(step).skipped == "it runs something else by now"
        assert patient.look()[0].spills == ()


def test_logs_that_nobody_removes(patient: Patient) -> None:
    folder = patient.home / "postgresql" / "log"
    for day in (8, 20, 30):
        write_log(patient, folder / f"postgresql-2026-01-{day:02}.log", 30, timedelta(days=day))
    write_log(patient, folder / "postgresql-2026-02-01.log", 5, timedelta(days=6))
    others = [folder / "notes.txt", folder / "postgresql-2026-01-05.log"]
    for path in others:
        # The latter is another account's.
        path.write_text("not the server's log", encoding="utf-8")
        os.utime(path, (0, 0))
    with patient.crowded():
        assert (patient.first().code, patient.first().level) == ("D08", "critical")
        step = patient.step("remove_logs")
        outcome = patient.fix(step)
        assert patient.fix(step).skipped == "no log file is old enough any more"
    assert outcome.done == 3
    assert (outcome.freed_bytes or 0) >= 90 * _MIB
    assert (folder / "postgresql-2026-02-01.log").exists(), "it is younger than logs are kept"
    assert all(path.exists() for path in others)
    assert patient.server.status().log.exists()
    (folder / "postgresql-2026-02-01.log").unlink()


def test_old_backups_beside_the_data(patient: Patient) -> None:
    watched = Watched(patient.database, patient.home / "backups")
    days = [watched.backup(timedelta(days=age), size=24 * _MIB) for age in (5, 4, 3, 2)]
    watched.drill(days[1], timedelta(days=1))
    keep = {f"backup_keep_{rule}": 0 for rule in ("daily", "weekly", "monthly")}
    patient.said |= {"backup_keep_last": 1, **keep}
    with patient.crowded():
        first = patient.first()
        assert (first.code, first.level) == ("D09", "critical")
        [backup] = [one for one in patient.look()[2].refused if "backup" in one.sentence]
        assert backup.values["backup"] == days[1].name
        outcome = patient.fix(patient.step("prune_backups"))
    assert outcome.done == 2
    assert (outcome.freed_bytes or 0) >= 48 * _MIB
    left = sorted(path.name for path in (patient.home / "backups" / "backups").iterdir())
    assert left == sorted((days[1].name, days[3].name)), "the drilled one and the last"
    for name in left:
        for path in sorted((patient.home / "backups" / "backups" / name).rglob("*"))[::-1]:
            path.rmdir() if path.is_dir() else path.unlink()


def test_a_deleted_file_that_is_held(patient: Patient) -> None:
    path = patient.disk / "app.log"
    with path.open("wb") as held:
        os.posix_fallocate(held.fileno(), 0, 90 * _MIB)
        path.unlink()
        with patient.crowded():
            first = patient.first()
            assert (first.code, first.level) == ("D10", "critical")
            assert (first.subject, first.evidence["path"]) == (str(os.getpid()), str(path))
            assert "free_deleted" in [step.kind for step in patient.look()[2].steps]


def test_a_dump_that_somebody_left(patient: Patient) -> None:
    dump = patient.disk / "elsewhere" / "backup_20240101.sql"
    dump.parent.mkdir()
    with dump.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 90 * _MIB)
    with patient.crowded():
        first = patient.first()
        assert (first.code, first.level, first.subject) == ("D16", "critical", str(dump))
        [step] = [one for one in patient.look()[2].steps if one.kind == "remove_others"]
        assert (step.doer, step.gives_bytes) == ("you", 90 * _MIB)
    dump.unlink()


def test_no_inodes_are_left(patient: Patient) -> None:
    with small_disk(16 * _MIB, inodes=100) as disk:
        repository = disk / "backups"
        repository.mkdir()
        with suppress(OSError):
            for number in range(100):
                (repository / f"{number}.tmp").touch()
        before, patient.said = (
            patient.said,
            {
                **patient.said,
                "backup_repository": str(repository),
            },
        )
        try:
            first = patient.first()
        finally:
            patient.said = before
    assert (first.code, first.level, first.subject) == ("D02", "critical", str(disk))
    assert first.evidence["place"] == str(repository)
    assert first.evidence["files"] > 90


def test_a_ballast_never_takes_the_last_fifth(patient: Patient) -> None:
    facts = patient.look()[0]
    volume = facts.volume("data")
    assert volume is not None
    data = Path(patient.server.status().data)
    with pytest.raises(BallastTooLarge) as refused:
        make_ballast(patient.home, data, volume, volume.free_bytes - _MIB, 0.2)
    assert refused.value.exit_code == 4
    assert read_ballasts(patient.home, data) == ()


def test_a_server_that_died_of_a_full_disk_comes_back(patient: Patient) -> None:
    data = Path(patient.server.status().data)
    volume = patient.look()[0].volume("data")
    assert volume is not None
    ballast = make_ballast(patient.home, data, volume, 48 * _MIB, 0.2)
    assert ballast.path.stat().st_mode & 0o777 == 0o600
    patient.run("SELECT pg_create_physical_replication_slot('old_replica', true)")
    patient.write_wal(5)
    # Else it takes room for new files of WAL meanwhile.
    patient.run("CHECKPOINT")
    with patient.crowded(leave=4 * _MIB):
        _until_it_panics(patient)
        _, findings, made = patient.look()
        first = at_or_above(findings, "warning")[0]
        assert (first.code, first.level, first.subject) == ("D03", "critical", "old_replica")
        assert first.evidence["retained_bytes"] >= 64 * _MIB
        # It died before it had archived what it wrote last.
        kinds = [step.kind for step in made.steps if step.kind != "mend_archiving"]
        assert kinds[:3] == ["release_ballast", "start_server", "drop_slot"]
        outcome = patient.fix(patient.step("release_ballast"))
        assert (outcome.freed_bytes or 0) >= 48 * _MIB
        assert read_ballasts(patient.home, data) == ()
        patient.server.start()
        patient.drop("old_replica")
        assert patient.used() < 0.8


def _until_it_panics(patient: Patient) -> None:
    """Write until the server has no room for its WAL, and has given up.

    It may go on trying to recover, and answer nobody meanwhile: then it is ended.
    """

    def has_died() -> bool:
        try:
            patient.write_wal(1)
        except ServerStarting:
            return True
        except (AgentpgError, psycopg.Error):
            return not patient.server.status().running
        return False

    eventually(has_died, message="the server dies of its full disk")
    with suppress(AssertionError):
        eventually(lambda: not patient.server.status().running, timeout=2)
    patient.server.stop("immediate")
