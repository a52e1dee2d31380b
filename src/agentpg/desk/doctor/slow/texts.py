"""Statements without their values, which may be anybody's: in one line, and without secrets."""

from __future__ import annotations

import re

from agentpg.desk.monitor.statement_text import shown_statement
from agentpg.desk.redacting import LITERAL

# A comment is as good a place for a value as a literal. What begins first is what it is: a quote
# in a comment begins no literal, and two dashes in a literal no comment. A letter before a quote
# has a meaning only where no name ends with it.
_PARTS = re.compile(
    r"(?is)(?P<comment>/\*.*?(?:\*/|$)|--[^\n]*(?:\n|$))"
    r'|(?P<name>"(?:[^"]|"")*(?:"|$))'
    rf"|(?P<value>(?<![\w$]){LITERAL}|'(?:[^']|'')*(?:'|$)|(?<![\w$.])\d[\w.]*)"
)
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")

# What maintains the database or backs it up takes its time, and is no statement to be tuned.
_MAINTENANCE = re.compile(
    r"\s*(?:VACUUM|ANALYZE|CLUSTER|REINDEX|CHECKPOINT|COPY\b.*\bTO\b|CREATE\s+(?:UNIQUE\s+)?INDEX"
    r"|REFRESH|ALTER\s+TABLE|BASE_BACKUP|START_REPLICATION|autovacuum:)",
    re.IGNORECASE | re.DOTALL,
)


def without_values(text: str | None, longest: int = 1000) -> str:
    """A statement with ? for each value, in one line of at most so many characters.

    >>> without_values("SELECT *\\n FROM t1 -- for Kim\\n WHERE name = 'Kim' AND id IN (1, 2.5)")
    'SELECT * FROM t1 WHERE name = ? AND id IN (?, …)'
    >>> without_values("ALTER ROLE admin PASSWORD 's3cret'")
    'ALTER ROLE admin PASSWORD ?'
    """
    plain = _LIST.sub("(?, …)", _PARTS.sub(_put, text or ""))
    return shown_statement(plain, longest)


def is_maintenance(text: str | None) -> bool:
    """Whether a statement maintains the database or backs it up."""
    return bool(_MAINTENANCE.match(_PARTS.sub(_put, text or "")))


def _put(part: re.Match[str]) -> str:
    if part["name"]:
        return part["name"]
    return " " if part["comment"] else "?"
