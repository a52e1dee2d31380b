"""What keeps WAL, D03 to D06."""

from __future__ import annotations

from typing import Any

from agentpg.desk.check import Say, Unlooked, amount, by, size
from agentpg.desk.doctor.disk.facts import Facts, Server, Slot, Volume, age_of
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.doctor.disk.saying import (
    AS_ROOT,
    DiskCheck,
    Said,
    kept_level,
    mount,
    no_answer,
    percent,
)
from agentpg.desk.finding import LEVELS, Finding, Level, Remedy
from agentpg.language import N_

_MIB = 1024**2
_SEGMENT_BYTES = 16 * _MIB

# A slot whose WAL the next checkpoint may remove, and one whose WAL is gone.
_LOSING = ("unreserved", "lost")

_ARCHIVE = Remedy(
    sentence=N_("See why archiving fails, and mend where the WAL goes."),
    command="agentpg backup archive status",
)
_GIVE_UP_ARCHIVE = Remedy(
    sentence=N_(
        "Only if that can't be mended before the disk is full: stop archiving, and make a base "
        "backup right after, since the gap can't be recovered across."
    ),
    command="agentpg backup archive off",
    risk="destroys",
)


def _slots(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.slots, Unlooked):
        return no_answer(say, facts.slots, facts)
    found = [_slot(say, slot, facts, policy) for slot in facts.slots]
    bad = [finding for finding in found if finding.level != "ok"]
    text = N_("no slot keeps WAL that matters")
    return tuple(bad) or (say("ok", text, slots=len(facts.slots)),)


def _slot(say: Say, slot: Slot, facts: Facts, policy: Policy) -> Finding:
    volume = facts.volume("wal")
    kept = slot.retained_bytes or 0
    inactive = age_of(slot.inactive_since, facts.now)
    sentence, cause = _slot_words(slot)
    return say(
        _slot_level(slot, facts, policy),
        sentence,
        slot.name,
        _slot_remedies(slot, volume),
        cause=cause,
        mount=mount(volume),
        retained=size(kept),
        retained_bytes=kept,
        reclaimable_bytes=kept,
        percent=percent(kept / volume.size_bytes) if volume else None,
        active=slot.active,
        process=slot.process,
        wal_status=slot.wal_status,
        inactive=amount(inactive),
        inactive_seconds=round(inactive.total_seconds()) or None,
    )


def _slot_words(slot: Slot) -> tuple[str, str]:
    if slot.wal_status == "lost":
        text = N_("the slot {subject} has lost the WAL that its reader needs")
        return text, N_("it kept more than max_slot_wal_keep_size lets it")
    if slot.active:
        text = N_("the slot {subject} keeps {retained} of WAL: its reader is behind")
        return text, N_("the reader, process {process}, is slower than the writers, or stands")
    text = N_("the slot {subject} keeps {retained} of WAL, and nobody reads from it")
    return text, N_("what read from it is gone, or can't connect")


def _slot_level(slot: Slot, facts: Facts, policy: Policy) -> Level:
    kept = slot.retained_bytes or 0
    level: Level = "ok"
    if kept > policy.usual_segments * _segment_bytes(facts):
        level = kept_level(kept, facts.volume("wal"), policy)
    if slot.wal_status in _LOSING:
        level = "critical"
    return max(level, "warning" if _is_left(slot, facts, policy) else "ok", key=LEVELS.index)


def _is_left(slot: Slot, facts: Facts, policy: Policy) -> bool:
    """Whether its reader has gone: by the time, or before PostgreSQL 17 by what it keeps."""
    if slot.active:
        return False
    if slot.inactive_since is None:
        return (slot.retained_bytes or 0) > policy.usual_segments * _segment_bytes(facts)
    return age_of(slot.inactive_since, facts.now) > policy.slot_inactive


def _slot_remedies(slot: Slot, volume: Volume | None) -> tuple[Remedy, ...]:
    room = volume.size_bytes // 10 if volume else 10 * 1024 * _MIB
    return (
        Remedy(
            sentence=N_("Find out whose slot it is, and start its reader again."),
            sql="TABLE pg_replication_slots; TABLE pg_stat_replication",
        ),
        Remedy(
            sentence=N_("If nobody needs it any more: drop it. Its reader must begin anew then."),
            command=f"agentpg doctor disk --fix --drop-slot {slot.name}",
            risk="destroys",
        ),
        Remedy(
            sentence=N_("Or limit what a slot may keep: one that keeps more is lost."),
            sql=f"ALTER SYSTEM SET max_slot_wal_keep_size = '{max(room // _MIB, 64)}MB'; "
            "SELECT pg_reload_conf(); CHECKPOINT",
            risk="destroys",
        ),
    )


def _archiving(say: Say, facts: Facts, policy: Policy) -> Said:
    archiver, wal = facts.archiver, facts.wal
    if isinstance(wal, Unlooked):
        return no_answer(say, wal, facts)
    if isinstance(archiver, Unlooked):
        if isinstance(wal.waiting, Unlooked) or not wal.waiting:
            return (say.unknown(archiver),)
        # While the server is down, some wait that would have gone the next moment.
        return (_waiting(say, facts, policy, failing=False),)
    if not archiver.is_on:
        return (say("ok", N_("the server archives no WAL, so none waits for that")),)
    if isinstance(wal.waiting, Unlooked):
        return no_answer(say, wal.waiting, facts)
    return (_waiting(say, facts, policy, failing=archiver.failing),)


def _waiting(say: Say, facts: Facts, policy: Policy, *, failing: bool) -> Finding:
    waiting = waiting_files(facts)
    kept = waiting * _segment_bytes(facts)
    volume = facts.volume("wal")
    level = kept_level(kept, volume, policy)
    if failing and waiting:
        level = max(level, "warning", key=LEVELS.index)
    text = N_("{files} files of WAL wait to be archived, {retained}")
    if failing and waiting:
        text = N_("{files} files of WAL can't be archived, and stay: {retained}")
    return say(
        level,
        text,
        remedies=() if level == "ok" else (_ARCHIVE, _GIVE_UP_ARCHIVE),
        mount=mount(volume),
        files=waiting,
        retained=size(kept),
        retained_bytes=kept,
        reclaimable_bytes=kept,
    )


def waiting_files(facts: Facts) -> int:
    """The files of WAL that wait to be archived, where that is known."""
    wal = facts.wal
    if isinstance(wal, Unlooked) or isinstance(wal.waiting, Unlooked):
        return 0
    return wal.waiting


def _by_settings(say: Say, facts: Facts, policy: Policy) -> Said:
    wal, volume = facts.wal, facts.volume("wal")
    if isinstance(wal, Unlooked):
        return no_answer(say, wal, facts)
    if volume is None:
        return (say.unknown(Unlooked(facts.unseen.get("data", "")), AS_ROOT),)
    others = max(_kept_by_slots(facts), waiting_files(facts) * _segment_bytes(facts))
    own = max(wal.size_bytes - others, 0)
    level = by(own / volume.size_bytes, policy.wal_warning, policy.wal_critical)
    limit = _limit(facts.server)
    said: dict[str, Any] = {
        "mount": volume.mount,
        "wal": size(wal.size_bytes),
        "wal_bytes": wal.size_bytes,
        "percent": percent(own / volume.size_bytes),
        "limit": "–" if limit is None else size(limit),
        "limit_bytes": limit,
        "size": size(volume.size_bytes),
    }
    if level != "ok":
        text = N_("WAL takes {wal}, {percent} % of {mount}; its settings let it take {limit}")
        least = policy.usual_segments * _segment_bytes(facts)
        return (
            say(level, text, remedies=_less_wal(volume), reclaimable_bytes=own - least, **said),
        )
    if limit is not None and limit > policy.wal_critical * volume.size_bytes:
        text = N_("the settings let WAL take {limit}, and {mount} has {size} in all")
        return (say("info", text, remedies=_less_wal(volume), **said),)
    return (say("ok", N_("WAL takes {wal}, and its settings fit the disk"), **said),)


def _less_wal(volume: Volume) -> tuple[Remedy, ...]:
    room = max(volume.size_bytes // 5 // _MIB, 2 * _SEGMENT_BYTES // _MIB)
    sql = f"ALTER SYSTEM SET max_wal_size = '{room}MB'; ALTER SYSTEM SET wal_keep_size = 0; "
    return (
        Remedy(
            sentence=N_("Let WAL take a fifth of the disk at most; checkpoints come more often."),
            sql=f"{sql}SELECT pg_reload_conf(); CHECKPOINT",
            risk="careful",
        ),
    )


def _limit(server: Server | Unlooked) -> int | None:
    if isinstance(server, Unlooked):
        return None
    return max(server.max_wal_bytes, server.wal_keep_bytes)


def _kept_by_slots(facts: Facts) -> int:
    slots = () if isinstance(facts.slots, Unlooked) else facts.slots
    return max((slot.retained_bytes or 0 for slot in slots), default=0)


def _segment_bytes(facts: Facts) -> int:
    return _SEGMENT_BYTES if isinstance(facts.server, Unlooked) else facts.server.segment_bytes


def _without_limit(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.slots, Unlooked):
        return no_answer(say, facts.slots, facts)
    if not facts.slots:
        return (say("ok", N_("there are no replication slots"), slots=0),)
    if isinstance(facts.server, Unlooked):
        return (say.unknown(facts.server),)
    if facts.server.max_slot_wal_bytes is not None:
        return (say("ok", N_("what a slot keeps has a limit"), slots=len(facts.slots)),)
    volume = facts.volume("wal")
    room = volume.size_bytes // 4 // _MIB if volume else 10 * 1024
    limit = Remedy(
        sentence=N_("Set a limit: a slot that keeps more is lost, and the server lives."),
        sql=f"ALTER SYSTEM SET max_slot_wal_keep_size = '{max(room, 64)}MB'; "
        "SELECT pg_reload_conf()",
        risk="careful",
    )
    text = N_("replication slots may keep WAL until the disk is full: {names}")
    names = ", ".join(slot.name for slot in facts.slots)
    slots = len(facts.slots)
    return (say("warning", text, "", (limit,), mount=mount(volume), slots=slots, names=names),)


WAL_CHECKS = (
    DiskCheck(
        code="D03",
        title=N_("WAL that replication slots keep"),
        levels=("warning", "critical"),
        threshold=N_(
            "> 10 % / > 25 % of the file system (else 1 GB / 5 GB), unread for > 15 min / "
            "unreserved or lost"
        ),
        contact="dba",
        proof=N_("pg_wal is smaller after the next checkpoint, and the slot moves on or is gone."),
        idea="start its reader again, drop it if nobody needs it, or limit what slots may keep.",
        decide=_slots,
    ),
    DiskCheck(
        code="D04",
        title=N_("WAL that can't be archived"),
        levels=("warning", "critical"),
        threshold=N_("the last try failed, or > 10 % / > 25 % of the file system"),
        contact="ops",
        cause=N_("where it goes is full or can't be reached, or the command is wrong"),
        proof=N_("the number of files that wait falls to 0, and pg_wal is smaller."),
        idea="mend where the WAL goes. Without archiving there is a gap in what can be recovered.",
        decide=_archiving,
    ),
    DiskCheck(
        code="D05",
        title=N_("WAL that the settings keep"),
        levels=("info", "warning", "critical"),
        threshold=N_("> 40 % / > 60 % of the file system"),
        contact="dba",
        cause=N_("max_wal_size or wal_keep_size is large for this disk"),
        proof=N_("pg_wal is smaller after the next checkpoint."),
        idea="lower max_wal_size and wal_keep_size, and let a checkpoint work it off.",
        decide=_by_settings,
    ),
    DiskCheck(
        code="D06",
        title=N_("A limit for what replication slots keep"),
        levels=("warning",),
        threshold=N_("max_slot_wal_keep_size = -1 with slots / –"),
        contact="dba",
        cause=N_("max_slot_wal_keep_size is -1, which means no limit"),
        proof=N_("`SHOW max_slot_wal_keep_size` gives a size."),
        idea="set max_slot_wal_keep_size: a slot that keeps more is lost, and the server lives.",
        decide=_without_limit,
    ),
)
