"""A home in which a cluster is being recovered, until that is whole.

Its data folder has another name until its unfinished tasks are held and its passwords set, so
that nobody can start a server on a half-recovered one. Who recovers holds the home; one that
nobody holds was left by a process that was killed, and the next recovery beside it removes it.
What failed with a reason stays, to be looked at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from agentpg.desk.backup.held import hold
from agentpg.desk.backup.recovery.recovery_server import PRIVATE
from agentpg.embedded.folder import RECOVERING
from agentpg.embedded.postmaster import clear_remains, postmaster_pid, stop_postmaster

_FAILED = "recovery.failed"
_PATIENCE = timedelta(minutes=2)

# The line of postmaster.pid that names the folder of the socket.
_SOCKET_LINE = 4


@contextmanager
def holding(home: Path) -> Iterator[None]:
    """Hold a home while a cluster is recovered in it; it is marked where that fails."""
    with hold(home):
        try:
            yield
        except BaseException:
            with suppress(OSError):  # it may have been removed, or its disk be full
                (home / _FAILED).touch()
            raise


def remove_left_recoveries(beside: Path) -> list[str]:
    """Remove the homes in a folder that killed recoveries have left; their names."""
    left = []
    for draft in beside.glob(f"*/postgresql/{RECOVERING}"):
        home = draft.parent.parent
        with suppress(OSError), hold(home):
            if _is_left(home, draft):
                _remove(home, draft)
                left.append(home.name)
    return left


def _is_left(home: Path, draft: Path) -> bool:
    """Whether a home is what a killed recovery of ours has left, and nothing else.

    In a folder in which everybody may write, it could be a trap: what a stranger has made would
    be removed, and what his links lead to.
    """
    ours = all(path.lstat().st_uid == os.geteuid() for path in (home, draft.parent))
    return ours and not (home / _FAILED).exists() and not (draft.parent / "data").exists()


def _remove(home: Path, draft: Path) -> None:
    pid = postmaster_pid(draft)
    if pid is not None:
        lines = (draft / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        stop_postmaster(pid, "immediate", _PATIENCE)
        for private in map(Path, lines[_SOCKET_LINE : _SOCKET_LINE + 1]):
            if private.name.startswith(PRIVATE):
                shutil.rmtree(private, ignore_errors=True)
    clear_remains(draft)
    # Tablespaces lie elsewhere, in folders that were made for it and belong to whom it does.
    for link in (draft / "pg_tblspc").glob("*"):
        with suppress(FileNotFoundError):
            if link.is_symlink() and link.stat().st_uid == draft.stat().st_uid:
                shutil.rmtree(link.resolve(), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
