"""`agentpg up`: all that is needed here, in one process that stays."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.session import Session
from agentpg.errors import AgentpgError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.tasks.handlers import App


@click.command(
    "up",
    cls=Command,
    examples="""
        # A private server, the schema and the built-in agents.
        agentpg up
        # With agents of your own.
        agentpg up --app my_agents:app
        # On a database of your own.
        agentpg --dsn postgresql://admin@db.example/agentic_ai up
    """,
)
@click.option(
    "--app",
    "apps",
    multiple=True,
    metavar="MODULE:VARIABLE",
    help="Where an App is; may be given more than once.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 10_000),
    help="How many handlers a process runs at a time; by default the setting `concurrency`.",
)
@click.pass_obj
def up(session: Session, apps: tuple[str, ...], concurrency: int | None) -> int:
    """Start all that is needed here and stay.

    Starts the private server where no database is configured, brings the schema up to date,
    and runs a worker with the built-in agents. Ctrl-C or SIGTERM stops the worker, and then
    the server unless it was running before.
    """
    from agentpg.agents.health_watch import watching
    from agentpg.cli.logs import start_logging
    from agentpg.cli.parted import agent_database, worker_database
    from agentpg.cli.security_hba import settle_overdue
    from agentpg.cli.worker import load
    from agentpg.schema import bring_up_to_date, check_version
    from agentpg.tasks.service import Service, run_service

    start_logging(session.settings)
    with suppress(AgentpgError):  # of another account's home, or on a full disk: later then
        settle_overdue(session)
    # Until the worker obeys signals by itself, both of them end the start in good order.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with _server(session):
        app = load(session, apps, built_in=True)
        _say_what_runs(session, app)
        parted = agent_database(session) is not None
        service = Service(
            app,
            lambda: worker_database(session),
            session.settings,
            # A worker's role migrates nothing; that is done by then.
            prepare=check_version if parted else bring_up_to_date,
            concurrency=concurrency,
        )
        with watching(lambda: session.looked_at, session.settings, session.language):
            run_service(service)
    session.out.line(session.translate(N_("Everything has stopped.")))
    return 0


@contextmanager
def _server(session: Session) -> Iterator[None]:
    """The private server, where no database is configured; stopped again if we started it."""
    from agentpg.db import configured

    database = configured(session.settings)
    if database is not None:
        _let_built_in_agents_in(session, database.dsn)
        yield
        return
    is_new = not session.server.exists()
    was_running = not is_new and session.server.status().running
    try:
        if not was_running:
            session.out.line(session.translate(N_("Starting the private server …")))
        session.server.start()
        with suppress(AgentpgError):  # a server in need starts all the same
            session.server.let_owner_watch()
        _see_to_roles(session, is_new=is_new)
        _let_agents_in_by_part(session)
        _let_built_in_agents_in(session, session.server.dsn())
        yield
    finally:
        if not was_running:
            session.server.stop()


def _see_to_roles(session: Session, *, is_new: bool) -> None:
    """On a new private server, also one that was started and not yet used, each part has a role
    of its own; one with a schema stays as it is until `agentpg security roles apply --logins all`.
    """
    from agentpg.cli.parted import agent_database, bring_parted_up_to_date, is_unused, make_roles

    if is_new or is_unused(session):
        make_roles(session)
    elif agent_database(session) is not None:
        with suppress(AgentpgError):  # as above; the worker waits, or says what is wrong
            bring_parted_up_to_date(session)


def _let_agents_in_by_part(session: Session) -> None:
    """Who makes backups has the role of that part, or on a server from before the roles is its
    superuser. Who looks at the server's own files is that in any case: the monitor's role may read
    neither pg_hba.conf nor the settings' files, nor plan what workers do."""
    from agentpg.cli.parted import part_database
    from agentpg.embedded.folder import SUPERUSER

    superuser = session.server.dsn(SUPERUSER)
    if not session.settings.dsn_backup:
        found = part_database(session, "backup")
        session.override("dsn_backup", found.dsn if found else superuser)
    if not session.settings.dsn_monitor:
        session.override("dsn_monitor", superuser)


def _let_built_in_agents_in(session: Session, dsn: str) -> None:
    """Give the built-in agents the role that `up` has, where they have none of their own."""
    for name in ("dsn_admin", "dsn_monitor"):
        if not getattr(session.settings, name):
            session.override(name, dsn)


def _say_what_runs(session: Session, app: App) -> None:
    """What runs and how to look at it; complete before the worker writes its log."""
    _ = session.translate
    database = session.database
    agents = sorted({handler.agent_name for handler in app})
    session.out.facts(
        (
            (N_("database"), database.target()),
            (N_("schema"), database.schema),
            (N_("agents"), ", ".join(agents)),
        )
    )
    session.out.line()
    session.out.line(_(N_("Look at it from another terminal:")))
    agentpg = " ".join(["agentpg", *_global_options(session)])
    session.out.line(f"  {agentpg} status")
    session.out.line(f"  {agentpg} task list")
    session.out.line(f"  {_psql(session)}")
    session.out.line()
    session.out.line(_(N_("Ctrl-C stops it.")))


def _global_options(session: Session) -> Iterator[str]:
    """The options with which another call finds the same installation; never a password."""
    from agentpg.settings import hide_password

    options = {"dsn": "--dsn", "schema_name": "--schema", "home": "--home"}
    for name, option in options.items():
        if name in session.overrides:
            yield option
            yield shlex.quote(hide_password(str(session.overrides[name])))


def _psql(session: Session) -> str:
    from agentpg.db import configured

    if configured(session.settings) is None:
        return " ".join(["agentpg", *_global_options(session), "server", "psql"])
    return f"psql {shlex.quote(session.database.without_password())}"
