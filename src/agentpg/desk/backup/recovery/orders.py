"""What the server's account is told of where its WAL goes, where that is no plain folder.

    AGENTPG_HOME/archiving/SYSTEM/orders.json    the place, its credentials, the public keys
    AGENTPG_HOME/archiving/SYSTEM/push_wal.sh    what the archive command calls
    AGENTPG_HOME/archiving/SYSTEM/done/          files that were stored ahead of their turn

The server runs as its own account with its own environment, and every role can read its archive
command. So the command names this folder alone, which belongs to the account and is closed
to all others. It lies beside the data and not within it: there, the credentials would get into
each base backup. No secret key and no passphrase is told: who archives needs to open nothing.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agentpg.desk.backup.recovery.pushing import Archive, known_by
from agentpg.desk.backup.recovery.server_side import (
    LocalServer,
    hand_over,
    make_folder,
    name_of,
    replace_file,
    write_script,
)
from agentpg.desk.backup.recovery.wal import prefix_of
from agentpg.desk.backup.storage.bucket import Bucket
from agentpg.desk.backup.storage.bucket_access import Access, access_of, with_credentials
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.repository import Repository
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.errors import (
    ArchiveCommandFails,
    ArchiveNotHere,
    ArchiveOutOfReach,
    FileNotWritten,
    OrdersIncomplete,
    OrdersUnusable,
)
from agentpg.settings import Settings, storage_variables, take_variables

PUSH_SCRIPT = "push_wal.sh"
ORDERS = "orders.json"

_DONE = "done"
# From where the server calls its command.
_IN_DATA = 'cd "$1" && shift && exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Where one cluster's WAL goes: a folder, as the server's account gets there, or a bucket.

    `recipients` are the public keys that it is sealed for, none: it is not. `variables` are those
    of the environment in which the bucket is found.
    """

    folder: str = ""
    bucket: Access | None = None
    recipients: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


def give_orders(
    settings: Settings,
    repository: Repository,
    system: str,
    recipients: tuple[str, ...],
    server: LocalServer | None,
    python: Path | None = None,
) -> str:
    """Tell the server's account where WAL goes, and see that it gets there: the archive command.

    `python` has agentpg and can be run by that account; None: the one that runs this.

    Raises ArchiveNotHere, ArchiveOutOfReach, ArchiveCommandFails and FileNotWritten.
    """
    if server is None:
        raise ArchiveNotHere(place=repository.place)
    home = settings.home.expanduser().absolute() / "archiving" / system
    try:
        orders = _orders(settings, repository, system, recipients, server)
        make_folder(home)
        (home / _DONE).mkdir(mode=0o700, exist_ok=True)
        server.account.own(home / _DONE)
        write_script(home / PUSH_SCRIPT)
        path = hand_over(home, server)
        text = f"{json.dumps(asdict(orders), indent=2)}\n"
        replace_file(home / ORDERS, text, 0o600, server.account)
    except PermissionError:
        raise ArchiveOutOfReach(account=name_of(server.account), folder=home) from None
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=home) from error
    program = str(python or sys.executable)
    _try_out(path, program, server)
    words = " ".join(shlex.quote(word) for word in ("sh", f"{path}/{PUSH_SCRIPT}", program))
    return f'{words.replace("%", "%%")} "%p" "%f"'


def take_orders(path: Path) -> Archive:
    """What the orders say, for who carries them out. Raises OrdersUnusable."""
    try:
        with path.open("rb") as file:
            known = known_by(os.fstat(file.fileno()))
            orders = _parsed(json.load(file))
    except OSError as error:
        raise OrdersUnusable(error.strerror or str(error), path=path) from None
    except KeyError as error:
        raise OrdersIncomplete(path=path, key=error.args[0]) from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise OrdersUnusable(str(error), path=path) from None
    take_variables(orders.variables)
    # The folder is as the server gets there from its data, perhaps by no absolute path.
    place = Bucket(orders.bucket) if orders.bucket else Folder(Path(orders.folder))
    return Archive(place, Seal(orders.recipients) if orders.recipients else None, known)


def _orders(
    settings: Settings,
    repository: Repository,
    system: str,
    recipients: tuple[str, ...],
    server: LocalServer,
) -> Orders:
    archive = prefix_of(system).rstrip("/")
    folder = repository.folder(archive)
    if folder is not None:
        make_folder(folder)
        return Orders(folder=hand_over(folder, server), recipients=recipients)
    access = with_credentials(access_of(settings))
    within = f"{access.prefix}/{archive}".lstrip("/")
    bucket = Access(**{**asdict(access), "prefix": within})
    return Orders(bucket=bucket, recipients=recipients, variables=storage_variables())


def _parsed(said: dict[str, Any]) -> Orders:
    return Orders(
        folder=said["folder"],
        bucket=Access(**said["bucket"]) if said["bucket"] else None,
        recipients=tuple(said["recipients"]),
        variables=said["variables"],
    )


def _try_out(path: str, python: str, server: LocalServer) -> None:
    """Let the account do all but store a file, as the server would call it."""
    account = server.account
    name = name_of(account)
    if server.data is None:
        raise ArchiveOutOfReach(account=name, folder=path)
    push = (python, "-I", "-m", "agentpg", "backup", "archive", "push", "--check")
    with account.reach(server.data) as (place, fds):
        command = ("sh", "-c", _IN_DATA, "sh", place, *push, f"{path}/{ORDERS}")
        tried = account.run(command, fds=fds)
    if tried.returncode:
        said = [line for line in tried.stderr.splitlines() if line.strip()]
        ours = [line for line in said if line.startswith("agentpg: ")]
        reason = (ours or said or [str(tried.returncode)])[-1].removeprefix("agentpg: ")
        raise ArchiveCommandFails(reason, account=name, program=python)
