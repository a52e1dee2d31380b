"""A check of backups, what it says of the facts under the policy that is set, and what helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from agentpg.desk.backup.inspection.facts import Facts
from agentpg.desk.backup.inspection.policy import Policy
from agentpg.desk.check import Check, Say, amount
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

CREATE = Remedy(sentence=N_("Make a backup now."), command="agentpg backup create", risk="safe")
DRILL = Remedy(
    sentence=N_("Prove the newest backup by a restore."),
    command="agentpg backup drill",
    risk="safe",
)
SCHEDULES = Remedy(
    sentence=N_("Look whether BackupAgent's schedules run and a worker has AGENTPG_DSN_BACKUP."),
    command="agentpg schedule list",
)
LIST = Remedy(sentence=N_("Look at the backups."), command="agentpg backup list")
_CLOCK = Remedy(
    sentence=N_("Set the clocks of this machine and the server right, and look at the moments."),
    command="agentpg backup list",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCheck(Check):
    """A check with its decision."""

    decide: Callable[[Say, Facts, Policy], Finding]


def repository_remedy() -> Remedy:
    """Where the repository itself could not be looked at."""
    return Remedy(
        sentence=N_("Look at where the backups lie, and at the rights to it."),
        command="agentpg config show",
    )


def in_the_future(say: Say, name: str, ahead: timedelta) -> Finding:
    """A clock was wrong: nothing tells how old it is, and it hides what is newer."""
    text = N_("{subject} has a moment that is {ahead} ahead of this machine's clock")
    seconds = round(ahead.total_seconds())
    return say("warning", text, name, (_CLOCK,), ahead=amount(ahead), ahead_seconds=seconds)
