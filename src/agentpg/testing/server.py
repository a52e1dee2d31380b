"""A PostgreSQL for tests, which is thrown away, and databases in it."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from agentpg.db import Database, Statements, connect
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from agentpg.settings import load_settings
from agentpg.tasks.children import refuse_to_start_again
from agentpg.testing.installation import Installation

# Nothing of it has to survive a crash of the machine.
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
}

_OWNER = "admin"

# Not imported: it is run as a program.
_CLEANER = "agentpg.testing.cleaning"


class PrivateServer:
    """A private server in a folder for temporary files, for one test session.

    Starting it takes seconds, an installation in it a tenth of one. Use it as a context
    manager, or call `start` and `close`. It is removed when the process ends, even if that is
    killed. `pg_bin` is the folder of the server's programs; by default what the setting says.
    `schema` is the name of the schema in its databases.
    """

    def __init__(self, *, pg_bin: str | None = None, schema: str = "agentic_ai") -> None:
        self._pg_bin = load_settings().pg_bin if pg_bin is None else pg_bin
        self._schema = schema
        self._sql = Statements("testing", schema)
        self._server: EmbeddedServer | None = None
        self._cleaner: subprocess.Popen[bytes] | None = None
        self._template = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it. Raises EmbeddedServerError or one of its kinds."""
        refuse_to_start_again()
        home = tempfile.mkdtemp(prefix="agentpg-testing-")
        self._cleaner = subprocess.Popen(
            [sys.executable, "-m", _CLEANER, home, self._pg_bin],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        server = EmbeddedServer(Path(home), self._pg_bin, options=_FAST, schema=self._schema)
        try:
            server.start()
        except BaseException:
            self.close()
            raise
        self._server = server

    def close(self) -> None:
        """Stop and remove it, with all that is in it."""
        cleaner, self._cleaner, self._server, self._template = self._cleaner, None, None, ""
        if cleaner is not None and cleaner.stdin is not None:
            cleaner.stdin.close()
            cleaner.wait()

    @contextmanager
    def installation(self) -> Iterator[Installation]:
        """A new database with the schema; it is dropped at the end."""
        if not self._template:
            self._template = self._create("template1")
            migrate(self._database(self._template))
        name = self._create(self._template)
        try:
            with Installation(self._database(name)) as made:
                yield made
        finally:
            self._run("drop_database", database=name)

    def _database(self, name: str) -> Database:
        return Database(self._started().dsn(database=name), self._schema)

    def _create(self, template: str) -> str:
        name = f"testing_{secrets.token_hex(6)}"
        self._run("create_database", database=name, template=template, owner=_OWNER)
        self._run("mark_database", database=name)
        self._run("set_search_path", database=name)
        return name

    def _run(self, statement: str, **names: str) -> None:
        administrator = Database(self._started().dsn("postgres", "postgres"))
        with connect(administrator, "agentpg testing") as connection:
            connection.execute(self._sql.compose(statement, **names))

    def _started(self) -> EmbeddedServer:
        if self._server is None:
            raise RuntimeError("the server was not started; use it as a context manager")
        return self._server
