"""How a secret looks, and what only looks like one."""

from __future__ import annotations

import re

# A connection string with a password in it, as a URI or as words.
_URI = re.compile(r"\bpostgres(?:ql)?://[^\s:/@'\"]+:([^\s@'\"]+)@")
_WORDS = re.compile(r"\bpassword\s*=\s*('[^']+'|[^\s'\";,)]+)", re.IGNORECASE)

# A statement that sets one; what begins like a verifier is none.
_STATEMENT = re.compile(
    r"\bPASSWORD\s+(?:E|U&)?'((?!SCRAM-SHA-256\$|md5[0-9a-f]{32}'|\[\^)[^']+)'", re.IGNORECASE
)

_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\bAGE-SECRET-KEY-1[0-9A-Z]{20,}")

# What stands in examples, and what another program fills in.
_NO_SECRET = re.compile(
    r"^(?:\*+|x+|\.+|…|<.*>|\{.*\}|\[.*\]|\$.*|%.*|"
    r"(?:your|my|the|some|example|sample|dummy|fake|test)?[-_]?"
    r"(?:password|passwd|secret|pass|pw|pwd|example|changeme|none|null|true|false))$",
    re.IGNORECASE,
)

# Names of variables that hold a secret, or a connection string that may.
SECRET_NAME = re.compile(
    r"PASSW|PGPASS|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL|_DSN$|DATABASE_URL", re.IGNORECASE
)


def has_password(text: str) -> bool:
    """Whether a text holds a password in a connection string or in a statement."""
    for pattern in (_URI, _WORDS, _STATEMENT):
        for found in pattern.finditer(text):
            if not _NO_SECRET.match(found[1].strip("'\"")):
                return True
    return False


def sets_password(text: str) -> bool:
    """Whether a line of a log holds a password that a statement, or a string, sent."""
    return any(
        not _NO_SECRET.match(found[1]) for p in (_STATEMENT, _URI) for found in p.finditer(text)
    )


def has_key(text: str) -> bool:
    """Whether a text holds a secret key."""
    return _KEY.search(text) is not None


def is_secret(name: str, value: str) -> bool:
    """Whether a variable of this name and value holds a secret."""
    if not value or _NO_SECRET.match(value):
        return False
    if name.upper().endswith("_DSN") or name.upper().endswith("DATABASE_URL"):
        return has_password(value)
    return SECRET_NAME.search(name) is not None and not value.startswith("/")
