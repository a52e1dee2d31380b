"""Making passwords that nobody guesses."""

from __future__ import annotations

import math
import secrets
import string
from dataclasses import dataclass, field

# Letters and digits alone: they need no quoting in .pgpass, .env, URIs, shells and SQL.
_SIGNS = string.ascii_letters + string.digits

# As strong as what a verifier is made with (SHA-256 halves under Grover's search; NIST SP 800-57
# asks for 112 and more); fewer than 80 can be searched by who has stolen the verifier.
DEFAULT_BITS = 192
LEAST_BITS, MOST_BITS = 80, 512


@dataclass(frozen=True, slots=True)
class Made:
    """A password, and how much chance is in it: so many bits of entropy, of that many signs."""

    password: str = field(repr=False)
    bits: float
    signs: int = len(_SIGNS)


def make_password(bits: int = DEFAULT_BITS) -> Made:
    """A password with at least so many bits of entropy, by the system's source of chance."""
    each = math.log2(len(_SIGNS))
    length = math.ceil(bits / each)
    return Made("".join(secrets.choice(_SIGNS) for _ in range(length)), length * each)
