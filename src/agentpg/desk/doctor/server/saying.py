"""A check of the server: what it says of the facts under the policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentpg.desk.check import Check, Say, Unlooked
from agentpg.desk.doctor.server.facts import Facts
from agentpg.desk.doctor.server.policy import Policy
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

Said = tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Facts, Policy], Said]


def monitor(facts: Facts) -> Remedy:
    """What lets the role see it."""
    sentence = N_("Let the role see it.")
    return Remedy(sentence=sentence, sql=f"GRANT pg_monitor TO {facts.server.role}")


def hidden(say: Say, facts: Facts) -> Finding:
    """Sessions of others can't be seen."""
    why = Unlooked(N_("what other roles' sessions do is hidden"))
    return say.unknown(why, monitor(facts))
