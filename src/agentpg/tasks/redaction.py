"""Texts of foreign errors, fit to be stored: short, and without secrets."""

from __future__ import annotations

import asyncio

from agentpg.redaction import HIDDEN, SECRETS_ALONE, Redaction
from agentpg.tasks.encoding import plain_text

# A provider's error can quote the prompt; its first words are enough to know it by.
_LONGEST = 500


def error_text(error: BaseException, *secrets: str, redaction: Redaction = SECRETS_ALONE) -> str:
    """What went wrong, in at most 500 characters and without the given or known secrets."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    said = without_secrets(str(error), *secrets, redaction=redaction)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def without_secrets(
    text: str, *secrets: str, longest: int = _LONGEST, redaction: Redaction = SECRETS_ALONE
) -> str:
    """The text with keys, tokens and passwords as ***, and what `redaction` names, cut to
    `longest` characters (500).

    >>> without_secrets("Incorrect API key provided: sk-proj-abcdefghijkl")
    'Incorrect API key provided: sk-***'
    """
    # An error may quote a whole file; what is cut away in the end need not be searched.
    text = text[: 2 * longest + 1000]
    for secret in filter(None, secrets):
        text = text.replace(secret, HIDDEN)
    text = plain_text(redaction.hide(text)).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"
