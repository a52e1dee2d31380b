"""A base backup becomes a data folder, ready to be recovered.

What the folder brings along of an earlier recovery, such as its target, is taken out of its
settings first; a second target beside the present one would keep the server from starting.
"""

from __future__ import annotations

import gzip
import os
import re
import secrets
import shlex
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO, cast

from agentpg.desk.backup.making.base import WAL
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.archived import plain_name
from agentpg.desk.backup.recovery.targets import Copy
from agentpg.desk.backup.recovery.wal import checked, unpacking
from agentpg.desk.backup.storage.passing import Passed, Passing
from agentpg.desk.backup.untarring import untar
from agentpg.embedded.account import Account
from agentpg.errors import (
    CopyDamaged,
    FileNotWritten,
    FolderInTheWay,
    TablespaceUnknown,
    TablespaceUnmapped,
    WalDamaged,
)

FETCH = "fetch_wal.sh"
# The line of the settings before the one that keeps a recovered server from archiving.
RECOVERED = "# agentpg: recovered from a backup"

# Opens a file of the backup by its path in it, such as data/base/base.tar.gz, as it was stored.
Opener = Callable[[str], AbstractContextManager[BinaryIO]]
Report = Callable[[int, int], None]

_BEGIN = "# agentpg: recovery"
_NO_ARCHIVING = f"{RECOVERED}\narchive_mode = 'off'\n"
_OF_RECOVERY = re.compile(
    r"\s*(recovery_target\w*|restore_command|archive_cleanup_command|recovery_end_command"
    r"|primary_conninfo|primary_slot_name|hot_standby)\s*="
)
_TAR = re.compile(r"data/base/(base|\d+|pg_wal)\.tar(\.gz|\.zst)?")
_BLOCK = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a backup is unpacked: a folder that is not there yet, and who will own it.

    `tablespaces` are new folders for those of the source, by the old ones. `stays`: it is never
    moved, so that the server may find them from there, where its account can't by their path.
    """

    folder: Path
    account: Account
    tablespaces: Mapping[str, Path] = field(default_factory=dict)
    stays: bool = False


def unpack_backup(
    backup: Backup, place: Place, opener: Opener, report: Report | None = None
) -> None:
    """Unpack the cluster with its WAL.

    What was unpacked is removed where that fails, and nothing that was there before. Raises
    FolderInTheWay, TablespaceUnmapped, TablespaceUnknown, CopyDamaged and FileNotWritten.
    """
    homes = _homes(Copy.of(backup), place)
    made: list[Path] = []
    try:
        for folder in (place.folder, *homes.values()):
            _make(folder)
            made.append(folder)
        _unpack_all(backup, place.folder, homes, opener, report)
        _map_tablespaces(place, homes)
        for folder in made:
            place.account.own_tree(folder)
    except BaseException as error:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise FileNotWritten(error.strerror or str(error), path=place.folder) from error
        raise


def write_recovery(folder: Path, account: Account, settings: Mapping[str, str]) -> None:
    """Tell the server how to recover when it starts next, and forget earlier recoveries."""
    path = folder / "postgresql.auto.conf"
    kept = _without_recovery(path)
    lines = [f"{name} = '{_quoted(value)}'\n" for name, value in settings.items()]
    _write(path, f"{kept}{_BEGIN}\n{''.join(lines)}", account)
    _write(folder / "recovery.signal", "", account)


def forget_recovery(folder: Path, account: Account) -> None:
    """Leave nothing of the recovery in the settings of a server that has recovered.

    It archives nothing until it is allowed to.
    """
    path = folder / "postgresql.auto.conf"
    _write(path, _without_recovery(path), account)
    forbid_archiving(folder, account)
    (folder / FETCH).unlink(missing_ok=True)
    for history in (folder / "pg_wal").glob("*.history"):
        if history.stat().st_size == 0:
            history.unlink()


def forbid_archiving(folder: Path, account: Account) -> None:
    """Keep a server out of the archive, whatever its settings say."""
    path = folder / "postgresql.auto.conf"
    text = path.read_text(encoding="utf-8").replace(_NO_ARCHIVING, "")
    _write(path, f"{text}{_NO_ARCHIVING}", account)


def allow_archiving(folder: Path, account: Account) -> None:
    """Let a server archive as its settings say, a new timeline's history first."""
    path = folder / "postgresql.auto.conf"
    _write(path, path.read_text(encoding="utf-8").replace(_NO_ARCHIVING, ""), account)
    waiting = folder / "pg_wal" / "archive_status"
    for history in (folder / "pg_wal").glob("*.history"):
        _write(waiting / f"{history.name}.ready", "", account)


def fetching_from(archive: str, folder: Path, account: Account, last: str) -> str:
    """The restore command that takes WAL from a folder; its script is put beside the data.

    It takes nothing that is later than the segment `last`, whatever gets there meanwhile.
    """
    script = folder / FETCH
    text = (resources.files("agentpg.desk.backup.recovery") / FETCH).read_text(encoding="utf-8")
    _write(script, text, account)
    # The server's own folder is where it calls the command.
    where = shlex.quote(archive).replace("%", "%%")
    return f'sh {FETCH} {where} "%f" "%p" {last}'


def _unpack_all(
    backup: Backup,
    folder: Path,
    homes: Mapping[str, Path],
    opener: Opener,
    report: Report | None,
) -> None:
    passing = Passing(backup.size_bytes, 1, report)
    for stored in sorted(backup.files, key=lambda file: file.path):
        path = stored.path.removesuffix(".age")
        found = _TAR.fullmatch(path)
        # What is not of the cluster, such as the key of a passphrase, is not opened.
        if found is None and not path.startswith(f"data/{WAL}/"):
            continue
        with _damage_of(path), opener(stored.path) as opened:
            stream = cast(BinaryIO, _Counted(opened, passing))
            if found is not None:
                target = {"base": folder, "pg_wal": folder / "pg_wal"}.get(found[1])
                _untar(stream, path, target or homes[found[1]])
            else:
                _copy_wal(stream, path, folder / "pg_wal")
    passing.ended()


class _Counted:
    """A stream that says what has been read of it."""

    def __init__(self, stream: BinaryIO, passed: Passed) -> None:
        self._stream, self._passed = stream, passed

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._passed(len(piece))
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _untar(stream: BinaryIO, path: str, target: Path) -> None:
    content = unpacking(stream, path)
    with checked(path), tarfile.open(fileobj=content, mode="r|", bufsize=_BLOCK) as tar:
        untar(tar, target)
    with checked(path):
        # Only what was read to its end has had its checksum compared.
        while content.read(_BLOCK):
            pass


def _copy_wal(stream: BinaryIO, path: str, folder: Path) -> None:
    target = folder / plain_name(path)[0]
    target.unlink(missing_ok=True)
    with checked(path), target.open("xb") as file:
        shutil.copyfileobj(unpacking(stream, path), file, _BLOCK)
    target.chmod(0o600)


@contextmanager
def _damage_of(path: str) -> Iterator[None]:
    """Raise CopyDamaged for what is wrong with a file of the backup."""
    try:
        yield
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, WalDamaged) as error:
        raise CopyDamaged(str(error), path=path) from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise FolderInTheWay(folder=folder) from None


def _homes(copy: Copy, place: Place) -> dict[str, Path]:
    """Where each tablespace goes, by its number."""
    for old in place.tablespaces:
        if old not in copy.tablespaces.values():
            raise TablespaceUnknown(folder=old)
    homes: dict[str, Path] = {}
    for number, old in copy.tablespaces.items():
        new = place.tablespaces.get(old)
        if new is None:
            raise TablespaceUnmapped(folder=old)
        homes[number] = new
    return homes


def _map_tablespaces(place: Place, homes: Mapping[str, Path]) -> None:
    """Tell the server where they are; it makes the links anew, until then others read them."""
    links = place.folder / "pg_tblspc"
    paths = {n: os.path.relpath(p, links) if place.stays else str(p) for n, p in homes.items()}
    if paths:
        text = "".join(f"{number} {_escaped(path)}\n" for number, path in paths.items())
        (place.folder / "tablespace_map").write_text(text, encoding="utf-8")
    for number, path in paths.items():
        (links / number).symlink_to(path)


def _escaped(path: str) -> str:
    return re.sub(r"([\n\r\\])", r"\\\1", path)


def _without_recovery(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [one for one in lines if not _OF_RECOVERY.match(one) and one.strip() != _BEGIN]
    return "".join(kept)


def _write(path: Path, text: str, account: Account) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o600)
    account.own(draft)
    draft.replace(path)


def _quoted(value: str) -> str:
    return value.replace("'", "''")
