"""What files take that need not be there, D07 to D11."""

from __future__ import annotations

import shlex

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked, by, of_any, size
from agentpg.desk.doctor.disk.facts import Facts, Kept, Logs, OpenFile, OtherFiles, Spill, Volume
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.doctor.disk.saying import (
    AS_ROOT,
    FIX,
    DiskCheck,
    Said,
    kept_level,
    mount,
    no_answer,
)
from agentpg.desk.finding import LEVELS, Finding, Level, Remedy
from agentpg.language import N_

_ROTATE = Remedy(
    sentence=N_("Begin a new file each day, and write over last week's."),
    sql="ALTER SYSTEM SET log_filename = 'postgresql-%a.log'; "
    "ALTER SYSTEM SET log_rotation_age = '1d'; "
    "ALTER SYSTEM SET log_truncate_on_rotation = on; SELECT pg_reload_conf()",
)
_LOG_LESS = Remedy(
    sentence=N_("See what is logged so often, and log less of it."),
    sql="SELECT name, setting FROM pg_settings WHERE name LIKE 'log\\_%' AND source <> 'default'",
)
_PARTLY = Unlooked(N_("only a part of the file system could be looked through"))
_ELSEWHERE = Remedy(
    sentence=N_("Let backups lie on another disk, another machine, or in a bucket."),
    command="agentpg config show",
)


def _spills(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.spills, Unlooked):
        return no_answer(say, facts.spills, facts)
    found = [_spill(say, spill, facts, policy) for spill in facts.spills]
    bad = [finding for finding in found if finding.level != "ok"]
    taken = sum(spill.size_bytes for spill in facts.spills)
    ok = say("ok", N_("temporary files take {size}"), size=size(taken), size_bytes=taken)
    return tuple(bad) or (ok,)


def _spill(say: Say, spill: Spill, facts: Facts, policy: Policy) -> Finding:
    volume = facts.volume("data")
    text = N_("a query of {role} has {size} of temporary files: process {subject}, {application}")
    if spill.task:
        text = N_("{agent} has {size} of temporary files: process {subject}, task {task}")
    level = _spill_level(spill, volume, policy)
    return say(
        level,
        text,
        str(spill.process),
        () if level == "ok" else _spill_remedies(spill, volume),
        thing=f"{spill.role} {of_any(spill.application)}",
        cause=N_("it sorts or hashes more than work_mem holds: {query}") if spill.query else "",
        mount=mount(volume),
        size=size(spill.size_bytes),
        size_bytes=spill.size_bytes,
        reclaimable_bytes=spill.size_bytes,
        files=spill.files,
        role=spill.role or "–",
        application=spill.application or "–",
        agent=spill.agent,
        task=spill.task,
        query=spill.query,
        started_at=spill.started_at,
    )


def _spill_level(spill: Spill, volume: Volume | None, policy: Policy) -> Level:
    """By its share of what would be free without it."""
    if spill.size_bytes < policy.spill_least_bytes:
        return "ok"
    if volume is None:
        return by(spill.size_bytes, policy.kept_warning_bytes, policy.kept_critical_bytes)
    share = spill.size_bytes / (volume.free_bytes + spill.size_bytes)
    return by(share, policy.spill_warning, policy.spill_critical)


def _spill_remedies(spill: Spill, volume: Volume | None) -> tuple[Remedy, ...]:
    role = identifier(spill.role) if spill.role else "ROLE"
    limit = max(volume.size_bytes // 10 // 1024**2, 64) if volume else 10 * 1024
    return (
        Remedy(
            sentence=N_("Cancel the query; its files go with it."),
            sql=f"SELECT pg_cancel_backend({spill.process})",
            risk="careful",
        ),
        Remedy(
            sentence=N_("Limit what a session of this role may take; only a superuser can."),
            sql=f"ALTER ROLE {role} SET temp_file_limit = '{limit}MB'",
            risk="careful",
        ),
    )


def _logs(say: Say, facts: Facts, policy: Policy) -> Said:
    logs = facts.logs
    if isinstance(logs, Unlooked):
        return no_answer(say, logs, facts)
    volume = facts.volume("logs")
    unrotated = _without_rotation(facts)
    level = kept_level(logs.size_bytes, volume, policy)
    if unrotated:
        level = max(level, "info", key=LEVELS.index)
    text = N_("the server's logs take {size} in {subject}")
    if unrotated:
        text = N_("the server's logs take {size} in {subject}, and no new file is begun")
    return (
        say(
            level,
            text,
            logs.folder or "log_directory",
            () if level == "ok" else _log_remedies(logs, unrotated=unrotated),
            mount=mount(volume),
            size=size(logs.size_bytes),
            size_bytes=logs.size_bytes,
            reclaimable_bytes=logs.removable_bytes or logs.size_bytes,
            removable_files=len(logs.removable),
            removable_bytes=logs.removable_bytes,
        ),
    )


def _without_rotation(facts: Facts) -> bool:
    """Whether the server goes on in one file for ever."""
    server = facts.server
    if isinstance(server, Unlooked) or not server.collects_logs:
        return False
    never = not server.log_rotation_minutes and not server.log_rotation_kilobytes
    return never or (server.log_filename is not None and "%" not in server.log_filename)


def _log_remedies(logs: Logs, *, unrotated: bool) -> tuple[Remedy, ...]:
    remove = (FIX,) if logs.removable else ()
    if logs.shared:
        remove = (
            Remedy(
                sentence=N_("See which files are this server's and old; others may log there too."),
                command=f"ls -lt {shlex.quote(logs.folder)}",
            ),
        )
    return (*remove, *((_ROTATE,) if unrotated else ()), _LOG_LESS)


def _backups(say: Say, facts: Facts, policy: Policy) -> Said:
    kept = facts.kept
    if kept is None:
        return (say("ok", N_("the backups do not lie on a disk of this machine")),)
    if isinstance(kept, Unlooked):
        return (say.unknown(kept),)
    volume, data = facts.volume("backups"), facts.volume("data")
    if volume is None or data is None or volume.device != data.device:
        text = N_("the backups in {subject} are not on the file system of the data")
        return (say("ok", text, kept.folder, size_bytes=kept.size_bytes),)
    return (_beside_the_data(say, kept, volume, policy),)


def _beside_the_data(say: Say, kept: Kept, volume: Volume, policy: Policy) -> Finding:
    level = kept_level(kept.going_bytes, volume, policy)
    if kept.size_bytes > policy.kept_critical * volume.size_bytes:
        level = max(level, "warning", key=LEVELS.index)
    text = N_("backups take {size} beside the data, in {subject}; {going} need not be kept")
    prune = Remedy(
        sentence=N_("See what old backups take, and remove what need not be kept."),
        command="agentpg backup prune" + (" --every-database" if kept.of_all else ""),
        risk="destroys",
    )
    return say(
        level,
        text,
        kept.folder,
        () if level == "ok" else (prune, _ELSEWHERE),
        mount=volume.mount,
        size=size(kept.size_bytes),
        size_bytes=kept.size_bytes,
        going=size(kept.going_bytes),
        going_bytes=kept.going_bytes,
        reclaimable_bytes=kept.going_bytes or kept.size_bytes,
        backups=kept.backups,
    )


def _held(say: Say, facts: Facts, policy: Policy) -> Said:
    held = facts.open_files
    if isinstance(held, Unlooked):
        return (say.unknown(held, AS_ROOT),)
    found = []
    for process, files in _by_process(held.files).items():
        volume = facts.on_device(files[0].device)
        taken = sum(file.size_bytes for file in files)
        if volume is None or taken < policy.held_least_bytes:
            continue
        if taken > policy.held_warning * volume.size_bytes:
            found.append(_holder(say, process, files, volume))
    if found:
        return tuple(found)
    if held.hidden:
        hidden = Unlooked(N_("the files of other accounts' processes are hidden"))
        return (say.unknown(hidden, AS_ROOT),)
    return (say("ok", N_("no process holds deleted files that matter"), files=len(held.files)),)


def _by_process(files: tuple[OpenFile, ...]) -> dict[int, list[OpenFile]]:
    found: dict[int, list[OpenFile]] = {}
    for file in files:
        found.setdefault(file.process, []).append(file)
    return found


def _holder(say: Say, process: int, files: list[OpenFile], volume: Volume) -> Finding:
    taken = sum(file.size_bytes for file in files)
    restart = Remedy(
        sentence=N_("Restart that program, or have it open its files anew."), risk="careful"
    )
    # What postgres holds as its error output or log is begun anew by a rotation.
    rotate = Remedy(
        sentence=N_("For a log of the server: have it begin a new file."),
        sql="SELECT pg_rotate_logfile()",
    )
    is_server = files[0].program == "postgres"
    return say(
        "warning",
        N_("{program}, process {subject}, holds {size} of deleted files: {path}"),
        str(process),
        (rotate, restart) if is_server else (restart,),
        thing=files[0].program,
        mount=volume.mount,
        program=files[0].program or "–",
        size=size(taken),
        size_bytes=taken,
        reclaimable_bytes=taken,
        path=files[0].path,
        files=len(files),
    )


def _orphans(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    orphans = facts.orphans
    if isinstance(orphans, Unlooked):
        return (say.unknown(orphans, AS_ROOT),)
    if not orphans.files:
        return (say("ok", N_("every file of the database is known to its catalogue"), files=0),)
    look = Remedy(
        sentence=N_(
            "Remove none by hand: a transaction that goes on may own one. A dump, restored into a "
            "new database, leaves them behind."
        ),
        command="agentpg backup create",
    )
    return (
        say(
            "info",
            N_("{files} files of the database are unknown to its catalogue, {size}: {names}"),
            remedies=(look,),
            mount=mount(facts.volume("data")),
            files=len(orphans.files),
            size=size(orphans.size_bytes),
            size_bytes=orphans.size_bytes,
            names=", ".join(orphans.files[:5]),
        ),
    )


def _others(say: Say, facts: Facts, policy: Policy) -> Said:
    others = facts.others
    if isinstance(others, Unlooked):
        return (say.unknown(others, AS_ROOT),)
    if not facts.volumes and "data" in facts.unseen:
        return (say.unknown(Unlooked(facts.unseen["data"]), AS_ROOT),)
    found = [_left_on(say, volume, others, policy) for volume in facts.volumes]
    bad = [finding for finding in found if finding.level != "ok"]
    if not bad and not others.whole:
        # What lies in the rest is not known.
        return (say.unknown(_PARTLY, AS_ROOT),)
    return tuple(bad) or (say("ok", N_("no dumps, logs or core files of others fill a disk")),)


def _left_on(say: Say, volume: Volume, others: OtherFiles, policy: Policy) -> Finding:
    left = [file for file in others.files if file.left and file.device == volume.device]
    taken = sum(file.size_bytes for file in left)
    level = kept_level(taken, volume, policy)
    paths = [file.path for file in left]
    look = Remedy(
        sentence=N_("Look whether anybody needs them; move them to another disk, or remove them."),
        command=f"ls -lt {shlex.join(paths[:5])}" if paths else "",
        risk="destroys",
    )
    return say(
        level,
        N_("dumps, logs or core files outside the server take {size}: {names}"),
        paths[0] if paths else "",
        () if level == "ok" else (look,),
        thing=volume.mount,
        mount=volume.mount,
        size=size(taken),
        size_bytes=taken,
        reclaimable_bytes=taken,
        names=", ".join(paths[:3]),
        files=len(left),
    )


FILE_CHECKS = (
    DiskCheck(
        code="D07",
        title=N_("Temporary files of running queries"),
        levels=("warning", "critical"),
        threshold=N_("> 10 % / > 50 % of what would be free without them, from 16 MB on"),
        contact="dba",
        proof=N_("the temporary files are gone, and the query has ended."),
        idea="cancel the query; limit the role's temporary files by temp_file_limit.",
        decide=_spills,
    ),
    DiskCheck(
        code="D08",
        title=N_("The server's logs"),
        levels=("info", "warning", "critical"),
        threshold=N_(
            "> 10 % / > 25 % of the file system (else 1 GB / 5 GB); info without rotation"
        ),
        contact="ops",
        cause=N_("old files are not removed, or something is logged all the time"),
        proof=N_("the folder of the logs stays below a tenth of its file system."),
        idea="remove old files, rotate, and log less.",
        decide=_logs,
    ),
    DiskCheck(
        code="D09",
        title=N_("Backups on the file system of the data"),
        levels=("warning", "critical"),
        threshold=N_("> 10 % / > 25 % of it need not be kept, or > 25 % are backups"),
        contact="ops",
        cause=N_("nothing removes old ones, or they are on the wrong disk"),
        proof=N_("the backups lie elsewhere, or take less."),
        idea="prune them, or let them lie elsewhere. The last that a drill has proved stays.",
        decide=_backups,
    ),
    DiskCheck(
        code="D10",
        title=N_("Deleted files that a process holds"),
        levels=("warning",),
        threshold=N_("> 5 % of the file system, from 16 MB on / –"),
        contact="ops",
        cause=N_("they were removed while a program wrote them, and take room until it ends"),
        proof=N_("`df` shows the room, and the process holds them no longer."),
        idea="restart the program that holds them, or have it open its files anew.",
        decide=_held,
    ),
    DiskCheck(
        code="D11",
        title=N_("Files that no catalogue knows"),
        levels=("info",),
        threshold=N_("any from before the last start / –"),
        contact="dba",
        cause=N_("a crash, or a disk that was full, while a table was made"),
        idea="leave them: a transaction may own one. A dump and restore leaves them behind.",
        decide=_orphans,
    ),
    DiskCheck(
        code="D16",
        title=N_("Dumps, logs and core files of others"),
        levels=("warning", "critical"),
        threshold=N_("> 10 % / > 25 % of a file system that is nearly full"),
        contact="ops",
        cause=N_("somebody wrote a dump beside the data, or a program logs there"),
        proof=N_("they are gone or lie elsewhere."),
        idea="look whether anybody needs them; move or remove them.",
        decide=_others,
    ),
)
