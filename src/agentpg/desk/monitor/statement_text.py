"""Others' statements, fit to be shown: in one line, short, and without passwords."""

from __future__ import annotations

import re

from agentpg.desk.redacting import redact
from agentpg.tasks.redaction import without_secrets

# Those that a statement begins with.
_COMMENTS = re.compile(r"\A(?:\s*--[^\n]*(?:\n|\Z))+")


def shown_statement(text: str | None, longest: int = 1000) -> str:
    """A statement in one line of at most so many characters, from its first word on.

    >>> shown_statement("-- What is due.\\nALTER ROLE admin\\n  PASSWORD 's3cret'")
    'ALTER ROLE admin PASSWORD ***'
    """
    # A comment would not end in one line, and what it says of the statement hides it.
    text = _COMMENTS.sub("", text or "")
    # Cut last: half a password would not look like one.
    return without_secrets(" ".join(redact(text).split()), longest=longest)


def shown_line(line: str, longest: int = 1000) -> str:
    """A line of a plan or of a message, with its indent.

    >>> shown_line("  Filter: (password = 's3cret'::text)")
    '  Filter: (password = ***::text)'
    """
    indent = line[: len(line) - len(line.lstrip())]
    return indent + without_secrets(redact(line), longest=longest)
