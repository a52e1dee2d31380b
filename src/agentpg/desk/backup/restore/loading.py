"""Filling a database from a backup of kind dump or sql, and making it and its roles before.

A dump does not make the database that it goes into, nor the roles that own what is in it;
both are made first, so that a restore ends with the owners, grants and settings of the source
and stops at the first error of any kind.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agentpg.db import Database, Statements, connect, driver_errors, environment_of
from agentpg.desk.backup.leash import run_tool
from agentpg.desk.backup.making.properties import read_properties
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.programs import Programs, find_programs
from agentpg.desk.backup.restore.naming import (
    Needs,
    database_statements,
    needs_of,
    role_statements,
)
from agentpg.desk.backup.scratch import gently
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.desk.backup.storage.bringing import Brought
from agentpg.errors import AgentpgError, FileNotWritten

_LOOK_SECONDS = 1.0

# What the source may have set for its clients, and what no restore could do its work with.
_UNHINDERED = {
    "default_transaction_read_only": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """What fills databases of one server: `server` is any database there.

    `low` lets the programs work at a low priority.
    """

    backup: Backup
    brought: Brought
    programs: Programs
    server: Database
    jobs: int = 2
    low: bool = False

    def needs(self) -> Needs:
        """What the server must have before; a dump goes without its tablespaces."""
        if self.backup.kind == "sql":
            itself = self._properties().splitlines()
            with self.brought.script().open(encoding="utf-8", errors="replace") as lines:
                return needs_of(itertools.chain(itself, lines))
        script = "".join(self._script("--create", "--no-tablespaces"))
        return needs_of(script.splitlines())

    def make_roles(self, only: set[str] | None = None) -> None:
        """Make the roles of the source, where the backup has them, or some of them."""
        if self.brought.globals is None:
            return
        text = self.brought.globals.read_text(encoding="utf-8", errors="replace")
        with self._script_of(role_statements(text, only)) as script:
            self._psql(script, "--quiet")

    def make_database(self, name: str) -> None:
        """Make the database with the owner, encoding, grants and settings of the source.

        Raises ToolFailed.
        """
        with self._script_of(self._database_script(name)) as script:
            self._psql(script, "--quiet", "--set=ON_ERROR_STOP=1")

    def fill(self, name: str, tell: Tell) -> None:
        """Restore everything into a new database. Raises ToolFailed at the first error."""
        target = self.database(name)
        look = _Meter(target, self.backup.source_bytes, tell)
        if self.backup.kind == "sql":
            command: list[str | Path] = [
                self.programs.tool("psql"),
                "--no-psqlrc",
                "--quiet",
                "--set=ON_ERROR_STOP=1",
            ]
            command += ["--output=/dev/null", f"--file={self.brought.script()}"]
        else:
            command = [self.programs.tool("pg_restore"), "--dbname=", "--exit-on-error"]
            command += [f"--jobs={self.jobs}", "--no-tablespaces", self.brought.dump]
        self._run(command, target.dsn, look)

    def give_to_owner(self, name: str) -> None:
        """Let a database belong to whom its schema belongs to, where nothing else is known."""
        database = self.database(name)
        sql = Statements("restore", database.schema)
        with (
            driver_errors(database.target()),
            connect(database, "agentpg backup restore") as connection,
        ):
            be_undisturbed(connection)
            found = connection.execute(sql["schema_owner"], {"schema": database.schema}).fetchall()
            for (owner,) in found:
                connection.execute(sql.compose("give_database", database=name, owner=owner))

    def database(self, name: str) -> Database:
        """Another database of the server, for sessions that its settings do not hinder."""
        return self.server.renamed(name).with_settings(**_UNHINDERED)

    def _database_script(self, name: str) -> str:
        said = self._properties()
        if said:
            return database_statements(said, name)
        sql = Statements("restore", self.backup.source.schema)
        steps = ("create_database", "set_search_path")
        return "".join(f"{sql.compose(s, database=name).as_string(None)};\n" for s in steps)

    def _properties(self) -> str:
        """What makes the database itself; empty where the backup does not say it."""
        if self.backup.kind == "sql":
            path = self.brought.database
            said = path.read_bytes() if path else b""
        else:
            environment = environment_of(self.server.dsn)
            said = read_properties(self.programs, self.brought.dump, self.brought.work, environment)
        return said.decode(errors="surrogateescape")

    def _script(self, *options: str) -> Iterator[str]:
        """What pg_restore writes of the schema of a dump."""
        with tempfile.NamedTemporaryFile("w+", dir=self.brought.work, encoding="utf-8") as out:
            command: list[str | Path] = [
                self.programs.tool("pg_restore"),
                "--schema-only",
                f"--file={out.name}",
            ]
            run_tool([*command, *options, self.brought.dump], environment_of(self.server.dsn))
            with Path(out.name).open(encoding="utf-8", errors="replace") as written:
                yield from written

    @contextmanager
    def _script_of(self, text: str) -> Iterator[Path]:
        """A file that nobody else reads, though others pass through the folder."""
        work = self.brought.work
        try:
            with tempfile.NamedTemporaryFile("wb", dir=work) as script:
                # A comment may be in another encoding, that of the database.
                script.write(text.encode(errors="surrogateescape"))
                script.flush()
                yield Path(script.name)
        except OSError as error:
            raise FileNotWritten(error.strerror or str(error), path=work) from error

    def _psql(self, script: Path, *options: str) -> None:
        command: list[str | Path] = [
            self.programs.tool("psql"),
            "--no-psqlrc",
            "--output=/dev/null",
            *options,
        ]
        # It goes on in the database that it makes, whatever that has set.
        unhindered = self.server.with_settings(**_UNHINDERED).dsn
        self._run([*command, f"--file={script}"], unhindered, None)

    def _run(self, command: list[str | Path], dsn: str, look: Callable[[], None] | None) -> None:
        command.append("--no-password")
        run_tool(command, environment_of(dsn), look, gently() if self.low else [])


def loading_programs(pg_bin: str, backup: Backup, server_major: int) -> Programs:
    """The programs that can read the backup and know the server. Raises ProgramsMissing."""
    return find_programs(pg_bin, max(backup.tool_major, server_major))


class _Meter:
    """Tells how large the database has become, of what it was at the source."""

    def __init__(self, target: Database, total: int, tell: Tell) -> None:
        self._target, self._total, self._tell = target, total, tell
        self._looked = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if now < self._looked + _LOOK_SECONDS:
            return
        self._looked = now
        # Where the server has no room for one more session, the restore goes on without.
        with suppress(AgentpgError):
            self._tell(min(self._size(), self._total), self._total)

    def _size(self) -> int:
        sql = Statements("restore", self._target.schema)
        with (
            driver_errors(self._target.target()),
            connect(self._target, "agentpg backup restore") as connection,
        ):
            [(size,)] = connection.execute(sql["size"]).fetchall()
        return int(size)
