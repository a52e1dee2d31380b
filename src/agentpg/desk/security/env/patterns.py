"""How a secret looks, and what only looks like one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agentpg.language import N_

# A connection string with a password in it, as a URI or as words.
_URI = re.compile(r"\bpostgres(?:ql)?://[^\s:/@'\"]+:([^\s@'\"]+)@")
_WORDS = re.compile(r"\bpassword\s*=\s*('[^']+'|[^\s'\";,)]+)", re.IGNORECASE)

# A statement that sets one; what begins like a verifier is none.
_STATEMENT = re.compile(
    r"\bPASSWORD\s+(?:E|U&)?'((?!SCRAM-SHA-256\$|md5[0-9a-f]{32}'|\[\^)[^']+)'", re.IGNORECASE
)

_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\bAGE-SECRET-KEY-1[0-9A-Z]{20,}"
    # A token of an account.
    r"|\bapg_[0-9A-Za-z]{49}\b"
)

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
    return any(_held(pattern, text) for pattern in (_URI, _WORDS, _STATEMENT))


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


# Tokens by how their makers let them begin, so that they can be found; see the makers' pages on
# secret scanning.
_TOKENS = (
    (re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})"), N_("a token of GitHub")),
    (re.compile(r"\bglpat-[\w-]{20,}"), N_("a token of GitLab")),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), N_("a key of AWS")),
    (re.compile(r"\bxox[abeprs]-[\w-]{10,}"), N_("a token of Slack")),
    (re.compile(r"\bsk-ant-[\w-]{20,}"), N_("a key of Anthropic")),
    (re.compile(r"\bsk-(?:proj-)?[A-Za-z0-9_]{20,}"), N_("a key of OpenAI")),
    (re.compile(r"\bAIza[\w-]{35}\b"), N_("a key of Google")),
    (re.compile(r"\bpypi-AgEIcHlwaS5vcmc[\w-]{20,}"), N_("a token of PyPI")),
    (re.compile(r"\bnpm_[A-Za-z0-9]{36}\b"), N_("a token of npm")),
    (re.compile(r"\bhv[sb]\.[\w-]{24,}"), N_("a token of Vault")),
)

# `password=` alone is in every program; beside one of these it is a connection string.
_BESIDE = re.compile(r"\b(?:host|hostaddr|dbname|user)\s*=", re.IGNORECASE)

IN_USE = N_("a password that is in use")
_STRING = N_("a connection string with a password")
_SETTING = N_("a statement that sets a password")
_PRIVATE = N_("a private key")

# What has none of these in it has none of the above.
SUSPICIOUS = re.compile(
    rb"postgres(?:ql)?://|password|PRIVATE KEY-----|AGE-SECRET-KEY-1|gh[pousr]_|github_pat_|glpat-"
    rb"|AKIA|ASIA|xox[abeprs]-|\bsk-|AIza|pypi-AgEI|npm_|hv[sb]\.",
    re.IGNORECASE,
)


def kind_of(line: str, known: Iterable[str] = ()) -> str:
    """Of which kind the secret in a line is, as one of our sentences; empty where it has none.

    `known` are passwords in use, which are found wherever they stand.
    """
    if any(secret in line for secret in known):
        return IN_USE
    if _held(_STATEMENT, line):
        return _SETTING
    if _held(_URI, line) or (_BESIDE.search(line) and _held(_WORDS, line)):
        return _STRING
    if has_key(line):
        return _PRIVATE
    return next((kind for pattern, kind in _TOKENS if pattern.search(line)), "")


def _held(pattern: re.Pattern[str], text: str) -> bool:
    return any(not _NO_SECRET.match(found[1].strip("'\"")) for found in pattern.finditer(text))
