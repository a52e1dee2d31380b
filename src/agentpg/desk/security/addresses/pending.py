"""A change of pg_hba.conf that is not confirmed yet: what is kept of it, and taking it back.

    home/hba/MARK/              one folder for each pg_hba.conf, by its path
      before                    the former file
      pending.json              where it belongs; who takes this away decides about the change
      confirmed.json            the same, of a change that was confirmed

Taking back needs no connection: the file is put back, and the server's first process, checked
against its data folder, is told to read it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from agentpg.desk.security.tls.store import write_whole
from agentpg.embedded.postmaster import postmaster_pid

State = Literal["pending", "confirmed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change: the file with its mode and owner, the server's data folder, and until when it
    waits. `digest` is of the file that was written."""

    path: str
    folder: str
    mode: int
    uid: int
    gid: int
    digest: str
    begun_at: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Kept:
    """The folder of the changes of one pg_hba.conf."""

    folder: Path

    def read(self, state: State = "pending") -> Change | None:
        """The change in this state; None where there is none."""
        with suppress(OSError, ValueError, TypeError):
            return Change(**json.loads(self._file(state).read_bytes()))
        return None

    def begin(self, change: Change, before: bytes) -> None:
        """Keep what would be taken back. Raises FileNotWritten."""
        write_whole(self.folder / "before", before, 0o600)
        write_whole(self._file("pending"), json.dumps(asdict(change)).encode(), 0o600)

    def confirm(self) -> bool:
        """Let it stay; False where it was taken back meanwhile."""
        return self._take("pending", self._file("confirmed"))

    def take_back(self, state: State = "pending") -> bool:
        """Put the former file back and in force; False where another has decided."""
        change = self.read(state)
        if change is None or not self._take(state, self.folder / "undone.json"):
            return False
        before = (self.folder / "before").read_bytes()
        write_whole(Path(change.path), before, change.mode, (change.uid, change.gid))
        tell_to_read(Path(change.folder))
        return True

    def _take(self, state: State, place: Path) -> bool:
        """One alone succeeds in this, since a name is moved once."""
        try:
            self._file(state).rename(place)
        except FileNotFoundError:
            return False
        return True

    def _file(self, state: State) -> Path:
        return self.folder / f"{state}.json"


def kept_for(home: Path, path: Path) -> Kept:
    """Where the changes of a pg_hba.conf are kept."""
    mark = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:12]
    return Kept(home / "hba" / mark)


def tell_to_read(folder: Path) -> bool:
    """Tell the server of a data folder to read its files; False where none runs there."""
    pid = postmaster_pid(folder)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGHUP)
    return True
