"""The server's side of archiving: as whom it works, and the folders that its account is given."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Statements
from agentpg.desk.backup.storage.reaching import path_to
from agentpg.embedded.account import Account
from agentpg.errors import ArchiveOutOfReach

_SQL = Statements("archiving", "")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server on this machine: as whom it runs, and its data folder where that may be seen."""

    account: Account
    data: Path | None


def server_of(connection: Connection[Any]) -> LocalServer | None:
    """Where the server works on this machine, and as whom; None for one that is elsewhere."""
    [(number,)] = connection.execute(_SQL["read_backend"]).fetchall()
    process = Path(f"/proc/{number}")
    try:
        owner = process.stat()
        is_server = (process / "comm").read_text(encoding="utf-8").strip() == "postgres"
        account = Account(owner.st_uid, owner.st_gid, switched=owner.st_uid != os.geteuid())
        if not is_server:
            return None
        # Only root may look where another account's process works.
        data = (process / "cwd").readlink() if os.geteuid() in (0, owner.st_uid) else None
    except OSError:
        return None
    return LocalServer(account, data)


def make_folder(folder: Path) -> None:
    """A folder for one cluster, in one for all, in one that is there or made."""
    folder.parent.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder.parent.mkdir(mode=0o711, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def hand_over(folder: Path, server: LocalServer | None) -> str:
    """Give the folder to the server's account; the path by which it gets there.

    Raises ArchiveOutOfReach where there is none.
    """
    if server is None or not server.account.switched:
        return str(folder)
    name = name_of(server.account)
    if server.data is None:
        raise ArchiveOutOfReach(account=name, folder=folder)
    server.account.own(folder)
    for above in (folder.parent, folder.parent.parent):
        above.chmod(above.stat().st_mode | 0o011)
    path = path_to(folder, server.account, server.data, write=True)
    if path is None:
        raise ArchiveOutOfReach(account=name, folder=folder)
    return path


def write_script(path: Path) -> None:
    """Write one of this room's shell scripts, in the place of one that may be running."""
    text = (resources.files("agentpg.desk.backup.recovery") / path.name).read_text(encoding="utf-8")
    replace_file(path, text, 0o755)


def replace_file(path: Path, text: str, mode: int, owner: Account | None = None) -> None:
    """Write a file in a folder that is the account's: whole, and through no link there."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    if owner is not None:
        owner.own(draft)
    draft.replace(path)


def name_of(account: Account) -> str:
    """The account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(account.uid).pw_name
    except KeyError:
        return str(account.uid)


def has_zstd(account: Account | None) -> bool:
    """Whether the server's account has the program."""
    if account is None:
        return False
    return account.run(["sh", "-c", "command -v zstd"]).returncode == 0
