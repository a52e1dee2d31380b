"""A rotation that is under way: what is kept of it, so that a killed one goes on or goes back.

home/logins/
  pg_service.conf     the services; each says as whom its programs connect now
  pgpass              the passwords of the logins in use, 0600
  GROUP.json          the rotation of a pair that is under way; no password
  GROUP.lock          held while a process works on it
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from agentpg.desk.security.tls.store import write_whole
from agentpg.errors import FileNotWritten, RotationBusy
from agentpg.language import N_

Step = Literal["begun", "written", "prepared", "proved", "moved", "drained", "locked"]

STEPS: tuple[Step, ...] = get_args(Step)

# What each step has done, for people.
MEANINGS: dict[Step, str] = {
    "begun": N_("nothing was changed yet"),
    "written": N_("the new password is in the password file"),
    "prepared": N_("the server lets the new login in"),
    "proved": N_("the new login does what the old one does"),
    "moved": N_("the service leads to the new login"),
    "drained": N_("nobody is connected as the old login any more"),
    "locked": N_("the old login is locked"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One rotation: from the `old` login, empty for the first of a pair, to the `new` one.

    `step` is the last that is done; with `back` it is being rolled back. `fresh` says that its
    service was not there before.
    """

    group: str
    old: str
    new: str
    service: str
    service_file: str
    password_file: str
    env_file: str
    begun_at: str
    step: Step = "begun"
    back: bool = False
    fresh: bool = False

    def at(self, step: Step) -> Turn:
        """The same, a step on."""
        return replace(self, step=step)

    def has(self, step: Step) -> bool:
        """Whether a step is done."""
        return STEPS.index(self.step) >= STEPS.index(step)


@dataclass(frozen=True, slots=True)
class Logins:
    """The folder of the logins that programs connect by."""

    home: Path

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return self.home / "logins"

    @property
    def service_file(self) -> Path:
        """The services."""
        return self.folder / "pg_service.conf"

    @property
    def password_file(self) -> Path:
        """Their passwords."""
        return self.folder / "pgpass"

    def turns(self) -> tuple[Turn, ...]:
        """Every rotation that is under way."""
        found = (_read(path) for path in sorted(self.folder.glob("*.json")))
        return tuple(turn for turn in found if turn is not None)

    def read(self, group: str) -> Turn | None:
        """The rotation of a pair that is under way; None where there is none."""
        return _read(self._file(group, ".json"))

    def write(self, turn: Turn) -> None:
        """Keep how far it is. Raises FileNotWritten."""
        write_text(self._file(turn.group, ".json"), json.dumps(asdict(turn), indent=2) + "\n")

    def forget(self, turn: Turn) -> None:
        """It has ended. Raises FileNotWritten."""
        path = self._file(turn.group, ".json")
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileNotWritten(error.strerror or str(error), path=path) from None

    @contextmanager
    def held(self, group: str) -> Iterator[None]:
        """Within it nobody else rotates this pair. Raises RotationBusy and FileNotWritten."""
        path = self._file(group, ".lock")
        if not path.exists():
            write_text(path, "")
        try:
            lock = path.open("r+b")
        except OSError as error:
            raise FileNotWritten(error.strerror or str(error), path=path) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RotationBusy(group=group) from None
            yield

    def _file(self, group: str, suffix: str) -> Path:
        # A role may have any name; a file may not.
        return self.folder / (group.replace("%", "%25").replace("/", "%2F") + suffix)


def write_text(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all, for its present owner, or that of the folder above: root
    rotates for programs of other accounts. Raises FileNotWritten."""
    path = path.resolve()
    owner = None
    if os.geteuid() == 0:
        with suppress(OSError):
            said = _owned(path).stat()
            owner = (said.st_uid, said.st_gid)
            _make_folder(path.parent, owner)
    write_whole(path, text.encode(), mode, owner)


def read_text(path: Path) -> str:
    """What a file says; empty where it is not there. Raises FileNotWritten for one that can't be
    read, since what is in it would be lost."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileNotWritten(reason, path=path) from None


def _read(path: Path) -> Turn | None:
    with suppress(OSError, ValueError, TypeError):
        turn = Turn(**json.loads(path.read_bytes()))
        return turn if turn.step in STEPS else None
    return None


def _owned(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _make_folder(folder: Path, owner: tuple[int, int]) -> None:
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        os.chown(folder, *owner)
