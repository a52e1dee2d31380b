"""Comparing a copy of the cluster, as pg_basebackup gives it, with its own list of files."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from agentpg.desk.backup.leash import run_tool
from agentpg.desk.backup.programs import Programs, find_programs
from agentpg.desk.backup.untarring import untar
from agentpg.errors import ProgramsMissing

BACKUP_MANIFEST = "backup_manifest"

# From this version on pg_verifybackup reads tar files.
_READS_TAR = 18
_PROGRAM = "pg_verifybackup"


def verify_tars(folder: Path, pg_bin: str, major: int, near: Path) -> None:
    """Let pg_verifybackup compare a copy in tar files with its list.

    One that wants the files themselves gets them unpacked in `near`, a folder that is not there
    yet; they take their room for a while. `major` is the server's. Raises ToolFailed with what
    it found, and ProgramsMissing.
    """
    try:
        programs = find_programs(pg_bin, _READS_TAR, _PROGRAM)
    except ProgramsMissing:
        _verify_unpacked(folder, find_programs(pg_bin, major, _PROGRAM), near)
    else:
        verify_copy(programs, folder)


def verify_copy(programs: Programs, folder: Path, files: Path | None = None) -> None:
    """Let pg_verifybackup compare a copy, tar files or unpacked, with its list of files.

    `files` is the list where it does not lie in the folder.

    Raises ToolFailed with what it found. WAL is not looked at here: each file of it has a
    checksum of its own, and a recovery reads it.
    """
    command: list[str | Path] = [programs.tool(_PROGRAM), "--no-parse-wal", "--quiet"]
    # It says where tablespaces lie, and is written anew where they go elsewhere.
    command += ["--ignore=tablespace_map"]
    command += [f"--manifest-path={files}"] if files else []
    run_tool([*command, folder], {})


def _unpack(archive: Path, target: Path) -> None:
    """Unpack one of the copy's tar files into a folder."""
    with tarfile.open(archive) as tar:
        untar(tar, target)


def _verify_unpacked(folder: Path, programs: Programs, near: Path) -> None:
    try:
        _unpack(folder / "base.tar.gz", near)
        for tar in folder.glob("[0-9]*.tar.gz"):
            _unpack(tar, near / "pg_tblspc" / tar.name.partition(".")[0])
        shutil.copy(folder / BACKUP_MANIFEST, near)
        verify_copy(programs, near)
    finally:
        shutil.rmtree(near, ignore_errors=True)
