"""`agentpg security roles`: show, diff, apply."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from agentpg.audit.acting import Action
from agentpg.cli.command import Command, Group
from agentpg.cli.output import json_option
from agentpg.cli.security_roles_view import (
    plan_document,
    right_documents,
    show_logins,
    show_missing,
    show_part,
    show_steps,
    show_table,
)
from agentpg.cli.session import Session
from agentpg.cli.values import FILE_PATH
from agentpg.desk.security.roles.names import GROUPS, PARTS, Part
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.security.roles.applying import Plan
    from agentpg.desk.security.roles.keeping import Keeping

_AS_IT_SHOULD = N_("The roles and their rights are as they should be.")
_LEAST = 12
# An entry of the audit log holds 16 kB.
_TOLD = 50
_SHORT = N_("it has fewer than 12 characters")


@click.group(
    "roles",
    cls=Group,
    examples="""
        agentpg security roles show
        agentpg security roles diff
        agentpg security roles apply --logins all
    """,
)
def verb() -> None:
    """Give each program a role of its own that may do what it must, and nothing else.

    The groups are admin (the owner), agent, client, monitor, backup, web and readonly, each with
    the database's name before it; programs log in as members of them.
    """


@verb.command(
    "show",
    cls=Command,
    examples="""
        agentpg security roles show
        # All rights of one, with the columns.
        agentpg security roles show agent
    """,
)
@click.argument("part", required=False, type=click.Choice(GROUPS), help="One of the groups.")
@json_option
@click.pass_obj
def show(session: Session, part: Part | None, as_json: bool) -> None:
    """Show who may do what, and what of it is missing or too much."""
    from agentpg.desk.security.roles.looking import look_at_roles
    from agentpg.desk.security.roles.showing import rights_of

    present = look_at_roles(session.database)
    found = [one for one in rights_of(present) if part in (None, one.part)]
    if as_json:
        session.out.json(right_documents(present, found))
    elif part is None:
        show_table(session.out, present, found)
    else:
        show_part(session.out, present, part, found)


@verb.command(
    "diff",
    cls=Command,
    examples="""
        agentpg security roles diff
        # In a script: 0 as it should be, 1 not.
        agentpg security roles diff --json
    """,
)
@json_option
@click.pass_obj
def diff(session: Session, as_json: bool) -> int:
    """Show what `apply` would change. Exits with 1 where that is something.

    Roles of others are left as they are; what everybody has in the schema is taken from them.
    """
    plan = _plan(_administrating(session), ())
    if as_json:
        session.out.json(plan_document(plan))
        return 0 if plan.is_done else 1
    if plan.is_done:
        session.out.line(session.translate(_AS_IT_SHOULD))
        return 0
    show_steps(session.out, plan.steps)
    show_missing(session.out, plan)
    return 1


def _logins(context: click.Context, option: click.Parameter, value: str | None) -> tuple[Part, ...]:
    if value is None:
        return ()
    wanted = tuple(value.replace(",", " ").split())
    if wanted == ("all",):
        return PARTS
    for one in wanted:
        if one not in PARTS:
            known = ", ".join((*PARTS, "all"))
            raise click.BadParameter(f"'{one}' is not one of {known}.", context, option)
    return cast("tuple[Part, ...]", wanted)


@verb.command(
    "apply",
    cls=Command,
    examples="""
        agentpg security roles apply
        # With two logins for each, and their passwords in a file.
        agentpg security roles apply --logins all
        agentpg security roles apply --logins agent,client --passfile ~/.pgpass
        # Let a superuser run it.
        agentpg security roles apply --sql | psql -d agentic_ai
    """,
)
@click.option(
    "--logins",
    metavar="PARTS",
    callback=_logins,
    help="Make two logins for each of these parts, such as agent,client, or for all.",
)
@click.option(
    "--passfile",
    type=FILE_PATH,
    help="Where the passwords of new logins are written; by default `roles.pgpass` in `home`.",
)
@click.option("--ask", is_flag=True, help="Ask for the passwords in place of making them.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL and run nothing.")
@click.option("--yes", is_flag=True, help="Do not ask whether to go ahead.")
@json_option
@click.pass_obj
def apply(
    session: Session,
    logins: tuple[Part, ...],
    passfile: Path | None,
    ask: bool,
    as_sql: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Make the groups, give them their rights, and take what is too much.

    The SQL is shown first. All is done in one transaction or not at all, and a file takes it back.
    Whoever works in the database today keeps coming in. What needs a superuser is shown where the
    role is none; the rest is done. Exits with 1 where something is left to do.
    """
    database = _administrating(session)
    plan = _plan(database, logins)
    if as_sql:
        click.echo(_script(plan), nl=False)
        return 0
    if not as_json:
        _show(session, plan)
    if not plan.steps:
        if as_json:
            session.out.json(plan_document(plan))
        return 0 if plan.is_done else 1
    if not _agreed(session, yes=yes):
        return 1
    return _apply(session, database, plan, _keeping(session, passfile), ask=ask, as_json=as_json)


def _show(session: Session, plan: Plan) -> None:
    if plan.is_done:
        session.out.line(session.translate(_AS_IT_SHOULD))
        return
    show_steps(session.out, plan.steps)
    show_missing(session.out, plan)


def _apply(
    session: Session, database: Database, plan: Plan, keeping: Keeping, *, ask: bool, as_json: bool
) -> int:
    from agentpg.desk.security.roles.applying import apply_roles, new_logins, write_undo
    from agentpg.desk.security.roles.steps import VERIFIER

    undo = write_undo(session.home, plan, datetime.now(UTC))
    made = new_logins(plan.steps)
    steps = [step.sql for step in plan.steps if VERIFIER not in step.sql]
    try:
        with session.recorded(Action.SECURITY_ROLES, steps=len(plan.steps), sql=steps[:_TOLD]):
            left = apply_roles(database, plan, _passwords(session, keeping, ask=ask))
    except BaseException:
        for role in made:
            keeping.forget(role)
        raise
    dsns = {role: keeping.dsn(session.database, role) for role in made}
    if as_json:
        session.out.json({**plan_document(plan), "undo": undo, "logins": dsns})
        return 0 if left.is_done else 1
    show_logins(session.out, dsns)
    text = N_("Done. To take it back: psql -f {path}")
    session.out.line(session.translate(text).format(path=undo))
    return 0 if left.is_done else 1


def _passwords(session: Session, keeping: Keeping, *, ask: bool) -> Callable[[str], str]:
    def of(role: str) -> str:
        password = _asked(session, role)
        keeping.keep(role, password)
        return password

    return of if ask else keeping.make


def _asked(session: Session, role: str) -> str:
    _ = session.translate
    while True:
        text = _(N_("Password for {role}")).format(role=role)
        password = str(click.prompt(text, hide_input=True, confirmation_prompt=True, err=True))
        if len(password) >= _LEAST and password.isprintable():
            return password
        session.out.note(_(_SHORT))


def _administrating(session: Session) -> Database:
    """The private server as its superuser; else the owner where one is configured."""
    from agentpg.db import Database, secured
    from agentpg.desk.doctor.disk.looking import as_administrator

    found = session.database
    if session.settings.dsn_admin and "dsn" not in session.overrides:
        dsn = secured(session.settings.dsn_admin, session.settings)
        found = Database(dsn, session.settings.schema_name)
    return as_administrator(found, session.settings)


def _plan(database: Database, logins: tuple[Part, ...]) -> Plan:
    from agentpg.desk.security.roles.applying import plan_roles

    return plan_roles(database, logins)


def _keeping(session: Session, passfile: Path | None) -> Keeping:
    from agentpg.cli.parted import private_keeping
    from agentpg.desk.security.roles.keeping import keeping_for

    if session.is_private and passfile is None:
        return private_keeping(session)
    return keeping_for(session.database, passfile or session.home / "roles.pgpass")


def _script(plan: Plan) -> str:
    from agentpg.desk.security.roles.applying import new_logins, script
    from agentpg.desk.security.roles.steps import VERIFIER

    text = script(step.sql.replace(f" PASSWORD {VERIFIER}", "") for step in plan.in_order)
    # psql sends what it is told here as a verifier.
    return text + "".join(f'\\password "{role}"\n' for role in new_logins(plan.in_order))


def _agreed(session: Session, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    if click.confirm(session.translate(N_("Run this now?")), err=True):
        return True
    session.out.note(session.translate(N_("Nothing was changed.")))
    return False
