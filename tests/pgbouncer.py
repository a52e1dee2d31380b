"""A real PgBouncer in front of a server of the tests."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from agentpg.db import Database, make_conninfo
from agentpg.embedded.account import choose_account
from tests.waiting import eventually

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

# From this version on PgBouncer carries prepared statements through transaction mode.
_KNOWS_PREPARED = (1, 21)


def version() -> tuple[int, ...]:
    """The version of the PgBouncer of this machine."""
    assert PROGRAM is not None
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said.stdout)
    assert found is not None, said.stdout
    return tuple(int(part) for part in found.groups())


def knows_prepared_statements() -> bool:
    """Whether it has the option max_prepared_statements."""
    return version() >= _KNOWS_PREPARED


class PgBouncer:
    """One PgBouncer process; every database of the server is reached through it, and the one
    that it was made for by the name agentic_ai too."""

    def __init__(self, database: Database, folder: Path, **options: object) -> None:
        self._behind = {k: str(v) for k, v in conninfo_to_dict(database.dsn).items()}
        self._schema = database.schema
        self._folder = folder
        self.port = _free_port()
        self._write(options)
        self.start()

    @property
    def database(self) -> Database:
        """The installation as it is reached through the pooler."""
        return Database(
            make_conninfo(
                host="127.0.0.1",
                port=self.port,
                user=self._behind["user"],
                dbname=self._behind["dbname"],
            ),
            self._schema,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self) -> None:
        """End it with all its connections: what SIGTERM does depends on the version."""
        self._process.kill()
        self._process.wait(30)

    def restart(self) -> None:
        """End it and start it again, on the same port."""
        self.stop()
        self.start()

    def _write(self, options: dict[str, object]) -> None:
        user, password = self._behind["user"], secret_of(self._behind)
        login = f"user={user} password='{password}'"
        server = f"host={self._behind['host']} port={self._behind['port']}"
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": 5,
            "max_client_conn": 200,
            "server_login_retry": 1,
            "logfile": self._folder / "pgbouncer.log",
            **options,
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        config = self._folder / "pgbouncer.ini"
        config.write_text(
            "[databases]\n"
            f"agentic_ai = {server} dbname={self._behind['dbname']} {login}\n"
            f"* = {server} {login}\n"
            "[pgbouncer]\n" + "\n".join(lines) + "\n"
        )
        self._account = choose_account(self._folder / "no such folder")
        self._account.own_tree(self._folder)

    def start(self) -> None:
        """Start it, on its port."""
        assert PROGRAM is not None
        account = self._account
        self._process = subprocess.Popen(
            [PROGRAM, "-q", str(self._folder / "pgbouncer.ini")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=account.uid if account.switched else None,
            group=account.gid if account.switched else None,
            extra_groups=[] if account.switched else None,
        )
        eventually(self._listens, message=f"PgBouncer; {self._folder}/pgbouncer.log tells why")

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self._folder / "pgbouncer.log").read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def secret_of(parameters: dict[str, str]) -> str:
    """The password of a role, out of the password file that the connection string names."""
    if "passfile" not in parameters:
        return parameters.get("password", "")
    for line in Path(parameters["passfile"]).read_text().splitlines():
        *_, user, password = line.split(":")
        if user in (parameters["user"], "*"):
            return password
    return ""


@contextmanager
def pgbouncer(database: Database, **options: object) -> Iterator[PgBouncer]:
    """A PgBouncer in front of the database's server, in transaction mode unless told."""
    with tempfile.TemporaryDirectory(prefix=f"agentpg-pool-{secrets.token_hex(3)}") as name:
        folder = Path(name)
        folder.chmod(0o755)
        pool = PgBouncer(database, folder, **options)
        try:
            yield pool
        finally:
            pool.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
