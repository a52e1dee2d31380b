"""A check of backups: what it says of the facts under the policy that is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentpg.desk.backup.inspection.facts import Facts
from agentpg.desk.backup.inspection.policy import Policy
from agentpg.desk.check import Check, Say
from agentpg.desk.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCheck(Check):
    """A check with its decision."""

    decide: Callable[[Say, Facts, Policy], Finding]
