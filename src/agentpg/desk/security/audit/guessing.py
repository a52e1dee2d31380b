"""Whether a password could be guessed: a few that everybody tries first, against what is stored.

Nothing but the names of the roles leaves this module.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from datetime import timedelta

from agentpg.desk.security.audit.facts import Passwords, Stored

# By lists of the most used ones, and by what examples and images of PostgreSQL come with.
_FIRST = (
    "postgres",
    "password",
    "admin",
    "123456",
    "secret",
    "changeme",
    "agentic_ai",
    "agentpg",
    "secure_password",
    "test",
)

# Each guess at a SCRAM verifier takes a millisecond; the mightiest roles come first.
_LONGEST = timedelta(seconds=1)

# A verifier that asks for more would take the time of all others.
_MOST_ROUNDS = 20_000

_SCRAM = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)", re.ASCII)


def judge(verifiers: Sequence[tuple[str, str]]) -> Passwords:
    """How the passwords of these roles are stored, and whose are guessed."""
    end = time.monotonic() + _LONGEST.total_seconds()
    guessed, tried = [], 0
    for role, verifier in verifiers:
        if not verifier:
            continue
        if time.monotonic() > end:
            break
        tried += 1
        if any(_fits(guess, role, verifier) for guess in (role, f"{role}123", *_FIRST)):
            guessed.append(role)
    stored = [_stored(role, verifier) for role, verifier in verifiers]
    return Passwords(stored=stored, guessed=guessed, tried=tried)


def _stored(role: str, verifier: str) -> Stored:
    scram = _SCRAM.fullmatch(verifier)
    if scram:
        return Stored(role=role, kind="scram-sha-256", rounds=int(scram[1]))
    if not verifier:
        return Stored(role=role, kind="none")
    return Stored(role=role, kind="md5" if verifier.startswith("md5") else "unknown")


def _fits(guess: str, role: str, verifier: str) -> bool:
    scram = _SCRAM.fullmatch(verifier)
    if scram is None:
        # MD5 is how such a verifier is made, whatever else is to be said against it.
        made = hashlib.md5((guess + role).encode(), usedforsecurity=False).hexdigest()
        return hmac.compare_digest(f"md5{made}", verifier)
    rounds = int(scram[1])
    if not 0 < rounds <= _MOST_ROUNDS:
        return False
    try:
        salt, stored = base64.b64decode(scram[2]), base64.b64decode(scram[3])
    except binascii.Error:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", guess.encode(), salt, rounds)
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return hmac.compare_digest(key, stored)
