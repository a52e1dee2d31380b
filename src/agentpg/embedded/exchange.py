"""Two folders change places in one moment, so that there is never none of the name."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
from pathlib import Path

_AT_FDCWD = -100
_EXCHANGE = 2


def exchange(first: Path, second: Path) -> None:
    """Let two folders of one file system change their names. Raises OSError.

    Where the file system can't do that in one step it takes three, and what was done is undone
    where one of them fails.
    """
    library = ctypes.CDLL(None, use_errno=True)
    paths = (os.fsencode(first), os.fsencode(second))
    if library.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _EXCHANGE) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(number, os.strerror(number), str(first))
    _in_three_steps(first, second)


def _in_three_steps(first: Path, second: Path) -> None:
    aside = first.with_name(f"{first.name}.{secrets.token_hex(4)}")
    first.rename(aside)
    try:
        second.rename(first)
    except OSError:
        aside.rename(first)
        raise
    aside.rename(second)
