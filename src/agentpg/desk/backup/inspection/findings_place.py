"""What is wrong with the pages, the disks, the keys and databases, B10, B11, B14 to B16, B19."""

from __future__ import annotations

from agentpg.db import identifier
from agentpg.desk.backup.inspection.facts import Catalogue, Facts, LeftDatabase, Wal
from agentpg.desk.backup.inspection.policy import Policy
from agentpg.desk.backup.inspection.saying import BackupCheck
from agentpg.desk.check import Say, Unlooked, size
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

_ELSEWHERE = Remedy(
    sentence=N_("Let backups lie on another disk, another machine, or in a bucket."),
    command="agentpg config show",
)


def _pages(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.server, Unlooked):
        return say.unknown(facts.server)
    catalogue = facts.catalogue
    backups = [] if isinstance(catalogue, Unlooked) else [one.backup for one in catalogue.known]
    flagged = [backup.name for backup in backups if backup.details.get("page_errors")]
    remedies = (
        Remedy(
            sentence=N_("Find the damaged tables."),
            command="pg_amcheck --all --install-missing",
        ),
        Remedy(
            sentence=N_("Keep the backups from before, and restore beside the server."),
            command="agentpg backup list",
        ),
    )
    if flagged:
        text = N_("pages failed their checksum while {subject} was made")
        return say("critical", text, flagged[-1], remedies, backups=flagged)
    if facts.server.page_failures:
        text = N_("{failures} pages have failed their checksum")
        failures = facts.server.page_failures
        return say("critical", text, facts.server.database, remedies, failures=failures)
    return say("ok", N_("no page has failed its checksum"), failures=0)


def _checksums(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.server, Unlooked):
        return say.unknown(facts.server)
    if facts.server.checksums:
        return say("ok", N_("the server's pages have checksums"))
    enable = Remedy(
        sentence=N_("Stop the server, let this write the checksums, and start it."),
        command="pg_checksums --enable --progress --pgdata DATA",
    )
    text = N_("the server's pages have no checksums: damage goes into the backups unnoticed")
    return say("warning", text, remedies=(enable,))


def _room(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.place, Unlooked):
        return say.unknown(facts.place)
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue)
    free = facts.place.free_bytes
    if free is None:
        return say("ok", N_("{subject} has no limit that is known"), facts.place_name)
    next_bytes = _next_bytes(facts.catalogue)
    if not next_bytes:
        text = N_("{subject} has {free} left")
        return say("ok", text, facts.place_name, free=size(free), free_bytes=free)
    times = free / next_bytes
    level: Level = "ok"
    if times < policy.room_warning:
        level = "critical" if times < policy.room_critical else "warning"
    remedies = (
        Remedy(
            sentence=N_("See what old backups take, and remove what need not be kept."),
            command="agentpg backup prune",
            risk="destroys",
        ),
        _ELSEWHERE,
    )
    return say(
        level,
        N_("{subject} has {free} left, {times} times what the next backup takes"),
        facts.place_name,
        () if level == "ok" else remedies,
        free=size(free),
        free_bytes=free,
        next_bytes=next_bytes,
        times=round(times, 1),
    )


def _is_empty(facts: Facts) -> bool:
    """Whether no backup lies there yet: B01 says that, and no file can be lost or read."""
    return isinstance(facts.catalogue, Catalogue) and not facts.catalogue.known


def _disk(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.place, Unlooked):
        return say.unknown(facts.place)
    same = facts.place.same_disk
    if isinstance(same, Unlooked):
        grant = Remedy(
            sentence=N_("Let the role see where the data is."),
            sql=f"GRANT pg_read_all_settings TO {facts.role}",
        )
        return say.unknown(same, grant)
    if same:
        text = N_("{subject} is on the file system of the data: one broken disk takes both")
        level: Level = "info" if _is_empty(facts) else "warning"
        return say(level, text, facts.place_name, (_ELSEWHERE,))
    return say("ok", N_("{subject} is apart from the data"), facts.place_name)


def _sealed(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.sealing, Unlooked):
        return say.unknown(facts.sealing)
    if facts.sealing.exposed:
        move = Remedy(
            sentence=N_("Keep it where neither the backups nor the source code are."),
            command="agentpg config show",
        )
        text = N_("the setting {subject} is kept where others get at it with the backups or code")
        return say("warning", text, facts.sealing.exposed, (move,))
    if facts.sealing.is_on and isinstance(facts.wal, Wal) and facts.wal.last_open:
        again = Remedy(
            sentence=N_("Let new WAL be sealed for those for whom backups are."),
            command="agentpg backup archive on",
        )
        text = N_("backups are sealed, and archived WAL is not: who reads {subject} reads the data")
        return say("warning", text, facts.wal.last_open, (again,))
    if facts.sealing.is_on:
        return say("ok", N_("new backups are sealed, and the key is elsewhere"))
    key = Remedy(
        sentence=N_("Make a key, and name it in AGENTPG_BACKUP_KEY_FILE."),
        command="agentpg backup key FILE",
    )
    text = N_("new backups are not sealed: who reads the files reads the database")
    # Who gets at the data's own disk has the data without them.
    beside = not isinstance(facts.place, Unlooked) and facts.place.same_disk is True
    level: Level = "info" if beside or _is_empty(facts) else "warning"
    return say(level, text, facts.place_name, (key,))


def _left(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.left, Unlooked):
        return say.unknown(facts.left)
    if not facts.left:
        return say("ok", N_("no restore has left a database behind"), databases=0)
    sizes = [one.size_bytes for one in facts.left]
    known = sum(number for number in sizes if number is not None)
    return say(
        "warning",
        N_("restores that were killed have left {databases} databases, as {subject}: {size}"),
        facts.left[0].name,
        tuple(map(_drop, facts.left)),
        databases=len(facts.left),
        size="–" if None in sizes else size(known),
        size_bytes=None if None in sizes else known,
    )


def _drop(left: LeftDatabase) -> Remedy:
    return Remedy(
        sentence=N_("Drop it, or let the next restore do so."),
        sql=f"DROP DATABASE IF EXISTS {identifier(left.name)} WITH (FORCE)",
        risk="destroys",
    )


def _next_bytes(catalogue: Catalogue) -> int:
    """About what the next one takes: the largest of each kind's newest."""
    newest = {one.backup.kind: one.backup for one in catalogue.known}
    stored = [
        max(backup.size_bytes, int(backup.details.get("stored_bytes", 0)))
        for backup in newest.values()
    ]
    return max(stored, default=0)


PLACE_CHECKS = (
    BackupCheck(
        code="B10",
        title=N_("Pages that failed their checksum"),
        levels=("critical",),
        threshold="– / > 0",
        contact="dba",
        cause=N_("a disk, a controller or memory gives back wrong bytes"),
        proof=N_("`pg_amcheck` finds nothing, and no other page fails."),
        decide=_pages,
    ),
    BackupCheck(
        code="B11",
        title=N_("Checksums of the server's pages"),
        levels=("warning",),
        threshold=N_("off / –"),
        contact="dba",
        cause=N_("the cluster was made without them, as was usual before PostgreSQL 18"),
        proof=N_("`SHOW data_checksums` says on."),
        decide=_checksums,
    ),
    BackupCheck(
        code="B14",
        title=N_("Room for the next backup"),
        levels=("warning", "critical"),
        threshold=N_("< 2 / < 1.2 times its size"),
        contact="ops",
        cause=N_("backups are kept for longer than there is room, or the database has grown"),
        proof=N_("the room is more than twice the last backup's size."),
        decide=_room,
    ),
    BackupCheck(
        code="B15",
        title=N_("Whether backups lie apart from the data"),
        levels=("info", "warning"),
        threshold=N_("the same file system / –; info: no backup yet"),
        contact="ops",
        cause=N_("the repository was left where it is by default, beside the server"),
        proof=N_("`agentpg config show` names another place, and a backup lies there."),
        decide=_disk,
    ),
    BackupCheck(
        code="B16",
        title=N_("Whether backups are sealed, and where the key is"),
        levels=("info", "warning"),
        threshold=N_(
            "not sealed, or archived WAL is not, or the key beside the backups or in git / –; "
            "info: not sealed, and no backup yet, or beside the data"
        ),
        contact="dba",
        cause=N_("no key was made, or it was put where it was at hand"),
        proof=N_("the files of the next backup end in `.age`, and the key is elsewhere."),
        decide=_sealed,
    ),
    BackupCheck(
        code="B19",
        title=N_("Databases that killed restores have left"),
        levels=("warning",),
        threshold="> 0 / –",
        contact="dba",
        cause=N_("a restore was killed before its database got the name that it was for"),
        proof=N_("`agentpg server psql -l`, or `psql -l`, lists no name with `_restoring_` in it."),
        decide=_left,
    ),
)
