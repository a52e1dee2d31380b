"""What is to be done so that there is what there should be: pure, in the order of its doing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from agentpg.desk.security.roles.facts import Grant, Membership, Present, Role
from agentpg.desk.security.roles.steps import Need, Step, Writer
from agentpg.desk.security.roles.wishing import PUBLIC_FUNCTIONS, Wished

# What groups and logins may be beside what is wished of them, and mostly should not be.
_POWERS = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")


@dataclass(frozen=True, slots=True)
class _Key:
    """What one statement of GRANT is about."""

    kind: str
    object: str
    arguments: str
    role: str


def compare(wished: Wished, present: Present) -> tuple[Step, ...]:
    """The steps, none where all is as it should be. Roles that are not ours are left alone, but
    for what everybody has."""
    write = Writer(wished.schema, wished.names.owner, present)
    return tuple(
        chain(
            _new_roles(wished, present, write),
            _changed_roles(wished, present, write),
            _memberships(wished, present, write),
            _grants(wished, present, write),
            _defaults(wished, present, write),
        )
    )


def _new_roles(wished: Wished, present: Present, write: Writer) -> Iterator[Step]:
    for name in wished.groups:
        if name not in present.roles:
            yield write.create_group(name)
    for name in wished.logins:
        if name not in present.roles:
            yield write.create_login(name)


def _changed_roles(wished: Wished, present: Present, write: Writer) -> Iterator[Step]:
    for name in wished.groups:
        role = present.roles.get(name)
        if role is not None:
            yield from _attributes(role, (), False, write)
    for name, part in wished.logins.items():
        role = present.roles.get(name)
        powers = wished.attributes.get(name, ())
        if role is None:
            if powers:
                yield write.attributes(name, powers, tuple(f"NO{one}" for one in powers))
        else:
            # Whoever rotates passwords locks a login; that is not undone here.
            yield from _attributes(role, powers, None, write)
        if part == "admin" and (role is None or role.acts_as != wished.names.owner):
            yield write.act_as(name, wished.names.owner, role.acts_as if role else None)


def _attributes(
    role: Role, powers: tuple[str, ...], logs_in: bool | None, write: Writer
) -> Iterator[Step]:
    has = {
        "SUPERUSER": role.superuser,
        "CREATEDB": role.creates_databases,
        "CREATEROLE": role.creates_roles,
        "REPLICATION": role.replicates,
        "BYPASSRLS": role.bypasses_rows,
    }
    wrong = [one for one in _POWERS if has[one] != (one in powers)]
    to = [one if one in powers else f"NO{one}" for one in wrong]
    back = [one if has[one] else f"NO{one}" for one in wrong]
    if logs_in is False and role.logs_in:
        to, back = [*to, "NOLOGIN"], [*back, "LOGIN"]
    if not role.inherits:
        to, back = [*to, "INHERIT"], [*back, "NOINHERIT"]
    if to:
        yield write.attributes(role.name, tuple(to), tuple(back))


def _memberships(wished: Wished, present: Present, write: Writer) -> Iterator[Step]:
    is_member = {(one.granted, one.member): one for one in present.memberships}
    for wanted in sorted(wished.memberships):
        found = is_member.get((wanted.granted, wanted.member))
        if found is None:
            yield write.join(wanted)
        elif found.admin and wanted.member in wished.groups:
            yield write.leave_admin(wanted)
    wanted_pairs = {(one.granted, one.member) for one in wished.memberships}
    ours = {*wished.groups, *wished.logins}
    for found in sorted(present.memberships):
        pair = (found.granted, found.member)
        if found.member in ours and pair not in wanted_pairs and not _by_creation(found, present):
            yield write.leave(found)


def _by_creation(found: Membership, present: Present) -> bool:
    """From 16 on, who makes a role is a member of it that may admit others."""
    return found.member == present.me.role


def _grants(wished: Wished, present: Present, write: Writer) -> Iterator[Step]:
    too_much = [one for one in present.grants if _is_too_much(one, wished)]
    # Taking a privilege on a table takes it on all its columns with it.
    swept = {_of_table(one) for one in too_much if one.kind == "table" and not one.column}
    kept = {one for one in present.grants if one not in too_much and _of_table(one) not in swept}
    for key, grants in _by_key(too_much):
        yield write.revoke(key.kind, key.object, key.arguments, key.role, grants)
    for key, grants in _by_key(wished.grants - kept):
        yield write.grant(key.kind, key.object, key.arguments, key.role, grants)
    handed_on = [
        one
        for one, grantable in present.grants.items()
        if grantable and one in wished.grants and one in kept and one.role != wished.names.owner
    ]
    for key, grants in _by_key(handed_on):
        yield write.revoke_option(key.kind, key.object, key.arguments, key.role, grants)


def _of_table(one: Grant) -> tuple[str, str, str]:
    return one.object, one.role, one.privilege


def _is_too_much(one: Grant, wished: Wished) -> bool:
    if one in wished.grants:
        return False
    if one.role == "":
        # What everybody may call of the server's own is the server's to say.
        return one.kind != "server function"
    if one.role == wished.names.owner:
        return False
    return one.role in wished.groups or one.role in wished.logins


def _by_key(grants: Iterable[Grant]) -> Iterator[tuple[_Key, list[Grant]]]:
    found: dict[_Key, list[Grant]] = defaultdict(list)
    for one in sorted(grants, key=_order):
        found[_Key(one.kind, one.object, one.arguments, one.role)].append(one)
    yield from found.items()


_KINDS = ("database", "schema", "table", "sequence", "function", "server function")
_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")


def _order(one: Grant) -> tuple[object, ...]:
    place = _PRIVILEGES.index(one.privilege) if one.privilege in _PRIVILEGES else 9
    # All of one role together: who reads the SQL wants to know what that role may do.
    return _KINDS.index(one.kind) > 1, one.role, _KINDS.index(one.kind), one.object, place, one


def _defaults(wished: Wished, present: Present, write: Writer) -> Iterator[Step]:
    ours = {*wished.groups, *wished.logins}
    if PUBLIC_FUNCTIONS in present.defaults:
        yield write.revoke_default(PUBLIC_FUNCTIONS)
    for one in sorted(present.defaults - wished.defaults - {PUBLIC_FUNCTIONS}):
        if one.role == "" or one.role in ours:
            yield write.revoke_default(one)
    for one in sorted(wished.defaults - present.defaults):
        yield write.grant_default(one)


def unmet(steps: Iterable[Step], present: Present) -> dict[Need, list[Step]]:
    """The steps that the role which looked may not run, by what that takes."""
    found: dict[Need, list[Step]] = defaultdict(list)
    for step in steps:
        if not step.need.is_met(present):
            found[step.need].append(step)
    return dict(found)


def only_grants(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Those that give the groups rights on what is in the schema."""
    return tuple(one for one in steps if one.kind == "grant" and one.need.what == "schema")
