"""What a plan is made for: the facts, the findings, and the file systems that want room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.facts import Facts, Slot, Table
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.doctor.disk.rewriting import Room, lacking, rooms, volume_of_space
from agentpg.desk.finding import Finding

URGENT = ("warning", "critical")


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

    def device_of(self, table: Table) -> int | None:
        """The file system of a table's rows."""
        volume = volume_of_space(self.facts, table.folder)
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


def missing_room(case: Case, table: Table) -> Room | None:
    """The file system that is too small for a rewrite, or not known to be large enough; None
    where there is room."""
    return lacking(rooms(case.facts, table))
