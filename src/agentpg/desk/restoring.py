"""Reading an archive back into the tables.

A part comes back whole, in one transaction. A task comes back if its id is free and nobody
has used its idempotency key since; its executions and calls come with it. One that is there
exactly as in the file counts as there already, and what is missing of its executions and
calls is added. One that is there otherwise is left as it is, with all that hangs on it: to
mix two lives of a task would confuse its attempts.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    Statements,
    connect,
    driver_errors,
    identifier,
)
from agentpg.desk.archive import FORMAT, MANIFEST, PASSING, Part, TableFile, rows_in, sha256_of
from agentpg.desk.retention import TABLES
from agentpg.errors import ArchiveNotRead
from agentpg.language import N_

_PIECE = 1024**2
_PART = re.compile(r"\d{6}")
_NOT_OURS = N_("its manifest is not one that this release can read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What one part brought back.

    `already_there` tasks were in the table exactly as in the file, `in_the_way` ones
    otherwise; `some` are up to five of those.
    """

    part: Path
    tasks: int
    executions: int
    llm_requests: int
    already_there: int
    in_the_way: int
    some: tuple[UUID, ...]


def find_parts(folder: Path) -> list[Part]:
    """The parts in a folder: it may be a part, one archive, or hold several.

    Raises ArchiveNotRead where there are none, or where one is missing among the others.
    """
    manifests = sorted(
        path for path in folder.rglob(MANIFEST) if not path.parent.name.endswith(PASSING)
    )
    if not manifests:
        raise ArchiveNotRead(
            N_("there is none in it"), hint=N_("Name the folder that was written."), path=folder
        )
    for archive in sorted({path.parent.parent for path in manifests if path.parent != folder}):
        _require_all_parts(archive)
    return [_read_manifest(path) for path in manifests]


def check_part(part: Part) -> None:
    """Raise ArchiveNotRead unless each file has the bytes and the rows that were written."""
    for file in part.tables.values():
        path = part.folder / file.file
        try:
            whole = sha256_of(path) == file.sha256 and rows_in(path) == file.rows
        except (OSError, EOFError) as error:
            raise ArchiveNotRead(
                getattr(error, "strerror", None) or str(error), path=path
            ) from None
        if not whole:
            raise ArchiveNotRead(N_("it is not as it was written"), path=path)


def restore(database: Database, parts: list[Part]) -> Iterator[Restored]:
    """Bring the parts back, one after the other; yields after each what it brought.

    Each is checked first. Raises ArchiveNotRead, and the errors of the database.
    """
    with (
        driver_errors(database.target()),
        connect(database, "agentpg retention restore") as connection,
    ):
        connection.execute(Statements("retention", database.schema)["write_plainly"])
        for part in parts:
            check_part(part)
            with connection.transaction():
                restored = _Restoring(connection, database.schema, part).run()
            yield restored


class _Restoring:
    """One part on its way back, in one transaction."""

    def __init__(self, connection: Connection[Any], schema: str, part: Part) -> None:
        self._connection = connection
        self._schema = schema
        self._part = part
        self._sql = Statements("retention", schema)

    def run(self) -> Restored:
        for table in TABLES:
            self._require_columns(table)
            self._load(table)
        tasks = self._run("bring_back_tasks", "tasks")
        self._run("mend_ends", "tasks")
        same = self._run("same_tasks", "tasks")
        [(other, some)] = self._connection.execute(
            self._statement("other_tasks", "tasks")
        ).fetchall()
        return Restored(
            part=self._part.folder,
            tasks=tasks,
            executions=self._run("bring_back", "agent_executions"),
            llm_requests=self._run("bring_back", "llm_requests"),
            already_there=same - tasks,
            in_the_way=other,
            some=tuple(some or ()),
        )

    def _load(self, table: str) -> None:
        """The rows of one file, into a table that lasts as long as the transaction."""
        self._run("make_room", table)
        path = self._part.folder / self._part.tables[table].file
        with (
            gzip.open(path) as rows,
            self._connection.cursor() as cursor,
            cursor.copy(self._statement("copy_in", table)) as copied,
        ):
            while piece := rows.read(_PIECE):
                copied.write(piece)

    def _require_columns(self, table: str) -> None:
        found = self._connection.execute(
            self._sql["columns"], {"schema": self._schema, "table": table}
        ).fetchall()
        missing = set(self._part.tables[table].columns) - {name for (name,) in found}
        if missing:
            reason = f"{table} has no column {', '.join(sorted(missing))}"
            raise ArchiveNotRead(reason, path=self._part.folder)

    def _run(self, name: str, table: str) -> int:
        return self._connection.execute(self._statement(name, table)).rowcount

    def _statement(self, name: str, table: str) -> Any:
        columns = ", ".join(identifier(column) for column in self._part.tables[table].columns)
        return self._sql.compose(
            name, table=table, passing=f"agentpg_restored_{table}", columns=Fragment(columns)
        )


def _require_all_parts(archive: Path) -> None:
    """Parts are numbered from 1; the last ones could be missing without a trace."""
    numbered = [path for path in archive.iterdir() if _PART.fullmatch(path.name)]
    there = {path.name for path in numbered if (path / MANIFEST).exists()}
    last = max((int(path.name) for path in numbered), default=0)
    missing = next((n for n in range(1, last + 1) if f"{n:06}" not in there), None)
    if missing is not None:
        raise ArchiveNotRead(
            N_("the part is missing, or its manifest is"), path=archive / f"{missing:06}"
        )


def _read_manifest(path: Path) -> Part:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ArchiveNotRead(_NOT_OURS, path=path)
        return Part(
            folder=path.parent,
            schema=document["schema"],
            made_at=datetime.fromisoformat(document["made_at"]),
            tables={table: _table_file(document["tables"][table]) for table in TABLES},
        )
    except OSError as error:
        raise ArchiveNotRead(error.strerror or str(error), path=path) from None
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        if isinstance(error, ArchiveNotRead):
            raise
        raise ArchiveNotRead(_NOT_OURS, path=path) from None


def _table_file(said: Mapping[str, Any]) -> TableFile:
    return TableFile(
        # A manifest may name files of its own folder only.
        file=Path(said["file"]).name,
        columns=tuple(said["columns"]),
        rows=int(said["rows"]),
        size_bytes=int(said["size_bytes"]),
        sha256=str(said["sha256"]),
    )
