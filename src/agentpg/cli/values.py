"""Kinds of values that options take, beside click's own."""

from __future__ import annotations

from datetime import datetime, timedelta
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
