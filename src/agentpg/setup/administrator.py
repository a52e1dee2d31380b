"""Who prepares a server: postgres by peer authentication, or a role given by its DSN."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agentpg.db import Connection, Database, TupleRow, connect, make_conninfo, read_conninfo
from agentpg.errors import NoAdministrator
from agentpg.language import N_

SUPERUSER = "postgres"

_NO_ACCOUNT = N_("there is no account postgres on this machine")
_NOT_ROOT = N_("only root and the account postgres are known to the server as postgres")

# Debian's place of the sockets, and PostgreSQL's own.
_SOCKET_FOLDERS = (Path("/var/run/postgresql"), Path("/tmp"))  # noqa: S108


@dataclass(frozen=True, slots=True)
class Administrator:
    """How to connect as the administrator; `uid` is the account to be while connecting."""

    dsn: str
    uid: int | None = None

    def address(self) -> tuple[str, int]:
        """The host and the port at which clients find the server."""
        return Database(self.dsn).address()

    def tls(self) -> dict[str, str]:
        """How clients, too, have the server prove who it is; nothing on this machine."""
        read = read_conninfo(self.dsn) if Database(self.dsn).is_remote() else None
        said = {} if read is None else read.values
        return {name: said[name] for name in ("sslmode", "sslrootcert") if name in said}

    def connect(self, database: str = "") -> Connection[TupleRow]:
        """A connection to a database, by default the one of the DSN.

        Raises DatabaseUnavailable or one of its kinds.
        """
        dsn = make_conninfo(self.dsn, **({"dbname": database} if database else {}))
        with _being(self.uid):
            return connect(Database(dsn), "agentpg setup")


def by_dsn(dsn: str) -> Administrator:
    """The role of a connection string: a superuser, or one that may create roles and databases."""
    return Administrator(dsn)


def by_peer(port: int, socket_folder: Path | None = None) -> Administrator:
    """postgres on this machine's server at `port`, known by its account instead of a password.

    Raises NoAdministrator unless the caller is root or the account postgres.
    """
    try:
        account = pwd.getpwnam(SUPERUSER)
    except KeyError:
        raise NoAdministrator(_NO_ACCOUNT) from None
    caller = os.geteuid()
    if caller not in (0, account.pw_uid):
        raise NoAdministrator(_NOT_ROOT)
    folder = socket_folder or _folder_with(port)
    dsn = make_conninfo("", host=str(folder), port=port, user=SUPERUSER, dbname=SUPERUSER)
    return Administrator(dsn, account.pw_uid if caller == 0 else None)


def _folder_with(port: int) -> Path:
    found = (f for f in _SOCKET_FOLDERS if (f / f".s.PGSQL.{port}").exists())
    return next(found, _SOCKET_FOLDERS[0])


@contextmanager
def _being(uid: int | None) -> Iterator[None]:
    """Be another account for a moment: the server asks the kernel who opened the socket."""
    if uid is None:
        yield
        return
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)
