"""Looking at the files of a base backup without recovering it: the copy, and its WAL."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from agentpg.desk.backup.making.base import COPY, WAL
from agentpg.desk.backup.making.copies import verify_tars
from agentpg.desk.backup.model import Backup, Check, Difference
from agentpg.desk.backup.recovery.archived import plain_name
from agentpg.desk.backup.recovery.targets import Copy
from agentpg.desk.backup.recovery.wal import (
    HEAD_BYTES,
    Segment,
    checked,
    lsn_number,
    origin_of,
    segment_named,
    unpacking,
)
from agentpg.errors import ProgramsMissing, ToolFailed, WalDamaged
from agentpg.language import N_

_PIECE = 1024**2

_NO_WAL = N_("WAL that it needs is missing, or is none of this cluster")
_THERE, _GONE, _OTHER = N_("there"), N_("missing"), N_("another file")


def look_at_copy(backup: Backup, data: Path, pg_bin: str, near: Path) -> Iterator[Check]:
    """Whether the copy is what its own list says, and the WAL up to the moment is there.

    `data` has the files as they were before they were sealed; `near` is a folder for what has
    to be unpacked. The list has a checksum of its own, which pg_verifybackup compares first.
    """
    yield _look_at_tars(backup, data / COPY, pg_bin, near / "unpacked")
    yield _look_at_wal(backup, data)


def _look_at_tars(backup: Backup, folder: Path, pg_bin: str, near: Path) -> Check:
    try:
        verify_tars(folder, pg_bin, backup.source.server_version // 10_000, near)
    except ProgramsMissing as error:
        return Check(name="structure", outcome="unknown", reason=str(error))
    except ToolFailed as error:
        return Check(name="structure", outcome="failed", reason=str(error.values["reason"]))
    except (tarfile.TarError, EOFError, OSError) as error:
        return Check(name="structure", outcome="failed", reason=str(error))
    return Check(name="structure", outcome="passed")


def _look_at_wal(backup: Backup, data: Path) -> Check:
    """From where the copy begins up to the moment, each segment by its name and its beginning."""
    copy = Copy.of(backup)
    size = copy.segment_bytes
    first, last = lsn_number(copy.start_lsn) // size, (lsn_number(backup.lsn) - 1) // size
    wanted = [Segment(copy.timeline, number) for number in range(first, last + 1)]
    try:
        there = dict(_segments(data, size))
    except (WalDamaged, tarfile.TarError) as error:
        return Check(name="wal", outcome="failed", reason=str(error))
    system = backup.source.system_identifier
    gaps = tuple(
        Difference(
            subject=one.name(size),
            expected=_THERE,
            found=_OTHER if one in there else _GONE,
        )
        for one in wanted
        if there.get(one) != (one.number * size, system, size)
    )
    if gaps:
        return Check(name="wal", outcome="failed", reason=_NO_WAL, differences=gaps)
    return Check(name="wal", outcome="passed")


def _segments(data: Path, segment_bytes: int) -> Iterator[tuple[Segment, tuple[int, str, int]]]:
    """Every segment of the backup, with its position, its cluster and its size."""
    for path in sorted((data / COPY).glob("pg_wal.tar*")):
        with path.open("rb") as stored, checked(path.name):
            content = unpacking(stored, path.name)
            with tarfile.open(fileobj=content, mode="r|", bufsize=_PIECE) as tar:
                for member in tar:
                    segment = segment_named(member.name.removeprefix("./"), segment_bytes)
                    stream = tar.extractfile(member)
                    if segment is not None and stream is not None:
                        yield segment, _measured(stream)
            _read_on(content)
    for path in sorted((data / WAL).glob("*")):
        segment = segment_named(plain_name(path.name)[0], segment_bytes)
        if segment is not None:
            with path.open("rb") as stored, checked(path.name):
                yield segment, _measured(unpacking(stored, path.name))


def _measured(content: IO[bytes]) -> tuple[int, str, int]:
    """Read it to its end, where its checksum is compared."""
    head = content.read(HEAD_BYTES)
    origin = origin_of(head) or (-1, "")
    return *origin, len(head) + _read_on(content)


def _read_on(content: IO[bytes]) -> int:
    size = 0
    while piece := content.read(_PIECE):
        size += len(piece)
    return size
