"""How far a dump and its manifest are, in bytes of the tables that they read."""

from __future__ import annotations

import time

from agentpg.db import Statements
from agentpg.desk.backup.creating import Job, Step
from agentpg.desk.backup.proof.moment import Moment

_ASK_SECONDS = 1.0

# A table that grew since it was analysed has more rows than is thought.
_ALMOST = 0.99


class Meter:
    """Tells what each connection of a dump has copied so far, and what the manifest has read."""

    def __init__(self, job: Job, moment: Moment) -> None:
        self._job = job
        self._sql = Statements("backup", job.database.schema)
        self._tables = {table.oid: table for table in moment.tables}
        self._to_copy = self._to_read = moment.size_bytes
        self._read = 0
        self._part: dict[int, float] = {}
        self._all_copied = False
        self._next = 0.0

    def look(self) -> None:
        """Ask the server, once a second, and tell."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _ASK_SECONDS
            if not self._all_copied:
                self._ask()
            self._tell()

    def read(self, done: int, total: int) -> None:
        """So many bytes have been read for the manifest; its thread calls this."""
        self._read, self._to_read = done, total

    def copied(self) -> None:
        """All has been copied."""
        self._all_copied = True

    def ended(self) -> None:
        """All has been copied and read."""
        self._all_copied, self._read = True, self._to_read
        self._tell()

    def _ask(self) -> None:
        copying = dict(self._job.connection.execute(self._sql["copying"]).fetchall())
        for oid in self._part:
            # What was copied and is no longer has been copied whole.
            self._part[oid] = 1.0
        for oid, rows in copying.items():
            table = self._tables.get(oid)
            if table is not None:
                self._part[oid] = min(rows / table.rows, _ALMOST) if table.rows else 0.0

    def _tell(self) -> None:
        copied = sum(self._tables[oid].size_bytes * part for oid, part in self._part.items())
        done = (self._to_copy if self._all_copied else int(copied)) + self._read
        self._job.tell(Step(done_bytes=done, total_bytes=self._to_copy + self._to_read))
