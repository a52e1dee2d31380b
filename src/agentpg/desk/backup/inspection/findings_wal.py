"""What is wrong with the archived WAL, B05 to B09."""

from __future__ import annotations

from datetime import datetime

from agentpg.desk.backup.inspection.facts import Archiver, Facts
from agentpg.desk.backup.inspection.policy import Policy
from agentpg.desk.backup.inspection.saying import BackupCheck
from agentpg.desk.backup.recovery.wal import segment_named
from agentpg.desk.check import Say, Unlooked, amount, by, size
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

# Commands that say yes to everything and keep nothing.
_NOTHING = ("", "true", ":", "/bin/true", "/usr/bin/true", "exit 0", "cd .")

_LOG = Remedy(
    sentence=N_("Read in the server's log what the archive command says."),
    sql="SELECT last_failed_wal, last_failed_time, failed_count FROM pg_stat_archiver",
)
_ROOM = Remedy(
    sentence=N_("See to it that the archive has room and can be written."),
    command="agentpg backup archive status",
)
_ON = Remedy(
    sentence=N_("Turn archiving on, and restart the server."),
    command="agentpg backup archive on",
    risk="careful",
)
_OFF = N_("the server does not archive its WAL, and no backup relies on it")


def _failing(say: Say, facts: Facts, policy: Policy) -> Finding:
    archiver = facts.archiver
    if isinstance(archiver, Unlooked):
        return say.unknown(archiver)
    if not archiver.is_on:
        return say("ok", _OFF)
    since = _failing_since(archiver)
    if since is None:
        return say("ok", N_("the last file of WAL was archived"), failed=archiver.failed)
    lasted = archiver.asked_at - since
    level: Level = "critical" if lasted > policy.archiver_critical else "warning"
    return say(
        level,
        N_("archiving of {subject} has failed for {lasted}, {failed} times in all"),
        archiver.last_failed or "",
        (_LOG, _ROOM),
        lasted=amount(lasted),
        lasted_seconds=round(lasted.total_seconds()),
        failed=archiver.failed,
    )


def _waiting(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.archiver, Archiver) and not facts.archiver.is_on:
        return say("ok", _OFF)
    if isinstance(facts.waiting, Unlooked):
        return say.unknown(facts.waiting, _privilege(facts))
    if facts.waiting >= policy.waiting_critical:
        level: Level = "critical"
    else:
        level = "warning" if facts.waiting >= policy.waiting_warning else "ok"
    remedies = () if level == "ok" else (_LOG, _ROOM)
    text = N_("{files} files of WAL wait to be archived")
    return say(level, text, remedies=remedies, files=facts.waiting)


def _behind(say: Say, facts: Facts, policy: Policy) -> Finding:
    archiver = facts.archiver
    if isinstance(archiver, Unlooked):
        return say.unknown(archiver)
    if not archiver.is_on:
        return say("ok", _OFF)
    since = archiver.last_archived_at or archiver.started_at
    behind = _unarchived_bytes(archiver)
    age = archiver.asked_at - since
    seconds = age.total_seconds() if behind > policy.idle_bytes else 0
    level = by(seconds, policy.wal_warning.total_seconds(), policy.wal_critical.total_seconds())
    often = Remedy(
        sentence=N_("Let no WAL wait for longer than a minute."),
        sql="ALTER SYSTEM SET archive_timeout = '60s'; SELECT pg_reload_conf()",
        risk="safe",
    )
    return say(
        level,
        N_("{bytes} of WAL are not archived, and the last file was {age} ago"),
        archiver.last_archived or "",
        () if level == "ok" else (often, _LOG),
        bytes=size(behind),
        unarchived_bytes=behind,
        age=amount(age),
        age_seconds=round(age.total_seconds()),
        archive_timeout_seconds=archiver.timeout_seconds,
    )


def _gaps(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.wal, Unlooked):
        archives = not isinstance(facts.archiver, Archiver) or facts.archiver.is_on
        return say.unknown(facts.wal) if archives or facts.wants_wal else say("ok", _OFF)
    if not facts.wal.missing:
        return say(
            "ok", N_("no file is missing in {segments} files of WAL"), segments=facts.wal.segments
        )
    base = Remedy(
        sentence=N_("Make a new base backup: no recovery goes beyond the gap."),
        command="agentpg backup create --kind base",
    )
    return say(
        "critical",
        N_("WAL is missing from {subject} on; {gaps} gaps in {segments} files"),
        facts.wal.missing[0],
        (base, _LOG),
        gaps=len(facts.wal.missing),
        missing=list(facts.wal.missing),
        segments=facts.wal.segments,
    )


def _keeps_nothing(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    archiver = facts.archiver
    if isinstance(archiver, Unlooked):
        return say.unknown(archiver, _privilege(facts))
    if not archiver.is_on:
        return _not_archived(say, facts, archiver)
    if not archiver.library and archiver.command.strip() in _NOTHING:
        text = N_("the archive command {command} keeps nothing")
        return say("critical", text, remedies=(_ON,), command=repr(archiver.command))
    return say("ok", N_("the server archives its WAL"), archive_mode=archiver.mode)


def _not_archived(say: Say, facts: Facts, archiver: Archiver) -> Finding:
    """A base backup has the WAL that it needs itself; what is lost is what comes after it."""
    if not facts.wants_wal:
        return say("ok", _OFF, archive_mode=archiver.mode)
    kept = 0 if isinstance(facts.wal, Unlooked) else facts.wal.segments
    if kept:
        text = N_("the server no longer archives its WAL, of which {segments} files are kept")
        return say("critical", text, remedies=(_ON,), archive_mode=archiver.mode, segments=kept)
    text = N_(
        "the server does not archive its WAL: base backups can be restored as they are, and to "
        "no later moment"
    )
    return say("warning", text, remedies=(_ON,), archive_mode=archiver.mode)


def _privilege(facts: Facts) -> Remedy:
    sentence = N_("Let the role see it.")
    return Remedy(sentence=sentence, sql=f"GRANT pg_monitor TO {facts.role}")


def _failing_since(archiver: Archiver) -> datetime | None:
    """Since when nothing was archived, though it was tried."""
    if archiver.last_failed_at is None:
        return None
    if archiver.last_archived_at is None:
        return max(archiver.counted_since or archiver.started_at, archiver.started_at)
    failing = archiver.last_failed_at > archiver.last_archived_at
    return archiver.last_archived_at if failing else None


def _unarchived_bytes(archiver: Archiver) -> int:
    """What was written after the last archived file; all of it where there is none."""
    size_bytes = archiver.segment_bytes
    last = segment_named((archiver.last_archived or "")[:24], size_bytes)
    end = 0 if last is None else (last.number + 1) * size_bytes
    return max(archiver.written_bytes - end, 0)


WAL_CHECKS = (
    BackupCheck(
        code="B05",
        title=N_("Failures of archiving"),
        levels=("warning", "critical"),
        threshold=N_("the last try failed / for > 5 min"),
        contact="ops",
        cause=N_("the place for WAL is full, out of reach, or closed to the server's account"),
        proof=N_("`last_archived_time` in `pg_stat_archiver` is later than `last_failed_time`."),
        decide=_failing,
    ),
    BackupCheck(
        code="B06",
        title=N_("WAL that waits to be archived"),
        levels=("warning", "critical"),
        threshold=N_(">= 10 / >= 100 files"),
        contact="ops",
        cause=N_("archiving fails, or is slower than WAL is written"),
        proof=N_("there are fewer at each look."),
        decide=_waiting,
    ),
    BackupCheck(
        code="B07",
        title=N_("Time since WAL was archived, while there are writes"),
        levels=("warning", "critical"),
        threshold="> 5 min / > 15 min",
        contact="ops",
        cause=N_("archiving fails, or `archive_timeout` is not set"),
        proof=N_("`last_archived_time` in `pg_stat_archiver` moves on every minute."),
        decide=_behind,
    ),
    BackupCheck(
        code="B08",
        title=N_("Gaps in the archived WAL"),
        levels=("critical",),
        threshold=N_("– / any"),
        contact="dba",
        cause=N_("files were removed from the archive, or archiving was off for a while"),
        proof=N_("a base backup that was made after the gap passes its drill."),
        decide=_gaps,
    ),
    BackupCheck(
        code="B09",
        title=N_("Whether WAL is archived and kept"),
        levels=("warning", "critical"),
        threshold=N_(
            "off with base backups / turned off while WAL is kept, or a command that keeps nothing"
        ),
        contact="dba",
        cause=N_("archiving was never turned on, or was turned off to save room"),
        proof=N_("`agentpg backup archive status` says that WAL is archived."),
        decide=_keeps_nothing,
    ),
)
