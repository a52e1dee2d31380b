"""The keys by which values are sealed: names and 32 random bytes each, one per line.

    # made 2026-11-29
    2026-11-29:mX3J…

The first key seals, and all of them open.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from agentpg.errors import FileNotWritten, SealingKeysUnusable, SealingKeyThere
from agentpg.language import N_

_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)
# No key file is larger: one key takes 90 bytes.
_LARGEST_FILE = 64 * 1024

_NOT_A_KEY = N_("a key is NAME:KEY, with 32 bytes in base64 as the key")
_TWICE = N_("two keys have the same name")
_NO_KEY = N_("there is no key in it")
_NOT_TEXT = N_("it is not a text file")
_NO_FILE = N_("it is no file")
_TOO_LARGE = N_("it is too large for a file of keys")
_OPEN_TO_OTHERS = N_("others than its owner may read it or write to it")


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One key; its name is written beside what it seals, and is no secret."""

    name: str
    secret: bytes = field(repr=False)

    def line(self) -> str:
        """As it stands in a file of keys."""
        return f"{self.name}:{base64.urlsafe_b64encode(self.secret).decode()}"


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys, the one that seals first; there may be none."""

    keys: tuple[SealingKey, ...] = ()

    @property
    def first(self) -> SealingKey:
        """The key that seals."""
        return self.keys[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(key.name for key in self.keys)

    def get(self, name: str) -> SealingKey | None:
        """The key of this name, if it is here."""
        return next((key for key in self.keys if key.name == name), None)

    def text(self) -> str:
        """As a file of keys."""
        return "".join(f"{key.line()}\n" for key in self.keys)


def new_key(today: date, taken: tuple[str, ...] = ()) -> SealingKey:
    """A new random key, named by the day, and by a number where that name is taken."""
    name, number = f"{today:%Y-%m-%d}", 1
    while name in taken:
        number += 1
        name = f"{today:%Y-%m-%d}.{number}"
    return SealingKey(name, secrets.token_bytes(_BYTES))


def read_keys(text: str, source: str) -> Keyring:
    """The keys in a text, each on a line or between white space; `#` begins a comment.

    Raises SealingKeysUnusable, which names the source and shows nothing of the text.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    keys = tuple(_key(word, source) for word in words)
    if not keys:
        raise SealingKeysUnusable(_NO_KEY, source=source)
    if len({key.name for key in keys}) < len(keys):
        raise SealingKeysUnusable(_TWICE, source=source)
    return Keyring(keys)


def read_key_file(path: Path) -> Keyring:
    """The keys in a file, which must be its owner's alone. Raises SealingKeysUnusable."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SealingKeysUnusable(_NO_FILE, source=path)
            if status.st_mode & 0o077:
                raise SealingKeysUnusable(
                    _OPEN_TO_OTHERS, hint=N_("Run `chmod 600 {source}`."), source=path
                )
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise SealingKeysUnusable(error.strerror or str(error), source=path) from None
    if len(content) > _LARGEST_FILE:
        raise SealingKeysUnusable(_TOO_LARGE, source=path)
    try:
        return read_keys(content.decode(), str(path))
    except UnicodeDecodeError:
        raise SealingKeysUnusable(_NOT_TEXT, source=path) from None


def create_key_file(path: Path, keys: Keyring) -> None:
    """Write keys to a new file that only its owner can read.

    Raises SealingKeyThere where there is something already, and FileNotWritten.
    """
    try:
        _write_new(path, keys.text())
    except FileExistsError:
        raise SealingKeyThere(path=path) from None
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error


def replace_key_file(path: Path, keys: Keyring) -> None:
    """Write the file anew: a reader sees the former keys or these. Raises FileNotWritten."""
    target = path.resolve()
    passing = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        owner = target.stat()
        _write_new(passing, keys.text())
        if os.geteuid() == 0:  # the service that reads it may be another user's
            os.chown(passing, owner.st_uid, owner.st_gid)
        passing.replace(target)
    except OSError as error:
        with suppress(OSError):
            passing.unlink()
        raise FileNotWritten(error.strerror or str(error), path=path) from error


def _write_new(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _key(word: str, source: str) -> SealingKey:
    name, _, encoded = word.partition(":")
    if not _NAME.fullmatch(name):
        raise SealingKeysUnusable(_NOT_A_KEY, source=source)
    try:
        secret = base64.b64decode(encoded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise SealingKeysUnusable(_NOT_A_KEY, source=source) from None
    if len(secret) != _BYTES:
        raise SealingKeysUnusable(_NOT_A_KEY, source=source)
    return SealingKey(name, secret)
