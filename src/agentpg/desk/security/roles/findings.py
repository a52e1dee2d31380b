"""What is wrong with the roles of an installation, R01 to R06: decided on frozen facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from agentpg.db import Database, identifier
from agentpg.desk.check import Check, Say, Unlooked, looked
from agentpg.desk.finding import Finding, Remedy
from agentpg.desk.security.roles.comparing import compare
from agentpg.desk.security.roles.facts import Present
from agentpg.desk.security.roles.looking import look_at_roles
from agentpg.desk.security.roles.names import GROUPS
from agentpg.desk.security.roles.rights import DEFINERS, FUNCTIONS
from agentpg.desk.security.roles.steps import Step
from agentpg.desk.security.roles.wishing import wish
from agentpg.language import N_

Said = tuple[Finding, ...]

_SOURCE = "CIS 4.3, 4.6; PostgreSQL 5.8"
_PROOF = N_("`agentpg security roles diff` says that all is as it should be.")
_NAMED = 5

# What only works on tasks, and never needs to own them.
_PROGRAMS = ("worker", "pulse", "child", "client")

_SEE = Remedy(
    sentence=N_("See what is missing and too much, as SQL."),
    command="agentpg security roles diff",
)
_APPLY = Remedy(
    sentence=N_("Make it right; the SQL is shown first, and a file takes it back."),
    command="agentpg security roles apply",
    risk="careful",
)
_NO_ROLES = N_("there are no roles of the parts that could differ")


@dataclass(frozen=True, slots=True)
class _Case:
    present: Present
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleCheck(Check):
    """A check with its decision."""

    decide: Callable[[Say, _Case], Said]


def examine_roles(database: Database) -> Sequence[Finding]:
    """Look at the roles, and judge."""
    return find(looked(lambda: look_at_roles(database)))


def find(present: Present | Unlooked) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes."""
    if isinstance(present, Unlooked):
        return tuple(Say(check).unknown(present) for check in CHECKS)
    case = _Case(present, compare(wish(present), present))
    return tuple(chain.from_iterable(check.decide(Say(check), case) for check in CHECKS))


def _roles(say: Say, case: _Case) -> Said:
    names, roles = case.present.names, case.present.roles
    absent = [names.group(part) for part in GROUPS if names.group(part) not in roles]
    if not absent:
        return (say("ok", N_("each part has a role of its own")),)
    text = N_("{number} of {all} roles are not there: {names}")
    apply = Remedy(
        sentence=N_("Make them, with two logins for each."),
        command="agentpg security roles apply --logins all",
        risk="careful",
    )
    return (
        say(
            "info",
            text,
            names.owner,
            (apply,),
            number=len(absent),
            all=len(GROUPS),
            names=_some(absent),
        ),
    )


def _behind(say: Say, case: _Case) -> Said:
    if not case.present.has_roles:
        return (say("ok", _NO_ROLES),)
    behind = [step for step in case.steps if step.gives and step.role in case.present.roles]
    found = [
        say(
            "warning",
            N_("{subject} lacks rights on {number} things, such as {names}"),
            role,
            (_SEE, _APPLY),
            number=len(steps),
            names=_some([step.object or step.sql for step in steps]),
        )
        for role, steps in _by_role(behind).items()
    ]
    return tuple(found) or (say("ok", N_("every role has the rights that it needs")),)


def _too_much(say: Say, case: _Case) -> Said:
    if not case.present.has_roles:
        return (say("ok", _NO_ROLES),)
    # What everybody has is told by A28 to A30.
    much = [step for step in case.steps if not step.gives and step.role in case.present.roles]
    found = [
        say(
            "warning",
            N_("{subject} may more than it should: {statements}"),
            role,
            (_SEE, _APPLY),
            statements=_some([step.sql for step in steps]),
            number=len(steps),
        )
        for role, steps in _by_role(much).items()
    ]
    return tuple(found) or (say("ok", N_("no role may more than it needs")),)


def _programs(say: Say, case: _Case) -> Said:
    me = case.present.me
    if not me.sees_sessions:
        why = Unlooked(N_("only members of pg_read_all_stats see others' sessions"))
        grant = f"GRANT pg_monitor TO {identifier(me.role)}"
        return (say.unknown(why, Remedy(sentence=N_("Let the role see it."), sql=grant)),)
    owner = case.present.names.owner
    mighty = [
        one
        for one in case.present.sessions
        if one.program in _PROGRAMS and (one.superuser or one.role == owner)
    ]
    if not mighty:
        return (say("ok", N_("no worker or client is connected as the owner or a superuser")),)
    return tuple(
        say(
            "warning" if one.superuser else "info",
            N_("{sessions} sessions of {program} are connected as {subject}, which may do all")
            if one.superuser
            else N_("{sessions} sessions of {program} are connected as {subject}, the owner"),
            one.role,
            (
                Remedy(
                    sentence=N_("Give it a login of its own, and set AGENTPG_DSN to that."),
                    command="agentpg security roles apply --logins agent,client",
                    risk="careful",
                ),
            ),
            program=one.program,
            sessions=one.sessions,
        )
        for one in mighty
    )


def _members(say: Say, case: _Case) -> Said:
    names = case.present.names
    groups = {names.group(part) for part in GROUPS} | {names.owner}
    found = []
    for login in sorted({one.member for one in case.present.memberships} - groups):
        of = sorted(
            one.granted
            for one in case.present.memberships
            if one.member == login and one.granted in groups
        )
        if len(of) > 1:
            text = N_("{subject} is a member of {number} groups: {names}")
            found.append(
                say("warning", text, login, (_SEE, _APPLY), number=len(of), names=_some(of))
            )
    return tuple(found) or (say("ok", N_("every login belongs to one group")),)


def _functions(say: Say, case: _Case) -> Said:
    wrong = [
        one.name
        for one in case.present.functions
        if one.name in FUNCTIONS
        and (not one.path_is_fixed or (one.is_definer and one.name not in DEFINERS))
    ]
    if not wrong:
        text = N_("every function of the schema has a search_path of its own")
        return (say("ok", text),)
    text = N_("{number} functions of {subject} take names from the caller's search_path: {names}")
    fix = Remedy(
        sentence=N_("Fix the search_path of each."),
        sql=f"ALTER FUNCTION {identifier(case.present.schema, wrong[0])} "
        f"SET search_path = {identifier(case.present.schema)}, pg_temp",
        risk="careful",
    )
    return (
        say("warning", text, case.present.schema, (fix,), number=len(wrong), names=_some(wrong)),
    )


def _by_role(steps: Sequence[Step]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in steps:
        found.setdefault(step.role, []).append(step)
    return found


def _some(listed: Sequence[str]) -> str:
    names = list(dict.fromkeys(listed))
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


CHECKS = (
    RoleCheck(
        code="R01",
        title=N_("A role for each part"),
        levels=("info",),
        threshold=N_("one that is not there"),
        contact="dba",
        stake=N_("whoever gets hold of one program's password may do what all of them may"),
        source=_SOURCE,
        cause=N_("all programs connect as the owner of the tables"),
        proof=_PROOF,
        decide=_roles,
    ),
    RoleCheck(
        code="R02",
        title=N_("Rights that are missing"),
        levels=("warning",),
        threshold=N_("any, of a role that is there"),
        contact="dba",
        stake=N_("a worker, a backup or a dashboard stops with an error"),
        source=_SOURCE,
        cause=N_("a table came with a migration, or somebody took a right"),
        proof=_PROOF,
        decide=_behind,
    ),
    RoleCheck(
        code="R03",
        title=N_("Rights that are too much"),
        levels=("warning",),
        threshold=N_("any, of a role of ours"),
        contact="dba",
        stake=N_("what the role was to be kept from is open to whoever has its password"),
        source=_SOURCE,
        cause=N_("somebody granted it by hand"),
        proof=_PROOF,
        decide=_too_much,
    ),
    RoleCheck(
        code="R04",
        title=N_("Workers and clients that may do everything"),
        levels=("info", "warning"),
        threshold=N_("connected as the owner / as a superuser"),
        contact="dba",
        stake=N_("a fault in a handler, or who has taken it over, can drop the tables"),
        source=_SOURCE,
        cause=N_("AGENTPG_DSN names the owner"),
        proof=N_("`agentpg monitor activity` shows as whom they are connected."),
        decide=_programs,
    ),
    RoleCheck(
        code="R05",
        title=N_("Logins of several groups"),
        levels=("warning",),
        threshold=N_("more than one"),
        contact="dba",
        stake=N_("two programs share a password, and each may do what the other may"),
        source=_SOURCE,
        cause=N_("a login was used for a second program"),
        proof=_PROOF,
        decide=_members,
    ),
    RoleCheck(
        code="R06",
        title=N_("Functions of the schema"),
        levels=("warning",),
        threshold=N_("no search_path of its own; owner's rights without a reason"),
        contact="dba",
        stake=N_("whoever makes an object of the same name has it called in place of ours"),
        source="CVE-2018-1058; PostgreSQL CREATE FUNCTION",
        cause=N_("a function was made by hand, or replaced without its settings"),
        proof=N_("the next `agentpg doctor security` does not say it any more."),
        decide=_functions,
    ),
)
