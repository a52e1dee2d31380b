"""Reading an object as a stream that outlives its connection."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 20.0


class Reading(io.RawIOBase):
    """The bytes of one object; a connection that is cut is opened anew where it was cut.

    `get` asks for the object, `said` says our way what goes wrong. It gives up after so many
    attempts that brought nothing. An object that was replaced meanwhile is not mixed with the
    former one: the storage refuses to go on with it.
    """

    def __init__(
        self,
        get: Callable[..., dict[str, Any]],
        attempts: int,
        said: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__()
        self._get = get
        self._attempts = attempts
        self._said = said
        self._at = 0
        with said():
            answer = get()
        self._body = answer["Body"]
        self._size = int(answer["ContentLength"])
        self._tag = answer["ETag"]

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read up to the size of the buffer; 0 at the end, which is the object's own."""
        with self._said():
            piece = self._piece(len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        """Leave the rest unread."""
        if not self.closed:
            self._let_go()
        super().close()

    def _piece(self, size: int) -> bytes:
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]  # noqa: PLC0415

        tries = 1
        while self._at < self._size:
            try:
                if self._body is None:
                    self._go_on()
                piece: bytes = self._body.read(size)
                if piece:
                    return piece
            except (BotoCoreError, OSError):
                if tries >= self._attempts:
                    raise
            self._let_go()
            time.sleep(min(_FIRST_WAIT_SECONDS * 2**tries, _LONGEST_WAIT_SECONDS))
            tries += 1
        return b""

    def _go_on(self) -> None:
        answer = self._get(Range=f"bytes={self._at}-", IfMatch=self._tag)
        self._body = answer["Body"]

    def _let_go(self) -> None:
        if self._body is not None:
            with suppress(Exception):  # it is cut already
                self._body.close()
            self._body = None
