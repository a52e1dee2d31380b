"""Others' statements, fit to be shown: in one line, short, and without passwords."""

from __future__ import annotations

import re

from agentpg.tasks.redaction import without_secrets

# ALTER ROLE … PASSWORD '…'. The end may be missing: the server cuts a long statement.
_PASSWORD = re.compile(
    r"(?i)(\bpassword\s+)(?:e?'(?:[^']|'')*(?:'|$)|(\$\w*\$).*?(?:\2|$))", re.DOTALL
)


def shown_statement(text: str | None, longest: int = 1000) -> str:
    """A statement in one line of at most so many characters.

    >>> shown_statement("ALTER ROLE admin\\n  PASSWORD 's3cret'")
    'ALTER ROLE admin PASSWORD ***'
    """
    hidden = _PASSWORD.sub(r"\1***", text or "")
    # Cut last: half a password would not look like one.
    return without_secrets(" ".join(hidden.split()), longest=longest)
