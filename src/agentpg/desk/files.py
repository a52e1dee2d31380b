"""Writing files that are there as a whole or not at all."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from agentpg.errors import FileNotWritten
from agentpg.language import N_

_NO_FILE = N_("something else than a file has this name")


def replace_file(path: Path, text: str) -> None:
    """Write `text` to `path`; a reader sees the former text or this, never a part.

    Where `path` is a link, what it leads to is replaced. Raises FileNotWritten, also for what is
    there and is no file, such as a device.
    """
    with _said(path):
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise FileNotWritten(_NO_FILE, path=path)
        with _beside(target, text) as whole:
            whole.replace(target)


def create_files(folder: Path, stem: str, texts: Mapping[str, str]) -> list[Path]:
    """Write new files `stem` + suffix, one for each suffix in `texts`; none is overwritten.

    Where one of the names is taken, all get the next free stem: stem-2, stem-3, ….
    The folder is made where it is missing. Raises FileNotWritten.
    """
    make_folder(folder)
    for number in itertools.count(1):
        tried = stem if number == 1 else f"{stem}-{number}"
        paths = {suffix: folder / f"{tried}{suffix}" for suffix in texts}
        if not any(path.exists() for path in paths.values()) and _create_all(paths, texts):
            return list(paths.values())
    raise AssertionError("the numbers never end")


def make_folder(folder: Path) -> None:
    """Make the folder and those above it. Raises FileNotWritten."""
    with _said(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _create_all(paths: Mapping[str, Path], texts: Mapping[str, str]) -> bool:
    made: list[Path] = []
    for suffix, path in paths.items():
        with _said(path), _beside(path, texts[suffix]) as whole:
            try:
                # Unlike a rename, a link never replaces what another process just wrote.
                os.link(whole, path)
            except FileExistsError:
                for other in made:
                    other.unlink()
                return False
        made.append(path)
    return True


@contextmanager
def _beside(path: Path, text: str) -> Iterator[Path]:
    """The text, whole and on disk, under a passing name in the same folder."""
    passing = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with passing.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield passing
    finally:
        with suppress(FileNotFoundError):
            passing.unlink()


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error
