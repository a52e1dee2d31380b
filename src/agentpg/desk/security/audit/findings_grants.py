"""What is granted, to whom, and who owns it: A27 to A33."""

from __future__ import annotations

from collections import defaultdict

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.finding import Finding, Remedy
from agentpg.desk.security.audit.facts import Facts, Ownership
from agentpg.desk.security.audit.findings_roles import no_create
from agentpg.desk.security.audit.policy import Policy
from agentpg.desk.security.audit.saying import Said, check, names, rest
from agentpg.language import N_


def _open_schemas(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.open_schemas, Unlooked):
        return (say.unknown(facts.open_schemas),)
    found = [
        say(
            "warning",
            N_("everybody may make tables and functions in the schema {subject}"),
            schema,
            (no_create(schema, "PUBLIC"),),
        )
        for schema in facts.open_schemas
    ]
    ok = say("ok", N_("there is no schema in which everybody may make something"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _database(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    server = facts.server
    has = {"CONNECT": server.public_connects, "TEMPORARY": server.public_makes_temporary}
    rights = ", ".join(right for right, held in has.items() if held)
    if not rights:
        return (say("ok", N_("who may use the database was granted that by name")),)
    name = identifier(server.database)
    remedy = Remedy(
        sentence=N_("Grant it to those who need it by name, and then take it from everybody."),
        sql=f"REVOKE {rights} ON DATABASE {name} FROM PUBLIC",
        undo=f"GRANT {rights} ON DATABASE {name} TO PUBLIC",
        risk="careful",
    )
    text = N_("everybody has {rights} on the database {subject}")
    return (say("info", text, server.database, (remedy,), rights=rights),)


def _public(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.public_relations, Unlooked):
        return (say.unknown(facts.public_relations),)
    found = [
        say(
            "warning",
            N_("everybody may do with {subject}: {privileges}"),
            one.name,
            (
                Remedy(
                    sentence=N_("Grant it to those who need it, and then take it from everybody."),
                    sql=f"REVOKE {one.privileges} ON {one.kind} {one.name} FROM PUBLIC",
                    undo=f"GRANT {one.privileges} ON {one.kind} {one.name} TO PUBLIC",
                    risk="careful",
                ),
            ),
            privileges=one.privileges,
        )
        for one in facts.public_relations
    ]
    total = facts.public_relations[0].total if facts.public_relations else 0
    return (*rest(say, found[: policy.told], total), *_functions(say, facts)) or (
        say("ok", N_("nothing is granted to everybody on tables, sequences and functions")),
    )


def _functions(say: Say, facts: Facts) -> Said:
    number = facts.public_functions
    if isinstance(number, Unlooked):
        return (say.unknown(number),)
    if not number:
        return ()
    schema = identifier(facts.schema)
    take = Remedy(
        sentence=N_("Take from everybody what PostgreSQL gives them on new functions."),
        sql=f"REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC",
        risk="careful",
    )
    text = N_("everybody may call {number} functions of {subject}")
    return (say("info", text, facts.schema, (take,), number=number),)


def _defaults(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.public_defaults, Unlooked):
        return (say.unknown(facts.public_defaults),)
    found = []
    for one in facts.public_defaults:
        within = f" IN SCHEMA {identifier(one.schema)}" if one.schema else ""
        start = f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(one.role)}{within}"
        take = Remedy(
            sentence=N_("Take it back for what is made from now on."),
            sql=f"{start} REVOKE {one.privileges} ON {one.kind} FROM PUBLIC",
            undo=f"{start} GRANT {one.privileges} ON {one.kind} TO PUBLIC",
            risk="careful",
        )
        text = N_("what {subject} makes is open to everybody: {privileges} on {kind}")
        values = {"privileges": one.privileges, "kind": one.kind, "schema": one.schema}
        found.append(say("warning", text, one.role, (take,), **values))
    ok = say("ok", N_("new objects are granted to nobody but their owner"))
    return tuple(found) or (ok,)


def _options(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.grant_options, Unlooked):
        return (say.unknown(facts.grant_options),)
    if isinstance(facts.admin_options, Unlooked):
        return (say.unknown(facts.admin_options),)
    grants = [
        say(
            "info",
            N_("{subject} may hand on its rights on {object}"),
            one.role,
            (
                Remedy(
                    sentence=N_("Leave it the right, and take from it that it hands it on."),
                    sql=f"REVOKE GRANT OPTION FOR ALL ON {one.object} FROM {identifier(one.role)}",
                    risk="careful",
                ),
            ),
            object=one.object,
        )
        for one in facts.grant_options
    ]
    admins = [
        say(
            "info",
            N_("{subject} may make others members of {role}"),
            one.member,
            (
                Remedy(
                    sentence=N_("Leave it a member, and take from it that it admits others."),
                    sql=f"REVOKE ADMIN OPTION FOR {identifier(one.role)} "
                    f"FROM {identifier(one.member)}",
                    risk="careful",
                ),
            ),
            role=one.role,
        )
        for one in facts.admin_options
    ]
    total = sum(some[0].total for some in (facts.grant_options, facts.admin_options) if some)
    ok = say("ok", N_("nobody but owners hands rights on"))
    return rest(say, [*grants, *admins][: policy.told], total) or (ok,)


def _direct(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.direct_grants, Unlooked):
        return (say.unknown(facts.direct_grants),)
    if not facts.direct_grants:
        return (say("ok", N_("roles that log in have their rights by groups")),)
    groups = Remedy(sentence=N_("Grant to a group that can't log in, and make them members of it."))
    first = facts.direct_grants[0]
    text = N_("{number} roles that log in have rights of their own, {subject} on {tables} tables")
    return (say("info", text, first.role, (groups,), number=first.total, tables=first.tables),)


def _owners(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.ownerships, Unlooked):
        return (say.unknown(facts.ownerships),)
    by_schema: dict[str, list[Ownership]] = defaultdict(list)
    for one in facts.ownerships:
        by_schema[one.schema].append(one)
    found = [
        finding
        for schema, owners in by_schema.items()
        for finding in _owners_of(say, schema, owners, facts)
    ]
    found.sort(key=lambda one: one.level != "warning")
    ok = say("ok", N_("each schema's tables have one owner, which is no superuser"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _owners_of(say: Say, schema: str, owners: list[Ownership], facts: Facts) -> list[Finding]:
    found = []
    gone = sum(one.relations for one in owners if not one.owner)
    if gone:
        text = N_("{number} tables of {subject} belong to a role that is gone")
        found.append(say("warning", text, schema, number=gone))
    listed = names(one.owner for one in owners if one.owner)
    if len(owners) > 1:
        text = N_("tables of {subject} have {number} owners: {names}")
        found.append(say("info", text, schema, number=len(owners), names=listed))
    of_superuser = sum(one.relations for one in owners if one.superuser)
    if of_superuser:
        give = Remedy(
            sentence=N_("Give them to the role that migrates the schema."),
            sql=f"ALTER SCHEMA {identifier(schema)} OWNER TO {identifier(facts.server.owner)}",
            risk="careful",
        )
        text = N_("{number} tables of {subject} belong to a superuser")
        found.append(say("info", text, schema, (give,), number=of_superuser))
    return found


GRANT_CHECKS = (
    check(
        "A27",
        N_("Schemas in which everybody may make something"),
        N_("a function put there runs in place of the one that was meant (CVE-2018-1058)"),
        "CIS 4.10; CVE-2018-1058",
        ("warning",),
        "CREATE: PUBLIC",
        _open_schemas,
    ),
    check(
        "A28",
        N_("What everybody has on the database"),
        N_("every role of the server may come in and look around"),
        "PostgreSQL 5.8",
        ("info",),
        "CONNECT, TEMPORARY: PUBLIC",
        _database,
    ),
    check(
        "A29",
        N_("Rights of everybody on tables, sequences, functions"),
        N_("roles that have nothing to do with it read and change data"),
        "CIS 4.6",
        ("info", "warning"),
        "PUBLIC",
        _public,
    ),
    check(
        "A30",
        N_("Rights of everybody on what is made later"),
        N_("the next table is open without anybody having decided so"),
        "CIS 4.6; PostgreSQL ALTER DEFAULT PRIVILEGES",
        ("warning",),
        "PUBLIC",
        _defaults,
    ),
    check(
        "A31",
        N_("Rights that are handed on"),
        N_("who has which right is no longer decided in one place"),
        "CIS 4.3, 4.6",
        ("info",),
        "GRANT OPTION, ADMIN OPTION",
        _options,
    ),
    check(
        "A32",
        N_("Rights granted to those who log in"),
        N_("when somebody leaves, or a password is rotated, rights stay behind"),
        "CIS 4.6; pg-diag direct_user_grants",
        ("info",),
        N_("any"),
        _direct,
    ),
    check(
        "A33",
        N_("Owners of tables"),
        N_("an owner can do anything with a table, and so can who becomes it"),
        "CIS 4.6; pg-diag object_owner_drift",
        ("info", "warning"),
        N_("several in one schema; a superuser; none"),
        _owners,
    ),
)
