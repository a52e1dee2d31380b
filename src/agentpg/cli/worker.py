"""`agentpg worker`: one or more processes that run handlers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.output import Column
from agentpg.cli.session import Session
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.tasks.handlers import App

_NO_OWN = N_("Register one with `@app.task(...)`.")
_NO_BUILT_IN = N_(
    "The built-in agents need AGENTPG_DSN_ADMIN, AGENTPG_DSN_MONITOR or an endpoint for "
    "language models; your own are given with --app."
)

_MODULE_RUN = (sys.executable, "-m", "agentpg")


@click.command(
    "worker",
    cls=Command,
    examples="""
        # The handlers of the variable `app` in my_agents.py, in the working folder.
        agentpg worker --app my_agents:app
        # Four processes of 50 handlers each, with the built-in agents.
        agentpg worker --app my_agents:app --built-in --processes 4 --concurrency 50
        # Only load the apps and list their handlers.
        agentpg worker --app my_agents:app --check
    """,
)
@click.option(
    "--app",
    "apps",
    multiple=True,
    metavar="MODULE:VARIABLE",
    help="Where an App is; may be given more than once.",
)
@click.option("--built-in", is_flag=True, help="Run the built-in agents too.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 10_000),
    help="How many handlers a process runs at a time; by default the setting `concurrency`.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="How many processes; one that dies is started again.",
)
@click.option("--check", is_flag=True, help="Load the apps, list their handlers, and end.")
@click.option(
    "--below-parent", is_flag=True, hidden=True, help="Standard input ends with the parent process."
)
@click.pass_obj
def worker(
    session: Session,
    apps: tuple[str, ...],
    built_in: bool,
    concurrency: int | None,
    processes: int,
    check: bool,
    below_parent: bool,
) -> int:
    """Run the handlers of agents.

    Waits for the database where it is away. The first SIGTERM or Ctrl-C lets the handlers
    finish within the setting `shutdown_grace` and hands the rest back; the second hands
    everything back at once.
    """
    from agentpg.cli.logs import start_logging

    if not apps and not built_in:
        raise UsageError(
            N_("there is nothing to run"), hint=N_("Give --app MODULE:VARIABLE or --built-in.")
        )
    start_logging(session.settings)
    if check:
        _list_handlers(session, load(session, apps, built_in=built_in))
        return 0
    if processes > 1:
        return _watch(session, _command(session, apps, built_in, concurrency), processes)
    lifeline = _take_lifeline() if below_parent else None
    app = load(session, apps, built_in=built_in)
    with _watched(session, built_in=built_in):
        return _work(session, app, concurrency, lifeline)


def load(session: Session, apps: tuple[str, ...], *, built_in: bool) -> App:
    """The handlers of these apps, and of the built-in agents if wanted, as one app."""
    from agentpg.tasks.loading import load_apps

    first = None
    if built_in:
        from agentpg.agents.built_in import built_in_app

        first = built_in_app(session.settings)
    app = load_apps(apps, first=first)
    if not len(app):
        raise UsageError(N_("the app has no handlers"), hint=_NO_BUILT_IN if built_in else _NO_OWN)
    return app


@contextmanager
def _watched(session: Session, *, built_in: bool) -> Iterator[None]:
    """With the built-in agents, people are told also where the database is away."""
    if not built_in:
        yield
        return
    from agentpg.agents.health_watch import watching

    with watching(lambda: session.looked_at, session.settings, session.language):
        yield


def _work(session: Session, app: App, concurrency: int | None, lifeline: int | None) -> int:
    """Run a worker in this process until it is told to stop."""
    from agentpg.cli.parted import worker_database
    from agentpg.tasks.service import Service, run_below_parent, run_service

    service = Service(
        app, lambda: worker_database(session), session.settings, concurrency=concurrency
    )
    if lifeline is None:
        run_service(service)
    else:
        run_below_parent(service, lifeline)
    return 0


def _list_handlers(session: Session, app: App) -> None:
    columns = (Column(N_("Agent")), Column(N_("Task type")), Column(N_("Function"), yields=1))
    rows = [(h.agent_name, h.task_type, _place(h.function)) for h in app]
    session.out.table(columns, rows)


def _place(function: object) -> str:
    module = getattr(function, "__module__", "?")
    return f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _command(
    session: Session, apps: tuple[str, ...], built_in: bool, concurrency: int | None
) -> list[str]:
    """The command line of one process. The global options go through its environment, where
    others cannot read a password."""
    command = [*_MODULE_RUN, *(["--debug"] if session.debug else []), "worker"]
    command += [f"--app={app}" for app in apps]
    command += ["--built-in"] if built_in else []
    return command + ([f"--concurrency={concurrency}"] if concurrency else [])


def _watch(session: Session, command: list[str], number: int) -> int:
    """Keep so many worker processes alive."""
    from agentpg.settings import environment_with
    from agentpg.tasks.processes import Processes, run_processes

    environment = environment_with(**{n: str(v) for n, v in session.overrides.items()})
    # Its own process, so that the watching one does not load what the apps load.
    checked = subprocess.run(
        [*command, "--check"], env=environment, stdout=subprocess.DEVNULL, check=False
    )
    if checked.returncode:
        return checked.returncode
    # After the grace, outcomes that cannot be written are waited for as long again.
    patience = 2 * session.settings.shutdown_grace + timedelta(seconds=10)
    watched = Processes([*command, "--below-parent"], environment, number, patience)
    return run_processes(watched, lambda: session.database)


def _take_lifeline() -> int:
    """Standard input, put out of the way of the handlers' own children."""
    lifeline = os.dup(sys.stdin.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return lifeline
