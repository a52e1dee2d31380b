"""What built-in agents find around them: their own database, their folder, their language."""

from __future__ import annotations

from pathlib import Path

from agentpg.db import Database, database_of
from agentpg.language import choose_language
from agentpg.settings import locale_variables
from agentpg.tasks.handlers import Permanent
from agentpg.tasks.run import Run


def own_database(run: Run, variable: str, dsn: str) -> Database:
    """The database as the agent's own role. Raises Permanent where no DSN is set."""
    if not dsn:
        raise Permanent(f"{variable} is not set for this worker")
    return database_of(dsn, run.settings)


def folder_of(run: Run, said: object, default: Path) -> Path:
    """The folder below `home` that the payload says, or the default.

    Raises Permanent for anything else: who may submit a task may not thereby write anywhere.
    """
    if said is not None and (not isinstance(said, str) or not said or "\0" in said):
        raise Permanent(f"folder is the name of a folder, not {said!r}")
    home = run.settings.home.expanduser().resolve()
    folder = (home / (said or default)).resolve()
    if not folder.is_relative_to(home):
        raise Permanent(f"the folder {folder} is not below {home}")
    return folder


def language_of(run: Run) -> str:
    """The language in which the worker's settings want texts."""
    return choose_language(run.settings.lang, locale_variables())


def require_minutes(minutes: object, most: int) -> None:
    """Raises Permanent for what is no whole number of minutes from 1 to `most`."""
    whole = isinstance(minutes, int) and not isinstance(minutes, bool)
    if not whole or minutes not in range(1, most + 1):
        raise Permanent(f"minutes is a whole number from 1 to {most}, not {minutes!r}")
