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
    (re.compile(r"\b(sk|pk|rk|gsk|xai|ghp|hf|key)([-_])[\w*-]{6,}", re.ASCII), r"\1\2***"),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s'\",]+", re.IGNORECASE), r"\1 ***"),
    (
        re.compile(
            r"((?:x-)?api[-_ ]?key|authorization|access[-_]?token|secret)"
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


def without_secrets(text: str, *secrets: str) -> str:
    """The text, cut to 500 characters, with keys, tokens and passwords as ***.

    >>> without_secrets("Incorrect API key provided: sk-proj-abcdefghijkl")
    'Incorrect API key provided: sk-***'
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = hide_password(text)
    for pattern, hidden in _SECRETS:
        text = pattern.sub(hidden, text)
    text = plain_text(text).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
