"""What the checks of addresses are given, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agentpg.desk.check import Check, Say, Unlooked
from agentpg.desk.finding import Finding, Remedy
from agentpg.desk.hba.matching import Match
from agentpg.desk.security.addresses.effects import Effect, effects
from agentpg.desk.security.addresses.facts import Facts, Server
from agentpg.desk.security.addresses.policy import Policy
from agentpg.language import N_

Said = tuple[Finding, ...]

# How many names are said before the rest is only counted.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Case:
    """The facts, what follows from them, and the policy."""

    facts: Facts
    policy: Policy
    effects: tuple[Effect, ...]

    @property
    def server(self) -> Server | None:
        """What the server says of itself; None where it does not."""
        return None if isinstance(self.facts.server, Unlooked) else self.facts.server

    @property
    def blind(self) -> Unlooked | None:
        """Why nothing is known of the effects; None where it is."""
        for fact in (self.facts.server, self.facts.lines, self.facts.roles, self.facts.databases):
            if isinstance(fact, Unlooked):
                return fact
        return None

    def outside(self) -> Iterator[Effect]:
        """What lets in other machines, where the server listens to them."""
        if self.server is not None and self.server.is_reachable:
            yield from (one for one in self.effects if one.origin.is_outside and one.lets_in)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Case], Said]


PROPOSE = Remedy(
    sentence=N_("See a better file, with what changes for whom; then apply it."),
    command="agentpg security hba propose",
)
READABLE = Remedy(
    sentence=N_("Let the role read what the server makes of the file; a superuser runs it."),
    sql="GRANT SELECT ON pg_hba_file_rules TO …; "
    "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO …",
)


def case_of(facts: Facts, policy: Policy) -> Case:
    """The case that these facts make."""
    return Case(facts, policy, effects(facts))


def place(match: Match) -> str:
    """A line as it is spoken of: pg_hba.conf:12."""
    return f"{match.file.rpartition('/')[2]}:{match.number}"


def by_line(found: Sequence[Effect]) -> dict[Match, list[Effect]]:
    """By the line that decides, in the order of the file."""
    grouped: dict[tuple[str, int], list[Effect]] = {}
    for one in found:
        grouped.setdefault((one.match.file, one.match.number), []).append(one)
    return {grouped[key][0].match: grouped[key] for key in sorted(grouped)}


def role_names(found: Sequence[Effect]) -> list[str]:
    """The roles of these effects, by name."""
    return sorted({role.name for one in found for role in one.roles})


def some(names: Sequence[str]) -> str:
    """The first names, and how many more."""
    rest = len(names) - _NAMED
    said = ", ".join(names[:_NAMED])
    return f"{said}, +{rest}" if rest > 0 else said


def origins(found: Sequence[Effect]) -> str:
    """From where, without repetition."""
    return some(list(dict.fromkeys(one.origin.label for one in found)))
