"""`agentpg setup`: prepare an existing PostgreSQL."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.session import Session
from agentpg.cli.values import FILE_PATH, FOLDER_PATH
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.setup import Administrator, Done, Target
    from agentpg.setup.units import Service

_UNIT_FOLDER = "/etc/systemd/system"
_PASSWORDS = "server.pgpass"

_STEPS = {
    "role": N_("role {object}"),
    "database": N_("database {object}"),
    "schema": N_("schema {object}"),
    "search_path": N_("search_path of {object}"),
    "migrations": N_("tables in {object}"),
}


@click.command(
    "setup",
    cls=Command,
    examples="""
        # On this machine's server at port 5432, as root or as postgres.
        sudo agentpg setup
        # See it first.
        sudo agentpg setup --sql
        # Another server, with a role that may create roles and databases.
        agentpg --dsn postgresql://postgres@db.example/postgres setup
        # With a role for each part, and logins of each.
        sudo agentpg setup --roles
        # With services of systemd.
        sudo agentpg setup --install-units
    """,
)
@click.option("--role", default="admin", show_default=True, metavar="NAME", help="The owning role.")
@click.option(
    "--database",
    default="agentic_ai",
    show_default=True,
    metavar="NAME",
    help="The database to make.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=5432,
    show_default=True,
    help="The port of this machine's server.",
)
@click.option(
    "--socket",
    type=FOLDER_PATH,
    help="The folder of this machine's server's socket; by default it is found.",
)
@click.option(
    "--passfile",
    type=FILE_PATH,
    help="Where the role's password is written, such as ~/.pgpass; by default a file in `home`.",
)
@click.option("--sql", "as_sql", is_flag=True, help="Print what would run, and run nothing.")
@click.option("--print-units", is_flag=True, help="Only print the units for systemd.")
@click.option(
    "--install-units",
    type=FOLDER_PATH,
    is_flag=False,
    flag_value=_UNIT_FOLDER,
    metavar="[FOLDER]",
    help="Write the units for systemd, to /etc/systemd/system by default.",
)
@click.option(
    "--user", default="", metavar="NAME", help="The account of the units; by default their own."
)
@click.option(
    "--roles",
    "parted",
    is_flag=True,
    help="Make a role for each part too, with logins, as `agentpg security roles apply` does.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def setup(
    session: Session,
    role: str,
    database: str,
    port: int,
    socket: Path | None,
    passfile: Path | None,
    as_sql: bool,
    print_units: bool,
    install_units: Path | None,
    user: str,
    parted: bool,
    yes: bool,
) -> None:
    """Prepare an existing PostgreSQL: role, database, schema and tables.

    What is there already stays as it is, so it may be run again. On this machine it acts as
    postgres by peer authentication; --dsn names a role of any server instead. The password
    of a new role is made up and written to a file that only its owner can read.
    """
    administrator = _administrator(session, port, socket)
    target = _target(session, administrator, role, database, passfile)
    if print_units:
        _print_units(_service(session, target, user))
        return
    if as_sql:
        from agentpg.setup import setup_script

        click.echo(setup_script(administrator, target), nl=False)
        return
    _set_up(session, administrator, target)
    if parted:
        _make_roles(session, administrator, target)
    if install_units is not None:
        _install(session, _service(session, target, user), install_units, yes)
    _show_next_steps(session, target)
    if install_units is not None:
        _show_unit_steps(session)


def _administrator(session: Session, port: int, socket: Path | None) -> Administrator:
    from agentpg.db import secured
    from agentpg.setup import by_dsn, by_peer

    dsn = session.overrides.get("dsn")
    return by_dsn(secured(str(dsn), session.settings)) if dsn else by_peer(port, socket)


def _target(
    session: Session,
    administrator: Administrator,
    role: str,
    database: str,
    passfile: Path | None,
) -> Target:
    from agentpg.setup import Target

    host, port = administrator.address()
    path = passfile.expanduser().absolute() if passfile else session.home / _PASSWORDS
    return Target(
        passfile=path,
        host=host,
        port=port,
        role=role,
        database=database,
        schema=session.settings.schema_name,
        tls=administrator.tls(),
    )


def _set_up(session: Session, administrator: Administrator, target: Target) -> None:
    from agentpg.setup import set_up

    for done in set_up(administrator, target):
        _show_step(session, done)


def _show_step(session: Session, done: Done) -> None:
    _ = session.translate
    what = _(_STEPS[done.step]).format(object=done.object)
    state = N_("done") if done.statements else N_("nothing to do")
    session.out.line(f"{what}: {_(state)}")


def _make_roles(session: Session, administrator: Administrator, target: Target) -> None:
    """A role for each part with two logins, whose passwords are in the same file."""
    from agentpg.cli.security_roles_view import show_logins, show_missing
    from agentpg.db import Database, driver_errors
    from agentpg.desk.security.roles.applying import apply_over, new_logins, plan_of
    from agentpg.desk.security.roles.keeping import Keeping
    from agentpg.desk.security.roles.looking import read_present
    from agentpg.desk.security.roles.names import PARTS

    keeping = Keeping(target.passfile, (target.host,), target.port)
    with administrator.connect(target.database) as inside, driver_errors(target.host):
        with inside.transaction():
            plan = plan_of(read_present(inside, target.schema), PARTS)
        left = apply_over(inside, plan, keeping.make)
    what = session.translate(N_("roles of {object}")).format(object=target.database)
    state = N_("done") if plan.steps else N_("nothing to do")
    session.out.line(f"{what}: {session.translate(state)}")
    show_missing(session.out, left)
    place = Database(target.dsn(), target.schema)
    show_logins(session.out, {role: keeping.dsn(place, role) for role in new_logins(plan.steps)})


def _service(session: Session, target: Target, user: str) -> Service:
    from agentpg.setup.units import Service

    return Service(
        program=_program(),
        dsn=target.dsn(passfile=False),
        schema=target.schema,
        grace=session.settings.shutdown_grace,
        passfile=target.passfile if target.password_file().knows() else None,
        user=user,
    )


def _program() -> Path:
    """The command `agentpg` of this Python, as a path that systemd can start."""
    beside = Path(sys.executable).with_name("agentpg")
    found = beside if beside.exists() else shutil.which("agentpg")
    return Path(found or sys.argv[0]).absolute()


def _print_units(service: Service) -> None:
    from agentpg.setup import units

    for name, text in units(service).items():
        click.echo(f"# {name}\n{text}")


def _install(session: Session, service: Service, folder: Path, yes: bool) -> None:
    from agentpg.setup import closed_folder, install_units

    _ = session.translate
    if not yes and not _agreed(session, folder):
        return
    changed = install_units(service, folder)
    for path in changed:
        session.out.line(_(N_("Wrote {path}.")).format(path=path))
    if not changed:
        session.out.line(_(N_("The units are as they should be; there is nothing to do.")))
    closed = None if service.user else closed_folder(service.program)
    if closed is not None:
        session.out.note(
            _(
                N_(
                    "The units' account cannot enter {folder}: install agentpg elsewhere, such "
                    "as in /opt, or name an account that can with --user."
                )
            ).format(folder=closed)
        )


def _agreed(session: Session, folder: Path) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to write the units"),
            hint=N_("Say --yes to go ahead."),
        )
    question = session.translate(N_("Write the units to {folder}?"))
    return click.confirm(question.format(folder=folder), err=True)


def _show_next_steps(session: Session, target: Target) -> None:
    from agentpg.setup import try_login

    _ = session.translate
    dsn = shlex.quote(target.dsn())
    session.out.line()
    error = try_login(target)
    if error is not None:
        session.out.note(
            _(N_("The role cannot log in yet: {reason}")).format(reason=error.message(_))
        )
        session.out.note(error.advice(_))
    session.out.line(_(N_("Next:")))
    session.out.line(f"  export AGENTPG_DSN={dsn}")
    session.out.line(f"  psql {dsn}")
    session.out.line("  agentpg up")


def _show_unit_steps(session: Session) -> None:
    session.out.line("  systemctl daemon-reload")
    session.out.line("  systemctl enable --now agentpg-up")
    session.out.line("  systemctl enable --now agentpg-worker@my_agents:app")
