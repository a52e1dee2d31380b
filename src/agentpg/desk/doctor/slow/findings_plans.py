"""Whether our own statements are planned as they must be, S16."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.slow.facts import Facts, Index, OwnPlan, OwnPlans
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.doctor.slow.saying import Said, SlowCheck
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

_VERIFY = Remedy(
    sentence=N_("See what else of the schema is not as this release makes it."),
    command="agentpg schema verify",
)


def _plans(say: Say, facts: Facts, policy: Policy) -> Said:
    found = facts.own_plans
    if isinstance(found, Unlooked):
        return (say.unknown(found),)
    found_wrong = tuple(_wrong(say, found, policy))
    if found_wrong:
        return found_wrong
    text = N_("our own statements are planned as they must be: {statements}")
    return (say("ok", text, statements=", ".join(one.name for one in found.plans)),)


def _wrong(say: Say, found: OwnPlans, policy: Policy) -> Iterator[Finding]:
    """One for each index that is missing or not used, and for each plan that reads or sorts more
    than it must by no such fault. In a table that is small any way is as good."""
    small = {one.table for one in found.indexes if one.table_bytes < policy.small_table_bytes}
    fine = {one.name for one in found.indexes if one.valid and one.table in small}
    lacking: defaultdict[str, list[OwnPlan]] = defaultdict(list)
    for plan in found.plans:
        for name in plan.wanted:
            if name not in plan.used and name not in fine:
                lacking[name].append(plan)
    for name, plans in lacking.items():
        yield _index(say, name, plans, found)
    told = {plan.name for plans in lacking.values() for plan in plans}
    for plan in found.plans:
        scanned = sorted({*plan.scanned} - small)
        if plan.name not in told and (scanned or (plan.sorts and "tasks" not in small)):
            yield say(
                "warning",
                N_("our own statement {subject} reads more than it must"),
                plan.name,
                (_VERIFY,),
                scanned=scanned,
                used=plan.used,
                sorts=plan.sorts,
            )


def _index(say: Say, name: str, plans: list[OwnPlan], found: OwnPlans) -> Finding:
    index = next((one for one in found.indexes if one.name == name), None)
    if index is None:
        text = N_("the index {subject} is missing: {statements} read more than they must")
    elif not index.valid:
        text = N_("the index {subject} is not valid: {statements} read more than they must")
    else:
        text = N_("the index {subject} is there and not used by {statements}")
    scanned = sorted({table for plan in plans for table in plan.scanned})
    return say(
        "critical" if index is None or not index.valid else "warning",
        text,
        name,
        (*_mend(name, index, found), _VERIFY),
        cause=N_("it was built with CREATE INDEX CONCURRENTLY, which was ended")
        if index is not None and not index.valid
        else "",
        statements=", ".join(plan.name for plan in plans),
        scanned=scanned,
        definition=found.made_by.get(name, "") if index is None else index.definition,
    )


def _mend(name: str, index: Index | None, found: OwnPlans) -> Iterator[Remedy]:
    if index is None:
        yield Remedy(
            sentence=N_("Make it, without stopping those who write."),
            sql=found.made_by.get(name, ""),
            risk="careful",
        )
    elif not index.valid:
        yield Remedy(
            sentence=N_("Build it anew, without stopping those who write."),
            sql=f"REINDEX INDEX CONCURRENTLY {identifier(found.schema, name)}",
            risk="careful",
        )
    else:
        yield Remedy(
            sentence=N_("Compare it with what this release makes; then make it anew."),
            sql=found.made_by.get(name, ""),
            risk="careful",
        )


PLAN_CHECKS = (
    SlowCheck(
        code="S16",
        title=N_("The plans of our own statements"),
        levels=("warning", "critical"),
        threshold=N_("an index that is used in another way, or not at all / missing or not valid"),
        contact="dba",
        cause=N_("an index was dropped, or was left out when the database was made anew"),
        proof=N_("`agentpg doctor slow --all` says that they are planned as they must be."),
        meaning=(
            "The claim, the look, the settle, the heartbeat, the rescue and the calls are "
            "explained on the live database, and not run, as the engine has them planned; each "
            "must find its rows by the index that was made for it."
        ),
        idea="make the index again with the SQL that the finding says.",
        decide=_plans,
    ),
)
