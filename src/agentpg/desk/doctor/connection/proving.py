"""Proving to a server who we are, by a password: as it is, by MD5, or by SCRAM (RFC 7677).

The driver does this too, but keeps to itself by which SQLSTATE a login was refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stringprep
import struct
import unicodedata
from collections.abc import Mapping

# The numbers by which a server says how it asks.
LETS_IN, CLEAR, MD5, SASL, SASL_GOES_ON, SASL_ENDS = 0, 3, 5, 10, 11, 12

_SCRAM = "SCRAM-SHA-256"

# What `require_auth` calls the methods that a password is for.
_NAMES = {"password": CLEAR, "md5": MD5, "scram-sha-256": SASL}

# PostgreSQL has 4096 by default; a thousand times as many would keep us busy for seconds.
_MOST_ROUNDS = 4096 * 1000

# "n": this client does not bind to the channel.
_NO_BINDING = "n,,"


class CannotProve(Exception):
    """The server asks in a way that only the driver can answer."""


def allowed_by(values: Mapping[str, str]) -> frozenset[int]:
    """The methods by which a connection string lets a password be proved without the driver.

    None where the proof must be bound to the channel, or the way encrypted by Kerberos: only
    the driver does that.
    """
    if values.get("channel_binding") == "require" or values.get("gssencmode") == "require":
        return frozenset()
    named = [name.strip() for name in values.get("require_auth", "").split(",") if name.strip()]
    forbidden = {_NAMES.get(name[1:]) for name in named if name.startswith("!")}
    wanted = {_NAMES.get(name) for name in named if not name.startswith("!")}
    methods = frozenset(_NAMES.values())
    return methods & wanted if wanted else methods - forbidden


def method_in(body: bytes) -> int:
    """How the server asks."""
    number: int = struct.unpack_from("!i", body)[0]
    return number


def mechanisms_in(body: bytes) -> tuple[str, ...]:
    """The mechanisms of SASL that it offers."""
    return tuple(part.decode(errors="replace") for part in body[4:].split(b"\0") if part)


def clear(password: str) -> bytes:
    """The password as it is."""
    return password.encode() + b"\0"


def md5(password: str, user: str, body: bytes) -> bytes:
    """The password by MD5, with the salt that the server sent."""
    inner = hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
    salted = hashlib.md5(inner.encode() + body[4:8], usedforsecurity=False).hexdigest()
    return f"md5{salted}".encode() + b"\0"


class Scram:
    """One proof by SCRAM-SHA-256. Raises CannotProve where that is not offered, and ValueError
    or KeyError where the server says nonsense."""

    def __init__(self, password: str, offered: tuple[str, ...]) -> None:
        if _SCRAM not in offered:
            raise CannotProve
        self._password = prepared(password)
        self._first = f"n=,r={secrets.token_urlsafe(18)}"

    def begin(self) -> bytes:
        """The first message."""
        text = f"{_NO_BINDING}{self._first}".encode()
        return _SCRAM.encode() + b"\0" + struct.pack("!i", len(text)) + text

    def go_on(self, body: bytes) -> bytes:
        """The proof, to the server's nonce, salt and rounds."""
        challenge = body[4:].decode()
        said = dict(part.split("=", 1) for part in challenge.split(","))
        if int(said["i"]) > _MOST_ROUNDS:
            raise ValueError(said["i"])
        binding = base64.b64encode(_NO_BINDING.encode()).decode()
        without_proof = f"c={binding},r={said['r']}"
        salted = hashlib.pbkdf2_hmac(
            "sha256", self._password, base64.b64decode(said["s"]), int(said["i"])
        )
        key = _hmac(salted, b"Client Key")
        signed = f"{self._first},{challenge},{without_proof}".encode()
        signature = _hmac(hashlib.sha256(key).digest(), signed)
        proof = bytes(one ^ two for one, two in zip(key, signature, strict=True))
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()


def prepared(password: str) -> bytes:
    """The password as SASLprep (RFC 4013) makes it; as it is, where that refuses it."""
    mapped = "".join(
        " " if stringprep.in_table_c12(one) else one
        for one in password
        if not stringprep.in_table_b1(one)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    return (password if any(map(_is_prohibited, normal)) else normal).encode()


def _is_prohibited(character: str) -> bool:
    tables = (
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    return any(table(character) for table in tables)


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()
