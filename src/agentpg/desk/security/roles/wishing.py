"""What there should be: the rights of the parts, said for the roles and things of one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agentpg.desk.security.roles.facts import (
    Default,
    Function,
    Grant,
    Kind,
    Membership,
    Present,
    Relation,
)
from agentpg.desk.security.roles.names import GROUPS, PARTS, Part, RoleNames
from agentpg.desk.security.roles.rights import (
    FUNCTIONS,
    LOGIN_ATTRIBUTES,
    MEMBERSHIPS,
    RELATIONS,
    SERVER_FUNCTIONS,
    Right,
)

# What PostgreSQL gives everybody on a new function, and only takes everywhere at once.
PUBLIC_FUNCTIONS = Default("", "f", "", "EXECUTE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """The whole of it. `logins` are those that shall be there beside the groups, by name; each of
    them has `attributes`, and those of the owner act as it."""

    names: RoleNames
    schema: str
    groups: tuple[str, ...]
    logins: Mapping[str, Part]
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    memberships: frozenset[Membership]
    grants: frozenset[Grant]
    defaults: frozenset[Default]


def wish(present: Present, logins: tuple[Part, ...] = ()) -> Wished:
    """What should be where these tables and functions are: pure.

    Logins that are there already are wished too, whatever `logins` says.
    """
    names = present.names
    wanted = {
        name: part
        for part in PARTS
        for name in names.logins(part)
        if part in logins or name in present.roles
    }
    return Wished(
        names=names,
        schema=present.schema,
        groups=tuple(names.group(part) for part in GROUPS),
        logins=wanted,
        attributes={name: LOGIN_ATTRIBUTES.get(part, ()) for name, part in wanted.items()},
        memberships=frozenset(_memberships(present, wanted)),
        grants=frozenset(_grants(present)),
        defaults=frozenset(_defaults(present)),
    )


def rights_on(relation: Relation, part: Part) -> tuple[Right, ...]:
    """What a part may do with a table, a view or a sequence."""
    if part == "backup":
        return () if relation.kind == "view" else (Right("SELECT"),)
    return RELATIONS.get(relation.name, {}).get(part, ())


def _memberships(present: Present, logins: Mapping[str, Part]) -> Iterator[Membership]:
    names = present.names
    for part, granted in MEMBERSHIPS.items():
        role = present.roles.get(names.group(part))
        if role is None or not role.superuser:
            yield from (Membership(one, names.group(part)) for one in granted)
    for login, part in logins.items():
        yield Membership(names.group(part), login)


def _grants(present: Present) -> Iterator[Grant]:
    names, me = present.names, present.me
    for part in GROUPS:
        role = names.group(part)
        yield Grant("database", me.database, "", role, "CONNECT")
        yield Grant("schema", present.schema, "", role, "USAGE")
        for relation in present.relations:
            yield from _on_relation(relation, role, rights_on(relation, part))
        for function in present.functions:
            if FUNCTIONS.get(function.name, {}).get(part):
                yield _on_function("function", function, role)
        for signature, of in SERVER_FUNCTIONS.items():
            if part in of:
                name, _, rest = signature.partition("(")
                arguments = rest.removesuffix(")")
                yield Grant("server function", name, arguments, role, "EXECUTE")
    for guest in present.guests:
        # Who works here today does so tomorrow, and by name.
        yield Grant("database", me.database, "", guest, "CONNECT")
    if me.database_owner != names.owner:
        # The owner of the schema works in a database of somebody else.
        for privilege in ("CONNECT", "CREATE", "TEMPORARY"):
            yield Grant("database", me.database, "", names.owner, privilege)


def _on_relation(relation: Relation, role: str, rights: tuple[Right, ...]) -> Iterator[Grant]:
    kind: Kind = "sequence" if relation.kind == "sequence" else "table"
    for right in rights:
        # A column that is not there, of an older schema, can't be granted.
        columns = [one for one in right.columns if one in relation.columns]
        for column in columns if right.columns else ("",):
            yield Grant(kind, relation.name, "", role, right.privilege, column)


def _on_function(kind: Kind, function: Function, role: str) -> Grant:
    return Grant(kind, function.name, function.arguments, role, "EXECUTE")


def _defaults(present: Present) -> Iterator[Default]:
    backup = present.names.group("backup")
    # A table that a later migration makes is in the next backup, whoever forgets what.
    yield Default(present.schema, "r", backup, "SELECT")
    yield Default(present.schema, "S", backup, "SELECT")
