"""Looking for secrets beside the server: nothing of what is found is kept but where it stands."""

from __future__ import annotations

import os
import pwd
from collections.abc import Collection, Iterator, Sequence, Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from agentpg.db import Database
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.disk.looking import is_private
from agentpg.desk.security.env.facts import (
    Connecting,
    Facts,
    LoggedSecrets,
    SecretProcess,
)
from agentpg.desk.security.env.files import known_secrets, password_lines, secret_files
from agentpg.desk.security.env.history import search_history
from agentpg.desk.security.env.patterns import has_password, is_secret, sets_password
from agentpg.desk.security.env.repository import look_at_repository
from agentpg.desk.security.env.units import unit_secrets
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.folder import Folder
from agentpg.language import N_
from agentpg.settings import Settings, describe

# The end of each of the newest files of the log is read.
_LOG_BYTES = 4 * 1024 * 1024
_LOG_FILES = 8

_PROCESSES = Path("/proc")

# Variables that hold a connection string.
_DSNS = ("_DSN", "DATABASE_URL")

_ELSEWHERE = Unlooked(N_("the server's log is on another machine, or hidden from this account"))


def look_around(
    folder: Path,
    settings: Settings,
    logs: Path | Unlooked | None,
    *,
    scan: bool = False,
    units: Sequence[Path] | None = None,
) -> Facts:
    """Look around a working folder; `logs` is the folder of the server's log, None for none.

    With `scan` all that was ever committed is searched, and passwords in use are looked for in
    processes and logs too. `units` are the folders of systemd's units, by default this machine's.
    """
    files = secret_files(folder, settings)
    known = known_secrets(files, settings) if scan else frozenset()
    return Facts(
        folder=str(folder),
        now=datetime.now(UTC),
        files=files,
        repository=look_at_repository(folder, [file.path for file in files]),
        processes=looked(lambda: tuple(_processes(_our_accounts(settings), known))),
        connecting=tuple(_connecting(settings)),
        logs=looked(lambda: tuple(_logged(logs, known))) if isinstance(logs, Path) else logs,
        units=looked(lambda: tuple(unit_secrets(units))),
        password_lines=tuple(password_lines(files)),
        history=search_history(folder, known) if scan else None,
    )


def log_folder(database: Database | None, settings: Settings) -> Path | Unlooked | None:
    """The folder of the server's log, where it is on this machine; None without a server."""
    if database is None:
        return None
    home = settings.home.expanduser().absolute()
    if is_private(database, EmbeddedServer(home, settings.pg_bin)):
        return Folder(home).logs
    return _ELSEWHERE


def _our_accounts(settings: Settings) -> frozenset[int]:
    """This account, and those to which the installation's home and its server's data belong: what
    others on the machine do is theirs to mend."""
    home = settings.home.expanduser().absolute()
    owners = {os.getuid()}
    for folder in (home, Folder(home).data):
        with suppress(OSError):
            owners.add(folder.stat().st_uid)
    return frozenset(owners)


def _processes(accounts: Collection[int], known: AbstractSet[str]) -> Iterator[SecretProcess]:
    """Every process of these accounts; this one and those above it are like any."""
    for place in sorted(_PROCESSES.iterdir()):
        if not place.name.isdigit():
            continue
        try:
            words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
            uid = place.stat().st_uid
        except OSError:
            continue
        if uid not in accounts:
            continue
        held = any(has_password(word) or _has_one(word, known) for word in words)
        where, variable = ("arguments", "") if held else ("environment", _variable(place))
        if held or variable:
            program = Path(words[0].split(" ")[0]).name or place.name
            yield SecretProcess(
                number=int(place.name),
                program=program,
                account=_account(uid),
                where=where,
                variable=variable,
            )


def _variable(place: Path) -> str:
    """The variable with a password of libpq's that it was started with, which every program that it
    starts inherits; empty where it has none."""
    try:
        said = (place / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    for name, _, value in (entry.partition("=") for entry in said):
        if (name == "PGPASSWORD" or name.endswith(_DSNS)) and is_secret(name, value):
            return name
    return ""


def _has_one(text: str, known: AbstractSet[str]) -> bool:
    return any(secret in text for secret in known)


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _connecting(settings: Settings) -> Iterator[Connecting]:
    """Connection strings with a password in them."""
    sources = {option.name: option.source for option in describe(settings)}
    for name in ("dsn", "dsn_admin", "dsn_monitor", "dsn_backup"):
        if has_password(str(getattr(settings, name, ""))):
            yield Connecting(setting=name, source=str(sources.get(name, "")))


def _logged(folder: Path, known: AbstractSet[str]) -> Iterator[LoggedSecrets]:
    """Files of the log in which statements with passwords stand. Raises OSError."""
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[:_LOG_FILES]:
        with path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(size - _LOG_BYTES, 0))
            text = log.read().decode(errors="replace")
        lines = enumerate(text.splitlines(), 1)
        held = [n for n, line in lines if sets_password(line) or _has_one(line, known)]
        if held:
            yield LoggedSecrets(path=str(path), lines=len(held), first=held[0])
