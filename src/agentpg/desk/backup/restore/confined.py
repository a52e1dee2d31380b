"""Changing rows in a database whose code is others'.

What an UPDATE runs besides itself belongs to whoever owns the table: triggers, and the functions
of constraints, domains, generated columns and indexes. Run by a superuser, it could do whatever a
superuser may, so that the owner of a table could become one. Being another role meanwhile
is not enough: such code takes that back (RESET ROLE), or leaves a deferred trigger or a cursor
for the end of the transaction, which is a superuser's again.

So a superuser has it done where the server itself runs code of others: in a *security-restricted
operation*, which is what the refresh of a materialized view is. PostgreSQL does it as the view's
owner, and lets nobody within it set a role, queue a deferred trigger, keep a cursor or make
a temporary table (`SetUserIdAndSecContext` in its matview.c; CVE-2020-25695). The owner is a role
that is made for it, may read and change the rows of the engine's tables, and may do nothing else.
Role and view come and go in one transaction: whatever is killed when, nothing of them is left.
Names mean the server's own there, since the database says what they mean else. Ordinary
triggers and rules do not fire at all: they are for what an application does.

A role that is no superuser does it as itself, as it does everything else in that database.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from agentpg.db import Connection, Fragment, Statements, literal, render

_BEFORE = ("make_stand_in", "let_change", "make_place", "make_work", "make_confined", "let_in")
_THEN = ("let_work", "give_confined", "run_confined")
_AFTER = ("remove_place", "take_back", "remove_stand_in")


def change_confined(
    connection: Connection[Any],
    sql: Statements,
    counted: str,
    steps: Sequence[str],
    values: Mapping[str, Any],
) -> int:
    """Count by one statement of `restore.sql`, and then do others; the number.

    The connection is in a transaction, in which nothing else was done.
    """
    connection.execute(sql["find_only_own"])
    [(is_superuser,)] = connection.execute(sql["is_superuser"]).fetchall()
    if not is_superuser:
        connection.execute(sql["find_as_usual"])
        [(number,)] = connection.execute(sql[counted]).fetchall()
        for step in steps:
            connection.execute(sql[step], values)
        return int(number)
    connection.execute(sql["leave_triggers"])
    done = [render(connection, sql[step], values) for step in steps]
    name = f"agentpg_settling_{secrets.token_hex(6)}"
    parts = {
        "place": name,
        "stand_in": name,
        "counted": Fragment(render(connection, sql[counted])),
        "body": Fragment(literal(";\n".join([*done, "SELECT true"]))),
    }
    for step in (*_BEFORE, *_THEN):
        connection.execute(sql.compose(step, **parts), {})
    [(number,)] = connection.execute(sql.compose("number_confined", **parts), {}).fetchall()
    for step in _AFTER:
        connection.execute(sql.compose(step, **parts), {})
    return int(number)
