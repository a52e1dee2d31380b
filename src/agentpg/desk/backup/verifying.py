"""Verifying a backup without restoring it: its files, its structure, its manifest.

Every file is read whole and compared with what the record says; then pg_restore must be able to
read the table of contents of a dump, a plain file must end with pg_dump's closing line, and the
copy of a cluster must be what its list says, with all WAL that it needs. It says that the backup
is what was made. That it can be restored, only a drill proves.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from agentpg.desk.backup.leash import run_tool
from agentpg.desk.backup.making.plain import ends_whole
from agentpg.desk.backup.model import Backup, Check, Difference, Outcome, StoredFile
from agentpg.desk.backup.pgbackrest.backups import verify_in_pgbackrest
from agentpg.desk.backup.programs import Programs
from agentpg.desk.backup.proof.manifest import Manifest
from agentpg.desk.backup.recovery.structure import look_at_copy
from agentpg.desk.backup.scratch import scratch_folder
from agentpg.desk.backup.storage.records import key_of
from agentpg.desk.backup.storage.repository import (
    BEGUN,
    GLOBALS,
    MANIFEST,
    RECORD,
    SEALED,
    Repository,
)
from agentpg.errors import (
    AgentpgError,
    BackupError,
    RecordDamaged,
    RepositoryError,
    SealDamaged,
    ToolFailed,
)
from agentpg.language import N_
from agentpg.settings import environment_with

_PIECE = 1024**2
_DATA = "data/"
_TOC = f"{_DATA}toc.dat"

_DAMAGED_FILES = N_("these files are not as they were written")
_NO_GLOBALS = N_("roles and tablespaces are missing")
_NO_END = N_("it lacks pg_dump's closing line")
_NO_MANIFEST = N_("there is none, so its content can't be compared")
_OTHER = N_("it is that of another backup")

Read = Callable[[int], None]
Unseal = Callable[[BinaryIO, Path], object]
Look = Callable[["Opener", Path], Check]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What verifying one backup found."""

    backup: str
    checks: tuple[Check, ...]

    @property
    def outcome(self) -> Outcome:
        """Passed only if every check did."""
        outcomes = {check.outcome for check in self.checks}
        if "failed" in outcomes:
            return "failed"
        return "passed" if outcomes == {"passed"} else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """How the files of one backup are read.

    `programs` None: none that fit were found, and `no_programs` says so; `unseal` None: there
    is no key, and `no_key` says so. `read` is called with the bytes that were read, as the
    work goes on. `near` is where a base backup's files are brought to, and unpacked from, for a
    look at their structure; None: that is not looked at, as a recovery does so itself. `pg_bin`
    is where the programs for it are looked for first. `passing` is where files that can't be looked
    at in their place are for a moment, by default that of `near`.
    """

    repository: Repository
    programs: Programs | None = None
    near: Path | None = None
    passing: Path | None = None
    pg_bin: str = ""
    unseal: Unseal | None = None
    read: Read | None = None
    no_programs: str = ""
    no_key: str = ""


def verify_backup(backup: Backup, opener: Opener) -> Verification:
    """Look at everything but the content. Raises RepositoryError where nothing can be read."""
    files = _check_files(backup, opener)
    # What is known to be damaged need not be opened to say so again, and in worse words.
    bad = {difference.subject for difference in files.differences}
    checks = [
        files,
        *_check_structure(backup, opener, bad),
        *_check_copy(backup, opener, bad),
        *_check_manifest(backup, opener, bad),
        *_check_globals(backup, opener, bad),
        *_check_kept(backup, opener),
    ]
    return Verification(backup=backup.name, checks=tuple(checks))


def _check_kept(backup: Backup, opener: Opener) -> Iterator[Check]:
    """What pgBackRest keeps of it, where it does."""
    if backup.kind != "pgbackrest":
        return
    try:
        yield from verify_in_pgbackrest(opener.repository, backup)
    except BackupError as error:
        yield Check(name="pgbackrest", outcome="unknown", reason=str(error))


def _check_files(backup: Backup, opener: Opener) -> Check:
    there = {
        stored.key.removeprefix(key_of(backup.name, "")): stored.size_bytes
        for stored in opener.repository.objects(key_of(backup.name, ""))
    }
    differences = [
        difference
        for file in backup.files
        for difference in _check_file(backup, opener, file, there.get(file.path))
    ]
    recorded = {file.path for file in backup.files} | {RECORD, BEGUN}
    differences += [
        Difference(subject=path, expected=N_("nothing"), found=_size(size))
        for path, size in there.items()
        if path not in recorded
    ]
    if not differences:
        return Check(name="files", outcome="passed")
    return Check(
        name="files", outcome="failed", reason=_DAMAGED_FILES, differences=tuple(differences)
    )


def _check_file(
    backup: Backup, opener: Opener, file: StoredFile, size: int | None
) -> Iterator[Difference]:
    expected = _size(file.size_bytes)
    if size is None:
        yield Difference(subject=file.path, expected=expected, found=N_("missing"))
        return
    if size != file.size_bytes:
        yield Difference(subject=file.path, expected=expected, found=_size(size))
        return
    found = _sha256(backup, opener, file.path)
    if found != file.sha256:
        yield Difference(
            subject=file.path, expected=f"sha256 {file.sha256}", found=f"sha256 {found}"
        )


def _sha256(backup: Backup, opener: Opener, path: str) -> str:
    digest = hashlib.sha256()
    with opener.repository.open(key_of(backup.name, path)) as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            if opener.read is not None:
                opener.read(len(piece))
    return digest.hexdigest()


def _check_structure(backup: Backup, opener: Opener, bad: set[str]) -> Iterator[Check]:
    """Whether the tools of its kind can read how it is made up."""
    looks: dict[str, Look] = {"dump": _look_at_toc, "sql": _look_at_end}
    for file in backup.files:
        path = file.path.removesuffix(SEALED)
        concerned = path == _TOC if backup.kind == "dump" else path.startswith(_DATA)
        if backup.kind in looks and concerned and file.path not in bad:
            yield _look("structure", backup, opener, file.path, looks[backup.kind])


def _look_at_toc(opener: Opener, path: Path) -> Check:
    if opener.programs is None:
        return Check(name="structure", outcome="unknown", reason=opener.no_programs)
    command: list[str | Path] = [opener.programs.tool("pg_restore"), "--list", path.parent]
    try:
        run_tool(command, environment_with())
    except ToolFailed as error:
        return Check(name="structure", outcome="failed", reason=str(error.values["reason"]))
    return Check(name="structure", outcome="passed")


def _look_at_end(opener: Opener, path: Path) -> Check:
    del opener
    if ends_whole(path):
        return Check(name="structure", outcome="passed")
    return Check(name="structure", outcome="failed", reason=_NO_END)


def _check_copy(backup: Backup, opener: Opener, bad: set[str]) -> Iterator[Check]:
    """The same of a base backup, whose files are looked at together."""
    if backup.kind != "base" or opener.near is None:
        return
    files = [file.path for file in backup.files if file.path.startswith(_DATA)]
    if bad.intersection(files):
        return
    if opener.unseal is None and any(path.endswith(SEALED) for path in files):
        yield Check(name="structure", outcome="unknown", reason=opener.no_key)
        return
    in_place = opener.unseal is None and opener.repository.folder("backups") is not None
    try:
        with scratch_folder(opener.near, 0 if in_place else backup.size_bytes) as near:
            data = _brought(backup, opener, files, near)
            yield from look_at_copy(backup, data, opener.pg_bin, near)
    except SealDamaged as error:
        yield Check(name="structure", outcome="failed", reason=str(error))
    except RepositoryError:
        raise
    except (AgentpgError, OSError) as error:
        yield Check(name="structure", outcome="unknown", reason=str(error))


def _brought(backup: Backup, opener: Opener, files: list[str], near: Path) -> Path:
    """The folder with what the kind made: in its place, or brought near and opened."""
    place = opener.repository.folder(key_of(backup.name, _DATA.rstrip("/")))
    if place is not None and opener.unseal is None:
        return place
    for path in files:
        target = near / path.removesuffix(SEALED)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = key_of(backup.name, path)
        if opener.unseal is None or not path.endswith(SEALED):
            opener.repository.fetch(key, target)
        else:
            with opener.repository.open(key) as stream:
                opener.unseal(stream, target)
    return near / _DATA


def _check_manifest(backup: Backup, opener: Opener, bad: set[str]) -> Iterator[Check]:
    """Whether the manifest can be read, and is of this backup."""
    there = [file.path for file in backup.files if file.path.removesuffix(SEALED) == MANIFEST]
    if not there:
        yield Check(name="manifest", outcome="unknown", reason=_NO_MANIFEST)
    for path in there:
        if path not in bad:
            yield _look("manifest", backup, opener, path, _look_at_manifest(backup))


def _look_at_manifest(backup: Backup) -> Look:
    def look(opener: Opener, path: Path) -> Check:
        del opener
        try:
            manifest = Manifest.parse(json.loads(path.read_bytes()), backup.name)
        except (ValueError, AttributeError, RecursionError, RecordDamaged) as error:
            return Check(name="manifest", outcome="failed", reason=str(error))
        if (manifest.lsn, manifest.taken_at) == (backup.lsn, backup.taken_at):
            return Check(name="manifest", outcome="passed")
        return Check(name="manifest", outcome="failed", reason=_OTHER)

    return look


def _check_globals(backup: Backup, opener: Opener, bad: set[str]) -> Iterator[Check]:
    """Whether the roles of the cluster are with it, where its kind has them apart."""
    del opener, bad
    if "globals" not in backup.details:
        return
    there = any(file.path.removesuffix(SEALED) == GLOBALS for file in backup.files)
    if backup.details["globals"] and there:
        yield Check(name="globals", outcome="passed")
        return
    said = str(backup.details.get("globals_missing", ""))
    difference = Difference(subject=GLOBALS, expected=N_("roles"), found=said or N_("missing"))
    yield Check(name="globals", outcome="unknown", reason=_NO_GLOBALS, differences=(difference,))


def _look(name: str, backup: Backup, opener: Opener, path: str, look: Look) -> Check:
    """Look at a file, in its place or brought near and opened."""
    key = key_of(backup.name, path)
    place = opener.repository.folder(key)
    if place is not None and not path.endswith(SEALED):
        return look(opener, place)
    if path.endswith(SEALED) and opener.unseal is None:
        return Check(name=name, outcome="unknown", reason=opener.no_key)
    try:
        with _passing(opener) as near:
            target = Path(near, PurePosixPath(path.removesuffix(SEALED)).name)
            if opener.unseal is None:
                opener.repository.fetch(key, target)
            else:
                with opener.repository.open(key) as stream:
                    opener.unseal(stream, target)
            return look(opener, target)
    except RepositoryError:
        raise
    except SealDamaged as error:
        return Check(name=name, outcome="failed", reason=str(error))
    except AgentpgError as error:
        return Check(name=name, outcome="unknown", reason=str(error))


@contextmanager
def _passing(opener: Opener) -> Iterator[Path]:
    """A folder for a moment; where this is killed, the next that works beside it removes it."""
    place = opener.passing or opener.near
    if place is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
        return
    with scratch_folder(place) as folder:
        # Who knows its name may pass through it, and what was sealed is for nobody else.
        near = folder / "near"
        near.mkdir(mode=0o700)
        yield near


def _size(size: int) -> str:
    return f"{size} B"
