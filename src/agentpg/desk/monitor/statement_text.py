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


def shown_line(line: str, longest: int = 1000) -> str:
    """A line of a plan or of a message, with its indent.

    >>> shown_line("  Filter: (password = 's3cret'::text)")
    '  Filter: (password = ***::text)'
    """
    indent = line[: len(line) - len(line.lstrip())]
    return indent + without_secrets(redact(line), longest=longest)
