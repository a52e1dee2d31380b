"""What all findings of plans share: how a check decides, and what it says of a node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agentpg.desk.check import Check, Say
from agentpg.desk.finding import Finding
from agentpg.desk.tune.plans.tree import Node, Plan

Said = Iterator[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCheck(Check):
    """A check with what decides it on a plan; nothing is said of what is well."""

    decide: Callable[[Say, Plan], Said]


def number_of(finding: Finding) -> int:
    """The node that a finding is about; 0 for the whole plan."""
    return int(finding.evidence.get("node", 0))


def percent(share: float) -> int:
    """A share of 0 to 1 in per cent."""
    return round(share * 100)


def table_of(plan: Plan, node: Node) -> str:
    """The table that the rows of a node come from, as SQL has it, where it is one."""
    names = {one.relation for one in node if one.relation}
    fact = plan.tables.get(names.pop()) if len(names) == 1 else None
    return fact.quoted if fact is not None else ""
