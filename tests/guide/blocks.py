"""The blocks of the operations guide, as they are printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "operations.ko.md"


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, its text, and the heading above it."""

    language: str
    text: str
    heading: str


def blocks(language: str) -> dict[str, Block]:
    """The blocks of one language, by the heading above each."""
    found = [block for block in _all() if block.language == language]
    named = {block.heading: block for block in found}
    assert len(named) == len(found), "two blocks under one heading"
    return named


def _all() -> list[Block]:
    heading, made = "", []
    for part in re.finditer(
        r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w+)\n(?P<text>.*?)^```$",
        GUIDE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    ):
        if part["heading"]:
            heading = part["heading"]
        else:
            made.append(Block(part["language"], part["text"], heading))
    return made
