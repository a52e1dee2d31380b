"""Who may do what, as it is and as it should be: pure, for tables and JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agentpg.desk.security.roles.facts import Grant, Present
from agentpg.desk.security.roles.names import GROUPS, Part
from agentpg.desk.security.roles.wishing import wish

State = Literal["held", "missing", "too much"]
_ORDER = ("database", "schema", "table", "sequence", "function", "server function")


@dataclass(frozen=True, slots=True)
class May:
    """One privilege of a part on a thing; `columns` are all it holds for, () for the whole."""

    part: Part
    kind: str
    thing: str
    privilege: str
    columns: tuple[str, ...]
    state: State


def rights_of(present: Present) -> tuple[May, ...]:
    """Every privilege that a group has or should have, by thing and part."""
    return tuple(_rights(present))


def _rights(present: Present) -> Iterator[May]:
    wished = wish(present).grants
    parts = {present.names.group(part): part for part in GROUPS}
    columns: dict[tuple[str, str, Part, str, State], list[str]] = defaultdict(list)
    for one in sorted({*wished, *present.grants}, key=lambda one: _key(one, present)):
        part = parts.get(one.role)
        if part is None:
            continue
        state: State = "held" if one in present.grants else "missing"
        if one not in wished:
            state = "too much"
        columns[one.kind, _thing(one), part, one.privilege, state] += (
            [one.column] if one.column else []
        )
    for (kind, thing, part, privilege, state), named in columns.items():
        yield May(part, kind, thing, privilege, tuple(named), state)


def _key(one: Grant, present: Present) -> tuple[object, ...]:
    names = [relation.name for relation in present.relations]
    place = names.index(one.object) if one.object in names else -1
    return _ORDER.index(one.kind), place, one.object, one.role, one.privilege, one.column


def _thing(one: Grant) -> str:
    return f"{one.object}()" if one.kind.endswith("function") else one.object
