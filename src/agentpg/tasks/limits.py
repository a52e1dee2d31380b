"""Limits and pauses of agents: what may be said, and reading what was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agentpg.db import Connection, Statements, class_row
from agentpg.errors import FieldSealed, InvalidAgent, WrongLimit
from agentpg.language import N_
from agentpg.quantities import format_duration, parse_duration
from agentpg.sealing import Sealer
from agentpg.tasks.encoding import plain_text

_LONGEST_NAME = 100
_MOST = 2**31 - 1

# Each start is remembered for the length of the period.
_LONGEST_PERIOD = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many tasks of an agent may run at a time, and how many may start within a period.

    Without a `task_type` all types of the agent count together. With a `key`, "tenant" or the
    name of a field of the payload, each of its values has a limit of its own. At most
    `concurrency` tasks run at a time; at most `rate` executions start within any time of the
    length `period`, retries included. None is no limit, and one of the two is given. Raises
    WrongLimit for a value out of its range.
    """

    agent_name: str
    task_type: str | None = None
    key: str | None = None
    concurrency: int | None = None
    rate: int | None = None
    period: timedelta | None = None

    def __post_init__(self) -> None:
        _check_name("agent", self.agent_name)
        for what, name in (("type", self.task_type), ("key", self.key)):
            if name is not None:
                _check_name(what, name)
        for what, number in (("concurrency", self.concurrency), ("rate", self.rate)):
            if number is not None:
                _check_number(what, number)
        if self.period is not None:
            _check_period(self.period)
        if (self.rate is None) != (self.period is None):
            raise WrongLimit(
                N_("a rate is a number and a period"), what="rate", value=(self.rate, self.period)
            )
        if self.rate is None and self.concurrency is None:
            raise WrongLimit(
                N_("give it, or a rate, or both"), what="concurrency", value=self.concurrency
            )

    def parameters(self) -> dict[str, Any]:
        """The parameters of the statements `set` and `declare`."""
        return {
            **limit_key(self.agent_name, self.task_type, self.key),
            "concurrency": self.concurrency,
            "rate": self.rate,
            "period_seconds": None if self.period is None else self.period.total_seconds(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredLimit:
    """A limit as the database has it; `declared_by` is "code" or "operator"."""

    agent_name: str
    task_type: str | None
    key: str | None
    concurrency: int | None
    rate: int | None
    period_seconds: float | None
    declared_by: str
    declared_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedAgent:
    """An agent whose tasks nobody claims, since when, by whom and why."""

    agent_name: str
    paused_at: datetime
    paused_by: str
    reason: str | None


def check_sealed(limit: Limit, sealer: Sealer | None) -> None:
    """Raise FieldSealed for a limit that counts by a field of a payload that is sealed."""
    if sealer is None or limit.key in (None, "tenant"):
        return
    if sealer.rules.may_cover(limit.agent_name, limit.task_type, "payload"):
        raise FieldSealed(tasks=limit.agent_name, key=limit.key)


def limit_key(agent_name: str, task_type: str | None, key: str | None) -> Mapping[str, str | None]:
    """What tells one limit from another, as parameters."""
    return {"agent_name": agent_name, "task_type": task_type, "key": key}


def pause_values(agent_name: str, reason: str | None = None) -> dict[str, str | None]:
    """The parameters of the statements `pause` and `resume`. Raises InvalidAgent."""
    if problem := _problem_of_name(agent_name):
        raise InvalidAgent(problem, what="agent", value=repr(agent_name))
    if reason is not None and plain_text(reason) != reason:
        raise InvalidAgent(
            N_("it holds a character that cannot be stored"), what="reason", value=repr(reason)
        )
    return {"agent_name": agent_name, "reason": reason}


def parse_rate(text: str) -> tuple[int, timedelta]:
    """A rate as text, "100/min" or "10/30s", as a number and a period. Raises WrongLimit."""
    number, slash, period = text.partition("/")
    wrong = WrongLimit(N_("write it as 100/min or 10/30s"), what="rate", value=text)
    if not slash or not number.strip().lstrip("-").isdecimal():
        raise wrong
    try:
        length = parse_duration(period if period.strip()[:1].isdigit() else f"1{period.strip()}")
        starts = int(number.strip())
    except ValueError:
        raise wrong from None
    assert isinstance(length, timedelta)  # noqa: S101 - it was a text
    return starts, length


def declared_limits(
    connection: Connection[Any], schema: str, agent_name: str | None = None
) -> list[DeclaredLimit]:
    """All limits, or those of one agent."""
    cursor = connection.cursor(row_factory=class_row(DeclaredLimit))
    cursor.execute(Statements("limits", schema)["list"], {"agent_name": agent_name})
    return cursor.fetchall()


def paused_agents(connection: Connection[Any], schema: str) -> list[PausedAgent]:
    """The agents that are paused, by name."""
    cursor = connection.cursor(row_factory=class_row(PausedAgent))
    return cursor.execute(Statements("limits", schema)["paused"]).fetchall()


def _check_name(what: str, name: object) -> None:
    if problem := _problem_of_name(name):
        raise WrongLimit(problem, what=what, value=repr(name))


def _problem_of_name(name: object) -> str | None:
    """Why a name cannot be one, or None if it can."""
    if not isinstance(name, str) or not name.strip():
        return N_("it is a text, and not empty")
    if len(name) > _LONGEST_NAME or "\x1f" in name or plain_text(name) != name:
        return N_("it has up to 100 characters, no U+0000 and no U+001F")
    return None


def _check_period(period: object) -> None:
    if not isinstance(period, timedelta):
        raise WrongLimit(N_("it is a timedelta"), what="period", value=repr(period))
    if not timedelta() < period <= _LONGEST_PERIOD:
        raise WrongLimit(
            N_("it is more than nothing, and a year or less"),
            what="period",
            value=format_duration(period),
        )


def _check_number(what: str, number: object) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= _MOST:
        raise WrongLimit(
            N_("it is a whole number from 1 to 2147483647"), what=what, value=repr(number)
        )
