"""A change of pg_hba.conf that is not confirmed yet: what is kept of it, and taking it back.

    home/hba/MARK/              one folder for each pg_hba.conf, by its path
      lock                      who has it decides: the one that applies, confirms or takes back
      before-DIGEST             a former file
      pending.json              where it belongs, and until when the change waits
      confirmed.json            the same, of the change that was confirmed last
      undone.json               the same, of the one that was taken back last

Taking back needs no connection: the file is put back, and the server's first process, checked
against its data folder, is told to read it. Whoever is killed meanwhile leaves the change pending,
so that it is taken back by another.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from agentpg.desk.security.tls.store import write_whole
from agentpg.embedded.postmaster import postmaster_pid
from agentpg.errors import (
    ChangedSince,
    ChangePending,
    FileNotRead,
    FileNotWritten,
    NothingPending,
)
from agentpg.language import N_

State = Literal["pending", "confirmed", "undone"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")

_LOCK_SECONDS = 10.0
_LOOK_SECONDS = 0.02

_NOT_OURS = N_("it is no change of ours")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change: the file with its mode and owner, the server's data folder, and until when it
    waits, in seconds since the machine's start `boot`. `before` is what the former file is kept
    as; `digest` is of the file that was written."""

    name: str
    path: str
    folder: str
    mode: int
    uid: int
    gid: int
    before: str
    digest: str
    begun_at: str
    boot: str
    until: float

    @property
    def left(self) -> float:
        """The seconds that it waits yet, whatever is done to the machine's clock; none once the
        machine has started anew."""
        return self.until - machine_seconds() if self.boot == machine_start() else -math.inf


@dataclass(frozen=True, slots=True)
class Kept:
    """The folder of the changes of one pg_hba.conf."""

    folder: Path

    def read(self, state: State = "pending") -> Change | None:
        """The change in this state; None where there is none. Raises FileNotRead."""
        path = self._file(state)
        try:
            return Change(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileNotRead(error.strerror or str(error), path=path) from None
        except (ValueError, TypeError):
            raise FileNotRead(_NOT_OURS, path=path) from None

    def begin(self, change: Change, before: bytes) -> None:
        """Keep what would be taken back. Raises ChangePending where another change waits, and
        FileNotRead or FileNotWritten."""
        with _locked(self.folder):
            if self.read() is not None:
                raise ChangePending(path=change.path)
            confirmed = self.read("confirmed")
            kept = {change.before, confirmed.before if confirmed else ""}
            for former in self.folder.glob("before-*"):
                if former.name not in kept:
                    former.unlink(missing_ok=True)
            write_whole(self.folder / change.before, before, 0o600)
            write_whole(self._file("pending"), json.dumps(asdict(change)).encode(), 0o600)

    def write(self, change: Change, content: bytes) -> None:
        """Write the new file, as long as the change waits: who was stopped for longer than that
        writes nothing. Raises NothingPending or FileNotWritten."""
        with _locked(self.folder):
            if not self.waits(change.name):
                raise NothingPending(path=change.path)
            write_whole(Path(change.path), content, change.mode, (change.uid, change.gid))

    def waits(self, name: str) -> bool:
        """Whether this change still waits; what can't be read waits, too."""
        try:
            change = self.read()
        except FileNotRead:
            return True
        return change is not None and change.name == name

    def confirm(self) -> bool:
        """Let it stay; False where it was taken back meanwhile. Raises FileNotWritten."""
        with _locked(self.folder):
            return self._move("pending", "confirmed")

    def take_back(self, name: str = "") -> bool:
        """Put the former file back and in force, whatever is there now; False where no change
        waits, or none of this name. Raises FileNotRead or FileNotWritten; it then still waits."""
        with _locked(self.folder):
            change = self.read()
            if change is None or name not in ("", change.name):
                return False
            self._put_back(change)
            return self._move("pending", "undone")

    def take_back_confirmed(self) -> bool:
        """Put back what was there before the last change that was confirmed; False where there
        is none. Raises ChangedSince where the file is another one now, and what taking back
        raises."""
        with _locked(self.folder):
            change = self.read("confirmed")
            if change is None:
                return False
            if digest_of(Path(change.path)) != change.digest:
                raise ChangedSince(path=change.path, former=self.folder / change.before)
            self._put_back(change)
            return self._move("confirmed", "undone")

    def _put_back(self, change: Change) -> None:
        path, former = Path(change.path), self.folder / change.before
        try:
            before = former.read_bytes()
        except OSError as error:
            raise FileNotRead(error.strerror or str(error), path=former) from None
        # Where nothing was written yet, no room is needed.
        if digest_of(path) != hashlib.sha256(before).hexdigest():
            write_whole(path, before, change.mode, (change.uid, change.gid))
        tell_to_read(Path(change.folder))

    def _move(self, state: State, to: State) -> bool:
        try:
            self._file(state).rename(self._file(to))
        except FileNotFoundError:
            return False
        except OSError as error:
            reason = error.strerror or str(error)
            raise FileNotWritten(reason, path=self._file(to)) from None
        return True

    def _file(self, state: State) -> Path:
        return self.folder / f"{state}.json"


def kept_for(home: Path, path: Path) -> Kept:
    """Where the changes of a pg_hba.conf are kept."""
    mark = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:12]
    return Kept(home / "hba" / mark)


def all_kept(home: Path) -> list[Kept]:
    """All of a home."""
    folder = home / "hba"
    try:
        return [Kept(one) for one in sorted(folder.iterdir())]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileNotRead(error.strerror or str(error), path=folder) from None


def machine_seconds() -> float:
    """The seconds since the machine's start, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def machine_start() -> str:
    """A name of the machine's start; empty where it has none."""
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""


def new_name() -> str:
    """A name that no other change has."""
    return secrets.token_hex(8)


def digest_of(path: Path) -> str:
    """The digest of a file; empty where it can't be read."""
    with suppress(OSError):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return ""


def tell_to_read(folder: Path) -> bool:
    """Tell the server of a data folder to read its files; False where none runs there."""
    pid = postmaster_pid(folder)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGHUP)
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only one that looks and writes there, for a moment; it ends with the process.

    Nobody has the lock for longer than a few writes take. One who is stopped just then must not
    keep the door shut: after a while the others go on. Raises FileNotWritten.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from None
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _has(handle) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(handle)


def _has(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
