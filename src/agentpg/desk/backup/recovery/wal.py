"""The archive of a cluster's WAL: what is in it, what is missing, and where timelines part.

    wal/SYSTEM/000000010000000000000002.gz    a segment, compressed with a checksum
    wal/SYSTEM/00000002.history.gz            where a timeline left the one before

Segments are known by their names alone (`archived.py`), so that looking costs a listing, and no
key: histories are never sealed. Every form has a
checksum of the content: a flipped bit in plain WAL would look like the end of WAL, and recovery
would stop there and say nothing.
"""

from __future__ import annotations

import gzip
import re
import shutil
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, cast

from agentpg.desk.backup.recovery.archived import archived_as
from agentpg.desk.backup.storage.repository import Repository, Stored
from agentpg.errors import WalDamaged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SEGMENT_BYTES = 16 * 1024**2

# The beginning of a segment: magic, flags, timeline, position, rest of the last record, system.
_HEADER = struct.Struct("<HHIQIxxxxQ")
HEAD_BYTES = _HEADER.size

_SEGMENT = re.compile(r"[0-9A-F]{24}")
_TIMELINE = re.compile(r"([0-9A-F]{8})(?:[0-9A-F]{16}|\.history)(?!\.partial)")
_HISTORY = re.compile(r"([0-9A-F]{8})\.history")
_PARENT = re.compile(r"^\s*(\d+)\s+([0-9A-F]+/[0-9A-F]+)", re.MULTILINE)
_BLOCK = 1024**2

# The quickest level, with a checksum of the content.
_PACKING: Mapping[int, int] = {
    zstd.CompressionParameter.compression_level: 1,
    zstd.CompressionParameter.checksum_flag: 1,
}


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of WAL: the timeline that wrote it, and its number from the beginning."""

    timeline: int
    number: int

    def name(self, segment_bytes: int = SEGMENT_BYTES) -> str:
        """As PostgreSQL names the file.

        >>> Segment(1, 258).name()
        '000000010000000100000002'
        """
        high, low = divmod(self.number, 2**32 // segment_bytes)
        return f"{self.timeline:08X}{high:08X}{low:08X}"


def segment_named(name: str, segment_bytes: int = SEGMENT_BYTES) -> Segment | None:
    """The segment of a file's name; None for a file that is none.

    >>> segment_named("000000010000000100000002")
    Segment(timeline=1, number=258)
    """
    if not _SEGMENT.fullmatch(name):
        return None
    timeline, high, low = (int(name[start : start + 8], 16) for start in (0, 8, 16))
    return Segment(timeline, high * (2**32 // segment_bytes) + low)


def origin_of(head: bytes) -> tuple[int, str] | None:
    """At which position a file of WAL begins, and of which cluster it is, by its first bytes.

    A file that only waits to be used again has an old position. None: there are too few.
    """
    if len(head) < HEAD_BYTES:
        return None
    _, _, _, position, _, system = _HEADER.unpack(head[:HEAD_BYTES])
    return position, str(system)


def lsn_number(lsn: str) -> int:
    """A position in the WAL as a number of bytes.

    >>> lsn_number("1/2000028")
    4328521768
    """
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_text(number: int) -> str:
    """A position as PostgreSQL writes it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


@dataclass(frozen=True, slots=True)
class Fork:
    """Where a timeline left its parent."""

    parent: int
    lsn: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Segments that are missing between two that are there, by their names."""

    first: str
    last: str
    segments: int


@dataclass(frozen=True, slots=True)
class WalArchive:
    """What the repository has of one cluster's WAL, as of one look.

    `segments` is each segment's object, `histories` each timeline's ancestors, the nearest last,
    and `born` when each one left its parent.
    """

    system: str
    segment_bytes: int
    segments: Mapping[Segment, Stored]
    histories: Mapping[int, tuple[Fork, ...]] = field(default_factory=dict)
    born: Mapping[int, datetime] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """What the segments take in the repository."""
        return sum(stored.size_bytes for stored in self.segments.values())

    def timelines(self) -> list[int]:
        """Every timeline that has a segment or a history."""
        return sorted({one.timeline for one in self.segments} | set(self.histories))

    def path_of(self, timeline: int) -> tuple[Fork, ...]:
        """The ancestors of a timeline, the first one first."""
        return self.histories.get(timeline, ())

    def descends(self, timeline: int, ancestor: int, lsn: str) -> bool:
        """Whether the timeline has all that the ancestor wrote up to a position."""
        if timeline == ancestor:
            return True
        forks = [fork for fork in self.path_of(timeline) if fork.parent == ancestor]
        return bool(forks) and lsn_number(forks[0].lsn) >= lsn_number(lsn)

    def number_of(self, lsn: str) -> int:
        """The number of the segment that has a position."""
        return lsn_number(lsn) // self.segment_bytes

    def on_path(self, timeline: int, number: int) -> Segment:
        """Which timeline's segment of this number a recovery along `timeline` reads."""
        for fork in self.path_of(timeline):
            if number < self.number_of(fork.lsn):
                return Segment(fork.parent, number)
        return Segment(timeline, number)

    def last_without_gap(self, timeline: int, first: int) -> Segment | None:
        """How far a recovery along a timeline gets from the segment numbered `first`."""
        number, last = first, None
        while (segment := self.on_path(timeline, number)) in self.segments:
            number, last = number + 1, segment
        return last

    def gaps(self, timeline: int, first: int) -> list[Gap]:
        """What is missing along a timeline from `first` to its last segment."""
        numbers = [one.number for one in self.segments if one.timeline == timeline]
        found: list[Gap] = []
        missing: list[Segment] = []
        for number in range(first, max(numbers, default=first - 1) + 1):
            segment = self.on_path(timeline, number)
            if segment not in self.segments:
                missing.append(segment)
            elif missing:
                found.append(self._gap(missing))
                missing = []
        return found

    def _gap(self, missing: list[Segment]) -> Gap:
        names = [segment.name(self.segment_bytes) for segment in (missing[0], missing[-1])]
        return Gap(names[0], names[1], len(missing))


def prefix_of(system: str) -> str:
    """Where a cluster's WAL lies in a repository."""
    return f"wal/{system}/"


def read_archive(
    repository: Repository, system: str, segment_bytes: int = SEGMENT_BYTES
) -> WalArchive:
    """Look at what the repository has of a cluster's WAL."""
    segments: dict[Segment, Stored] = {}
    histories: dict[int, tuple[Fork, ...]] = {}
    born: dict[int, datetime] = {}
    for stored in repository.objects(prefix_of(system)):
        found = archived_as(stored.key)
        if found is None:
            continue
        written_at = found.written_at or stored.written_at
        segment = segment_named(found.name, segment_bytes)
        history = _HISTORY.fullmatch(found.name)
        if segment is not None:
            segments.setdefault(segment, replace(stored, written_at=written_at))
        elif history is not None:
            timeline = int(history[1], 16)
            with opened(repository, stored.key) as stream:
                histories[timeline] = parse_history(stream.read().decode())
            born[timeline] = written_at
    return WalArchive(system, segment_bytes, segments, histories, born)


def timelines_in(repository: Repository, system: str) -> set[int]:
    """Every timeline of which the repository has anything, by the names alone."""
    names = (stored.key.rpartition("/")[2] for stored in repository.objects(prefix_of(system)))
    return {int(found[1], 16) for name in names if (found := _TIMELINE.match(name))}


def parse_history(text: str) -> tuple[Fork, ...]:
    """What a history file says.

    >>> parse_history('1\\t0/3000148\\tat restore point "before"\\n')
    (Fork(parent=1, lsn='0/3000148'),)
    """
    return tuple(Fork(int(found[1]), found[2]) for found in _PARENT.finditer(text))


@contextmanager
def opened(repository: Repository, key: str) -> Iterator[IO[bytes]]:
    """The content of a compressed object.

    Reading it raises WalDamaged where its checksum does not fit, or its end is missing.
    """
    with repository.open(key) as stored, checked(key), unpacking(stored, key) as content:
        yield content


def unpacking(stored: BinaryIO, name: str) -> IO[bytes]:
    """The content of a stream in the form that the end of its name says."""
    if name.endswith(".zst"):
        return cast("IO[bytes]", zstd.ZstdFile(stored))
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stored)) if name.endswith(".gz") else stored


@contextmanager
def checked(key: str) -> Iterator[None]:
    """Raise WalDamaged for what a decompressor finds wrong within it."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        raise WalDamaged(str(error), key=key) from None


def unpack(source: Path, target: Path) -> None:
    """Decompress a WAL file into a new one. Raises WalDamaged."""
    with source.open("rb") as stored, checked(source.name), target.open("xb") as file:
        shutil.copyfileobj(unpacking(stored, source.name), file, _BLOCK)


def pack(source: Path, target: Path) -> None:
    """Compress a file into a new one, which keeps the moment of its last write."""
    with source.open("rb") as plain, zstd.open(target, "xb", options=_PACKING) as packed:
        shutil.copyfileobj(plain, packed, _BLOCK)
    shutil.copystat(source, target)
