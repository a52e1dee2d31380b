"""Looking for secrets beside the server: nothing of what is found is kept but where it stands."""

from __future__ import annotations

import os
import pwd
from collections.abc import Collection, Iterator
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
from agentpg.desk.security.env.files import secret_files
from agentpg.desk.security.env.patterns import has_password, is_secret, sets_password
from agentpg.desk.security.env.repository import look_at_repository
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.folder import Folder
from agentpg.language import N_
from agentpg.settings import Settings, describe

# The end of each of the newest files of the log is read.
_LOG_BYTES = 4 * 1024 * 1024
_LOG_FILES = 8

_PROCESSES = Path("/proc")

_ELSEWHERE = Unlooked(N_("the server's log is on another machine, or hidden from this account"))


def look_around(folder: Path, settings: Settings, logs: Path | Unlooked | None) -> Facts:
    """Look around a working folder; `logs` is the folder of the server's log, None for none."""
    files = secret_files(folder, settings)
    return Facts(
        folder=str(folder),
        now=datetime.now(UTC),
        files=files,
        repository=look_at_repository(folder, [file.path for file in files]),
        processes=looked(lambda: tuple(_processes(_our_accounts(settings)))),
        connecting=tuple(_connecting(settings)),
        logs=looked(lambda: tuple(_logged(logs))) if isinstance(logs, Path) else logs,
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


def _processes(accounts: Collection[int]) -> Iterator[SecretProcess]:
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
        where = "arguments" if any(has_password(word) for word in words) else ""
        if not where and _has_variable(place):
            where = "environment"
        if where:
            program = Path(words[0].split(" ")[0]).name or place.name
            yield SecretProcess(
                number=int(place.name), program=program, account=_account(uid), where=where
            )


def _has_variable(place: Path) -> bool:
    """Whether it was started with PGPASSWORD, which every program that it starts inherits."""
    try:
        said = (place / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    pairs = (entry.partition("=") for entry in said)
    return any(name == "PGPASSWORD" and is_secret(name, value) for name, _, value in pairs)


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


def _logged(folder: Path) -> Iterator[LoggedSecrets]:
    """Files of the log in which statements with passwords stand. Raises OSError."""
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[:_LOG_FILES]:
        with path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(size - _LOG_BYTES, 0))
            text = log.read().decode(errors="replace")
        held = [number for number, line in enumerate(text.splitlines(), 1) if sets_password(line)]
        if held:
            yield LoggedSecrets(path=str(path), lines=len(held), first=held[0])
