"""What is wrong with a plan, P01 to P18: decided on the tree of one statement.

Without a run, only what the planner's own figures say is told, as level info.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.desk.check import Say
from agentpg.desk.finding import LEVELS, Finding
from agentpg.desk.tune.plans.findings_memory import MEMORY_CHECKS
from agentpg.desk.tune.plans.findings_rows import ROW_CHECKS
from agentpg.desk.tune.plans.findings_whole import WHOLE_CHECKS
from agentpg.desk.tune.plans.tree import Plan

_ALL = (*ROW_CHECKS, *MEMORY_CHECKS, *WHOLE_CHECKS)

CHECKS = tuple(sorted(_ALL, key=lambda check: check.code))


def find(plan: Plan) -> Sequence[Finding]:
    """What is wrong with it, the worst first; empty where nothing is seen."""
    said = [one for check in CHECKS for one in check.decide(Say(check), plan)]
    return tuple(sorted(said, key=lambda one: -LEVELS.index(one.level)))
