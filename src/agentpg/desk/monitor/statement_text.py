"""Others' statements, fit to be shown: in one line, short, and without passwords."""

from __future__ import annotations

from agentpg.desk.redacting import redact
from agentpg.tasks.redaction import without_secrets


def shown_statement(text: str | None, longest: int = 1000) -> str:
    """A statement in one line of at most so many characters.

    >>> shown_statement("ALTER ROLE admin\\n  PASSWORD 's3cret'")
    'ALTER ROLE admin PASSWORD ***'
    """
    # Cut last: half a password would not look like one.
    return without_secrets(" ".join(redact(text or "").split()), longest=longest)
