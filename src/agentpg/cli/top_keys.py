"""Single keys from a terminal."""

from __future__ import annotations

import codecs
import os
import re
import select
import termios
import tty
from types import TracebackType
from typing import Self

# What terminals send for keys that are no character; both forms of the arrows.
_NAMED = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
}

_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Z]|.", re.DOTALL)

_MOST_BYTES = 1024

QUIT = "q"


class Keyboard:
    """Within it keys come one by one and are not shown; afterwards the terminal is as before."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before = termios.tcgetattr(descriptor)
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    def __enter__(self) -> Self:
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def pressed(self, seconds: float) -> list[str]:
        """The keys that come within so many seconds; `q` where the terminal is gone."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return []
        try:
            typed = os.read(self._descriptor, _MOST_BYTES)
        except OSError:
            typed = b""
        if not typed:
            return [QUIT]
        return [_NAMED.get(key, key) for key in _KEY.findall(self._decoder.decode(typed))]
