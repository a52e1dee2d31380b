"""The data folder: where everything lies, and how it is made.

    home/
      pgpass               the passwords of postgres and admin, 0600
      postgresql/
        data/              PostgreSQL's own, 0700, of the server's account
        data.recovering/   the same, while a backup is recovered to it
        log/               one file for each day of the week
        server.conf        address, port, socket, log and options; made anew at each start
        port               the port of the last start
        start.log          what the server said before its log was open

The folder is made under another name and renamed when it is whole, with its roles and
its database: a half-made one is never taken for a data folder.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agentpg.db import Statements, literal
from agentpg.embedded.account import Account, account_for_making
from agentpg.embedded.binaries import Binaries
from agentpg.errors import FolderNotMade

SUPERUSER = "postgres"
OWNER = "admin"
DATABASE = "agentic_ai"

# SCRAM everywhere, the local socket included: other users share the machine.
_HBA = """\
# TYPE  DATABASE     USER  ADDRESS        METHOD
local   all          all                  scram-sha-256
host    all          all   127.0.0.1/32   scram-sha-256
host    all          all   ::1/128        scram-sha-256
local   replication  all                  scram-sha-256
host    replication  all   127.0.0.1/32   scram-sha-256
host    replication  all   ::1/128        scram-sha-256
"""
_INCLUDE = """
# Made anew at each start; settings below this line and ALTER SYSTEM win over it.
include_if_exists '../server.conf'
"""
_DRAFT = "data.new-"
# A cluster that is being recovered, and is nobody's until it is renamed to `data`.
RECOVERING = "data.recovering"
# As PostgreSQL's own: each makes a guess, and each connection, more costly.
_SCRAM_ROUNDS = 4096
_REASON_LINES = 6

# What a Unix socket's path may have, with the longest name that PostgreSQL puts into it.
_SOCKET_PATH_BYTES = 107 - len("/.s.PGSQL.65535.lock")


@dataclass(frozen=True, slots=True)
class Folder:
    """The places of one private server, all below its home."""

    home: Path

    @property
    def root(self) -> Path:
        """What belongs to the server, apart from the passwords."""
        return self.home / "postgresql"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.root / "data"

    @property
    def recovering(self) -> Path:
        """The data folder while it is recovered."""
        return self.root / RECOVERING

    @property
    def logs(self) -> Path:
        """The folder of the log files."""
        return self.root / "log"

    @property
    def start_log(self) -> Path:
        """What the server says before its log is open."""
        return self.root / "start.log"

    @property
    def settings(self) -> Path:
        """The settings of this start."""
        return self.root / "server.conf"

    @property
    def port_file(self) -> Path:
        """The port of the last start."""
        return self.root / "port"

    @property
    def passwords(self) -> Path:
        """The passwords, in libpq's .pgpass format."""
        return self.home / "pgpass"

    def socket_dir(self, account: Account) -> Path:
        """The folder of the Unix socket, in the home where its path is short enough."""
        inside = self.root / "run"
        if len(os.fsencode(inside)) <= _SOCKET_PATH_BYTES and account.can_enter(self.home):
            return inside
        mark = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        # Only root can make folders in /run, so nobody can have made this one before.
        runtime = Path("/run" if account.switched else "/tmp")  # noqa: S108
        return runtime / f"agentpg-{account.uid}-{mark}"

    def log(self) -> Path:
        """The log file that was written last."""
        logs = sorted(self.logs.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
        return logs[-1] if logs else self.start_log


def remove_drafts(folder: Folder) -> None:
    """Remove what an interrupted first start has left.

    Its initdb may outlive it for a moment and go on writing, so every start looks again.
    """
    for left in folder.root.glob(f"{_DRAFT}*"):
        shutil.rmtree(left, ignore_errors=True)


def make_data_folder(
    folder: Folder, account: Account, binaries: Binaries, schema: str, options: Mapping[str, str]
) -> None:
    """Make the data folder with its roles, passwords and database.

    Raises FolderNotMade with what initdb or the server said.
    """
    remove_drafts(folder)
    draft = folder.root / f"{_DRAFT}{secrets.token_hex(6)}"
    draft.mkdir(mode=0o700)
    try:
        maker = account_for_making(account)
        maker.own(draft)
        _initdb(draft, maker, binaries, options)
        _configure(draft, maker)
        passwords = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER)}
        _make_roles(draft, maker, binaries, options, _statements(passwords, schema))
        if maker != account:
            account.own_tree(draft)
        write_file(folder.passwords, pgpass(passwords, folder.socket_dir(account)), 0o600)
        draft.rename(folder.data)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def renew_passwords(
    folder: Folder,
    account: Account,
    binaries: Binaries,
    known: Mapping[str, str],
    *,
    data: Path,
) -> None:
    """Give the roles of a data folder that came from elsewhere passwords, and keep them.

    They are those that are `known` by role, or new ones. `data` is where it lies by now. The
    server must be stopped. Raises FolderNotMade with what it said.
    """
    passwords = {r: known.get(r) or secrets.token_urlsafe(24) for r in (SUPERUSER, OWNER)}
    statements = Statements("server", "")
    steps = [
        statements.compose("renew_password").as_string(None)
        % {"role": literal(role), "verifier": literal(scram_verifier(password))}
        for role, password in passwords.items()
    ]
    # Single-user mode wants an account with a name, as initdb does.
    maker = account_for_making(account)
    if maker != account:
        maker.own_tree(data)
    try:
        _make_roles(data, maker, binaries, {}, steps)
    finally:
        if maker != account:
            account.own_tree(data)
    write_file(folder.passwords, pgpass(passwords, folder.socket_dir(account)), 0o600)


def known_passwords(folder: Folder) -> dict[str, str]:
    """The passwords that a home keeps, by role; none where it keeps none."""
    if not folder.passwords.is_file():
        return {}
    lines = folder.passwords.read_text(encoding="utf-8").splitlines()
    fields = [line.split(":") for line in lines if line.startswith("127.0.0.1:")]
    return {parts[3]: parts[4] for parts in fields if len(parts) == 5}


def write_file(path: Path, text: str, mode: int, account: Account | None = None) -> None:
    """Write a file whole or not at all; a link in its place is replaced, not followed."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(draft, flags, mode), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if account is not None:
        account.own(draft)
    draft.replace(path)


def last_lines(text: str) -> str:
    """The end of what a program said, on one line, without blank lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-_REASON_LINES:])


def _initdb(draft: Path, maker: Account, binaries: Binaries, options: Mapping[str, str]) -> None:
    # Nobody can log in between initdb and our own pg_hba.conf.
    command: list[str | Path] = [binaries.tool("initdb"), "--auth=reject"]
    command += [f"--username={SUPERUSER}", "--encoding=UTF8", *_locale(binaries.major)]
    command += ["--data-checksums", "--no-instructions"]
    command += ["--no-sync"] if options.get("fsync") == "off" else []
    with maker.reach(draft) as (place, fds):
        done = maker.run([*command, f"--pgdata={place}"], fds=fds)
    if done.returncode != 0:
        raise FolderNotMade(last_lines(done.stderr), folder=draft.parent)


def _locale(major: int) -> list[str | Path]:
    """Sorted by code point, characters of all languages, messages in English.

    From 17 on PostgreSQL has such a locale of its own, which no update of the C library
    can change under an index.
    """
    if major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8", "--lc-messages=C"]


def _configure(draft: Path, maker: Account) -> None:
    write_file(draft / "pg_hba.conf", _HBA, 0o600, maker)
    settings = draft / "postgresql.conf"
    write_file(settings, settings.read_text(encoding="utf-8") + _INCLUDE, 0o600, maker)


def _make_roles(
    draft: Path,
    maker: Account,
    binaries: Binaries,
    options: Mapping[str, str],
    statements: Iterable[str],
) -> None:
    """Make roles and database in single-user mode, before the server ever listens."""
    command: list[str | Path] = [binaries.tool("postgres"), "--single", "-j"]
    # A cluster that came from elsewhere may let nobody write unless told otherwise.
    command += ["-c", "default_transaction_read_only=off"]
    command += ["-c", "exit_on_error=on", *(["-F"] if options.get("fsync") == "off" else [])]
    script = "".join(f"{statement};\n\n" for statement in statements)
    with maker.reach(draft) as (place, fds):
        done = maker.run([*command, "-D", place, "template1"], script, fds)
    if done.returncode != 0:
        raise FolderNotMade(last_lines(done.stderr), folder=draft.parent)


def _statements(passwords: Mapping[str, str], schema: str) -> list[str]:
    statements = Statements("server", schema)
    names = {"superuser": SUPERUSER, "owner": OWNER, "database": DATABASE}
    verifiers = {
        "superuser_verifier": literal(scram_verifier(passwords[SUPERUSER])),
        "owner_verifier": literal(scram_verifier(passwords[OWNER])),
    }
    steps = (
        "set_superuser_password",
        "create_owner",
        "create_database",
        "set_database_search_path",
        "set_owner_search_path",
    )
    # The driver is not at work here, so its parameters are filled in as literals.
    return [statements.compose(step, **names).as_string(None) % verifiers for step in steps]


def scram_verifier(password: str, rounds: int = _SCRAM_ROUNDS) -> str:
    """What PostgreSQL stores for a password (RFC 5803), so that it never sees the password.

    More `rounds` make each guess, and each connection, more costly.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored, server, spice = (
        base64.b64encode(part).decode()
        for part in (hashlib.sha256(client_key).digest(), server_key, salt)
    )
    return f"SCRAM-SHA-256${rounds}:{spice}${stored}:{server}"


def pgpass(passwords: Mapping[str, str], socket_dir: Path) -> str:
    """The text of a file of passwords, by role, for a server on this machine.

    libpq takes it by the addresses 127.0.0.1 and localhost and by the socket, whatever the port.
    """
    socket = str(socket_dir).replace("\\", "\\\\").replace(":", "\\:")
    return "".join(
        f"{host}:*:*:{role}:{password}\n"
        for role, password in passwords.items()
        for host in ("127.0.0.1", "localhost", socket)
    )
