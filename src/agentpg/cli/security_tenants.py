"""`agentpg security tenants`: show, on, off, bind, unbind."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli.command import Command, Group
from agentpg.cli.output import Column, json_option
from agentpg.cli.session import Session
from agentpg.errors import TenantNameWrong, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.security.tenants.facts import Tenants

_LONGEST_TENANT = 100
_ON = N_("Tenants are on: a client sees and submits its own tenant's tasks alone.")
_OFF = N_("Tenants are off: a client sees all tasks.")
_PARTLY = N_("Tenants are on in part: `agentpg security tenants on` does the rest.")


@click.group(
    "tenants",
    cls=Group,
    examples="""
        agentpg security tenants show
        agentpg security tenants bind north_app north
        agentpg security tenants on
    """,
)
def verb() -> None:
    """Keep the tasks of tenants apart, by the login that a program comes with.

    A login of a client is bound to one tenant. While tenants are on, row-level security shows it
    the tasks of that tenant alone, and takes no others of it: whatever the program says of itself.
    Workers, backups and operators go on seeing all.
    """


@verb.command(
    "show",
    cls=Command,
    examples="""
        agentpg security tenants show
        agentpg security tenants show --json
    """,
)
@json_option
@click.pass_obj
def show(session: Session, as_json: bool) -> int:
    """Show whether tenants are on, and which login works for whom.

    Exits with 1 where tenants are on and a bound login would get past its tenant.
    """
    from agentpg.desk.security.tenants.binding import look_at_tenants
    from agentpg.desk.security.tenants.facts import unfit

    tenants = look_at_tenants(session.database)
    wrong = [login for login in tenants.bound if unfit(login, tenants.names)]
    if as_json:
        session.out.json(_document(tenants))
    else:
        _show(session, tenants)
    return 1 if wrong and tenants.are_on else 0


@verb.command(
    "on",
    cls=Command,
    examples="""
        agentpg security tenants on
        # Print the SQL alone.
        agentpg security tenants on --sql
    """,
)
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL and run nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def on(session: Session, as_sql: bool, yes: bool) -> int:
    """Let clients see their own tenant's tasks alone.

    The SQL is shown first, and run in one transaction or not at all. Clients that are bound to no
    tenant see nothing from then on. `agentpg security tenants off` takes it back.
    """
    from agentpg.desk.security.tenants.binding import check_roles, look_at_tenants
    from agentpg.desk.security.tenants.deciding import turning_on

    database = _owning(session)
    tenants = look_at_tenants(database)
    check_roles(tenants)
    statements = turning_on(tenants)
    if as_sql:
        _print_sql(statements)
        return 0
    if not statements:
        session.out.line(session.translate(_ON))
        return 0
    _show_sql(session, statements)
    for login in tenants.unbound:
        text = N_("{login} is bound to no tenant, and will see nothing.")
        session.out.note(session.translate(text).format(login=login.name))
    return _run(session, database, statements, _ON, yes=yes)


@verb.command(
    "off",
    cls=Command,
    examples="""
        agentpg security tenants off
    """,
)
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL and run nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def off(session: Session, as_sql: bool, yes: bool) -> int:
    """Let clients see all tasks again. Which login works for whom is kept."""
    from agentpg.desk.security.tenants.binding import look_at_tenants
    from agentpg.desk.security.tenants.deciding import turning_off

    database = _owning(session)
    statements = turning_off(look_at_tenants(database))
    if as_sql:
        _print_sql(statements)
        return 0
    if not statements:
        session.out.line(session.translate(_OFF))
        return 0
    _show_sql(session, statements)
    return _run(session, database, statements, _OFF, yes=yes)


@verb.command(
    "bind",
    cls=Command,
    examples="""
        agentpg security tenants bind north_app north
        # Both logins of a pair, so that the password can be rotated.
        agentpg security tenants bind agentic_ai_client_1 north
        agentpg security tenants bind agentic_ai_client_2 north
    """,
)
@click.argument("login", help="A role that may log in, and is a member of the clients alone.")
@click.argument("tenant", help="The tenant that it works for.")
@click.pass_obj
def bind(session: Session, login: str, tenant: str) -> None:
    """Say which tenant a login works for; it holds from its next statement on."""
    from agentpg.desk.security.tenants.binding import bind as bind_login

    if not tenant or len(tenant) > _LONGEST_TENANT or not tenant.isprintable():
        raise TenantNameWrong(name=tenant)
    with session.recorded(Action.SECURITY_TENANTS, login, tenant=tenant):
        bind_login(_owning(session), login, tenant)
    text = N_("{login} works for {tenant}.")
    session.out.line(session.translate(text).format(login=login, tenant=tenant))


@verb.command(
    "unbind",
    cls=Command,
    examples="""
        agentpg security tenants unbind north_app
    """,
)
@click.argument("login", help="The role.")
@click.pass_obj
def unbind(session: Session, login: str) -> int:
    """Let a login work for no tenant: while tenants are on, it sees nothing."""
    from agentpg.desk.security.tenants.binding import unbind as unbind_login

    with session.recorded(Action.SECURITY_TENANTS, login) as course:
        tenant = unbind_login(_owning(session), login)
        course.changed, course.details["was"] = tenant is not None, tenant
    if tenant is None:
        text = N_("{login} worked for no tenant.")
        session.out.line(session.translate(text).format(login=login))
        return 1
    text = N_("{login} works for {tenant} no more.")
    session.out.line(session.translate(text).format(login=login, tenant=tenant))
    return 0


def _owning(session: Session) -> Database:
    """The owner's own connection where one is configured."""
    from agentpg.db import Database, secured

    if session.settings.dsn_admin and "dsn" not in session.overrides:
        dsn = secured(session.settings.dsn_admin, session.settings)
        return Database(dsn, session.settings.schema_name)
    return session.database


def _run(
    session: Session, database: Database, statements: Sequence[str], done: str, *, yes: bool
) -> int:
    from agentpg.desk.security.tenants.binding import run

    if not (yes or _agreed(session)):
        return 1
    with session.recorded(Action.SECURITY_TENANTS, "on" if done == _ON else "off"):
        run(database, statements)
    session.out.line(session.translate(done))
    return 0


def _agreed(session: Session) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    return click.confirm(session.translate(N_("Run this?")), err=True)


def _show_sql(session: Session, statements: Sequence[str]) -> None:
    for statement in statements:
        session.out.line(f"{statement};")
    session.out.line()


def _print_sql(statements: Sequence[str]) -> None:
    if statements:
        click.echo("BEGIN;\n" + "".join(f"{one};\n" for one in statements) + "COMMIT;")


def _show(session: Session, tenants: Tenants) -> None:
    from agentpg.desk.security.tenants.facts import unfit

    _ = session.translate
    begun = any(table.guarded for table in tenants.tables)
    session.out.line(_(_ON if tenants.are_on else _PARTLY if begun else _OFF))
    rows = [
        (login.name, login.tenant, _(unfit(login, tenants.names) or "")) for login in tenants.bound
    ]
    rows += [
        (login.name, None, _(N_("sees nothing")) if tenants.are_on else "")
        for login in tenants.unbound
    ]
    if rows:
        session.out.line()
        columns = (Column(N_("Login")), Column(N_("Tenant")), Column(N_("Problem"), yields=1))
        session.out.table(columns, rows)


def _document(tenants: Tenants) -> dict[str, object]:
    from agentpg.desk.security.tenants.facts import unfit

    return {
        "on": tenants.are_on,
        "tables": [
            {"name": table.name, "guarded": table.guarded, "policies": list(table.policies)}
            for table in tenants.tables
        ],
        "logins": [
            {"login": one.name, "tenant": one.tenant, "problem": unfit(one, tenants.names)}
            for one in (*tenants.bound, *tenants.unbound)
        ],
    }
