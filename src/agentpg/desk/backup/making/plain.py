"""Backups of kind sql: the guide's own single file, which `psql` alone restores.

It is made from one moment like a dump, with the same manifest beside it, and what makes the
database itself, which the file does not say. It is only taken for whole if its last lines say so:
`psql` restores the first half of a file without a complaint.
"""

from __future__ import annotations

import gzip
import itertools
import zlib
from datetime import datetime
from pathlib import Path

from agentpg.desk.backup.creating import Job, Made
from agentpg.desk.backup.making.compressing import NONE, choose_compression, compression_option
from agentpg.desk.backup.making.dumping import dump_moment, dump_options, tool_environment
from agentpg.desk.backup.making.properties import dump_properties
from agentpg.desk.backup.proof.moment import Moment
from agentpg.desk.backup.storage.repository import DATABASE, Repository
from agentpg.desk.backup.storage.stage import Stage
from agentpg.errors import BackupNotWhole, CompressionUnknown
from agentpg.language import N_

DATA = "data"
SUFFIX = ".sql"
COMPRESSED = ".gz"

# pg_dump's closing lines. Newer ones write an `\\unrestrict` after them; a row that is called so
# is followed by others, or by the end of the rows.
_COMPLETED = b"\n-- PostgreSQL database dump complete\n--\n"
_AFTER = (b"--", b"\\unrestrict ")
_END_BYTES = 4096
_PIECE = 1024**2

_GZIP_ONLY = N_("a file for psql is compressed by gzip or not at all")


def make(job: Job, stage: Stage) -> Made:
    """Make the file of a plain backup in the stage. Raises BackupNotWhole."""
    compression = choose_compression(job.options.compression or NONE, job.programs)
    if not compression.startswith(("gzip", NONE)):
        raise CompressionUnknown(_GZIP_ONLY, method=compression)
    suffix = SUFFIX if compression == NONE else f"{SUFFIX}{COMPRESSED}"
    name = free_name(stage.repository, datetime.now().astimezone(), suffix)
    path = stage.folder / DATA / name

    def command(moment: Moment) -> list[str]:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        options = dump_options(job, moment)
        environment = tool_environment(job.database)
        dump_properties(job.programs, options, environment, stage.folder / DATABASE)
        return [
            str(job.programs.tool("pg_dump")),
            "--format=plain",
            f"--file={path}",
            compression_option(compression, job.programs),
            *options,
        ]

    made = dump_moment(job, stage, command, compression)
    if not ends_whole(path):
        raise BackupNotWhole(file=name, name=stage.name)
    return made


def free_name(repository: Repository, moment: datetime, suffix: str) -> str:
    """The guide's name for a backup of this day, `backup_20261128.sql`, or with a number."""
    taken = {stored.key.rpartition("/")[2] for stored in repository.objects("backups/")}
    taken |= {name.removesuffix(".age") for name in taken}
    day = f"backup_{moment:%Y%m%d}"
    names = itertools.chain([day], (f"{day}-{number}" for number in itertools.count(2)))
    return next(f"{name}{suffix}" for name in names if f"{name}{suffix}" not in taken)


def ends_whole(path: Path) -> bool:
    """Whether a file ends as pg_dump ends one; a compressed one is read to its end."""
    try:
        _, completed, after = _end_of(path).rpartition(_COMPLETED)
    except (EOFError, OSError, zlib.error):
        return False
    return bool(completed) and all(
        not line or line.startswith(_AFTER) for line in after.split(b"\n")
    )


def _end_of(path: Path) -> bytes:
    if path.suffix != COMPRESSED:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _END_BYTES, 0))
            return file.read()
    end = b""
    with gzip.open(path) as file:
        while piece := file.read(_PIECE):
            end = (end + piece)[-_END_BYTES:]
    return end
