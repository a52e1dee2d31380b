"""Where the passwords of new logins are written down, before the server hears of them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from agentpg.db import Database, make_conninfo
from agentpg.setup.passwords import PasswordFile


@dataclass(frozen=True, slots=True)
class Keeping:
    """A file in libpq's .pgpass format, and by which hosts and port its lines are found."""

    path: Path
    hosts: tuple[str, ...]
    port: int | str

    def knows(self, role: str) -> bool:
        """Whether there is a password for the role. Raises FileNotWritten for an unreadable one."""
        return all(file.knows() for file in self._files(role))

    def make(self, role: str) -> str:
        """Make a password, and write it down before anybody uses it. Raises FileNotWritten."""
        password = secrets.token_urlsafe(24)
        self.keep(role, password)
        return password

    def keep(self, role: str, password: str) -> None:
        """Write it down. Raises FileNotWritten."""
        for file in self._files(role):
            file.keep(password)

    def forget(self, role: str) -> None:
        """Take it out again."""
        for file in self._files(role):
            file.forget()

    def dsn(self, database: Database, role: str) -> str:
        """How the role connects, with the file and without the password."""
        said = {"user": role, "passfile": str(self.path)}
        return make_conninfo(Database(database.dsn).without_password(), **said)

    def _files(self, role: str) -> list[PasswordFile]:
        return [PasswordFile(self.path, host, self.port, role) for host in self.hosts]


def keeping_for(database: Database, path: Path) -> Keeping:
    """A file for the server of a connection string."""
    host, port = database.address()
    return Keeping(path, tuple(dict.fromkeys((host or "localhost",))), port or 5432)


def keeping_of_private_server(passwords: Path, socket: Path) -> Keeping:
    """The file of the private server, whose port may change."""
    return Keeping(passwords, ("127.0.0.1", "localhost", str(socket)), "*")
