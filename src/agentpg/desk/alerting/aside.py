"""What is known of alerts while the database is away: a file below the home."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agentpg.desk.files import make_folder, replace_file
from agentpg.errors import FileNotWritten
from agentpg.notify.alert import Alert, Silence
from agentpg.notify.message import Message

_log = logging.getLogger("agentpg.notify")

FOLDER = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message that is still to be handed over."""

    message: Message
    way: str
    due_at: datetime
    attempts: int = 0
    error: str = ""

    @property
    def route(self) -> str:
        """The contact with the way to it."""
        return f"{self.message.contact} {self.way}"

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "message": self.message.document(),
            "way": self.way,
            "due_at": self.due_at.isoformat(),
            "attempts": self.attempts,
            "error": self.error,
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Waiting:
        """What `document` gave."""
        return cls(
            message=Message.read(document["message"]),
            way=document["way"],
            due_at=datetime.fromisoformat(document["due_at"]),
            attempts=document["attempts"],
            error=document["error"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The last known state; `ahead` has the ids of the alerts that the database does not know so
    yet."""

    alerts: Sequence[Alert] = ()
    silences: Sequence[Silence] = ()
    waiting: Sequence[Waiting] = ()
    ahead: frozenset[str] = frozenset()

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "alerts": [one.document() for one in self.alerts],
            "silences": [one.document() for one in self.silences],
            "waiting": [one.document() for one in self.waiting],
            "ahead": sorted(self.ahead),
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Held:
        """What `document` gave."""
        return cls(
            alerts=[Alert.read(one) for one in document["alerts"]],
            silences=[Silence.read(one) for one in document["silences"]],
            waiting=[Waiting.read(one) for one in document["waiting"]],
            ahead=frozenset(document["ahead"]),
        )


class Aside:
    """The file, of which one process of a machine has charge at a time."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._file = self._folder / "state.json"
        self._said = ""
        self._unwritten: Held | None = None

    @contextmanager
    def in_charge(self) -> Iterator[bool]:
        """Whether this process has charge within it: no other one of this machine has then.

        Where no lock can be had, such as on a full disk, it has: rather told twice than never.
        """
        try:
            descriptor = self._open_lock()
        except FileNotWritten as error:
            _log.warning("%s", error)
            yield True
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)

    def _open_lock(self) -> int:
        make_folder(self._folder)
        try:
            # What is wrong with a server is for nobody else.
            self._folder.chmod(0o700)
            return os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FileNotWritten(error.strerror or str(error), path=self._folder) from None

    def read(self) -> Held:
        """What was held last; nothing where there is no file, or none that can be read."""
        if self._unwritten is not None:
            return self._unwritten
        try:
            return Held.read(json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Held()

    def write(self, held: Held) -> None:
        """Hold this from now on. Where the disk is full, it is held by this process alone, so that
        people are told of just that."""
        text = json.dumps(held.document(), ensure_ascii=False)
        if text == self._said and self._file.exists():
            return
        try:
            replace_file(self._file, text)
        except FileNotWritten as error:
            _log.warning("%s", error)
            self._unwritten, self._said = held, ""
        else:
            self._unwritten, self._said = None, text
