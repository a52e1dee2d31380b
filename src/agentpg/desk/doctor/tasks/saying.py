"""A check of the engine's work: what it says of the facts under the policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agentpg.desk.check import Check, Say, Unlooked
from agentpg.desk.doctor.tasks.facts import Facts
from agentpg.desk.doctor.tasks.policy import Policy
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

Row = TypeVar("Row")

Said = tuple[Finding, ...]

# Of one kind of trouble the worst are named; more would hide the others.
MOST = 5

TASKS_FAILED = Remedy(
    sentence=N_("Read what went wrong."), command="agentpg task list --status failed"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Facts, Policy], Said]


def each(
    say: Say,
    rows: Sequence[Row] | Unlooked,
    judge: Callable[[Row], Finding | None],
    well: str,
) -> Said:
    """What is said of each row that is amiss, of the first few; or that all is well."""
    if isinstance(rows, Unlooked):
        return (say.unknown(rows),)
    found = [finding for finding in map(judge, rows) if finding is not None]
    return tuple(found[:MOST]) or (say("ok", well),)


def show(task: object) -> Remedy:
    """Look at one task."""
    return Remedy(sentence=N_("Look at one of them."), command=f"agentpg task show {task}")
