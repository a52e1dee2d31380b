"""Text in lines of a given width, where a Korean letter takes two columns."""

from __future__ import annotations

from rich.cells import cell_len, chop_cells


def cell_width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return cell_len(text)


def cut(text: str, width: int) -> str:
    """As much of `text` as takes at most so many columns."""
    return chop_cells(text, max(width, 1))[0] if text else ""


def wrap(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """The lines of `text`, broken at spaces; `first` and `rest` begin the lines.

    A word that is longer than a line is broken where the line ends.
    """
    lines: list[str] = []
    start, current = first, ""
    for word in _words(text, max(width - max(cell_len(first), cell_len(rest)), 10)):
        joined = f"{current} {word}" if current else word
        if current and cell_len(start + joined) > width:
            lines.append(start + current)
            start, joined = rest, word
        current = joined
    return [*lines, start + current] if current else lines


def _words(text: str, room: int) -> list[str]:
    return [part for word in text.split() for part in chop_cells(word, room)]
