"""Ctrl-C that lets work come to its end in order."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import TracebackType
from typing import Self

_STANDARD_ERROR = 2


class Interruption:
    """Within it the first Ctrl-C is noted and answered by `notice`; the second acts as usual.

    Where Ctrl-C does nothing, as in a shell's background, it goes on doing nothing.
    """

    def __init__(self, notice: str) -> None:
        self.happened = False
        self._notice = f"{notice}\n".encode(errors="replace")
        self._usual = signal.getsignal(signal.SIGINT)

    def __enter__(self) -> Self:
        if self._usual is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGINT, self._usual)

    def _note(self, *_: object) -> None:
        self.happened = True
        signal.signal(signal.SIGINT, self._usual)
        # Not by the stream, which may be in the middle of a line.
        with suppress(OSError):
            os.write(_STANDARD_ERROR, self._notice)
