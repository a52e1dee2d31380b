"""Texts of foreign errors, fit to be stored: short, and without secrets."""

from __future__ import annotations

import asyncio
import re

from agentpg.settings import hide_password
from agentpg.tasks.encoding import plain_text

# A provider's error can quote the prompt; its first words are enough to know it by.
_LONGEST = 500

_SECRETS = (
    # Keys as the providers make them: sk-…, gsk_…, xai-…, also when partly masked.
    (re.compile(r"\b(sk|gsk|xai|gh[opsu]|github_pat)([-_])[\w*-]{6,}", re.ASCII), r"\1\2***"),
    # The same with beginnings that names have too, such as pk_customers: a key has a digit.
    (
        re.compile(r"\b(pk|rk|hf|key|xox[a-z])([-_])(?=[a-zA-Z*_-]*\d)[\w*-]{12,}", re.ASCII),
        r"\1\2***",
    ),
    # Tokens that are three parts of base64, and the name of an AWS key.
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?", re.ASCII), "***"),
    (re.compile(r"\bA(?:KI|SI)A[0-9A-Z]{16}\b", re.ASCII), "***"),
    # What a name in quotes calls a password, as in JSON and in a dict of Python.
    (
        re.compile(
            r"""(["']\w{0,40}passw\w{0,30}["']\s*:\s*)(?:"[^"]*"|'[^']*'|[^\s,}]+)""", re.IGNORECASE
        ),
        r"\1***",
    ),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s'\",]+", re.IGNORECASE), r"\1 ***"),
    (
        re.compile(
            r"((?:x-)?api[-_ ]?key|authorization|secret(?:[-_]\w{1,40})?"
            r"|(?:access|refresh|auth|api|id|session|bearer)[-_]?token)"
            r"(['\"]?\s*[:=]\s*['\"]?)(?!Bearer|Basic)[^\s'\",&}]+",
            re.IGNORECASE,
        ),
        r"\1\2***",
    ),
)


def error_text(error: BaseException, *secrets: str) -> str:
    """What went wrong, in at most 500 characters and without the given or known secrets."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    said = without_secrets(str(error), *secrets)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def without_secrets(text: str, *secrets: str, longest: int = _LONGEST) -> str:
    """The text with keys, tokens and passwords as ***, cut to `longest` characters (500).

    >>> without_secrets("Incorrect API key provided: sk-proj-abcdefghijkl")
    'Incorrect API key provided: sk-***'
    """
    # An error may quote a whole file; what is cut away in the end need not be searched.
    text = text[: 2 * longest + 1000]
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = hide_password(text)
    for pattern, hidden in _SECRETS:
        text = pattern.sub(hidden, text)
    text = plain_text(text).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"
