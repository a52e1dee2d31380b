"""What the file systems say, D01 and D02, and when they will be full, D14 and D15."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import timedelta

from agentpg.desk.check import Say, Unlooked, amount, by, size
from agentpg.desk.doctor.disk.facts import Facts, Volume
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.doctor.disk.samples import enough, forecast
from agentpg.desk.doctor.disk.saying import AS_ROOT, FIX, DiskCheck, Said, percent
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

_GROW = Remedy(
    sentence=N_(
        "Make the file system larger; or, with the server stopped, move pg_wal as a whole to "
        "another one, and put a link in its place."
    ),
    risk="careful",
)
_COUNT = Remedy(
    sentence=N_("See where the files are."),
    command="du --inodes --one-file-system {mount} | sort -n | tail -20",
)
_BALLAST = N_("Put room aside while there is some; `--fix` gives it back.")
_MIB = 1024**2


def _room(say: Say, facts: Facts, policy: Policy) -> Said:
    found = [_room_of(say, volume, facts, policy) for volume in facts.volumes]
    unseen = [role for role in ("data", "wal", "tablespace") if role in facts.unseen]
    if unseen:
        found.append(say.unknown(Unlooked(facts.unseen[unseen[0]]), AS_ROOT))
    return tuple(found)


def _room_of(say: Say, volume: Volume, facts: Facts, policy: Policy) -> Finding:
    level = by(volume.used, policy.full_warning, policy.full_critical)
    return say(
        level,
        N_("{subject} is {percent} % full: {free} of {size} are left"),
        volume.mount,
        () if level == "ok" else (FIX, _GROW),
        cause="" if level == "ok" else N_("what is stored there has grown: {largest}"),
        mount=volume.mount,
        holds=list(volume.places),
        percent=percent(volume.used),
        free=size(volume.free_bytes),
        free_bytes=volume.free_bytes,
        size=size(volume.size_bytes),
        size_bytes=volume.size_bytes,
        largest=_largest(facts, volume),
    )


def _largest(facts: Facts, volume: Volume) -> str:
    """The largest of what is known to lie there."""
    if "data" not in volume.places or isinstance(facts.databases, Unlooked):
        return ", ".join(volume.places)
    known = [(name, taken) for name, taken in facts.databases if taken is not None]
    return ", ".join(f"{name} {size(taken)}" for name, taken in known[:3]) or "–"


def _inodes(say: Say, facts: Facts, policy: Policy) -> Said:
    found = [_inodes_of(say, volume, facts, policy) for volume in facts.volumes if volume.inodes]
    if not found and "data" in facts.unseen:
        return (say.unknown(Unlooked(facts.unseen["data"]), AS_ROOT),)
    return tuple(found)


def _inodes_of(say: Say, volume: Volume, facts: Facts, policy: Policy) -> Finding:
    level = by(volume.inodes_used, policy.full_warning, policy.full_critical)
    place, files = _most_files(facts, volume)
    look = Remedy(
        sentence=_COUNT.sentence, command=_COUNT.command.format(mount=shlex.quote(volume.mount))
    )
    return say(
        level,
        N_("{subject} has {percent} % of its inodes taken: it holds {free_inodes} files more"),
        volume.mount,
        () if level == "ok" else (look, FIX),
        cause=N_("most files are in {place}: {files}") if place and level != "ok" else "",
        mount=volume.mount,
        percent=percent(volume.inodes_used),
        free_inodes=volume.free_inodes,
        inodes=volume.inodes,
        place=place,
        files=files,
    )


def _most_files(facts: Facts, volume: Volume) -> tuple[str, int]:
    """The place with the most files. The data folder may hold others: those are named first."""
    here = {
        f"{place.role} {place.folder}" for place in facts.places if place.device == volume.device
    }
    counted = {name: number for name, number in facts.files_in.items() if name in here}
    if not counted:
        return "", 0
    most = max(counted.values())
    # The innermost that has most of them all.
    close = {name: number for name, number in counted.items() if number > most * 0.8}
    name = max(close, key=lambda one: len(one.partition(" ")[2]))
    return name.partition(" ")[2], close[name]


# Growth of an hour may be over in the next: until it has been looked at for six hours it is
# critical only where four are left. The windows are those of the node-exporter mixin's alerts
# NodeFilesystemSpaceFillingUp.
_SURE_AFTER = timedelta(hours=6)
_TOO_SOON_TO_BE_SURE = timedelta(hours=4)


def _when_full(say: Say, facts: Facts, policy: Policy) -> Said:
    if not facts.volumes and "data" in facts.unseen:
        return (say.unknown(Unlooked(facts.unseen["data"]), AS_ROOT),)
    return tuple(_forecast_of(say, volume, facts, policy) for volume in facts.volumes)


def _forecast_of(say: Say, volume: Volume, facts: Facts, policy: Policy) -> Finding:
    if not enough(facts.samples, volume, facts.now):
        text = N_("{subject}: it takes three looks within an hour or more to say when it is full")
        # Nothing is known, so nothing is to be said of causes.
        return replace(say("info", text, volume.mount, mount=volume.mount), cause="", proof="")
    found = forecast(facts.samples, volume, facts.now)
    if found is None:
        return say("ok", N_("{subject} does not grow"), volume.mount, mount=volume.mount)
    left = found.full_at - facts.now
    level: Level = "ok"
    if left < policy.forecast_warning:
        sure = found.span >= _SURE_AFTER or left < _TOO_SOON_TO_BE_SURE
        level = "critical" if left < policy.forecast_critical and sure else "warning"
    return say(
        level,
        N_("{subject} is full in {left}, on {date}, if it goes on growing by {rate} a day"),
        volume.mount,
        () if level == "ok" else (FIX, _GROW),
        mount=volume.mount,
        left=amount(left),
        left_seconds=round(left.total_seconds()),
        date=f"{found.full_at.astimezone():%Y-%m-%d %H:%M}",
        full_at=found.full_at,
        rate=size(found.bytes_per_day),
        bytes_per_day=round(found.bytes_per_day),
        looked_over=amount(found.span),
    )


def _ballast(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    volume = facts.volume("data")
    if volume is None:
        return (say.unknown(Unlooked(facts.unseen.get("data", "")), AS_ROOT),)
    there = [one for one in facts.ballasts if one.device == volume.device]
    if there:
        taken = sum(one.size_bytes for one in there)
        text = N_("{path} can be given up, for {size}")
        path = str(there[0].path)
        return (say("ok", text, volume.mount, path=path, size=size(taken), size_bytes=taken),)
    text = N_("{subject} has no ballast: nothing that can be given up at once")
    megabytes = min(max(volume.size_bytes // 20 // _MIB, 16), 1024)
    command = f"agentpg doctor disk --make-ballast {megabytes}MiB"
    remedy = Remedy(sentence=_BALLAST, command=command)
    return (say("info", text, volume.mount, (remedy,), mount=volume.mount),)


VOLUME_CHECKS = (
    DiskCheck(
        code="D01",
        title=N_("Room on the file systems"),
        levels=("warning", "critical"),
        threshold="> 80 % / > 90 % (disk_warning, disk_critical)",
        contact="ops",
        proof=N_("the file system is below the threshold again, and what filled it stands still."),
        idea="do the steps of the plan in their order; what fills the disk is the first finding.",
        decide=_room,
    ),
    DiskCheck(
        code="D02",
        title=N_("Inodes of the file systems"),
        levels=("warning", "critical"),
        threshold="> 80 % / > 90 % (disk_warning, disk_critical)",
        contact="ops",
        proof=N_("`df -i` shows free inodes again."),
        idea="remove or pack what consists of very many small files; the finding names the folder.",
        decide=_inodes,
    ),
    DiskCheck(
        code="D14",
        title=N_("When a file system will be full"),
        levels=("info", "warning", "critical"),
        threshold="< 7 d / < 1 d (disk_left_warning, disk_left_critical)",
        contact="ops",
        cause=N_("it grew so on the average, or on the last day"),
        proof=N_("the date moves away as further looks come in."),
        idea="find what grows (`agentpg doctor disk`), and make room or a larger disk in time. "
        "What has grown for less than six hours is critical only where four are left.",
        decide=_when_full,
    ),
    DiskCheck(
        code="D15",
        title=N_("Ballast on the file system of the data"),
        levels=("info",),
        threshold=N_("none / –"),
        contact="ops",
        idea="`agentpg doctor disk --make-ballast SIZE`.",
        decide=_ballast,
    ),
)
