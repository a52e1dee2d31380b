"""A check of disks: what it says of the facts under the policy that is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentpg.desk.check import Check, Say, Unlooked, by
from agentpg.desk.doctor.disk.facts import Facts, Volume
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

Said = tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Facts, Policy], Said]


FIX = Remedy(
    sentence=N_("See the steps in their safe order, and have the safe ones done."),
    command="agentpg doctor disk --fix",
    risk="safe",
)
AS_ROOT = Remedy(sentence=N_("Run it on the server's machine, as root or as the server's account."))


def monitor(facts: Facts) -> Remedy:
    """What lets the role see it."""
    sentence = N_("Let the role see it.")
    return Remedy(sentence=sentence, sql=f"GRANT pg_monitor TO {facts.role}")


def no_answer(say: Say, what: Unlooked, facts: Facts) -> Said:
    """It could not be looked at: for want of a right, or of the server."""
    remedies = () if isinstance(facts.server, Unlooked) else (monitor(facts),)
    return (say.unknown(what, *remedies),)


def kept_level(taken: int, volume: Volume | None, policy: Policy) -> Level:
    """The level of what one cause keeps: by its share, or by bytes where that is not known."""
    if volume is None:
        return by(taken, policy.kept_warning_bytes, policy.kept_critical_bytes)
    return by(
        taken,
        policy.kept_warning * volume.size_bytes,
        policy.kept_critical * volume.size_bytes,
    )


def mount(volume: Volume | None) -> str:
    """The name of a file system in a finding; empty where it is not known."""
    return "" if volume is None else volume.mount


def percent(share: float) -> int:
    """A share as people say it; what is not quite full is not called so."""
    return min(int(share * 100), 100)
