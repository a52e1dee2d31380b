"""What the catalogue says is not as it was meant, V11 to V13."""

from __future__ import annotations

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.vacuum.facts import Collation, Facts, SwitchedOff, Unchecked
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.doctor.vacuum.saying import Said, VacuumCheck, no_answer
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_


def _collations(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.collations, Unlooked):
        return no_answer(say, facts.collations, facts)
    found = tuple(_collation(say, one) for one in facts.collations)
    return found or (say("ok", N_("the collations sort as they did when the indexes were built")),)


def _collation(say: Say, one: Collation) -> Finding:
    text = N_(
        "{indexes} indexes by the collation {subject} were built by its version {recorded}; "
        "now it is {actual}"
    )
    name = one.name
    refresh = f"ALTER COLLATION {name} REFRESH VERSION"
    if one.of_database:
        text = N_(
            "the database {subject} was made with version {recorded} of its collation; now "
            "it is {actual}"
        )
        refresh = f"ALTER DATABASE {identifier(name)} REFRESH COLLATION VERSION"
    return say(
        "warning",
        text,
        name,
        (
            Remedy(
                sentence=N_("Look for damage: an error names an index that is out of order."),
                command="pg_amcheck --heapallindexed --install-missing",
            ),
            Remedy(
                sentence=N_("Build the indexes on texts anew, one after another, then say so."),
                sql=f"REINDEX DATABASE CONCURRENTLY; {refresh}"
                if one.of_database
                else f"REINDEX INDEX CONCURRENTLY …; {refresh}",
                risk="careful",
            ),
        ),
        recorded=one.recorded,
        actual=one.actual,
        indexes=one.indexes,
    )


def _triggers(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.triggers, Unlooked):
        return no_answer(say, facts.triggers, facts)
    found = tuple(_switched_off(say, one) for one in facts.triggers)
    return found or (say("ok", N_("no trigger is switched off")),)


def _switched_off(say: Say, one: SwitchedOff) -> Finding:
    text = N_("triggers of {subject} are switched off: {triggers}")
    if one.of_keys:
        text = N_(
            "{of_keys} triggers of foreign keys of {subject} are switched off: what they "
            "refer to is not checked"
        )
    everything = "ALL" if one.of_keys else "USER"
    return say(
        "warning",
        text,
        one.name,
        (
            Remedy(
                sentence=N_("Switch them on again; what was written meanwhile is not checked."),
                sql=f"ALTER TABLE {one.name} ENABLE TRIGGER {everything}",
            ),
        ),
        triggers=one.triggers,
        of_keys=one.of_keys,
        tables=one.found,
    )


def _constraints(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.constraints, Unlooked):
        return no_answer(say, facts.constraints, facts)
    found = tuple(_unchecked(say, one) for one in facts.constraints)
    return found or (say("ok", N_("every constraint was checked against every row")),)


def _unchecked(say: Say, one: Unchecked) -> Finding:
    return say(
        "warning",
        N_("the constraint {constraint} of {subject} was never checked against older rows"),
        one.name,
        (
            Remedy(
                sentence=N_("Check it: reading and writing go on meanwhile."),
                sql=f"ALTER TABLE {one.name} VALIDATE CONSTRAINT {one.constraint_name}",
            ),
        ),
        constraint=one.constraint_name,
        kind=one.kind,
        constraints=one.found,
    )


CATALOGUE_CHECKS = (
    VacuumCheck(
        code="V11",
        title=N_("Versions of collations"),
        levels=("warning",),
        threshold=N_("the version that was recorded is not the present one / –"),
        contact="dba",
        cause=N_("the operating system or ICU was updated under the server"),
        proof=N_("the indexes were built anew and the new version is recorded."),
        meaning="An index on texts is in the order of its collation. Where that has changed, "
        "rows are not found, and unique keys are given twice.",
        idea="check with `pg_amcheck`, build the indexes anew, then refresh the version.",
        decide=_collations,
    ),
    VacuumCheck(
        code="V12",
        title=N_("Triggers that are switched off"),
        levels=("warning",),
        threshold=N_("any / –"),
        contact="dba",
        cause=N_("they were switched off for a load, and forgotten"),
        proof=N_("the triggers are on, and what was written meanwhile has been checked."),
        idea="switch them on; check by hand what was written meanwhile.",
        decide=_triggers,
    ),
    VacuumCheck(
        code="V13",
        title=N_("Constraints that were never checked"),
        levels=("warning",),
        threshold=N_("any / –"),
        contact="dba",
        cause=N_("it was added as NOT VALID, and the second step was forgotten"),
        proof=N_("the constraint is valid, and the planner reckons with it."),
        idea="`ALTER TABLE … VALIDATE CONSTRAINT`; it locks out nobody who reads or writes.",
        decide=_constraints,
    ),
)
