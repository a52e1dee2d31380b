"""Kinds of values that options take, beside click's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from agentpg.language import N_

EMPTY = N_("it is empty")
_NOT_POSITIVE = N_("it must be greater than 0")


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


class GivenType(click.ParamType[str]):
    """A text. An empty one is none: it comes of a script's variable that is not set, and would
    mean what nobody has said, such as all rows or another moment."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        text = str(value)
        if not text.strip():
            raise WrongValue(value, EMPTY, param, ctx)
        # What is no UTF-8 on the command line comes as halves of surrogate pairs.
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise WrongValue(value, N_("it is not text in UTF-8"), param, ctx)
        return text


GIVEN = GivenType()


class PositionType(click.ParamType[str]):
    """A position in the WAL."""

    name = "position"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        from agentpg.desk.backup.recovery.targets import is_lsn

        if not is_lsn(value):
            reason = N_("it must be a position in the WAL such as 0/1A2B3C8")
            raise WrongValue(value, reason, param, ctx)
        return str(value)


POSITION = PositionType()


class MovedType(click.ParamType[tuple[str, Path]]):
    """An old folder and its new place, OLD=NEW."""

    name = "folders"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """The old folder as it was written, and the new one."""
        if isinstance(value, tuple):
            return value
        old, _, new = value.partition("=")
        if not old or not new:
            reason = N_("it must be the old folder and the new one as OLD=NEW")
            raise WrongValue(value, reason, param, ctx)
        return old, Path(new).absolute()


MOVED = MovedType()


class SizeType(click.ParamType[int]):
    """A size as in the settings: 512kiB, 64MiB, 1GiB, or bytes.

    What is smaller than `least` is refused, with this reason.
    """

    name = "size"

    def __init__(self, least: int = 1, reason: str = _NOT_POSITIVE) -> None:
        self._least = least
        self._reason = reason

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The text as bytes."""
        from agentpg.quantities import parse_size

        try:
            parsed = parse_size(value)
        except ValueError as error:
            raise WrongValue(value, str(error), param, ctx) from None
        if not isinstance(parsed, int) or parsed < self._least:
            raise WrongValue(value, self._reason, param, ctx)
        return parsed


SIZE = SizeType()


_NO_ACCOUNT = N_("there is no account whose home it could be in")


class PathType(click.Path):
    """A path. An empty text is none, as of `GivenType`: it would mean the working folder."""

    def __init__(
        self, *, exists: bool = False, file_okay: bool = True, dir_okay: bool = True
    ) -> None:
        super().__init__(exists=exists, file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text as a Path."""
        if value == "":
            raise WrongValue(value, EMPTY, param, ctx)
        path = super().convert(value, param, ctx)
        try:
            Path(str(path)).expanduser()
        except RuntimeError:
            raise WrongValue(value, _NO_ACCOUNT, param, ctx) from None
        return path


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
