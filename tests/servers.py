"""Real PostgreSQL servers for the tests, and databases in them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from agentpg.db import Database, compose_script, connect
from agentpg.desk.security.roles.applying import plan_of, run_steps
from agentpg.desk.security.roles.looking import read_present
from agentpg.desk.security.roles.names import GROUPS, RoleNames
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import binaries_for, find_binaries
from agentpg.embedded.folder import (
    Folder,
    known_passwords,
    make_data_folder,
    pgpass,
    scram_verifier,
    write_file,
)
from agentpg.embedded.postmaster import clear_remains
from agentpg.errors import AgentpgError

# Read once: each test runs without the variables of agentpg.
PG_BIN = os.environ.get("AGENTPG_PG_BIN", "")

# Nothing of a test server has to survive a crash of the machine.
FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}

SCHEMA = "agentic_ai"

# The roles of databases with roles, which share them, whatever each is called.
ROLES = RoleNames("agentic_ai")

# The number of the shared servers' cluster; those of tests of their own begin with 1.
_SHARED = 0


class Reaper:
    """The process that cleans up when this one dies; see reaper.py."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("reaper.py"))],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def watch(self, home: Path) -> None:
        """Remove the server in `home` when this process has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{home}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Let it remove what is left, and wait."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def remove_server(home: Path) -> None:
    """Stop the server in `home` with all its processes and delete the folder."""
    if not home.exists():
        return
    server = EmbeddedServer(home, PG_BIN)
    with contextlib.suppress(AgentpgError):
        server.stop("immediate")
        status = server.status()
        clear_remains(status.data)
        shutil.rmtree(status.socket_dir, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


class SharedServer:
    """One server for many tests; each gets a fresh database."""

    def __init__(self, home: Path, mould: Mould) -> None:
        mould.cast(home, _SHARED)
        self.server = EmbeddedServer(home, PG_BIN, options=FAST)
        self.server.start()
        self._template = ""
        self._parted = ""
        # Kept, since a session costs as much as what it would do.
        self._administrator = connect(Database(self.superuser_dsn()), "the tests")
        self._log_in_soon(home)

    def superuser_dsn(self, database: str = "postgres") -> str:
        """The server as the role postgres."""
        return self.server.dsn("postgres", database)

    def close(self) -> None:
        """End the session that makes databases."""
        self._administrator.close()

    @contextlib.contextmanager
    def database(
        self, *, empty: bool = False, like: Database | None = None, parted: bool = False
    ) -> Iterator[Database]:
        """A fresh database of the role admin: with the schema, empty, or with all of another.

        The other one must have no sessions. With `parted` it has the roles of PARTS, whose logins
        are those of ROLES.
        """
        template = self._parted_template() if parted else self._template_for(empty=empty)
        name = self._create(_name_of(like) if like else template)
        try:
            yield Database(self.server.dsn(database=name), SCHEMA)
        finally:
            self._run("DROP DATABASE {name} WITH (FORCE)", name)

    def _log_in_soon(self, home: Path) -> None:
        """Let one round of hashing prove a password: the usual 4096 are half of what a
        connection costs. Servers of a test's own have them."""
        for role, password in known_passwords(Folder(home)).items():
            verifier = scram_verifier(password, rounds=1)
            self._administrator.execute(f"ALTER ROLE {role} PASSWORD '{verifier}'".encode())

    def _template_for(self, *, empty: bool) -> str:
        if empty:
            return "template1"
        if not self._template:
            name = self._create("template1")
            _install_schema(Database(self.server.dsn(database=name), SCHEMA))
            self._template = name
        return self._template

    def _parted_template(self) -> str:
        """One whose tables know the roles, which all its copies share."""
        if not self._parted:
            self._parted = self._create(self._template_for(empty=False))
            database = Database(self.superuser_dsn(self._parted), SCHEMA)
            give_roles(database, ROLES, Folder(self.server.status().data.parents[1]).passwords)
        return self._parted

    def _create(self, template: str) -> str:
        name = f"test_{secrets.token_hex(6)}"
        # In memory, copying files costs less than writing them through the WAL.
        self._run(
            "CREATE DATABASE {name} TEMPLATE {template} OWNER admin STRATEGY FILE_COPY",
            name,
            template,
        )
        self._run("ALTER DATABASE {name} SET search_path = {schema}, public", name)
        return name

    def _run(self, statement: str, name: str, template: str = "") -> None:
        names = {"name": name, "template": template or name, "schema": SCHEMA}
        self._administrator.execute(compose_script(statement, **names))


def give_roles(database: Database, names: RoleNames, passfile: Path) -> None:
    """Make the groups of these names and a login of each, and give them their rights.

    Their passwords are as quickly proved as the others'.
    """
    with connect(database) as connection, connection.transaction():
        plan = plan_of(read_present(connection, database.schema, names))
        run_steps(connection, plan, {})
        known = passfile.read_text(encoding="utf-8")
        for part in GROUPS:
            group, login = names.group(part), names.login(part, 1)
            password = secrets.token_urlsafe(12)
            verifier = scram_verifier(password, rounds=1)
            made = f"CREATE ROLE {login} LOGIN PASSWORD '{verifier}' IN ROLE {group}"
            connection.execute(made.encode())
            known += f"127.0.0.1:*:*:{login}:{password}\n"
        write_file(passfile, known, 0o600)


def write_times_in(database: Database, style: str) -> None:
    """Have new connections get times in this DateStyle, and in the time of Shanghai."""
    with connect(database) as connection:
        name = connection.info.dbname
        for setting in (f"DateStyle = '{style}'", "TimeZone = 'Asia/Shanghai'"):
            connection.execute(f"ALTER DATABASE {name} SET {setting}".encode())


def _name_of(database: Database) -> str:
    return str(conninfo_to_dict(database.dsn)["dbname"])


def _install_schema(database: Database) -> None:
    if find_spec("agentpg.schema") is not None:
        import_module("agentpg.schema").migrate(database)
        return
    script = (resources.files("agentpg.sql") / "schema.sql").read_text(encoding="utf-8")
    with connect(database) as connection:
        connection.execute(compose_script("CREATE SCHEMA {schema}", schema=database.schema))
        connection.execute(script.encode())


class Mould:
    """Data folders as first starts make them, to be copied: that takes far less.

    Each is another cluster, with a number. The first of all test processes that wants one
    makes it, in the folder that they have in common.
    """

    def __init__(self, common: Path) -> None:
        self._common = common

    def cast(self, home: Path, number: int, pg_bin: str = PG_BIN) -> None:
        """Make a home with a copy of the cluster of this number."""
        made = self._made(number, pg_bin)
        folder = Folder(home)
        account = choose_account(made.data)
        folder.root.mkdir(parents=True)
        folder.root.chmod(0o711)
        subprocess.run(["cp", "-a", made.data, folder.data], check=True)
        passwords = pgpass(known_passwords(made), folder.socket_dir(account))
        write_file(folder.passwords, passwords, 0o600)

    def _made(self, number: int, pg_bin: str) -> Folder:
        binaries = find_binaries(pg_bin)
        folder = Folder(self._common / f"{binaries.version}-{number}")
        folder.home.mkdir(exist_ok=True)
        with (folder.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.data.exists():
                folder.root.mkdir(exist_ok=True)
                folder.root.chmod(0o711)
                account = choose_account(folder.data)
                programs = binaries_for(account, binaries)
                make_data_folder(folder, account, programs, SCHEMA, FAST)
        return folder


class OwnServers:
    """Makes servers for one test that kills, restarts or configures them.

    With a mould they are cast in it, each as another cluster.
    """

    def __init__(self, folder: Path, reaper: Reaper, mould: Mould | None = None) -> None:
        self._folder = folder
        self._reaper = reaper
        self._mould = mould
        self._homes: list[Path] = []

    def __call__(
        self,
        *,
        options: Mapping[str, str] | None = None,
        home: Path | None = None,
        pg_bin: str = PG_BIN,
    ) -> EmbeddedServer:
        """A server that is not started yet; `options` come on top of the fast ones."""
        place = home or self._folder / f"server-{len(self._homes)}"
        self._homes.append(place)
        self._reaper.watch(place)
        if self._mould and not Folder(place).root.exists():
            self._mould.cast(place, len(self._homes), pg_bin)
        return EmbeddedServer(place, pg_bin, options={**FAST, **(options or {})})

    def close(self) -> None:
        """Stop and remove them all."""
        for home in self._homes:
            remove_server(home)
