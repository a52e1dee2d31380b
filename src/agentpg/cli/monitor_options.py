"""What verbs of `agentpg monitor` share."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from agentpg.cli.values import DURATION, FILE_PATH

sql_option = click.option(
    "--sql", "as_sql", is_flag=True, help="Print the operations guide's SQL for it instead."
)

_LIKE_A_DURATION = re.compile(r"\s*\d+(?:\.\d+)?\s*[A-Za-z]+\s*")


class SinceType(click.ParamType[timedelta | Path]):
    """A time ago as in the settings, such as 1d, or else the name of a file."""

    name = "since"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | Path:
        """The text as a timedelta or a Path."""
        if _is_file(value) or not _LIKE_A_DURATION.fullmatch(str(value)):
            path: Path = FILE_PATH.convert(value, param, ctx)
            return path
        return DURATION.convert(value, param, ctx)


def _is_file(value: Any) -> bool:
    """Whether a file is meant; a text that is too long for a name is none."""
    try:
        return isinstance(value, Path) or (isinstance(value, str) and Path(value).is_file())
    except OSError:
        return False


SINCE = SinceType()
