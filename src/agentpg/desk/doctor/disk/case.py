"""What a plan is made for: the facts, the findings, and the file systems that want room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.facts import Facts, Slot, Table
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.finding import Finding

URGENT = ("warning", "critical")

# A rewrite writes the live rows anew, with their indexes, before it lets go of the old ones.
REWRITE_FACTOR = 1.2


@dataclass(frozen=True, slots=True)
class Case:
    """The facts, the findings by code, and the file systems that want room."""

    facts: Facts
    policy: Policy
    found: Mapping[str, Sequence[Finding]]
    pressed: frozenset[int]

    def urgent(self, *codes: str) -> bool:
        """Whether one of these checks has found something that wants doing."""
        found = (one for code in codes for one in self.found.get(code, ()))
        return any(one.level in URGENT for one in found)

    def wants(self, role: str, *codes: str) -> bool:
        """Whether room is wanted where this place lies, or one of the checks says so."""
        volume = self.facts.volume(role)
        return self.urgent(*codes) or (volume is not None and volume.device in self.pressed)

    def device(self, role: str) -> int | None:
        """The file system of a place."""
        volume = self.facts.volume(role)
        return None if volume is None else volume.device


def urgent_slots(case: Case) -> list[Slot]:
    """Those that keep too much."""
    urgent = {one.subject for one in case.found.get("D03", ()) if one.level in URGENT}
    slots = () if isinstance(case.facts.slots, Unlooked) else case.facts.slots
    return [slot for slot in slots if slot.name in urgent]


def bloated(case: Case) -> list[Table]:
    """Those that were found to be bloated, the smallest first: it needs the least room."""
    named = {one.subject for one in case.found.get("D12", ()) if one.level != "ok"}
    tables = () if isinstance(case.facts.tables, Unlooked) else case.facts.tables
    if not case.wants("data", "D12"):
        return []
    return sorted((t for t in tables if t.name in named), key=lambda table: table.size_bytes)


def rewrite_bytes(table: Table) -> int:
    """The room that a rewrite takes: the live rows and the indexes anew, and their WAL."""
    empty = table.dead_share if table.free_share is None else table.free_share
    live = int((1 - empty) * table.size_bytes) + table.index_bytes
    return int(live * REWRITE_FACTOR) + live


def missing_room(case: Case, table: Table) -> int | None:
    """How much is free, where that is too little for a rewrite; None where it is enough."""
    volume = case.facts.volume("data")
    free = 0 if volume is None else volume.free_bytes
    return free if free < rewrite_bytes(table) else None
