"""A server with every fault that a login can meet, and what the doctor says of a connection."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from agentpg.db import Database, connect
from agentpg.desk.doctor.connection.facts import Facts
from agentpg.desk.doctor.connection.findings import judge
from agentpg.desk.doctor.connection.looking import look
from agentpg.desk.finding import Finding
from agentpg.embedded import EmbeddedServer
from agentpg.settings import load_settings
from tests.waiting import eventually

# Which role meets which line, so that the server has all faults at once.
HBA = """\
local all postgres trust
local all all peer
host all postgres 127.0.0.1/32 trust
host all rejected 127.0.0.1/32 reject
host all modern 127.0.0.1/32 scram-sha-256
host all old 127.0.0.1/32 md5
host all plain 127.0.0.1/32 password
host all +outcasts 127.0.0.1/32 reject
host all trusted,barred,limited,missing,outcast 0.0.0.0/0 trust
"""

_PEOPLE = (
    "CREATE ROLE trusted LOGIN",
    "CREATE ROLE rejected LOGIN",
    "CREATE ROLE nowhere LOGIN",
    "CREATE ROLE barred NOLOGIN",
    "CREATE ROLE outcasts",
    "CREATE ROLE outcast LOGIN IN ROLE outcasts",
    "CREATE ROLE limited LOGIN CONNECTION LIMIT 0",
    "CREATE ROLE modern LOGIN PASSWORD 'right ½'",
    "CREATE ROLE plain LOGIN PASSWORD 'right ½'",
    "SET password_encryption = 'md5'",
    "CREATE ROLE old LOGIN PASSWORD 'right ½'",
    "CREATE DATABASE closed ALLOW_CONNECTIONS false",
    "CREATE DATABASE narrow CONNECTION LIMIT 0",
    "CREATE DATABASE private",
    "REVOKE CONNECT ON DATABASE private FROM PUBLIC",
)


class Faulty:
    """A running server with the roles, databases and lines of this module."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        server.start()
        status = server.status()
        assert status.port is not None
        self.port, self.socket_dir, self.data = status.port, str(status.socket_dir), status.data
        self.superuser = server.dsn("postgres", "postgres")
        self.run(*_PEOPLE)
        self.let_in(HBA)

    def run(self, *statements: str) -> None:
        """Run statements as the superuser."""
        with connect(Database(self.superuser)) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def let_in(self, lines: str) -> None:
        """Give the server these lines, and wait until they hold."""
        sentinel = f"sentinel_{abs(hash(lines))}"
        text = f"{lines}host all {sentinel} 127.0.0.1/32 trust\n"
        (self.data / "pg_hba.conf").write_text(text, encoding="utf-8")
        self.reload()
        eventually(lambda: "does not exist" in self._says_to(sentinel), message="the new lines")

    def reload(self) -> None:
        """Have it read its files."""
        pid = self.server.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGHUP)

    def dsn(self, **said: str | int) -> str:
        """How to come here, as `trusted` unless told otherwise."""
        usual: dict[str, str | int] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "trusted",
            "dbname": "agentic_ai",
        }
        return make_conninfo("", **{**usual, **said})

    def _says_to(self, user: str) -> str:
        try:
            psycopg.connect(self.dsn(user=user)).close()
        except psycopg.OperationalError as error:
            return str(error)
        return ""


def looked_at(dsn: str, home: Path | None = None) -> tuple[Facts, list[Finding]]:
    """What is known of a connection, and what the doctor says."""
    facts = look(dsn, load_settings(home=home or Path("no home")))
    return facts, list(judge(facts))


def cause_of(dsn: str, home: Path | None = None) -> Finding:
    """The first finding."""
    return looked_at(dsn, home)[1][0]


def becomes(code: str, dsn: str, home: Path | None = None) -> Finding:
    """Wait until the first finding is this one: a server changes its state in its own time."""
    found: list[Finding] = []

    def is_it() -> bool:
        found.append(cause_of(dsn, home))
        return found[-1].code == code

    eventually(is_it, 20, f"{code}, not {[one.code for one in found[-1:]]}")
    return found[-1]
