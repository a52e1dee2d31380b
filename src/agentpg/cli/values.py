"""Kinds of values that options take, beside click's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from agentpg.language import N_


class WrongValue(click.BadParameter):
    """What was given, and why it is none of its kind."""

    def __init__(
        self,
        value: object,
        reason: str,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> None:
        super().__init__(reason, ctx, param)
        self.value = value


class DurationType(click.ParamType[timedelta]):
    """A duration as in the settings: 250ms, 30s, 5min, 1h, 7d."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The text as a timedelta."""
        from agentpg.quantities import parse_duration

        try:
            parsed = parse_duration(value)
        except ValueError as error:
            raise WrongValue(value, str(error), param, ctx) from None
        if not isinstance(parsed, timedelta):
            self.fail(str(value), param, ctx)
        return parsed


DURATION = DurationType()


class PathType(click.Path):
    """A path. An empty text is none: it would mean the working folder, and comes of a script's
    variable that is not set."""

    def __init__(
        self, *, exists: bool = False, file_okay: bool = True, dir_okay: bool = True
    ) -> None:
        super().__init__(exists=exists, file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text as a Path."""
        if value == "":
            raise WrongValue(value, N_("it is empty"), param, ctx)
        return super().convert(value, param, ctx)


ANY_PATH = PathType()
FILE_PATH = PathType(dir_okay=False)
FOLDER_PATH = PathType(file_okay=False)
FOLDER_THERE = PathType(exists=True, file_okay=False)


class MomentType(click.ParamType[datetime]):
    """A moment in ISO 8601; without an offset it is this machine's local time."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The text as an aware datetime."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            reason = N_("it must be a moment such as 2026-03-01T09:00 or 2026-03-01T09:00+09:00")
            raise WrongValue(value, reason, param, ctx) from None


MOMENT = MomentType()
