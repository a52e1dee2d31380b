"""What takes the room of the file systems, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.facts import Facts
from agentpg.language import N_


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One thing that takes room: `name` is translated where it is shown, `detail` is not."""

    name: str
    size_bytes: int
    mount: str
    detail: str = ""


def consumers(facts: Facts) -> list[Consumer]:
    """All that are known, the largest first; the rest of each file system is `other`."""
    found = [one for one in _known(facts) if one.size_bytes > 0]
    for volume in facts.volumes:
        known = sum(one.size_bytes for one in found if one.mount == volume.mount)
        if "data" in volume.places and isinstance(facts.databases, Unlooked):
            # Without the server the rest is mostly the data.
            name = N_("data and other files")
        else:
            name = N_("other files")
        rest = volume.used_bytes - known
        if rest > 0:
            found.append(Consumer(name=name, size_bytes=rest, mount=volume.mount))
    return sorted(found, key=lambda one: -one.size_bytes)


def _known(facts: Facts) -> Iterator[Consumer]:
    def where(role: str) -> str:
        volume = facts.volume(role)
        return "" if volume is None else volume.mount

    if not isinstance(facts.databases, Unlooked):
        sizes = [(name, taken) for name, taken in facts.databases if taken]
        names = ", ".join(name for name, _ in sizes[:3])
        taken = sum(size for _, size in sizes)
        yield Consumer(name=N_("databases"), size_bytes=taken, mount=where("data"), detail=names)
    if not isinstance(facts.wal, Unlooked):
        yield Consumer(name=N_("WAL"), size_bytes=facts.wal.size_bytes, mount=where("wal"))
    if not isinstance(facts.spills, Unlooked):
        taken = sum(one.size_bytes for one in facts.spills)
        yield Consumer(name=N_("temporary files"), size_bytes=taken, mount=where("data"))
    if not isinstance(facts.logs, Unlooked):
        yield Consumer(
            name=N_("the server's logs"),
            size_bytes=facts.logs.size_bytes,
            mount=where("logs"),
            detail=facts.logs.folder,
        )
    if facts.kept is not None and not isinstance(facts.kept, Unlooked):
        yield Consumer(
            name=N_("backups"),
            size_bytes=facts.kept.size_bytes,
            mount=where("backups"),
            detail=facts.kept.folder,
        )
    for ballast in facts.ballasts:
        volume = facts.on_device(ballast.device)
        yield Consumer(
            name=N_("ballast"),
            size_bytes=ballast.size_bytes,
            mount="" if volume is None else volume.mount,
            detail=str(ballast.path),
        )
    yield from _deleted(facts)
    yield from _others(facts)


def _others(facts: Facts) -> Iterator[Consumer]:
    """Each large one by itself: its name is what one wants to know."""
    files = () if isinstance(facts.others, Unlooked) else facts.others.files
    for file in files[:3]:
        volume = facts.on_device(file.device)
        name = "" if volume is None else volume.mount
        yield Consumer(
            name=N_("a large file"), size_bytes=file.size_bytes, mount=name, detail=file.path
        )


def _deleted(facts: Facts) -> Iterator[Consumer]:
    if isinstance(facts.open_files, Unlooked):
        return
    for volume in facts.volumes:
        files = [file for file in facts.open_files.files if file.device == volume.device]
        yield Consumer(
            name=N_("deleted files that are held"),
            size_bytes=sum(file.size_bytes for file in files),
            mount=volume.mount,
            detail=", ".join(sorted({f"{file.program} {file.process}" for file in files[:3]})),
        )
