"""What roles may do: A23 to A26, and A56."""

from __future__ import annotations

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.finding import Level, Remedy
from agentpg.desk.security.audit.facts import Facts, Power, Role
from agentpg.desk.security.audit.findings_addresses import reachable
from agentpg.desk.security.audit.names import LIKE_SUPERUSERS
from agentpg.desk.security.audit.policy import Policy
from agentpg.desk.security.audit.saying import Said, check, rest, role_name
from agentpg.desk.security.roles.names import RoleNames
from agentpg.desk.security.roles.rights import LOGIN_ATTRIBUTES, MEMBERSHIPS
from agentpg.language import N_


def _superusers(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.roles, Unlooked):
        return (say.unknown(facts.roles),)
    mighty = [one for one in facts.roles if one.superuser and one.logs_in and not one.is_bootstrap]
    found = [
        say(
            "warning",
            N_("{subject} is a superuser and logs in"),
            role.name,
            (_less(role, "NOSUPERUSER"), _no_login(role)),
        )
        for role in mighty
    ]
    ok = say("ok", N_("the only superuser that logs in is the one that made the cluster"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _less(role: Role, attributes: str) -> Remedy:
    return Remedy(
        sentence=N_("Take from it what it does not need."),
        sql=f"ALTER ROLE {identifier(role.name)} {attributes}",
        risk="careful",
        undo=f"ALTER ROLE {identifier(role.name)} {attributes.replace('NO', '')}",
    )


def _no_login(role: Role) -> Remedy:
    return Remedy(
        sentence=N_("Or let people become it by SET ROLE, which is logged, and not log in as it."),
        sql=f"ALTER ROLE {identifier(role.name)} NOLOGIN",
        risk="careful",
        undo=f"ALTER ROLE {identifier(role.name)} LOGIN",
    )


def _attributes(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.roles, Unlooked):
        return (say.unknown(facts.roles),)
    held = [role for role in facts.roles if _beyond_part(role, facts) and not role.superuser]
    held.sort(key=lambda role: not _is_dangerous(role, facts))
    found = [
        say(
            "warning" if _is_dangerous(role, facts) else "info",
            N_("{subject} has {powers}"),
            role.name,
            (_less(role, " ".join(f"NO{power}" for power in _beyond_part(role, facts))),),
            powers=", ".join(_beyond_part(role, facts)),
        )
        for role in held
    ]
    ok = say("ok", N_("no role beside superusers has attributes that need a reason"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _is_dangerous(role: Role, facts: Facts) -> bool:
    # Before 16, whoever makes roles may make himself a member of any that is no superuser.
    if role.creates_roles and facts.major < 16:
        return True
    return "BYPASSRLS" in _beyond_part(role, facts)


def _beyond_part(role: Role, facts: Facts) -> tuple[str, ...]:
    """Its attributes but those that a login of ours has for its part: backups have to hold all
    rows, and copy the cluster."""
    part = _names(facts).part_of(role.name)
    due = LOGIN_ATTRIBUTES.get(part, ()) if part else ()
    return tuple(power for power in role.powers if power not in due)


def _is_of_our_part(power: Power, facts: Facts) -> bool:
    """Whether a role of ours has it for its part, so that `security roles` would grant it again."""
    part = _names(facts).part_of(power.role)
    return part is not None and power.power in MEMBERSHIPS.get(part, ())


def _names(facts: Facts) -> RoleNames:
    return RoleNames(facts.server.database, facts.server.owner)


def _powers(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.powers, Unlooked):
        return (say.unknown(facts.powers),)
    found = [
        say(
            "warning" if one.power in LIKE_SUPERUSERS else "info",
            N_("{subject} has, as a member, all that {power} may do"),
            one.role,
            (_revoke(one.via, one.role),),
            power=one.power,
            logs_in=one.logs_in,
            via=one.via,
        )
        for one in facts.powers
        if not _is_of_our_part(one, facts)
    ]
    found.sort(key=lambda one: one.level != "warning")
    total = facts.powers[0].total - len(facts.powers) + len(found) if facts.powers else 0
    ok = say("ok", N_("no role is a member of one of PostgreSQL's that can do much"))
    return rest(say, found[: policy.told], total) or (ok,)


def _revoke(group: str, role: str) -> Remedy:
    membership = identifier(group), identifier(role)
    return Remedy(
        sentence=N_("End the membership, or that of the group between."),
        sql="REVOKE {} FROM {}".format(*membership),
        undo="GRANT {} TO {}".format(*membership),
        risk="careful",
    )


def _ddl(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.ownerships, Unlooked):
        return (say.unknown(facts.ownerships),)
    if isinstance(facts.makers, Unlooked):
        return (say.unknown(facts.makers),)
    if not facts.server.has_schema:
        return (say("ok", N_("there is no schema of agentpg here")),)
    found = [
        say(
            "warning",
            N_("{subject} may make tables in the schema {schema} without owning it"),
            role,
            (no_create(facts.schema, role),),
            schema=facts.schema,
        )
        for role in facts.makers
    ]
    owners = [one for one in facts.ownerships if one.schema == facts.schema and one.logs_in]
    for owner in owners:
        # On a server for this machine alone, who logs in is whoever started it.
        level: Level = "warning" if reachable(facts) and owner.superuser else "info"
        text = N_("{subject} owns the tables of {schema} and logs in: it can drop what it works on")
        roles = Remedy(sentence=N_("Let workers log in as a role that owns nothing."))
        found.append(say(level, text, owner.owner, (roles,), schema=facts.schema))
    return tuple(found) or (say("ok", N_("who works on the tables does not own them")),)


def no_create(schema: str, role: str) -> Remedy:
    """Take from a role that it makes something in a schema."""
    return Remedy(
        sentence=N_("Take from it what it does not need."),
        sql=f"REVOKE CREATE ON SCHEMA {identifier(schema)} FROM {role_name(role)}",
        undo=f"GRANT CREATE ON SCHEMA {identifier(schema)} TO {role_name(role)}",
        risk="careful",
    )


def _parameters(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.parameters, Unlooked):
        return (say.unknown(facts.parameters),)
    found = [
        say(
            "warning" if one.role == "PUBLIC" or one.privilege == "ALTER SYSTEM" else "info",
            N_("{subject} has {privilege} on the setting {name}"),
            one.role,
            (
                Remedy(
                    sentence=N_("Take from it what it does not need."),
                    sql=f"REVOKE {one.privilege} ON PARAMETER {one.name} "
                    f"FROM {role_name(one.role)}",
                    undo=f"GRANT {one.privilege} ON PARAMETER {one.name} TO {role_name(one.role)}",
                    risk="careful",
                ),
            ),
            privilege=one.privilege,
            name=one.name,
        )
        for one in facts.parameters
    ]
    ok = say("ok", N_("settings of superusers are granted to nobody else"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


ROLE_CHECKS = (
    check(
        "A23",
        N_("Superusers that log in"),
        N_("whoever has one of their passwords has the server, and its machine's account"),
        "CIS 4.3, 4.8",
        ("warning",),
        N_("more than the one that made the cluster"),
        _superusers,
    ),
    check(
        "A24",
        N_("Attributes of roles"),
        N_("they stand above the rights on tables, and can be used to get more"),
        "CIS 4.3; PostgreSQL 21.2",
        ("info", "warning"),
        "CREATEROLE, CREATEDB, REPLICATION, BYPASSRLS",
        _attributes,
    ),
    check(
        "A25",
        N_("Members of PostgreSQL's own roles"),
        N_("files and programs of the server's machine, or all data, are within reach"),
        "CIS 4.9; PostgreSQL 21.5",
        ("info", "warning"),
        N_("any, by whatever group"),
        _powers,
    ),
    check(
        "A26",
        N_("Who may change the tables that work is done on"),
        N_("a fault in a handler, or who has taken it over, can drop the tables"),
        "CIS 4.3; operations guide, security",
        ("info", "warning"),
        N_("owner logs in; CREATE on the schema"),
        _ddl,
    ),
    check(
        "A56",
        N_("Rights on settings"),
        N_("who may set archive_command and its like runs programs as the server's account"),
        "CIS 6.5; PostgreSQL GRANT ON PARAMETER",
        ("info", "warning"),
        "ALTER SYSTEM; PUBLIC",
        _parameters,
    ),
)
