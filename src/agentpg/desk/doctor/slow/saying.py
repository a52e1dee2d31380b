"""A check of what is slow: what it says of the facts under the policy that is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentpg.desk.check import Check, Say, Unlooked
from agentpg.desk.doctor.slow.facts import Facts
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

Said = tuple[Finding, ...]

HIDDEN = Unlooked(N_("what other roles' sessions do is hidden"))

# More findings of one check would hide the others; the worst come first.
MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Facts, Policy], Said]


def let_see(facts: Facts) -> Remedy:
    """What lets the role see it."""
    return Remedy(sentence=N_("Let the role see it."), sql=f"GRANT pg_monitor TO {facts.role}")


def no_answer(say: Say, what: Unlooked, facts: Facts) -> Said:
    """It could not be looked at: for want of a right, or of the server."""
    remedies = () if isinstance(facts.server, Unlooked) else (let_see(facts),)
    return (say.unknown(what, *remedies),)


def all_well(say: Say, facts: Facts, sentence: str) -> Said:
    """Nothing was found: that is ok only where nothing was hidden."""
    if not facts.sees_all:
        return no_answer(say, HIDDEN, facts)
    return (say("ok", sentence),)


def percent(share: float) -> int:
    """A share as people say it."""
    return round(share * 100)
