"""What is sealed: rules as AGENT[/TYPE][:COLUMNS], * for all agents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from agentpg.settings import SEALED_COLUMNS


@dataclass(frozen=True, slots=True)
class SealRule:
    """The columns of the tasks of one agent, or of one type of it, that are sealed.

    `error` is the message of a failed attempt and of a failed call; `log` the log lines and the
    text of the progress that are kept with a task.
    """

    agent_name: str
    task_type: str | None
    columns: frozenset[str]

    def fits(self, agent_name: str | None, task_type: str | None) -> bool:
        """Whether it is about such tasks."""
        return self.agent_name in ("*", agent_name) and self.task_type in (None, task_type)


@dataclass(frozen=True, slots=True)
class SealRules:
    """All rules together; with none, nothing is sealed."""

    rules: tuple[SealRule, ...] = ()

    def covers(self, agent_name: str | None, task_type: str | None, column: str) -> bool:
        """Whether that column of such tasks is sealed."""
        return any(column in r.columns and r.fits(agent_name, task_type) for r in self.rules)

    def may_cover(self, agent_name: str, task_type: str | None, column: str) -> bool:
        """Whether it is for some tasks of the agent; of that type, where one is given."""
        return any(
            column in rule.columns
            and rule.agent_name in ("*", agent_name)
            and (task_type is None or rule.task_type in (None, task_type))
            for rule in self.rules
        )


@cache
def read_rules(text: str) -> SealRules:
    """The rules in the value of a setting, which was checked as it was read."""
    return SealRules(tuple(map(_rule, text.split())))


def _rule(word: str) -> SealRule:
    who, colon, columns = word.partition(":")
    agent, _, task_type = who.partition("/")
    chosen = frozenset(columns.split(",")) if colon else frozenset(SEALED_COLUMNS)
    return SealRule(agent, task_type or None, chosen)
