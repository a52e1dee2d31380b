"""Tokens of programs: `apg_`, 256 random bits, and a checksum.

The beginning lets scanners of repositories and logs find them, and the checksum tells them from
what only looks like one, without asking anybody. The pattern is apg_[0-9A-Za-z]{49}.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib

PREFIX = "apg_"
PATTERN = re.compile(r"\bapg_([0-9A-Za-z]{43})([0-9A-Za-z]{6})\b", re.ASCII)

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# 62^43 is above 2^256, and 62^6 above 2^32.
_RANDOM, _CHECK = 43, 6
_HINT = 10


def make_token() -> str:
    """A new one."""
    body = _in_digits(secrets.randbits(256), _RANDOM)
    return f"{PREFIX}{body}{_checksum(body)}"


def is_well_formed(token: str) -> bool:
    """Whether it can be one, by its form and checksum."""
    found = PATTERN.fullmatch(token)
    return found is not None and _checksum(found[1]) == found[2]


def hash_token(token: str) -> bytes:
    """What is kept in its place: SHA-256.

    With 256 random bits there is nothing to guess, so a slow hash would protect from nothing; and
    one can be looked up, so that a proof costs one read of an index.
    """
    return hashlib.sha256(token.encode()).digest()


def hint_of(token: str) -> str:
    """Its first signs, to know it by; 36 of its 256 bits."""
    return token[:_HINT]


def _checksum(body: str) -> str:
    return _in_digits(zlib.crc32(body.encode()), _CHECK)


def _in_digits(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
