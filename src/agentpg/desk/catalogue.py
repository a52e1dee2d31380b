"""Writes the schema pages: what is in the database, from the database itself."""

from __future__ import annotations

from pathlib import Path

from agentpg.db import Database
from agentpg.desk.files import make_folder, replace_file
from agentpg.desk.relations import read_catalogue
from agentpg.desk.schema_pages import MARKER, schema_pages
from agentpg.errors import FileNotOurs, FileNotWritten
from agentpg.language import Translate, untranslated

FOLDER = Path("knowledge-base/schemas")


def write_schema_pages(
    database: Database, folder: Path, translate: Translate = untranslated
) -> list[Path]:
    """Write one page for each table and view, an index and a diagram, into `folder`.

    Gives the files in the order of their names. Pages of what no longer exists are removed;
    files that were not written here are left alone. Raises FileNotOurs before anything is
    written where one is in the way, FileNotWritten, and the errors of the database.
    """
    texts = schema_pages(read_catalogue(database), translate)
    make_folder(folder)
    paths = {folder / name: text for name, text in sorted(texts.items())}
    for path in paths:
        if path.exists() and not _is_ours(path):
            raise FileNotOurs(path=path)
    for path, text in paths.items():
        replace_file(path, text)
    _remove_pages(folder, keep=set(paths))
    return list(paths)


def _remove_pages(folder: Path, keep: set[Path]) -> None:
    for path in folder.iterdir():
        if path.suffix in (".md", ".svg") and path not in keep and _is_ours(path):
            path.unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().strip() == MARKER
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error
