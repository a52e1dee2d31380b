"""The form of a sealed value: `1t:KEY:BASE64`, as {"$sealed": "…"} in a column of JSON and as
`$sealed:…` in one of text.

`1` is the form, `t` that it belongs to one task (`s`: to a schedule, whose tasks have copies of
it), KEY the name of the key. The bytes are a nonce of 12, what AES-256-GCM made of the text in
UTF-8, and its tag of 16. Each place, a column of one task, has a key of its own, derived by HKDF
(SHA-256) from the named one: so the number of values that one named key may seal has no limit
that could be met, and what was sealed for one place opens in no other. The place is the
associated data as well.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentpg.errors import SealBroken, SealingKeyMissing
from agentpg.sealing.keys import Keyring, SealingKey

MARK = "$sealed"

_JSON_START = f'{{"{MARK}": "1'
_TEXT_START = f"{MARK}:1"
_TOKEN = re.compile(r"1([ts]):([a-z0-9][a-z0-9._-]{0,39}):([A-Za-z0-9_-]+={0,2})", re.ASCII)
_NONCE = 12
_TAG = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value belongs: the column of a task, or the payload of an agent's schedules."""

    kind: str
    column: str
    of: bytes

    @classmethod
    def in_task(cls, column: str, task_id: UUID) -> Place:
        """A column of one task."""
        return cls("t", column, task_id.bytes)

    @classmethod
    def in_schedule(cls, agent_name: str, task_type: str) -> Place:
        """The payload of the schedules of an agent's type, and of all their tasks."""
        return cls("s", "payload", f"{agent_name}\x1f{task_type}".encode())

    def name(self) -> bytes:
        """It in bytes, no two the same."""
        return b"\x00".join(
            (b"agentpg sealed 1", self.kind.encode(), self.column.encode(), self.of)
        )


def is_sealed_json(text: str) -> bool:
    """Whether the text of a JSON column, as PostgreSQL writes it, is a sealed value."""
    return text.startswith(_JSON_START)


def is_sealed_text(text: str) -> bool:
    """Whether the text of a text column is a sealed value."""
    return text.startswith(_TEXT_START)


def token_in(value: Any) -> str | None:
    """The token of a JSON value that is sealed; None for any other."""
    if type(value) is dict and len(value) == 1:
        token = value.get(MARK)
        if isinstance(token, str) and token.startswith("1"):
            return token
    return None


def key_of_token(token: str) -> str:
    """The name of the key that a token was sealed with; empty where it is no token."""
    found = _TOKEN.fullmatch(token)
    return found[2] if found else ""


def kind_of_token(token: str) -> str:
    """`t` or `s`; empty where it is no token."""
    found = _TOKEN.fullmatch(token)
    return found[1] if found else ""


def seal_text(key: SealingKey, place: Place, text: str) -> str:
    """The token for a text at a place."""
    nonce = os.urandom(_NONCE)
    sealed = _cipher(key, place).encrypt(nonce, text.encode(), place.name())
    return f"1{place.kind}:{key.name}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def open_token(keys: Keyring, place: Place, token: str) -> str:
    """The text that a token was made of.

    Raises SealingKeyMissing where its key is not here, and SealBroken where it is no token, was
    changed, or belongs to another place.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - only who seals pays for it

    found = _TOKEN.fullmatch(token)
    if found is None or found[1] != place.kind:
        raise SealBroken(column=place.column)
    key = keys.get(found[2])
    if key is None:
        raise SealingKeyMissing(key=found[2])
    try:
        sealed = base64.b64decode(found[3].encode(), altchars=b"-_", validate=True)
        if len(sealed) < _NONCE + _TAG:
            raise SealBroken(column=place.column)
        cipher = _cipher(key, place)
        opened: bytes = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place.name())
        return opened.decode()
    except (InvalidTag, binascii.Error, UnicodeDecodeError):
        raise SealBroken(column=place.column) from None


def _cipher(key: SealingKey, place: Place) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand  # noqa: PLC0415

    # The named key is 32 random bytes, so that HKDF has nothing to extract.
    return AESGCM(HKDFExpand(SHA256(), 32, place.name()).derive(key.secret))
