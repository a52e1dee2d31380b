"""What the planner makes of a statement, with its real parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL, Composed
from uuid_utils.compat import uuid7

from agentpg.db import Connection

# Who runs what is running in the installations of these tests.
WORKER = uuid7()


@dataclass(frozen=True, slots=True)
class Plan:
    """The nodes of one plan."""

    nodes: tuple[Mapping[str, Any], ...]

    def indexes(self) -> set[str]:
        """The indexes that are read."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    def bounds(self, index: str) -> str:
        """What every scan of an index is bounded by; empty if one of them is not."""
        scans = [node for node in self.nodes if node.get("Index Name") == index]
        bounds = [node.get("Index Cond", "") for node in scans]
        return " ".join(bounds) if all(bounds) else ""

    def scanned(self) -> set[str]:
        """The tables that are read from end to end."""
        return {node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"}

    def part(self, name: str) -> Plan:
        """The part that makes one CTE."""
        for node in self.nodes:
            if node.get("Subplan Name") == f"CTE {name}":
                return Plan(tuple(_walk(node)))
        raise KeyError(name)

    def kinds(self) -> set[str]:
        """The kinds of its nodes."""
        return {node["Node Type"] for node in self.nodes}


def plan_of(
    connection: Connection[Any], statement: Composed | str, parameters: Mapping[str, Any] | None
) -> Plan:
    """The custom plan of a statement, which is not run."""
    asked = statement if isinstance(statement, Composed) else Composed([SQL(statement)])
    explained = SQL("EXPLAIN (FORMAT JSON) ") + asked
    row = connection.execute(explained, parameters, prepare=False).fetchone()
    assert row is not None
    return Plan(tuple(_walk(row[0][0]["Plan"])))


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _walk(child)
