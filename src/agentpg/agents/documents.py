"""Documents on disk: finding them, reading them, cutting long ones into parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agentpg.errors import DocumentUnusable
from agentpg.language import N_

# What counts as a document when a folder is read.
SUFFIXES = (".md", ".markdown", ".rst", ".txt")

# The longest text that goes to a model in one call; about 3,000 tokens of English.
PART_CHARACTERS = 12_000

_LARGEST_BYTES = 20 * 1024**2

# Where a text may be cut, best first: before a heading, after a paragraph, a line, a sentence.
_SEAMS = (
    re.compile(r"^(?=#{1,6} )", re.MULTILINE),
    re.compile(r"(?<=\n\n)(?=\S)"),
    re.compile(r"(?<=\n)"),
    re.compile(r"(?<=[.!?。] )"),
)

_TITLE = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read; `path` is relative to its folder."""

    path: str
    title: str
    text: str


def folder_within(said: str | None, roots: list[Path]) -> Path:
    """The folder that is meant: the first root by default, or one within any of the roots.

    Raises DocumentUnusable for one that is not there, and for one outside: who may submit a
    task may not thereby read whatever the worker can.
    """
    folder = _resolved(roots[0] / Path(said or "").expanduser())
    if not any(folder.is_relative_to(_resolved(root)) for root in roots):
        raise DocumentUnusable(N_("it is outside the folders of documents"), path=folder)
    try:
        if folder.is_dir():
            return folder
    except OSError as error:
        raise DocumentUnusable(error.strerror or str(error), path=folder) from None
    raise DocumentUnusable(N_("there is no such folder"), path=folder)


def find_documents(folder: Path) -> list[str]:
    """The documents of a folder and those below it, in order.

    Hidden ones are left out, and those whose names are not text.
    """
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix in SUFFIXES)
    shown = (path for path in found if not any(part.startswith(".") for part in path.parts))
    inside = (path.as_posix() for path in shown if _is_inside(folder, folder / path))
    return sorted(path for path in inside if path.isprintable())


def read_document(folder: Path, path: str) -> Document:
    """Read one document of a folder. Raises DocumentUnusable."""
    place = folder / path
    if not _is_inside(folder, place, must_exist=False):
        raise DocumentUnusable(N_("it is outside the folders of documents"), path=path)
    if place.suffix not in SUFFIXES:
        raise DocumentUnusable(N_("it is no Markdown or text file"), path=path)
    try:
        if place.stat().st_size > _LARGEST_BYTES:
            raise DocumentUnusable(N_("it is larger than 20 MiB"), path=path)
        text = place.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentUnusable(N_("it is not text in UTF-8"), path=path) from None
    except OSError as error:
        raise DocumentUnusable(error.strerror or str(error), path=path) from None
    if "\x00" in text:
        raise DocumentUnusable(N_("it is not text in UTF-8"), path=path)
    text = text.replace("\r\n", "\n")
    return Document(path=path, title=_title(text) or place.stem, text=text)


def split(text: str, budget: int = PART_CHARACTERS) -> list[str]:
    """The text in parts of at most `budget` characters, cut at its best seams."""
    parts: list[str] = []
    for piece in _pieces(text, budget, 0):
        if parts and len(parts[-1]) + len(piece) <= budget:
            parts[-1] += piece
        else:
            parts.append(piece)
    return parts


def _pieces(text: str, budget: int, seam: int) -> list[str]:
    if len(text) <= budget:
        return [text] if text else []
    if seam == len(_SEAMS):
        return [text[start : start + budget] for start in range(0, len(text), budget)]
    return [p for part in _SEAMS[seam].split(text) for p in _pieces(part, budget, seam + 1)]


def _title(text: str) -> str:
    found = _TITLE.search(text)
    return found[1] if found else ""


def _is_inside(folder: Path, path: Path, *, must_exist: bool = True) -> bool:
    """Whether a path stays in its folder when all links are followed."""
    inside = _resolved(path).is_relative_to(_resolved(folder))
    return inside and (not must_exist or path.is_file())


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise DocumentUnusable(str(error), path=path) from None
