"""Writing history to files before it is removed.

An archive is a folder of parts, one for each batch. A part is a folder with one file for each
table, the rows in the text form of COPY, compressed by gzip, and `manifest.json`, which says
how many rows each file has and its SHA-256. Any program reads it: `zcat` shows it, and
PostgreSQL's COPY takes it back to the very same values, which no other format promises for
jsonb, numeric and moments alike.

A part is written under a passing name, brought to the disk, read back and counted, and only
then gets its own name. Its rows are removed after that. Whatever is killed when, a row is in
the database, or in a whole part, or in both.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from agentpg.db import Connection, Fragment, Statements, identifier
from agentpg.desk.files import make_folder
from agentpg.desk.retention import TABLES
from agentpg.errors import ArchiveNotWhole, FileNotWritten

MANIFEST = "manifest.json"
PASSING = ".partial"
FORMAT = 1

# The fastest: the disk and the server are to wait for it as little as may be.
_COMPRESSION = 1
_PIECE = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """The rows of one table in one file, as the manifest tells it."""

    file: str
    columns: tuple[str, ...]
    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of an archive: its folder, and its files by table."""

    folder: Path
    schema: str
    made_at: datetime
    tables: Mapping[str, TableFile]


def key_of(table: str) -> str:
    """The column of a table that names the task."""
    return "id" if table == "tasks" else "task_id"


class Archive:
    """Writes the parts of one removal into a new folder below `folder`."""

    def __init__(
        self, connection: Connection[Any], schema: str, folder: Path, begun_at: datetime
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._sql = Statements("retention", schema)
        stem = f"{schema}-{begun_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        self.folder = folder / f"{stem}-{secrets.token_hex(4)}"
        self.parts = 0
        connection.execute(self._sql["write_plainly"])
        self._columns = {table: self._columns_of(table) for table in TABLES}

    def write(self, ids: Sequence[UUID]) -> Part:
        """Write what belongs to these tasks, locked by this transaction, as the next part.

        Raises FileNotWritten and ArchiveNotWhole; then nothing of the part is left.
        """
        make_folder(self.folder)
        final = self.folder / f"{self.parts + 1:06}"
        passing = final.with_name(final.name + PASSING)
        with _said(passing), _removed_on_failure(passing):
            passing.mkdir()
            part = self._fill(passing, ids)
            _verify_written(part, len(ids))
            _write_manifest(part)
            _sync_folder(passing)
            passing.rename(final)
            _sync_folder(self.folder)
            _sync_folder(self.folder.parent)
        self.parts += 1
        return part

    def _fill(self, folder: Path, ids: Sequence[UUID]) -> Part:
        files = {table: self._copy(folder, table, ids) for table in TABLES}
        return Part(folder=folder, schema=self._schema, made_at=datetime.now(UTC), tables=files)

    def _copy(self, folder: Path, table: str, ids: Sequence[UUID]) -> TableFile:
        columns = self._columns[table]
        statement = self._sql.compose(
            "copy_out",
            table=table,
            key=key_of(table),
            columns=Fragment(", ".join(identifier(name) for name in columns)),
        )
        path = folder / f"{table}.copy.gz"
        with path.open("xb") as target, self._connection.cursor() as cursor:
            with (
                gzip.GzipFile("", "wb", _COMPRESSION, target, mtime=0) as packed,
                cursor.copy(statement, {"ids": list(ids)}) as copied,
            ):
                for piece in copied:
                    packed.write(piece)
            rows = cursor.rowcount
            target.flush()
            os.fsync(target.fileno())
        return TableFile(
            file=path.name,
            columns=columns,
            rows=rows,
            size_bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )

    def _columns_of(self, table: str) -> tuple[str, ...]:
        found = self._connection.execute(
            self._sql["columns"], {"schema": self._schema, "table": table}
        )
        return tuple(name for (name,) in found)


def rows_in(path: Path) -> int:
    """The rows of a file: COPY ends each with a line feed, and writes those within as \\n."""
    with gzip.open(path) as rows:
        return sum(piece.count(b"\n") for piece in _pieces(rows))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in _pieces(file):
            digest.update(piece)
    return digest.hexdigest()


def _pieces(file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _verify_written(part: Part, tasks: int) -> None:
    """Read the files back. Raises ArchiveNotWhole."""
    for table, file in part.tables.items():
        expected = tasks if table == "tasks" else file.rows
        try:
            found = rows_in(part.folder / file.file)
        except (EOFError, gzip.BadGzipFile) as error:
            raise ArchiveNotWhole(str(error), path=part.folder / file.file) from None
        if found != expected:
            raise ArchiveNotWhole(f"{found} rows of {expected}", path=part.folder / file.file)


def _write_manifest(part: Part) -> None:
    document = {
        "format": FORMAT,
        "schema": part.schema,
        "made_at": part.made_at.isoformat(),
        "tables": {
            table: {
                "file": file.file,
                "columns": list(file.columns),
                "rows": file.rows,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256,
            }
            for table, file in part.tables.items()
        },
    }
    with (part.folder / MANIFEST).open("x", encoding="utf-8") as target:
        json.dump(document, target, indent=2)
        target.write("\n")
        target.flush()
        os.fsync(target.fileno())


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()  # the archive, where this was its first part
        raise


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise
        raise FileNotWritten(error.strerror or str(error), path=path) from error
