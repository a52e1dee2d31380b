"""Running pg_dump on one moment, with the manifest of the same moment beside it.

A session that wants a table for itself in the middle makes pg_dump give up, since its further
connections would wait behind it. That is named, all locks are let go, and it is tried once
more.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from agentpg.db import Database, Statements, completed, environment_of, make_conninfo
from agentpg.desk.backup.creating import Job, Made, Step
from agentpg.desk.backup.leash import Leash, run_tool
from agentpg.desk.backup.making.filling import Filling
from agentpg.desk.backup.making.metering import Meter
from agentpg.desk.backup.making.pacing import DumpPace
from agentpg.desk.backup.proof.contents import join_moment
from agentpg.desk.backup.proof.manifest import Manifest
from agentpg.desk.backup.proof.moment import Disturbed, Moment, catalogue_of, hold_moment
from agentpg.desk.backup.proof.taking import take_outline
from agentpg.desk.backup.storage.repository import GLOBALS, MANIFEST
from agentpg.desk.backup.storage.stage import Stage
from agentpg.errors import TablesInUse, ToolFailed
from agentpg.language import N_
from agentpg.settings import hide_password

# What is made beside it first, it makes.
Command = Callable[[Moment], Sequence[str | Path]]

# What pg_dump says in its own words where it did not get a table.
_NO_LOCK = ("could not obtain lock on relation", "LOCK TABLE")
_NO_ROOM = "No space left on device"

_SCHEMA_CHANGED = "the schema was changed meanwhile"
_AGAIN = N_("It is tried once more: {reason}.")
_BEHIND = N_(
    "The sequence {sequence} is behind its column {column}: it would give numbers that are taken."
)
_MOST_NOTES = 5


def dump_moment(job: Job, stage: Stage, command: Command, compression: str) -> Made:
    """Run the pg_dump that `command` gives for a moment, and take the manifest and the globals.

    Raises TablesInUse where others were in the way twice, ToolFailed, RepositoryFull, and
    the errors of the database.
    """
    try:
        manifest = _Try(job, stage).run(command)
    except Disturbed as first:
        job.tell(Step(note=_AGAIN, values=(("reason", _disturbance(job, first)),)))
        stage.clear()
        try:
            manifest = _Try(job, stage).run(command)
        except Disturbed as second:
            raise TablesInUse(_disturbance(job, second)) from None
    keep_manifest(job, stage, manifest)
    return Made(
        taken_at=manifest.taken_at,
        lsn=manifest.lsn,
        compression=compression,
        tables=len(manifest.tables),
        rows=manifest.rows,
        details=write_globals(job, stage),
    )


def keep_manifest(job: Job, stage: Stage, manifest: Manifest) -> None:
    """Write the manifest into the stage, and tell what is not right at the source.

    Raises RepositoryFull.
    """
    for sequence, column in manifest.behind[:_MOST_NOTES]:
        values = (("sequence", sequence), ("column", column))
        job.tell(Step(note=_BEHIND, values=values))
    try:
        with (stage.folder / MANIFEST).open("w", encoding="utf-8") as file:
            # Piece by piece: of a large catalogue the whole text is large as well.
            json.dump(manifest.document(), file, ensure_ascii=False, indent=1)
            file.write("\n")
    except OSError as error:
        raise stage.error(error) from error


def dump_options(job: Job, moment: Moment) -> list[str]:
    """The options of pg_dump that are the same for every format."""
    return [
        f"--snapshot={moment.snapshot}",
        f"--lock-wait-timeout={job.options.lock_milliseconds}",
        # Its files are brought to the disk with all others.
        "--no-sync",
        "--no-password",
    ]


def tool_environment(database: Database) -> dict[str, str]:
    """Where the programs find the database: nothing of it goes into their arguments."""
    environment = environment_of(completed(database.dsn))
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
        # By itself, a name with an equals sign would be read as more than a name.
        f"--database={make_conninfo('', dbname=job.source.database)}",
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

    def run(self, command: Command) -> Manifest:
        database = self.job.database
        with hold_moment(database, self.job.options.lock_milliseconds) as moment:
            meter = Meter(self.job, moment)
            # Sequences are no part of a snapshot: read before, they can't be ahead of the dump.
            outline = take_outline(moment.connection, database.schema)
            with (
                Filling(moment, outline, self._pace(moment), meter.read) as filling,
                Leash(self._command(command, moment), tool_environment(database)) as leash,
            ):
                self._wait(leash, moment, meter, filling)
                manifest = filling.wait(meter.look)
            meter.ended()
            return replace(manifest, taken_at=moment.taken_at, lsn=moment.lsn)

    def _pace(self, moment: Moment) -> DumpPace:
        job = self.job
        return DumpPace(
            partial(join_moment, job.database, moment.snapshot),
            further=job.options.jobs - 1,
            same_machine=job.source.is_local,
        )

    def _command(self, command: Command, moment: Moment) -> Sequence[str | Path]:
        try:
            return command(moment)
        except ToolFailed as error:
            self._judge(error, moment)
            raise

    def _wait(self, leash: Leash, moment: Moment, meter: Meter, filling: Filling) -> None:
        def look() -> None:
            filling.raise_failure()
            meter.look()

        try:
            leash.wait(look)
        except ToolFailed as error:
            self._judge(error, moment)
            raise
        meter.copied()

    def _judge(self, error: ToolFailed, moment: Moment) -> None:
        """Raise what it was, where that is known."""
        refuse_no_room(error, self.stage)
        self._require_undisturbed(error, moment)

    def _require_undisturbed(self, error: ToolFailed, moment: Moment) -> None:
        """Raise Disturbed where others were the reason, or what the server says if it is gone."""
        said = str(error.values["said"])
        sql = Statements("backup", self.job.database.schema)
        changed = catalogue_of(self.job.connection, sql) != moment.catalogue
        if changed or any(text in said for text in _NO_LOCK):
            reason = _SCHEMA_CHANGED if changed else said.partition("\n")[0]
            # They wait for our locks until this try has ended, so now they can be seen.
            raise Disturbed(reason, _in_the_way(self.job)) from error


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
        raise stage.error(OSError(errno.ENOSPC, _NO_ROOM)) from None
