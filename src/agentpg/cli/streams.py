"""The standard streams, which a caller may have closed, or tied to what takes no more."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO, TypeGuard

_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def open_missing() -> None:
    """Put /dev/null where a standard stream is closed.

    Otherwise the next file or connection would get its number, and be taken for it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(_open_as(number), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def is_of_output(error: Exception) -> TypeGuard[OSError]:
    """Whether a stream takes no more; an error of a file or a socket has a name or becomes ours."""
    return isinstance(error, OSError) and not error.filename and error.errno in _NO_MORE


def let_go_of_output() -> None:
    """Drop what cannot be written; Python would complain again when it flushes at its end."""
    _let_go_of(sys.stdout)


def let_go_of_errors() -> None:
    """Drop what nobody could be told; at its end Python would make 120 of the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        _let_go_of(sys.stderr)


def _let_go_of(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_as(number: int) -> int:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    return number
