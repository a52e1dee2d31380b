"""Storing WAL in a bucket, or sealed: what the server's archive command does there.

It runs as the server's account, knows nothing but its orders (`orders.py`), and holds no secret
key. Each file appears whole under a name that tells its content (`archived.py`), so that a second
try is a success, and a different file of the same name is refused beside the one that is there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agentpg.desk.backup.recovery.archived import Archived, archived_as
from agentpg.desk.backup.recovery.wal import opened, pack
from agentpg.desk.backup.storage.repository import Repository
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.errors import AgentpgError, FileNotWritten, WalDiffers, WalNotThere

# In one request up to here; in parts, and not from memory, beyond.
_AT_ONCE_BYTES = 64 * 1024**2
# Starting takes longer than storing: so what waits behind a file is stored with it.
_AHEAD = timedelta(seconds=10)
_DONE = "done"
_PIECE = 1024**2
# So that whoever only holds the archive's listing can tell how timelines go on.
_OPEN = ".history"


@dataclass(frozen=True, slots=True)
class Archive:
    """Where one cluster's WAL is stored: a repository that has nothing else, and its seal.

    `orders` tells the orders that say so from later ones.
    """

    repository: Repository
    seal: Seal | None
    orders: str = ""


def push(archive: Archive, path: Path) -> None:
    """Store one file of WAL; when this returns it is durable.

    Raises WalDiffers where there is another one of its name, WalNotThere, RepositoryError, and
    what sealing raises.
    """
    try:
        found = _described(path, archive.seal)
    except OSError as error:
        raise WalNotThere(error.strerror or str(error), path=path) from None
    for there, key in _of_this_name(archive.repository, found.name):
        if (there.sha256 or _sha256_in(archive.repository, key)) != found.sha256:
            raise WalDiffers(path=path, key=key, place=archive.repository.place)
        archive.repository.settle(key)
        return
    with tempfile.TemporaryDirectory(prefix="agentpg-wal-") as near:
        _store(archive, found, path, Path(near))
    _yield_to_others(archive.repository, found, path)


def _yield_to_others(repository: Repository, found: Archived, path: Path) -> None:
    """Take a file back where another of its name came in between; its server tries again.

    A copy of a cluster may archive into the same place. What it was told is stored stays, so
    whoever finds two gives way. Raises WalDiffers.
    """
    for there, key in _of_this_name(repository, found.name):
        if (there.sha256 or _sha256_in(repository, key)) != found.sha256:
            repository.remove([found.stored_name])
            raise WalDiffers(path=path, key=key, place=repository.place)


def push_ahead(archive: Archive, path: Path, home: Path) -> int:
    """Store what waits behind a file in the server's pg_wal, and mark it as done in `home`.

    Its turn comes, and it is told then if it can't be stored; how many were.
    """
    waiting = path.parent / "archive_status"
    names = sorted(one.name.removesuffix(".ready") for one in waiting.glob("*.ready"))
    marks = home / _DONE
    _forget(marks, names)
    end = time.monotonic() + _AHEAD.total_seconds()
    stored = 0
    with suppress(AgentpgError, OSError):
        for name in names:
            if name == path.name or (marks / name).exists():
                continue
            if time.monotonic() > end:
                break
            push(archive, path.with_name(name))
            _mark(marks / name, path.with_name(name), archive.orders)
            stored += 1
    return stored


def try_out(archive: Archive) -> None:
    """See whether the archive can be listed, and a file sealed. Raises what is wrong."""
    next(archive.repository.objects(""), None)
    if archive.seal is not None:
        with tempfile.TemporaryDirectory(prefix="agentpg-wal-") as near:
            plain = Path(near, "plain")
            plain.write_bytes(b"")
            archive.seal.seal(plain, Path(near, "sealed"))


def _described(path: Path, seal: Seal | None) -> Archived:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Archived(
        name=path.name,
        form=".zst",
        is_sealed=seal is not None and not path.name.endswith(_OPEN),
        written_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        sha256=digest,
    )


def _of_this_name(repository: Repository, name: str) -> Iterator[tuple[Archived, str]]:
    for stored in repository.objects(name):
        found = archived_as(stored.key)
        if found is not None and found.name == name:
            yield found, stored.key


def _sha256_in(repository: Repository, key: str) -> str:
    """Of what the shell script has stored."""
    digest = hashlib.sha256()
    with opened(repository, key) as content:
        while piece := content.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _store(archive: Archive, found: Archived, path: Path, near: Path) -> None:
    try:
        ready = near / "packed"
        pack(path, ready)
        if found.is_sealed and archive.seal is not None:
            archive.seal.seal(ready, near / "sealed")
            ready = near / "sealed"
        small = ready.stat().st_size <= _AT_ONCE_BYTES
        content = ready.read_bytes() if small else b""
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=near) from error
    if small:
        archive.repository.create(found.stored_name, content)
    else:
        archive.repository.put(found.stored_name, ready)


def known_by(found: os.stat_result) -> str:
    """What tells a file from another and from a later one, as the shell script asks for it."""
    return f"{found.st_size} {int(found.st_mtime)} {found.st_ino} {found.st_dev}"


def _mark(mark: Path, path: Path, orders: str) -> None:
    """Say that a file is stored as it is now, by these orders."""
    draft = mark.with_name(f".{mark.name}")
    draft.write_text(f"{known_by(path.stat())}\n{orders}\n", encoding="ascii")
    draft.replace(mark)


def _forget(marks: Path, waiting: list[str]) -> None:
    """Remove the marks of files that wait no more."""
    for mark in marks.iterdir() if marks.is_dir() else ():
        if mark.name not in waiting:
            mark.unlink(missing_ok=True)
