"""Markdown that shows any text as it is: tables, code and plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# An underscore within a word is no markup.
_SPECIAL = re.compile(r"([\\`*\[\]<>|#~]|(?<!\w)_|_(?!\w))")


def text(value: str) -> str:
    """Words in which nothing is markup, on one line.

    >>> text("a|b <c>")
    'a\\\\|b \\\\<c\\\\>'
    """
    return _SPECIAL.sub(r"\\\1", _one_line(value))


def code(value: str) -> str:
    """Code within a line, also within a table."""
    line = _one_line(value).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    gap = " " if longest else ""
    return f"{fence}{gap}{line}{gap}{fence}"


def block(value: str, language: str = "") -> str:
    """Code of its own lines."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", value)), 3)
    return f"{fence}{language}\n{_harmless(value.strip())}\n{fence}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """A table; titles and cells are Markdown already. `right` aligns those columns."""
    aligned = set(right)
    rule = ["---:" if number in aligned else "---" for number in range(len(titles))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, rule, *rows))


def _one_line(value: str) -> str:
    return _harmless(" ".join(value.split()))


def _harmless(value: str) -> str:
    """The text with what could steer the reader's terminal written out."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in value)
