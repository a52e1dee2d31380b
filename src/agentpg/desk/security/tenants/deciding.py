"""Which statements turn tenants on and off: pure, in the order of their running."""

from __future__ import annotations

from collections.abc import Iterator

from agentpg.db import Fragment, Statements, identifier
from agentpg.desk.security.tenants.facts import POLICIES, TABLES, SharedTable, Tenants


def turning_on(tenants: Tenants) -> tuple[str, ...]:
    """The statements that make all as it should be; none where it is.

    Whoever was granted something on a table goes on seeing all of its rows: the groups, and roles
    of others. A role that is granted something later sees no row until this is done again.
    """
    if tenants.are_on and not _missing(tenants) and tenants.tables[0].fills_in:
        return ()
    return tuple(_turning_on(tenants))


def turning_off(tenants: Tenants) -> tuple[str, ...]:
    """The statements that let everybody see what his grants say; none where that is so."""
    if not any(
        table.guarded or set(POLICIES) & set(table.policies) or table.fills_in
        for table in tenants.tables
    ):
        return ()
    return tuple(_turning_off(tenants))


def _missing(tenants: Tenants) -> set[str]:
    return set(TABLES) - {table.name for table in tenants.tables}


def _turning_on(tenants: Tenants) -> Iterator[str]:
    client = tenants.names.group("client")
    for table in tenants.tables:
        yield from _without_policies(tenants, table)
        roles = Fragment(", ".join(_admitted(tenants, table)))
        yield _text(tenants, "admit", table=table.name, roles=roles)
        confine = "confine_tasks" if table.name == "tasks" else "confine_records"
        yield _text(tenants, confine, table=table.name, client=client)
        if not table.guarded:
            yield _text(tenants, "guard", table=table.name)
    if not tenants.tables[0].fills_in:
        yield _text(tenants, "fill_in")


def _turning_off(tenants: Tenants) -> Iterator[str]:
    for table in tenants.tables:
        if table.guarded:
            yield _text(tenants, "unguard", table=table.name)
        yield from _without_policies(tenants, table)
    yield _text(tenants, "fill_in_nothing")


def _without_policies(tenants: Tenants, table: SharedTable) -> Iterator[str]:
    for policy in POLICIES:
        if policy in table.policies:
            yield _text(tenants, "remove_policy", table=table.name, policy=policy)


def _admitted(tenants: Tenants, table: SharedTable) -> list[str]:
    guests = [one for one in table.grantees if one not in tenants.groups]
    names = [identifier(one) if one else "PUBLIC" for one in (*tenants.groups, *guests)]
    return ["PUBLIC"] if "PUBLIC" in names else names


def _text(tenants: Tenants, statement: str, **names: str) -> str:
    made = Statements("tenants", tenants.schema).compose(statement, **names)
    return made.as_string(None).replace("%%", "%").rstrip().rstrip(";")
