"""The parts that the schema of this release has: by kind and name, and what makes them again."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentpg.db import identifier
from agentpg.desk.doctor.slow.own_plans import REQUIRED, definitions
from agentpg.schema.verification import present_schema

_CREATED = re.compile(
    r"^CREATE (?P<unique>UNIQUE )?(?P<kind>TABLE|VIEW|FUNCTION|INDEX|TRIGGER) (?P<name>\w+)",
    re.MULTILINE,
)
_TRIGGER = re.compile(
    r"^(CREATE TRIGGER (\w+) .*?) ON (\w+)\s+(.*?) EXECUTE FUNCTION (\w+)\(\);",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the schema; `table` is a trigger's, `unique` an index that lets nothing be there
    twice, `again` the SQL that makes it, empty where only the release has that."""

    kind: str
    name: str
    table: str
    unique: bool
    again: str


def expected_parts(schema: str) -> tuple[Part, ...]:
    """All of them, but for the indexes whose absence their statements tell of."""
    told = {name for required in REQUIRED for name in required.indexes}
    # A trigger's function may have its name, and is made by the release alone.
    again = {"index": definitions(schema), "trigger": _triggers(schema)}
    tables = {name: table for _, name, table, _, _ in _TRIGGER.findall(present_schema())}
    found = (
        Part(
            kind=one["kind"].lower(),
            name=one["name"],
            table=tables.get(one["name"], "") if one["kind"] == "TRIGGER" else "",
            unique=bool(one["unique"]),
            again=again.get(one["kind"].lower(), {}).get(one["name"], ""),
        )
        for one in _CREATED.finditer(present_schema())
    )
    return tuple(part for part in found if part.name not in told)


def _triggers(schema: str) -> dict[str, str]:
    """How each trigger is made; its table and its function are of the schema."""
    return {
        name: " ".join(
            f"{event} ON {identifier(schema, table)} {how}"
            f" EXECUTE FUNCTION {identifier(schema, function)}()".split()
        )
        for event, name, table, how, function in _TRIGGER.findall(present_schema())
    }
