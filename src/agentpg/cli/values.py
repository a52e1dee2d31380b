"""Kinds of values that options take, beside click's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click


class DurationType(click.ParamType[timedelta]):
    """A duration as in the settings: 250ms, 30s, 5min, 1h, 7d."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The text as a timedelta."""
        from agentpg.settings import parse_duration

        try:
            parsed = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not isinstance(parsed, timedelta):
            self.fail(str(value), param, ctx)
        return parsed


DURATION = DurationType()
