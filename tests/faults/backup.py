"""Backups that would be useless when they are needed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from agentpg.desk.backup.storage.records import key_of
from tests.desk.backup.sample import FAILED
from tests.desk.backup.watched import DAY, HOUR
from tests.faults.fault import Fault, Patient
from tests.faults.installation import Installation


@contextmanager
def _anew(here: Installation) -> Iterator[None]:
    """Another history of backups; afterwards the healthy one again."""
    root = here.watched.repository.root
    _clear(here)
    yield
    _clear(here)
    here.watched.healthy()
    assert root.is_dir()


def _clear(here: Installation) -> None:
    for path in here.watched.repository.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _old(here: Installation) -> Iterator[Patient]:
    with _anew(here):
        here.watched.backup(5 * DAY)
        here.watched.drill(here.watched.backup(60 * HOUR), HOUR)
        yield here.as_it_is()


@contextmanager
def _undrilled(here: Installation) -> Iterator[Patient]:
    with _anew(here):
        here.watched.drill(here.watched.backup(40 * DAY), 38 * DAY)
        here.watched.backup(HOUR)
        yield here.as_it_is()


@contextmanager
def _failed_drill(here: Installation) -> Iterator[Patient]:
    with _anew(here):
        broken, fine = here.watched.backup(2 * DAY), here.watched.backup(HOUR)
        here.watched.drill(broken, DAY, (FAILED,))
        here.watched.drill(fine, HOUR / 2)
        yield here.as_it_is()


@contextmanager
def _damaged(here: Installation) -> Iterator[Patient]:
    with _anew(here):
        _, backup, _ = (here.watched.backup(age) for age in (2 * DAY, DAY, 2 * HOUR))
        here.watched.drill(here.watched.backup(HOUR), HOUR / 2)
        os.truncate(here.watched.repository.root / key_of(backup.name, "data/toc.dat"), 999)
        yield here.as_it_is()


@contextmanager
def _gap(here: Installation) -> Iterator[Patient]:
    [(system,)] = here.ask("SELECT system_identifier::text FROM pg_control_system()")
    repository = here.watched.repository
    for number in (1, 2, 4):
        repository.write(f"wal/{system}/{number:024X}.zst", b"wal")
    yield here.as_it_is()
    shutil.rmtree(repository.root / "wal")


def _of(what: str, **other: Any) -> Any:
    @contextmanager
    def make(here: Installation) -> Iterator[Patient]:
        with _anew(here):
            here.watched.backup(DAY)
            here.watched.drill(here.watched.backup(timedelta(minutes=30), **other), HOUR / 4)
            yield here.as_it_is()

    return make


FAULTS: tuple[Fault[Installation], ...] = (
    Fault(("B01",), "no backup for days", _old, "records 60 h old"),
    Fault(("B03",), "no drill for weeks", _undrilled, "a drill of 38 days ago"),
    Fault(("B04",), "a drill that failed", _failed_drill, "its record"),
    Fault(("B08",), "a gap in the archived WAL", _gap, "three files of four"),
    Fault(("B12",), "a file of a backup is cut short", _damaged, "truncate"),
    Fault(
        ("B13",),
        "a dump by a newer program",
        _of("newer", tool_version="99.1"),
        "a record of version 99.1",
    ),
)
