"""What seems to help against a full disk, and does harm."""

from __future__ import annotations

from collections.abc import Iterator

from agentpg.desk.check import size
from agentpg.desk.doctor.disk.case import (
    Case,
    bloated,
    missing_room,
    urgent_slots,
)
from agentpg.desk.doctor.disk.facts import Kept
from agentpg.desk.doctor.disk.steps import Refusal
from agentpg.language import N_


def refused(case: Case) -> Iterator[Refusal]:
    """What is not done, with the reason."""
    if case.wants("wal", "D03", "D04", "D05"):
        yield Refusal(
            sentence=N_("deleting files in pg_wal, or pg_resetwal"),
            reason=N_("the server then does not start, or has lost what was committed"),
        )
    kept = case.facts.kept
    if isinstance(kept, Kept) and kept.proved and case.wants("backups", "D09"):
        yield Refusal(
            sentence=N_("removing the backup {backup}"),
            reason=N_("it is the last that a drill has proved"),
            values={"backup": kept.proved},
        )
    for slot in urgent_slots(case):
        if slot.active:
            yield Refusal(
                sentence=N_("dropping the slot {slot}"),
                reason=N_("process {process} reads from it: mend or stop that reader first"),
                values={"slot": slot.name, "process": slot.process},
            )
    yield from _refused_rewrites(case)


def _refused_rewrites(case: Case) -> Iterator[Refusal]:
    for table in bloated(case):
        room = missing_room(case, table)
        if room is None:
            continue
        reason = N_("it needs {needed} in {place} first, and how much is free there is not known")
        values = {"table": table.name, "needed": size(room.needed_bytes), "place": room.place}
        if room.free_bytes is not None:
            reason = N_(
                "it needs {needed} in {place} before it gives anything back, and {free} are free"
            )
            values["free"] = size(room.free_bytes)
        yield Refusal(sentence=N_("VACUUM FULL of {table}"), reason=reason, values=values)
