"""Sealing files so that only the holder of a key can read them, in the format of age.

A seal names public keys; what it seals can be opened with the secret key of any of them, by
this module or by the program `age`. A file goes through piece by piece; each piece is
authenticated before it is written, and the last is marked, so that what was changed or cut
short is noticed.

    age --decrypt --identity KEYFILE toc.dat.age > toc.dat
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from agentpg.desk.backup.storage.passing import Passed
from agentpg.errors import ExtraMissing, FileNotWritten, KeyNotFitting, SealDamaged
from agentpg.language import N_

_NOT_SEALED = N_("it is not a sealed file")
_CHANGED = N_("it was changed, or its end is missing")
_FIRST_LINE = b"age-encryption.org/v1\n"


@dataclass(frozen=True, slots=True)
class Written:
    """What a sealed file came to: its size and the SHA-256 of its bytes."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals for `recipients`, which are public keys, and opens with `secret_keys`.

    `key_file` is to lie beside what is sealed where that is not empty: the secret key of one
    of the recipients, itself sealed by a passphrase.
    """

    recipients: tuple[str, ...]
    secret_keys: tuple[str, ...] = field(default=(), repr=False)
    key_file: bytes = b""

    def seal(self, source: Path, target: Path, passed: Passed | None = None) -> Written:
        """Seal a file into one that does not exist yet. Raises FileNotWritten."""
        with source.open("rb") as read, _new_file(target) as write:
            return self.seal_to(read, write, passed)

    def seal_to(self, source: BinaryIO, target: BinaryIO, passed: Passed | None = None) -> Written:
        """Seal a stream into another one; `passed` hears what has been read."""
        age = age_library()
        recipients = [age.x25519.Recipient.from_str(one) for one in self.recipients]
        reading, writing = _Reading(source, passed), _Writing(target)
        try:
            age.encrypt_io(reading, writing, recipients)
        except (age.EncryptError, OSError):
            _raise_first(reading, writing)
            raise
        _raise_first(reading, writing)
        return Written(writing.size_bytes, writing.digest.hexdigest())

    def unseal(self, source: Path, target: Path) -> None:
        """Open a sealed file into one that does not exist yet; see `unseal_to`."""
        with source.open("rb") as read:
            self.unseal_to(read, target, name=str(source))

    def unseal_to(
        self, stream: BinaryIO, target: Path, *, name: str = "", passed: Passed | None = None
    ) -> None:
        """Open a sealed stream into a file that does not exist yet.

        `name` is what errors call the stream. Raises SealDamaged, KeyNotFitting and
        FileNotWritten; then there is no such file.
        """
        with _new_file(target) as write:
            self.unseal_stream(stream, write, name=name or target.name, passed=passed)

    def unseal_stream(
        self, stream: BinaryIO, target: BinaryIO, *, name: str, passed: Passed | None = None
    ) -> None:
        """Open a sealed stream into another one, such as a pipe.

        What was written before an error is as it was sealed, and not all of it.
        """
        age = age_library()
        keys = [age.x25519.Identity.from_str(one) for one in self.secret_keys]
        reading, writing = _Reading(stream, passed), _Writing(target)
        try:
            age.decrypt_io(reading, writing, keys)
        except (age.DecryptError, OSError) as error:
            _raise_first(reading, writing)
            raise _said(error, reading, name) from None
        _raise_first(reading, writing)


def age_library() -> Any:
    """The library that knows the format. Raises ExtraMissing."""
    try:
        import pyrage  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise ExtraMissing(what=N_("a sealed backup"), extra="age") from None
    return pyrage


def _said(error: Exception, reading: _Reading, name: str) -> Exception:
    if not reading.first.startswith(_FIRST_LINE[: max(len(reading.first), 1)]):
        return SealDamaged(_NOT_SEALED, file=name)
    if "No matching keys" in str(error):
        return KeyNotFitting(file=name)
    return SealDamaged(_CHANGED, file=name)


class _Reading:
    """A stream for the library, which would turn what fails in it into a text."""

    def __init__(self, stream: BinaryIO, passed: Passed | None = None) -> None:
        self._stream, self._passed = stream, passed
        self.failure: BaseException | None = None
        self.first = b""

    def read(self, size: int = -1) -> bytes:
        try:
            piece = self._stream.read(size)
        except BaseException as error:
            self.failure = error
            raise
        if len(self.first) < len(_FIRST_LINE):
            self.first = (self.first + piece)[: len(_FIRST_LINE)]
        if self._passed is not None:
            self._passed(len(piece))
        return piece


class _Writing:
    """A stream for the library that measures what goes into it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.failure: BaseException | None = None
        self.size_bytes = 0
        self.digest = hashlib.sha256()

    def write(self, piece: bytes) -> int:
        try:
            self._stream.write(piece)
        except BaseException as error:
            self.failure = error
            raise
        self.digest.update(piece)
        self.size_bytes += len(piece)
        return len(piece)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BaseException as error:
            self.failure = error
            raise


def _raise_first(*streams: _Reading | _Writing) -> None:
    """What failed in our streams themselves, as it was."""
    for stream in streams:
        if stream.failure is not None:
            raise stream.failure from None


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that goes again where it is not written to its end. Raises FileNotWritten."""
    try:
        file = path.open("xb")
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error
    try:
        with file:
            yield file
    except OSError as error:
        path.unlink(missing_ok=True)
        raise FileNotWritten(error.strerror or str(error), path=path) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
