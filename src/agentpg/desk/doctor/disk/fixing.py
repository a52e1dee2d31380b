"""Doing the steps of the plan that are safe: each looks again right before, and afterwards.

What a step looked at may have changed since the plan was made: then it is left out, with the
reason, and nothing is done.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Database, Statements, connect, driver_errors
from agentpg.desk.backup.creating import source_of
from agentpg.desk.backup.model import Source
from agentpg.desk.backup.pruning import apply_plan, plan_pruning, retention_of
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.desk.doctor.disk.ballast import read_ballasts, release_ballast
from agentpg.desk.doctor.disk.folders import read_logs
from agentpg.desk.doctor.disk.policy import Policy, policy_of
from agentpg.desk.doctor.disk.steps import Step
from agentpg.desk.doctor.disk.volumes import free_bytes
from agentpg.errors import (
    DatabaseUnavailable,
    FileNotWritten,
    PermissionDenied,
    SlotActive,
    SlotNotFound,
)
from agentpg.language import N_
from agentpg.settings import Settings

# How long a cancelled query may take to put its files away.
_PATIENCE = timedelta(seconds=20)
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a step: `freed_bytes` by what the file system says, None where it can't be
    asked; `skipped` is why nothing was done."""

    step: Step
    freed_bytes: int | None = None
    done: int = 0
    skipped: str = ""


class Fixer:
    """Does steps, one after another, against one installation."""

    def __init__(self, database: Database | None, settings: Settings, folder: Path | None) -> None:
        self._database = database
        self._settings = settings
        self._policy: Policy = policy_of(settings)
        self._home = settings.home.expanduser().absolute()
        self._folder = folder
        self._sql = Statements("disk", "" if database is None else database.schema)
        self._ways: dict[str, Callable[[Step], int | str]] = {
            "release_ballast": self._release,
            "remove_logs": self._remove_logs,
            "prune_backups": self._prune,
            "cancel_query": self._cancel,
            "drop_slot": self._drop_slot,
            "checkpoint": self._checkpoint,
        }

    def do(self, step: Step) -> Outcome:
        """Do one step, and measure. Raises what it meets: FileNotWritten, DatabaseUnavailable,
        PermissionDenied, SlotActive, SlotNotFound, RepositoryUnavailable."""
        try:
            return self._measured(step)
        except OSError as error:
            path = error.filename or step.subject
            raise FileNotWritten(error.strerror or str(error), path=path) from error

    def _measured(self, step: Step) -> Outcome:
        place = self._place_of(step)
        before = None if place is None else free_bytes(place)
        said = self._ways[step.kind](step)
        if isinstance(said, str):
            return Outcome(step=step, skipped=said)
        freed = None if place is None or before is None else free_bytes(place) - before
        return Outcome(step=step, freed_bytes=freed, done=said)

    def _place_of(self, step: Step) -> Path | None:
        """A folder on the file system where the step gives room."""
        if step.kind == "release_ballast":
            return Path(step.subject).parent
        if step.kind in ("remove_logs", "prune_backups"):
            return Path(step.subject)
        if step.kind in ("drop_slot", "checkpoint") and self._folder is not None:
            # It may be a link to another file system.
            return self._folder / "pg_wal"
        return self._folder

    def _release(self, step: Step) -> int | str:
        there = [one for one in read_ballasts(self._home) if str(one.path) == step.subject]
        for ballast in there:
            release_ballast(self._home, ballast)
        return len(there) or N_("it is not there any more")

    def _remove_logs(self, step: Step) -> int | str:
        if self._folder is None:
            return N_("no log file is old enough any more")
        owner = self._folder.stat().st_uid
        logs = read_logs(Path(step.subject), owner, self._policy.logs_kept, datetime.now(UTC))
        # By the folder itself: what its name means may be changed by the server's account.
        folder = os.open(step.subject, os.O_RDONLY | os.O_DIRECTORY)
        try:
            removed = [file.name for file in logs.removable if _remove(folder, file.name, owner)]
        finally:
            os.close(folder)
        return len(removed) or N_("no log file is old enough any more")

    def _prune(self, step: Step) -> int | str:
        del step
        repository = open_repository(self._settings)
        # Planned anew: a drill may have failed, or a backup have come, since it was looked at.
        plan = plan_pruning(repository, retention_of(self._settings), self._source())
        if not plan.going and not plan.wal_going:
            return N_("no backup need go any more")
        apply_plan(repository, plan, lambda _: None)
        return len(plan.going)

    def _source(self) -> Source | None:
        """Of which database; without a server that answers, of all."""
        if self._database is None:
            return None
        try:
            return source_of(self._database)
        except DatabaseUnavailable:
            return None

    def _cancel(self, step: Step) -> int | str:
        values = {"process": int(step.subject), "started_at": step.values["started_at"]}
        with self._connected() as connection:
            if not connection.execute(self._sql["cancel_query"], values).fetchall():
                return N_("it runs something else by now")
            if not self._ends(connection, values):
                return N_("it was told to end, and has not ended yet")
        return 1

    def _ends(self, connection: Connection[Any], values: Mapping[str, Any]) -> bool:
        """Wait until it has ended, and its temporary files with it."""
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        while time.monotonic() < deadline:
            if not connection.execute(self._sql["read_query"], values).fetchall():
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _drop_slot(self, step: Step) -> int | str:
        with self._connected() as connection:
            drop_slot(connection, self._sql, step.subject)
        # What it kept goes with the next checkpoint, by itself in some minutes.
        with suppress(PermissionDenied):
            self._checkpoint(step)
        return 1

    def _checkpoint(self, step: Step) -> int | str:
        del step
        with self._connected() as connection:
            connection.execute(self._sql["checkpoint"])
        return 1

    @contextmanager
    def _connected(self) -> Iterator[Connection[Any]]:
        database = self._database or Database("")
        with (
            driver_errors(database.target()),
            connect(database, "agentpg doctor") as connection,
        ):
            yield connection


def _remove(folder: int, name: str, owner: int) -> bool:
    """Remove a file of this account in an open folder, if it is one still."""
    try:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(there.st_mode) or there.st_uid != owner:
            return False
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def drop_slot(connection: Connection[Any], sql: Statements, name: str) -> None:
    """Drop a slot that is there and that nobody reads from.

    Raises SlotNotFound and SlotActive. The server itself refuses one that is in use.
    """
    rows = connection.execute(sql["read_slot"], {"name": name}).fetchall()
    if not rows:
        raise SlotNotFound(slot=name)
    [(process,)] = rows
    if process is not None:
        raise SlotActive(slot=name, process=process)
    connection.execute(sql["drop_slot"], {"name": name})
