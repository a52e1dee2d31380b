"""Running pg_dump on one moment, with the manifest of the same moment beside it.

A session that wants a table for itself in the middle makes pg_dump give up, since its further
connections would wait behind it. That is named, all locks are let go, and it is tried once
more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentpg.db import Database, Statements, environment_of
from agentpg.desk.backup.creating import Job, Made, Step
from agentpg.desk.backup.leash import Leash, run_tool
from agentpg.desk.backup.moment import Disturbed, Moment, catalogue_of, hold_moment
from agentpg.desk.backup.repository import GLOBALS
from agentpg.desk.backup.stage import Stage
from agentpg.errors import FileNotWritten, RepositoryFull, TablesInUse, ToolFailed
from agentpg.language import N_
from agentpg.settings import hide_password

Command = Callable[[Moment], Sequence[str | Path]]

_LOOK_SECONDS = 0.25
_LOOK_AT_OTHERS_SECONDS = 1.0

# What pg_dump says in its own words where it did not get a table.
_NO_LOCK = ("could not obtain lock on relation", "LOCK TABLE")
_NO_ROOM = "No space left on device"

_SCHEMA_CHANGED = N_("the schema was changed meanwhile")
_AGAIN = N_("It is tried once more: {reason}.")


def dump_moment(job: Job, stage: Stage, command: Command, compression: str) -> Made:
    """Run the pg_dump that `command` gives for a moment, and take the manifest and the globals.

    Raises TablesInUse where others were in the way twice, ToolFailed, RepositoryFull, and
    the errors of the database.
    """
    try:
        moment = _Try(job, stage).run(command)
    except Disturbed as first:
        job.tell(Step(note=_AGAIN, values=(("reason", _disturbance(job, first)),)))
        stage.clear()
        try:
            moment = _Try(job, stage).run(command)
        except Disturbed as second:
            raise TablesInUse(_disturbance(job, second)) from None
    return Made(
        taken_at=moment.taken_at,
        lsn=moment.lsn,
        compression=compression,
        tables=len(moment.tables),
        rows=0,
        details={"jobs": job.options.jobs, **write_globals(job, stage)},
    )


def dump_options(job: Job, moment: Moment) -> list[str]:
    """The options of pg_dump that are the same for every format."""
    milliseconds = round(job.options.lock_wait.total_seconds() * 1000)
    return [
        f"--snapshot={moment.snapshot}",
        f"--lock-wait-timeout={milliseconds}",
        # Its files are brought to the disk with all others.
        "--no-sync",
        "--no-password",
    ]


def tool_environment(database: Database) -> dict[str, str]:
    """Where the programs find the database: nothing of it goes into their arguments."""
    environment = environment_of(database.dsn)
    # The text of a dump is in the database's own encoding.
    environment.pop("PGCLIENTENCODING", None)
    return environment


def write_globals(job: Job, stage: Stage) -> dict[str, Any]:
    """Write the roles and tablespaces of the cluster; what the record says of them.

    A role that may not read them is no reason to have no backup at all.
    """
    command: list[str | Path] = [
        job.programs.tool("pg_dumpall"),
        "--globals-only",
        "--no-password",
        f"--database={job.source.database}",
        f"--file={stage.folder / GLOBALS}",
    ]
    if not job.options.role_passwords:
        command.append("--no-role-passwords")
    try:
        run_tool(command, tool_environment(job.database))
    except ToolFailed as error:
        refuse_no_room(error, stage)
        (stage.folder / GLOBALS).unlink(missing_ok=True)
        if error.values["code"] != 1:
            raise
        return {"globals": False, "globals_missing": str(error.values["reason"])}
    return {"globals": True, "role_passwords": job.options.role_passwords}


@dataclass(slots=True)
class _Try:
    """One try to dump one moment."""

    job: Job
    stage: Stage

    def run(self, command: Command) -> Moment:
        with hold_moment(self.job.database, self.job.options.lock_wait) as moment:
            meter = Meter(self.job, moment)
            with Leash(command(moment), tool_environment(self.job.database)) as leash:
                try:
                    leash.wait(meter.look)
                except ToolFailed as error:
                    refuse_no_room(error, self.stage)
                    self._require_undisturbed(error, moment)
                    raise
            meter.end()
            return moment

    def _require_undisturbed(self, error: ToolFailed, moment: Moment) -> None:
        """Raise Disturbed where others were the reason, or what the server says if it is gone."""
        said = str(error.values["said"])
        sql = Statements("backup", self.job.database.schema)
        changed = catalogue_of(self.job.connection, sql) != moment.catalogue
        if changed or any(text in said for text in _NO_LOCK):
            reason = _SCHEMA_CHANGED if changed else said.partition("\n")[0]
            # They wait for our locks until this try has ended, so now they can be seen.
            raise Disturbed(reason, _in_the_way(self.job)) from error


class Meter:
    """Tells how far a dump is, by what each of its connections has copied so far."""

    def __init__(self, job: Job, moment: Moment) -> None:
        self._job = job
        self._sql = Statements("backup", job.database.schema)
        self._tables = {table.oid: table for table in moment.tables}
        self._total = moment.size_bytes
        self._part: dict[int, float] = {}
        self._next = 0.0

    def look(self) -> None:
        """Ask the server, once a second, and tell."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LOOK_AT_OTHERS_SECONDS
        copying = dict(self._job.connection.execute(self._sql["copying"]).fetchall())
        for oid in self._part:
            # What was copied and is no longer has been copied whole.
            self._part[oid] = 1.0
        for oid, rows in copying.items():
            table = self._tables.get(oid)
            if table is not None:
                self._part[oid] = min(rows / table.rows, 0.99) if table.rows else 0.0
        done = sum(self._tables[oid].size_bytes * part for oid, part in self._part.items())
        self._job.tell(Step(done_bytes=int(done), total_bytes=self._total))

    def end(self) -> None:
        """All has been copied."""
        self._job.tell(Step(done_bytes=self._total, total_bytes=self._total))


def _disturbance(job: Job, error: Disturbed) -> str:
    """Why a try could not go on, and because of whom."""
    return "; ".join((error.reason, *(error.sessions or _in_the_way(job))))


def _in_the_way(job: Job) -> tuple[str, ...]:
    """The sessions that hold or want a table for themselves alone."""
    sql = Statements("backup", job.database.schema)
    found = job.connection.execute(sql["in_the_way"]).fetchall()
    return tuple(
        f"{pid} ({', '.join(filter(None, (role, application)))}): {hide_password(query)}"
        for pid, role, application, query in found
    )


def refuse_no_room(error: ToolFailed, stage: Stage) -> None:
    """Raise the error of a full disk, where the program itself met one and not the server."""
    lines = [line for line in str(error.values["said"]).splitlines() if _NO_ROOM in line]
    if any("ERROR:" not in line for line in lines):
        if stage.in_place:
            raise RepositoryFull(_NO_ROOM, place=stage.repository.place) from None
        raise FileNotWritten(_NO_ROOM, path=stage.folder) from None
