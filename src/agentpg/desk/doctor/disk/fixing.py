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
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Database, Statements, connect, driver_errors
from agentpg.desk.backup.creating import source_of
from agentpg.desk.backup.model import Source
from agentpg.desk.backup.pruning import Plan as Pruning, apply_plan, plan_pruning, retention_of
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.ballast import read_ballasts, release_ballast
from agentpg.desk.doctor.disk.data_folder import why_not
from agentpg.desk.doctor.disk.facts import Facts, Kept
from agentpg.desk.doctor.disk.folders import read_logs
from agentpg.desk.doctor.disk.looking import as_backed_up
from agentpg.desk.doctor.disk.policy import Policy, policy_of
from agentpg.desk.doctor.disk.steps import Step
from agentpg.desk.doctor.disk.volumes import free_bytes
from agentpg.errors import (
    AgentpgError,
    DatabaseUnavailable,
    FileNotWritten,
    NoDatabase,
    OtherCluster,
    PermissionDenied,
    SlotActive,
    SlotNotFound,
)
from agentpg.language import N_
from agentpg.settings import Settings

_HELD = N_("its files belong to an open transaction: end its session, or let it go on")

# How long a cancelled query may take to put its files away.
_PATIENCE = timedelta(seconds=20)
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a step: `freed_bytes` by what the file system says, None where it can't be
    asked; `skipped` is why nothing was done, and `error` what went wrong."""

    step: Step
    freed_bytes: int | None = None
    done: int = 0
    skipped: str = ""
    error: AgentpgError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What the steps were agreed to for: nothing is done to anything else.

    `data` is the server's data folder and `log_filename` the form of its logs' names, None where
    not known; `system` the identifier of its cluster, `backups` the names of those that may go.
    """

    data: Path | None = None
    system: str = ""
    log_filename: str | None = None
    backups: frozenset[str] = frozenset()


def agreed_on(facts: Facts) -> Agreed:
    """What was looked at."""
    server, kept = facts.server, facts.kept
    return Agreed(
        data=None if isinstance(facts.data, Unlooked) else facts.data,
        system=facts.system,
        log_filename=None if isinstance(server, Unlooked) else server.log_filename,
        backups=frozenset(kept.going if isinstance(kept, Kept) else ()),
    )


class Fixer:
    """Does steps, one after another, against one installation; `backed_up` is the database as the
    role that makes backups."""

    def __init__(
        self,
        database: Database | None,
        settings: Settings,
        agreed: Agreed,
        backed_up: Database | None = None,
    ) -> None:
        self._database = database
        self._backed_up = backed_up or (database and as_backed_up(database, settings))
        self._settings = settings
        self._agreed = agreed
        self._policy: Policy = policy_of(settings)
        self._home = settings.home.expanduser().absolute()
        self._folder = agreed.data
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
        NoDatabase, OtherCluster, PermissionDenied, SlotActive, SlotNotFound,
        RepositoryUnavailable."""
        try:
            return self._measured(step)
        except OSError as error:
            path = error.filename or step.subject
            raise FileNotWritten(error.strerror or str(error), path=path) from error

    def _measured(self, step: Step) -> Outcome:
        place = self._place_of(step)
        before = _free(place)
        said = self._ways[step.kind](step)
        if isinstance(said, str):
            return Outcome(step=step, skipped=said)
        after = _free(place)
        freed = None if before is None or after is None else after - before
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
        if self._folder is None:
            return N_("it is not there any more")
        there = read_ballasts(self._home, self._folder)
        released = [
            release_ballast(self._home, self._folder, one)
            for one in there
            if str(one.path) == step.subject
        ]
        return sum(released) or N_("it is not there any more")

    def _remove_logs(self, step: Step) -> int | str:
        if self._folder is None:
            return N_("no log file is old enough any more")
        amiss = why_not(self._folder)
        if amiss is not None:
            return amiss.reason
        owner = self._folder.stat().st_uid
        now, kept, filename = datetime.now(UTC), self._policy.logs_kept, self._agreed.log_filename
        logs = read_logs(Path(step.subject), self._folder, self._home, filename, kept, now)
        # By the folder itself: what its name means may be changed by the server's account.
        folder = os.open(step.subject, os.O_RDONLY | os.O_DIRECTORY)
        try:
            removed = [file.name for file in logs.removable if _remove(folder, file.name, owner)]
        finally:
            os.close(folder)
        return len(removed) or N_("no log file is old enough any more")

    def _prune(self, step: Step) -> int | str:
        del step
        source = self._source()
        if source is None:
            return N_(
                "which backups are this database's is not known; "
                "`agentpg backup prune --every-database` looks at all"
            )
        repository = open_repository(self._settings)
        # Planned anew: a drill may have failed, or a backup have come, since it was looked at.
        plan = self._of_agreed(plan_pruning(repository, retention_of(self._settings), source))
        if not plan.going and not plan.wal_going:
            return N_("no backup need go any more")
        apply_plan(repository, plan, lambda _: None)
        return len(plan.going)

    def _of_agreed(self, plan: Pruning) -> Pruning:
        """Without what nobody has agreed to; WAL goes only with all that it was planned for."""
        agreed = self._agreed.backups
        if all(backup.name in agreed for backup in plan.going):
            return plan
        fates = (one for one in plan.fates if one.reasons or one.backup.name in agreed)
        return replace(plan, fates=tuple(fates), wal=())

    def _source(self) -> Source | None:
        """Of which database, where it is one of the cluster that was looked at."""
        if self._backed_up is None:
            return None
        try:
            source = source_of(self._backed_up)
        except DatabaseUnavailable:
            return None
        known = self._agreed.system and source.system_identifier == self._agreed.system
        return source if known else None

    def _cancel(self, step: Step) -> int | str:
        values = {"process": int(step.subject), "started_at": step.values["started_at"]}
        with self._connected() as connection:
            if not connection.execute(self._sql["cancel_query"], values).fetchall():
                held = connection.execute(self._sql["read_held"], values).fetchall()
                return _HELD if held else N_("it runs something else by now")
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
        database = self._database
        if database is None:
            # What libpq would take by itself is nobody's choice.
            raise NoDatabase
        with (
            driver_errors(database.target()),
            connect(database, "agentpg doctor") as connection,
        ):
            [(system, *_)] = connection.execute(self._sql["read_cluster"]).fetchall()
            if system != self._agreed.system:
                raise OtherCluster(target=database.target())
            yield connection


def _free(place: Path | None) -> int | None:
    """What is free there; None where that may not be asked, which keeps nothing from being done."""
    try:
        return None if place is None else free_bytes(place)
    except OSError:
        return None


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
