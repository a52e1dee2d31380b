"""What the server's folders say without the server: WAL, slots, temporary files, logs."""

from __future__ import annotations

import itertools
import os
import re
import struct
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agentpg.desk.backup.recovery.wal import SEGMENT_BYTES, Segment, segment_named
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.disk.data_folder import is_inside
from agentpg.desk.doctor.disk.facts import LogFile, Logs, Orphans, Place, Slot, Spill, Wal
from agentpg.desk.doctor.disk.held import open_inodes
from agentpg.desk.doctor.disk.volumes import files_below, place_at, taken_by
from agentpg.embedded.folder import Folder

_TEMPORARY = re.compile(r"pgsql_tmp(\d+)")
_NUMBER = re.compile(r"(\d+)(?:_(?:fsm|vm|init))?(?:\.\d+)?")

# What a server, or a rotation of its logs, calls a log file.
_ENDING = r"\.(?:log|csv|json)(?:[.-]\d+)*(?:\.(?:gz|xz|zst|bz2|lz4))?"
_LOG = re.compile(r"[\w.+-]+" + _ENDING)

# What strftime writes for the letters in log_filename.
_ESCAPES = {
    "%": "%",
    **dict.fromkeys("aAbBhpP", r"[^\W\d_]+"),
    **dict.fromkeys("CdgGHIjklmMSsuUVwWyY", r"\d+"),
    **dict.fromkeys("F", r"[\d-]+"),
}

# As the server lets them be named (slot.c): what else lies there is no slot.
_SLOT_NAME = re.compile(r"[a-z0-9_]{1,63}")

# A slot's file: magic, checksum, version, length; then name, database, persistency, two
# transactions, and the position from which WAL is kept (slot.c).
_SLOT = struct.Struct("=IIII64sIiIIQ")
_SLOT_MAGIC = 0x1051CA1


def places_of(data: Path, logs: Path | None) -> Iterator[tuple[str, Path]]:
    """The places of a data folder by role; links are followed."""
    yield "data", data
    yield "wal", Path(os.path.realpath(data / "pg_wal"))
    if logs is not None:
        yield "logs", logs
    try:
        spaces = sorted(path for path in (data / "pg_tblspc").iterdir() if path.is_symlink())
    except OSError:
        return
    for space in spaces:
        yield "tablespace", space.resolve()


def look_at(role: str, folder: Path) -> Place | Unlooked:
    """The place, or why it can't be looked at."""
    return looked(lambda: place_at(role, folder))


def read_wal(folder: Path) -> Wal:
    """The files of pg_wal. Raises OSError."""
    entries = [one for one in os.scandir(folder) if one.is_file(follow_symlinks=False)]
    return Wal(
        files=len(entries),
        size_bytes=taken_by(entries),
        waiting=looked(lambda: _waiting(folder / "archive_status")),
    )


def read_slots(data: Path) -> tuple[Slot, ...]:
    """The slots as their files have them, for a server that does not run. Raises OSError."""
    end = _end_of_wal(data / "pg_wal")
    slots = []
    for folder in sorted((data / "pg_replslot").iterdir()):
        if not _SLOT_NAME.fullmatch(folder.name):
            continue
        position = _kept_from(folder / "state")
        retained = None if not position or end is None else max(end - position, 0)
        slots.append(
            Slot(
                name=folder.name,
                kind="",
                active=False,
                process=None,
                wal_status=None,
                retained_bytes=retained,
                inactive_since=None,
                horizon_age=0,
            )
        )
    return tuple(sorted(slots, key=lambda slot: -(slot.retained_bytes or 0)))


def read_spills(data: Path, tablespaces: Collection[Path]) -> tuple[Spill, ...]:
    """The temporary files by process, the largest first. Raises OSError."""
    # Without the right to look, that there is none would be no news.
    os.scandir(data / "base").close()
    folders = [data / "base" / "pgsql_tmp"]
    folders += [below / "pgsql_tmp" for space in tablespaces for below in _folders_in(space)]
    sizes: dict[int, list[int]] = defaultdict(list)
    for folder in folders:
        # Files of a parallel query lie in folders of their own.
        for entry in files_below(folder):
            named = _TEMPORARY.search(entry.path.removeprefix(str(folder)))
            if named:
                sizes[int(named[1])].append(taken_by([entry]))
    spills = [
        Spill(process=process, size_bytes=sum(taken), files=len(taken))
        for process, taken in sizes.items()
    ]
    return tuple(sorted(spills, key=lambda spill: -spill.size_bytes))


def read_logs(
    folder: Path, data: Path, home: Path, filename: str | None, kept: timedelta, now: datetime
) -> Logs:
    """The log files in the folder for them of the server that works in `data`.

    `filename` is its setting log_filename, None where that is not known. None is removable but
    where nobody else logs: in the data folder itself, and beside the private server's. Raises
    OSError.
    """
    entries = [
        entry
        for entry in os.scandir(folder)
        if entry.is_file(follow_symlinks=False) and _LOG.fullmatch(entry.name)
    ]
    logs = logs_of(
        str(folder), [_log_file(entry) for entry in entries], data.stat().st_uid, kept, now
    )
    private = Folder(home)
    of_private = os.path.realpath(data) == os.path.realpath(private.data)
    if not is_inside(folder, data) and not (of_private and folder.samefile(private.logs)):
        return replace(logs, removable=(), shared=True)
    shape, written = _shape(filename), _written(data)
    held = open_inodes(folder.stat().st_dev)
    busy = {entry.name for entry in entries if entry.name in written or entry.inode() in held}
    return replace(
        logs,
        removable=tuple(
            one for one in logs.removable if shape.fullmatch(one.name) and one.name not in busy
        ),
    )


def _shape(filename: str | None) -> re.Pattern[str]:
    """The names that the server gives its log files, and those of a rotation of these."""
    if filename is None:
        # As by default, and on the private server.
        stem = r"postgresql-[\w.+-]*"
    else:
        parts = re.split(r"%([a-zA-Z%])", Path(filename).name.removesuffix(".log"))
        stem = "".join(
            _ESCAPES.get(part, r"[\w:+.-]+") if escaped else re.escape(part)
            for part, escaped in zip(parts, itertools.cycle((False, True)), strict=False)
        )
    return re.compile(stem + _ENDING)


def _written(data: Path) -> set[str]:
    """The names of the files that the server writes now, as it says itself."""
    try:
        said = (data / "current_logfiles").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return set()
    return {Path(line.partition(" ")[2]).name for line in said.splitlines()}


def logs_of(
    folder: str, files: Collection[LogFile], owner: int | None, kept: timedelta, now: datetime
) -> Logs:
    """The log files, the newest first, with those that are older than logs are kept.

    The newest of each form is never among those: the server may be writing it. Neither is a file
    of another account: the server's settings may name a folder of others for its logs.
    """
    ordered = sorted(files, key=lambda file: file.written_at, reverse=True)
    current = {_form(file.name): file.name for file in reversed(ordered)}.values()
    removable = [
        file
        for file in ordered
        if file.written_at < now - kept and file.name not in current and file.owner == owner
    ]
    return Logs(folder=folder, files=tuple(ordered), removable=tuple(removable))


def _log_file(entry: os.DirEntry[str]) -> LogFile:
    there = entry.stat(follow_symlinks=False)
    return LogFile(
        name=entry.name,
        size_bytes=there.st_blocks * 512,
        written_at=datetime.fromtimestamp(there.st_mtime, UTC),
        owner=there.st_uid,
    )


def read_orphans(
    data: Path, database_oid: int, known: Collection[int], started_at: datetime
) -> Orphans:
    """Files of a database from before the server's start that its catalogue does not know.

    Raises OSError. A file of a transaction that goes on is newer than that.
    """
    names, taken = [], 0
    for entry in os.scandir(data / "base" / str(database_oid)):
        number = _NUMBER.fullmatch(entry.name)
        if number is None or int(number[1]) in known:
            continue
        there = entry.stat(follow_symlinks=False)
        if there.st_mtime < started_at.timestamp():
            names.append(entry.name)
            taken += there.st_blocks * 512
    return Orphans(files=tuple(sorted(names)), size_bytes=taken)


def count_files(places: Collection[Place]) -> dict[str, int]:
    """How many files lie below each place; one that lies in another is counted in both."""
    return {
        f"{place.role} {place.folder}": sum(1 for _ in files_below(place.folder))
        for place in places
    }


def _waiting(folder: Path) -> int:
    return sum(1 for entry in os.scandir(folder) if entry.name.endswith(".ready"))


def _form(name: str) -> str:
    """Text, CSV and JSON logs are written beside each other."""
    return next((form for form in ("csv", "json") if f".{form}" in name), "log")


def _folders_in(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []


def _end_of_wal(folder: Path) -> int | None:
    """About where the WAL ends: after the newest file that was written to."""
    found: list[tuple[float, Segment, int]] = []
    for entry in os.scandir(folder):
        if segment_named(entry.name) is None:
            continue
        there = entry.stat(follow_symlinks=False)
        segment = segment_named(entry.name, there.st_size or SEGMENT_BYTES)
        if segment is not None:
            found.append((there.st_mtime, segment, there.st_size or SEGMENT_BYTES))
    if not found:
        return None
    _, segment, size = max(found, key=lambda one: (one[0], one[1]))
    return (segment.number + 1) * size


def _kept_from(state: Path) -> int:
    """The position from which a slot keeps WAL; 0 where its file says none."""
    try:
        head = state.read_bytes()[: _SLOT.size]
    except OSError:
        return 0
    if len(head) < _SLOT.size:
        return 0
    magic, *_, position = _SLOT.unpack(head)
    return int(position) if magic == _SLOT_MAGIC else 0
