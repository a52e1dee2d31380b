"""A setting that should be another, with its reason and the statement that sets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agentpg.db import identifier, literal
from agentpg.desk.doctor.settings.facts import Facts, Setting
from agentpg.desk.doctor.settings.units import in_bytes, shown
from agentpg.desk.finding import Level
from agentpg.language import N_, Translate, untranslated

Topic = Literal["durability", "planner", "upkeep", "memory", "writing", "disk", "roles", "counting"]

# What wins over the file that ALTER SYSTEM writes.
_PINNED: Mapping[str, str] = {
    "command line": N_(
        "it is given on the server's command line, such as -c in its unit or container"
    ),
    "environment variable": N_("it is given by a variable of the server's environment"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A setting that should be another: for the server, or for the sessions of a `role`.

    `now` and `proposed` are as people write them. `why` is a template with its `values`,
    `source` says where the rule is from. What is `asked` is only applied where it is named: it
    may end what somebody does. `pinned` says why ALTER SYSTEM does not change it; empty where it
    does.
    """

    name: str
    now: str
    proposed: str
    topic: Topic
    why: str
    source: str
    values: Mapping[str, Any] = field(default_factory=dict)
    level: Level = "info"
    restart: bool = False
    asked: bool = False
    role: str = ""
    parts: tuple[str, ...] = ()
    pinned: str = ""

    @property
    def label(self) -> str:
        """How it is named on the command line: the setting, for a role setting@role."""
        return f"{self.name}@{self.role}" if self.role else self.name

    @property
    def value_sql(self) -> str:
        """The value as SQL has it; a list is written as its parts."""
        return ", ".join(literal(part).strip() for part in self.parts or (self.proposed,))

    @property
    def sql(self) -> str:
        """The statement that sets it."""
        if self.role:
            return f"ALTER ROLE {identifier(self.role)} SET {self.name} = {self.value_sql}"
        return f"ALTER SYSTEM SET {self.name} = {self.value_sql}"

    def reason(self, translate: Translate = untranslated) -> str:
        """Why, with its numbers."""
        return translate(self.why).format_map(self.values)


def proposal_of(
    one: Setting, proposed: str, topic: Topic, why: str, source: str, **more: Any
) -> Proposal:
    """A proposal about a setting of the server."""
    return Proposal(
        name=one.name,
        now=shown(one.value, one.unit),
        proposed=proposed,
        topic=topic,
        why=why,
        source=source,
        restart=one.needs_restart,
        pinned=pinned_by(one),
        **more,
    )


def pinned_by(one: Setting) -> str:
    """Why ALTER SYSTEM does not change this setting; empty where it does."""
    return _PINNED.get(one.source, "")


def taken_by(facts: Facts, name: str) -> tuple[Setting, int] | None:
    """A setting that is a size, with its bytes."""
    one = facts.setting(name)
    taken = None if one is None else in_bytes(one.value, one.unit)
    return None if one is None or taken is None else (one, taken)


def count_of(facts: Facts, name: str) -> int | None:
    """A setting that is a whole number."""
    one = facts.setting(name)
    return int(one.value) if one is not None and one.value.isdigit() else None


def is_server_wide(one: Setting) -> bool:
    """Whether the value is the server's, and not one of the role or database that asked."""
    # What a session has set for itself is ours: `value` is what it had before.
    return one.source not in ("user", "database", "database user", "client")
