"""Backups of kind pgbackrest: made and kept by pgBackRest, proved by us.

pgBackRest copies the cluster into its own repository, which lies in a folder of ours
(`stanza.py`); our record refers to it by its label, and pgBackRest's backup has our
name as an annotation. When it has ended, writes are held for a moment (`holding.py`), a point in
the WAL is named, and the counts are taken from the snapshot of that moment: a recovery of the
backup to the point must give exactly these.

What pgBackRest has under a name that has neither a record nor a beginning with us was left by a
process that was killed; the next run removes it.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC

from agentpg.db import Database
from agentpg.desk.backup.creating import Job, Made, Step
from agentpg.desk.backup.making.base import read_sequences, take_manifest_at
from agentpg.desk.backup.making.dumping import keep_manifest, write_globals
from agentpg.desk.backup.model import Backup, Check, Difference
from agentpg.desk.backup.pgbackrest.stanza import (
    Kept,
    Server,
    Stanza,
    find_stanza,
    make_stanza,
)
from agentpg.desk.backup.proof.blame import pgbackrest_without_room
from agentpg.desk.backup.proof.holding import exact_moment, holder_of
from agentpg.desk.backup.recovery.wal import Segment, segment_named
from agentpg.desk.backup.storage.records import find_backups
from agentpg.desk.backup.storage.repository import Repository
from agentpg.desk.backup.storage.stage import Stage
from agentpg.errors import (
    PgbackrestBackupGone,
    PgbackrestNotArchiving,
    PgbackrestNotSealed,
    PgbackrestTypeUnknown,
    ToolFailed,
)
from agentpg.language import N_
from agentpg.settings import hide_secrets

# full: the whole cluster; diff: what changed since the last full; incr: since the last of all.
TYPES = ("full", "diff", "incr")

_SHARE = re.compile(r", ([\d.]+)%\)")
_SET = re.compile(r"\s+backup: (\S+), status: (\S+),.*")
_COUNTS = re.compile(r"(missing|checksum invalid|size invalid|other): (\d+)")

_SAYS = N_("pgBackRest says: {said}")
_SILENT = N_("pgBackRest says nothing of it")
_GAP = N_("{number} files of WAL are missing, the first is {first}")
_THERE, _GONE = N_("there"), N_("missing")
_PAGES = N_("pages of the cluster failed their checksum while they were copied")


def make(job: Job, stage: Stage) -> Made:
    """Let pgBackRest make a backup, and prove its moment. `more["type"]` is one of TYPES."""
    if stage.seal is not None or job.options.seal is not None:
        raise PgbackrestNotSealed
    wanted = _type_of(job.options.more)
    holder = holder_of(job.database, job.options.holder)
    stanza, server = make_stanza(
        job.connection, stage.repository, job.source.system_identifier, job.source.target
    )
    _require_archiving(stanza, server)
    with _refusing_no_room(stage):
        stanza.run("stanza-create")
        remove_left(stage.repository, stanza)
        kept = _copy(job, stage, stanza, wanted)
    try:
        with _refusing_no_room(stage):
            made = _prove(job, stage, stanza, kept, server, holder)
    except BaseException:
        # Where that fails too, the next run removes it.
        with suppress(ToolFailed):
            stanza.run("expire", f"--set={kept.label}")
        raise
    document = json.dumps(asdict(kept), ensure_ascii=False, indent=2)
    (stage.folder / "data").mkdir(mode=0o700, exist_ok=True)
    (stage.folder / "data" / "pgbackrest.json").write_text(f"{document}\n", encoding="utf-8")
    return made


def remove_left(repository: Repository, stanza: Stanza) -> list[str]:
    """Remove what was made under a name that we know nothing of; the labels that it had.

    The caller holds the source's lock. Others of the same cluster who are at it have begun, and
    say so.
    """
    found = find_backups(repository)
    known = {backup.name for backup in found.backups} | {*found.damaged, *found.unfinished}
    kept = stanza.kept()
    left = [one for one in kept if one.name and one.name not in known]
    needed = {label for one in kept if one not in left for label in one.needs}
    going = [one.label for one in reversed(left) if one.label not in needed]
    return [label for label in going if _expire(stanza, label)]


def remove_from_pgbackrest(repository: Repository, backup: Backup) -> None:
    """Remove what a backup's record referred to, and the WAL that nothing needs any more.

    The record is gone before. pgBackRest keeps its last full backup whatever is asked; that goes
    with the next one.
    """
    stanza = find_stanza(repository, backup.source.system_identifier)
    label = str(backup.details["label"])
    if any(one.label == label for one in stanza.kept()):
        _expire(stanza, label)
    fulls = sum(one.type == "full" for one in stanza.kept())
    if fulls:
        # With as many as there are, only WAL goes, that from before the first of them.
        stanza.run("expire", f"--repo1-retention-full={fulls}")


def verify_in_pgbackrest(repository: Repository, backup: Backup) -> tuple[Check, ...]:
    """Whether all files are as they were written, and no WAL is missing, as pgBackRest says.

    It ends with exit code 0 even where all is damaged: only what it prints counts, and only
    what it calls valid is.
    """
    stanza = find_stanza(repository, backup.source.system_identifier)
    label = str(backup.details["label"])
    said = stanza.ask("verify", "--output=text", "--verbose")
    kept = next((one for one in stanza.kept() if one.label == label), None)
    if kept is None:
        gone = PgbackrestBackupGone(label=label, name=backup.name)
        return (Check(name="kept", outcome="failed", reason=str(gone)),)
    missing = missing_wal(stanza, kept, int(backup.details["segment_bytes"]))
    return (_set_check(said, label), _wal_check(said, missing), _page_check(kept))


def missing_wal(stanza: Stanza, kept: Kept, segment_bytes: int) -> list[str]:
    """The names of the WAL that is missing from a backup's beginning to the newest there is.

    pgBackRest's `verify` says nothing of a gap between two backups.
    """
    first = segment_named(kept.start_wal, segment_bytes)
    if first is None:
        return [kept.start_wal]
    there = stanza.segments(segment_bytes)
    newest = max((s.number for s in there if s.timeline == first.timeline), default=first.number)
    wanted = (Segment(first.timeline, n) for n in range(first.number, newest + 1))
    return [one.name(segment_bytes) for one in wanted if one not in there]


def _type_of(more: Mapping[str, object]) -> str:
    wanted = str(more.get("type", "full"))
    if wanted not in TYPES:
        raise PgbackrestTypeUnknown(type=wanted)
    return wanted


def _require_archiving(stanza: Stanza, server: Server) -> None:
    archives = server.archive_mode in ("on", "always") and not server.archive_library
    if archives and server.archive_command == stanza.archive_command:
        return
    quoted = stanza.archive_command.replace("'", "''")
    sql = f"ALTER SYSTEM SET archive_mode = on; ALTER SYSTEM SET archive_command = '{quoted}';"
    command = server.archive_library or hide_secrets(server.archive_command)
    raise PgbackrestNotArchiving(mode=server.archive_mode, command=command, sql=sql)


@contextmanager
def _refusing_no_room(stage: Stage) -> Iterator[None]:
    """Raise the error of a full disk, where pgBackRest itself met one and not the server."""
    try:
        yield
    except ToolFailed as error:
        if reason := pgbackrest_without_room(error, stage.folder):
            raise stage.error(OSError(errno.ENOSPC, reason)) from error
        raise


def _copy(job: Job, stage: Stage, stanza: Stanza, wanted: str) -> Kept:
    def look(said: str) -> None:
        found = _SHARE.findall(said)
        if found:
            done = int(job.source_bytes * float(found[-1]) / 100)
            job.tell(Step(done_bytes=done, total_bytes=job.source_bytes))

    stanza.run(
        "backup",
        f"--type={wanted}",
        f"--annotation=agentpg={stage.name}",
        f"--process-max={job.options.jobs}",
        "--log-level-stderr=detail",
        look=look,
    )
    job.tell(Step(done_bytes=job.source_bytes, total_bytes=job.source_bytes))
    return next(one for one in reversed(stanza.kept()) if one.name == stage.name)


def _prove(
    job: Job, stage: Stage, stanza: Stanza, kept: Kept, server: Server, holder: Database
) -> Made:
    """Name the moment, take the counts, and see that the WAL up to it has arrived."""
    mark = f"agentpg {stage.name}"
    sequences = read_sequences(job.database)
    with exact_moment(job.database, mark, holder=holder) as named:
        # It ends the file of WAL and waits until the archive has it, and all before it.
        stanza.run("check")
        manifest = take_manifest_at(job, named, sequences)
    keep_manifest(job, stage, manifest)
    return Made(
        taken_at=named.at.astimezone(UTC),
        lsn=named.lsn,
        compression="zstd",
        tables=len(manifest.tables),
        rows=manifest.rows,
        details={
            "label": kept.label,
            "type": kept.type,
            "needs": _names_of(kept.needs, stanza.kept()),
            "mark": mark,
            "timeline": int(kept.stop_wal[:8], 16),
            "start_lsn": kept.start_lsn,
            "stop_lsn": kept.stop_lsn,
            "page_errors": kept.page_errors,
            "stored_bytes": kept.stored_bytes,
            "cluster_bytes": kept.size_bytes,
            "segment_bytes": server.segment_bytes,
            "floors": dict(server.floors),
            "superuser": server.superuser,
            "held_seconds": named.held.total_seconds(),
            "held_up_seconds": named.held_up.total_seconds(),
            **write_globals(job, stage),
        },
    )


def _names_of(labels: Sequence[str], kept: Sequence[Kept]) -> list[str]:
    names = {one.label: one.name for one in kept}
    return [names.get(label) or label for label in labels]


def _expire(stanza: Stanza, label: str) -> bool:
    """Remove one backup; False where pgBackRest keeps it, since it is its last full one."""
    try:
        stanza.run("expire", f"--set={label}")
    except ToolFailed:
        return False
    return all(one.label != label for one in stanza.kept())


def _set_check(said: str, label: str) -> Check:
    lines = said.splitlines()
    for place, line in enumerate(lines):
        found = _SET.fullmatch(line)
        if found is not None and found[1] == label:
            counts = _bad_counts(lines[place + 1] if place + 1 < len(lines) else "")
            if found[2] == "valid" and not counts:
                return Check(name="kept", outcome="passed")
            return Check(
                name="kept",
                outcome="failed",
                reason=_SAYS.format(said=line.strip()),
                differences=counts,
            )
    return Check(name="kept", outcome="unknown", reason=_SILENT)


def _wal_check(said: str, missing: Sequence[str]) -> Check:
    """Of the archive: what is missing there is missing for a later recovery."""
    if missing:
        gaps = tuple(Difference(subject=one, expected=_THERE, found=_GONE) for one in missing)
        reason = _GAP.format(number=len(missing), first=missing[0])
        return Check(name="wal", outcome="failed", reason=reason, differences=gaps)
    lines = said.splitlines()
    archives = [place for place, line in enumerate(lines) if "archiveId:" in line]
    for place in archives:
        counts = _bad_counts(lines[place + 1] if place + 1 < len(lines) else "")
        if counts:
            reason = _SAYS.format(said=lines[place].strip())
            return Check(name="wal", outcome="failed", reason=reason, differences=counts)
    if not archives:
        return Check(name="wal", outcome="unknown", reason=_SILENT)
    return Check(name="wal", outcome="passed")


def _page_check(kept: Kept) -> Check:
    if kept.page_errors:
        return Check(name="pages", outcome="failed", reason=_PAGES)
    return Check(name="pages", outcome="passed")


def _bad_counts(line: str) -> tuple[Difference, ...]:
    return tuple(
        Difference(subject=what, expected="0", found=number)
        for what, number in _COUNTS.findall(line)
        if number != "0"
    )
