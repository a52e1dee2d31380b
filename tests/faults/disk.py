"""Disks that fill up, each by another culprit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from tests.desk.backup.watched import DAY, Watched
from tests.desk.doctor.disk.patient import spilling, write_log
from tests.faults.fault import Fault, Patient
from tests.faults.installation import Installation
from tests.small_disk import small_disk
from tests.waiting import eventually

_MIB = 1024**2


@contextmanager
def _slot(here: Installation) -> Iterator[Patient]:
    here.run("SELECT pg_create_physical_replication_slot('old_replica', true)")
    here.write_wal(6)
    with here.crowded():
        yield here.as_it_is()
    here.run("SELECT pg_drop_replication_slot('old_replica')", "CHECKPOINT")


@contextmanager
def _archive(here: Installation) -> Iterator[Patient]:
    here.run("ALTER SYSTEM SET archive_command = 'false'", "SELECT pg_reload_conf()")
    here.write_wal(6)
    eventually(lambda: here.ask("SELECT failed_count > 0 FROM pg_stat_archiver") == [(True,)])
    with here.crowded():
        yield here.as_it_is()
    here.run("ALTER SYSTEM RESET archive_command", "SELECT pg_reload_conf()")
    eventually(
        lambda: here.ask("SELECT 1 FROM pg_ls_archive_statusdir() WHERE name ~ 'ready$'") == []
    )
    here.run("SELECT pg_stat_reset_shared('archiver')", "CHECKPOINT")


@contextmanager
def _spill(here: Installation) -> Iterator[Patient]:
    with spilling(here), here.crowded():
        yield here.as_it_is()


@contextmanager
def _logs(here: Installation) -> Iterator[Patient]:
    folder = here.home / "postgresql" / "log"
    days = [folder / f"postgresql-2026-01-{day:02}.log" for day in (8, 20, 30)]
    for age, path in enumerate(days):
        write_log(here, path, 30, timedelta(days=30 - age))
    with here.crowded():
        yield here.as_it_is()
    for path in days:
        path.unlink()


@contextmanager
def _held(here: Installation) -> Iterator[Patient]:
    path = here.disk / "app.log"
    with path.open("wb") as held:
        os.posix_fallocate(held.fileno(), 0, 90 * _MIB)
        path.unlink()
        with here.crowded():
            yield here.as_it_is()


@contextmanager
def _dump(here: Installation) -> Iterator[Patient]:
    dump = here.disk / "elsewhere" / "backup_20240101.sql"
    dump.parent.mkdir()
    with dump.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 90 * _MIB)
    with here.crowded():
        yield here.as_it_is()
    dump.unlink()
    dump.parent.rmdir()


@contextmanager
def _inodes(here: Installation) -> Iterator[Patient]:
    """The backups lie where there is room, and hardly a file can be made."""
    with small_disk(64 * _MIB, inodes=400) as disk:
        repository = disk / "repository"
        shutil.copytree(here.watched.repository.root, repository)
        with suppress(OSError):
            for number in range(400):
                (disk / f"{number}.tmp").touch()
        yield here.as_it_is(backup_repository=str(repository))


@contextmanager
def _backups(here: Installation) -> Iterator[Patient]:
    """Backups that need not be kept any more lie beside the data."""
    beside = Watched(here.with_schema, here.disk / "backups")
    for days in range(40, 52):
        beside.backup(days * DAY, 8 * _MIB, source_bytes=80 * _MIB)
    beside.healthy()
    with here.crowded():
        yield here.as_it_is(backup_repository=str(beside.repository.root))
    shutil.rmtree(beside.repository.root)


FAULTS: tuple[Fault[Installation], ...] = (
    Fault(("D02",), "no more files can be made", _inodes, "a disk of 400 inodes, all taken"),
    Fault(
        ("D03",), "a replication slot that nobody reads", _slot, "a physical slot, and a small disk"
    ),
    Fault(
        ("D04",),
        "an archive that fails fills the disk",
        _archive,
        "archive_command = false, a small disk",
    ),
    Fault(("D07",), "a query sorts on the disk", _spill, "a real sort, a small disk"),
    Fault(("D08",), "logs that nobody removes", _logs, "90 MB of old logs"),
    Fault(("D10",), "a deleted file that a process holds", _held, "90 MB, unlinked while open"),
    Fault(("D16",), "a dump that somebody left", _dump, "90 MB beside the data"),
    Fault(("D09",), "old backups fill the disk of the data", _backups, "a dozen of them, 96 MB"),
)
