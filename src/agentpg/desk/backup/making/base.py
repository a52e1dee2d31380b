"""Backups of kind base: the files of the whole cluster, and its WAL up to an exact moment.

    data/base/base.tar.gz, OID.tar.gz    the cluster, and each tablespace, as pg_basebackup gives
    data/base/pg_wal.tar.zst             the WAL that was written meanwhile
    data/base/backup_manifest            each file's size and SHA-256, for pg_verifybackup
    data/wal/NAME.zst                    the WAL from the end of the copy to the moment

pg_basebackup copies while work goes on; then writes are held for a moment (`holding.py`), a point
in the WAL is named after the backup, and the counts are taken from the snapshot of that moment.
The WAL up to it is part of the backup: it can be restored and proved without any archive.

The format is tar, compressed by the server: a few files instead of thousands, a third of the
size, and pg_verifybackup 18 reads it as it is, whichever server made it; an older one is
given the unpacked files. gzip, because that pg_verifybackup knows it wherever it was built.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Database, Statements, connect, dict_row, driver_errors, snapshot
from agentpg.desk.backup.creating import Job, Made, Step
from agentpg.desk.backup.leash import run_tool
from agentpg.desk.backup.making.copies import BACKUP_MANIFEST, verify_tars
from agentpg.desk.backup.making.dumping import (
    keep_manifest,
    refuse_no_room,
    tool_environment,
    write_globals,
)
from agentpg.desk.backup.proof.holding import Named, exact_moment, holder_of
from agentpg.desk.backup.proof.manifest import Manifest, Position
from agentpg.desk.backup.proof.taking import take_manifest, take_outline
from agentpg.desk.backup.recovery.targets import Copy
from agentpg.desk.backup.recovery.wal import Segment, lsn_number, pack
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.desk.backup.storage.stage import Stage
from agentpg.errors import (
    PermissionDenied,
    ReplicationRefused,
    ServerInRecovery,
    ToolFailed,
)
from agentpg.language import N_

DATA = "data"
COPY = "base"
WAL = "wal"
COMPRESSION = "gzip:1"

_SQL = Statements("base", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What a recovery must know of the cluster.

    `superuser` is the role that it was made with. `floors` are settings that must not be lower
    where it is recovered, `tablespaces` their folders by number, `places` the folders and files
    of the server, where the role may see them.
    """

    system: str
    superuser: str
    timeline: int
    segment_bytes: int
    size_bytes: int
    floors: Mapping[str, str]
    tablespaces: Mapping[str, str]
    places: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A copy of the cluster: consistent at `stop_lsn`, from where on it can be recovered.

    `stopped_at` is a moment after that, by the server's clock.
    """

    timeline: int
    start_lsn: str
    stop_lsn: str
    stopped_at: datetime


def read_cluster(database: Database) -> Cluster:
    """Look at the cluster. Raises ReplicationRefused where the role may not copy it."""
    with connect(database) as connection, driver_errors(database.target(), connection):
        be_undisturbed(connection)
        cursor = connection.cursor(row_factory=dict_row)
        [role] = cursor.execute(_SQL["read_role"]).fetchall()
        if role["in_recovery"]:
            raise ServerInRecovery(target=database.target())
        if not role["may_copy"]:
            raise ReplicationRefused(N_("it lacks REPLICATION"), role=role["name"])
        if not role["may_mark"]:
            reason = N_("it may not execute pg_create_restore_point(text)")
            raise ReplicationRefused(reason, role=role["name"])
        [found] = cursor.execute(_SQL["read_cluster"]).fetchall()
        return Cluster(**found, places=_places(database, connection))


def make(job: Job, stage: Stage) -> Made:
    """Make the files of a base backup in the stage, and let pg_verifybackup look at them.

    Raises ReplicationRefused, HoldRefused, WritesNotHeld, ToolFailed, RepositoryFull, and the
    errors of the database.
    """
    cluster = read_cluster(job.database)
    holder = holder_of(job.database, job.options.holder)
    data = stage.folder / DATA
    data.mkdir(mode=0o700)
    copied = _copy(job, stage, data / COPY)
    _verify(job, data / COPY)
    sequences = read_sequences(job.database)
    with exact_moment(job.database, stage.name, holder=holder) as named:
        _bring_wal(job, stage, cluster, copied, named.lsn, data / WAL)
        manifest = take_manifest_at(job, named, sequences)
    keep_manifest(job, stage, manifest)
    pack(data / COPY / "pg_wal.tar", data / COPY / "pg_wal.tar.zst")
    (data / COPY / "pg_wal.tar").unlink()
    details = _details(cluster, copied, named).document()
    return Made(
        taken_at=named.at.astimezone(UTC),
        lsn=named.lsn,
        compression=COMPRESSION,
        tables=len(manifest.tables),
        rows=manifest.rows,
        details={**details, **write_globals(job, stage)},
    )


def _copy(job: Job, stage: Stage, folder: Path) -> Copied:
    command: list[str | Path] = [job.programs.tool("pg_basebackup"), f"--pgdata={folder}"]
    command += ["--format=tar", f"--compress=server-{COMPRESSION}", "--wal-method=stream"]
    command += ["--checkpoint=fast", "--manifest-checksums=SHA256", "--progress"]
    command += ["--no-sync", "--no-password", f"--label={stage.name}"]
    _run(job, stage, command, lambda: _tell(job))
    manifest = json.loads((folder / BACKUP_MANIFEST).read_bytes())
    first, last = manifest["WAL-Ranges"][0], manifest["WAL-Ranges"][-1]
    [(now,)] = job.connection.execute(_SQL["read_clock"]).fetchall()
    return Copied(
        timeline=int(last["Timeline"]),
        start_lsn=first["Start-LSN"],
        stop_lsn=last["End-LSN"],
        stopped_at=now,
    )


def _bring_wal(
    job: Job, stage: Stage, cluster: Cluster, copied: Copied, until: str, folder: Path
) -> None:
    """Bring the WAL from the end of the copy to a later position, compressed.

    pg_receivewal goes on from the last file that it finds, so it is given an empty one.
    """
    size = cluster.segment_bytes
    before = Segment(copied.timeline, lsn_number(copied.stop_lsn) // size - 1).name(size)
    work = folder / "receiving"
    work.mkdir(mode=0o700, parents=True)
    with (work / before).open("wb") as seed:
        os.truncate(seed.fileno(), size)
    command: list[str | Path] = [job.programs.tool("pg_receivewal"), f"--directory={work}"]
    command += [f"--endpos={until}", "--no-loop", "--no-sync", "--no-password"]
    _run(job, stage, command)
    (work / before).unlink()
    for path in sorted(work.iterdir()):
        pack(path, folder / f"{path.name.removesuffix('.partial')}.zst")
    shutil.rmtree(work)


def read_sequences(database: Database) -> Mapping[str, Position]:
    """Where the sequences are now.

    They are no part of a snapshot: read after the moment, they could be ahead of what is
    recovered to it.
    """
    with snapshot(database, "agentpg backup", be_undisturbed) as connection:
        return take_outline(connection, database.schema, unlogged=False).manifest.sequences


def take_manifest_at(job: Job, named: Named, sequences: Mapping[str, Position]) -> Manifest:
    """What the moment holds, the rows of unlogged tables left out, as they are in a recovery."""
    found = take_manifest(
        named.connection,
        job.database.schema,
        progress=lambda done, total: job.tell(Step(done_bytes=done, total_bytes=total)),
        unlogged=False,
    )
    earlier = {
        name: _back_to(one, sequences[name])
        for name, one in found.sequences.items()
        if name in sequences
    }
    return replace(
        found,
        sequences={**found.sequences, **earlier},
        taken_at=named.at.astimezone(UTC),
        lsn=named.lsn,
    )


def _back_to(now: Position, earlier: Position) -> Position:
    """Where a sequence stood before the moment, or at numbers that it had given by then."""
    given = [value for column, value in now.columns.items() if not now.is_behind(column)]
    places = [replace(now, last=value, called=True) for value in given]
    places.append(replace(now, last=earlier.last, called=earlier.called))
    return max(places, key=lambda one: one.place)


def _verify(job: Job, folder: Path) -> None:
    """Compare what lies there now with what the server says that it sent."""
    major = job.source.server_version // 10_000
    verify_tars(folder, job.options.pg_bin, major, folder.with_name("unpacked"))


def _run(
    job: Job,
    stage: Stage,
    command: list[str | Path],
    look: Callable[[], None] | None = None,
) -> None:
    try:
        run_tool(command, tool_environment(job.database), look)
    except ToolFailed as error:
        refuse_no_room(error, stage)
        raise


def _tell(job: Job) -> None:
    [(done, total)] = job.connection.execute(_SQL["copying"]).fetchall()
    job.tell(Step(done_bytes=min(done, total), total_bytes=total))


def _details(cluster: Cluster, copied: Copied, named: Named) -> Copy:
    return Copy(
        timeline=copied.timeline,
        start_lsn=copied.start_lsn,
        stop_lsn=copied.stop_lsn,
        stopped_at=copied.stopped_at.astimezone(UTC),
        mark=named.name,
        segment_bytes=cluster.segment_bytes,
        held_seconds=round(named.held.total_seconds(), 4),
        held_up_seconds=round(named.held_up.total_seconds(), 4),
        attempts=named.attempts,
        superuser=cluster.superuser,
        cluster_bytes=cluster.size_bytes,
        floors=cluster.floors,
        tablespaces=cluster.tablespaces,
        places=cluster.places,
    )


def _places(database: Database, connection: Connection[Any]) -> dict[str, str]:
    try:
        with driver_errors(database.target(), connection):
            [(places,)] = connection.execute(_SQL["read_places"]).fetchall()
    except PermissionDenied:
        return {}
    return dict(places or {})
