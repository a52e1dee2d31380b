"""Passwords of accounts: hashed and made.

The parameters of argon2id are the second recommended option of RFC 9106, section 4, for where
memory is shared with other work: 64 MiB, 3 passes, 4 lanes, a salt of 128 bits, a tag of 256. One
proof takes about a twentieth of a second, which a guess takes too.
"""

from __future__ import annotations

import base64
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

# Longer ones are refused: to hash megabytes would be a way to keep a server busy.
LONGEST = 256

# Without signs that look alike. 25 of them are 125 bits.
_SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 5, 5

_COST = RFC_9106_LOW_MEMORY
_HASHER = PasswordHasher.from_parameters(_COST)


def hash_password(password: str) -> str:
    """What is kept in place of the password, as `$argon2id$…`."""
    return _HASHER.hash(composed(password))


def is_password(kept: str, password: str) -> bool:
    """Whether the hash is of this password; a hash of another kind is of none."""
    try:
        return _HASHER.verify(kept, composed(password))
    except (VerificationError, InvalidHashError):
        return False


def nobodys_hash() -> str:
    """One of no password, with the parameters of new ones: who names an account that is not there
    waits as long as for a wrong password."""
    said = _COST
    parts = (secrets.token_bytes(number) for number in (said.salt_len, said.hash_len))
    salt, tag = (base64.b64encode(part).decode().rstrip("=") for part in parts)
    cost = f"m={said.memory_cost},t={said.time_cost},p={said.parallelism}"
    return f"$argon2id$v={said.version}${cost}${salt}${tag}"


def is_outdated(kept: str) -> bool:
    """Whether the hash has other parameters than new ones get."""
    return _HASHER.check_needs_rehash(kept)


def make_password() -> str:
    """A new one of 125 random bits, in groups that can be read out."""
    groups = ("".join(secrets.choice(_SIGNS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def composed(password: str) -> str:
    """The same text in one form (NFC): what one keyboard sends composed, another does not."""
    return unicodedata.normalize("NFC", password)
