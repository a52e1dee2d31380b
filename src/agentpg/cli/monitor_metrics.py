"""`agentpg monitor metrics`: for Prometheus, on a port, in a file, or once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, FILE_PATH
from agentpg.errors import ServerNotRunning, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.monitor.metrics.collecting import Collecting

# Printed once, counters have what has ended within this time, instead of since the start.
_REACH = timedelta(hours=1)

# A bucket that is asked for its backups may be far away.
_PATIENCE = timedelta(seconds=10)

# More often would only keep the server busy.
_MOST_OFTEN = timedelta(seconds=1)

_ONE_WAY = N_("--listen, --file, --dashboard, --rules and --json exclude each other")
_LOOPBACK = ("127.", "::1", "localhost")


@click.command(
    "metrics",
    cls=Command,
    examples="""
        agentpg monitor metrics
        # For Prometheus to scrape.
        agentpg monitor metrics --listen 127.0.0.1:9187
        # For the textfile collector of node_exporter.
        agentpg monitor metrics --file /var/lib/node_exporter/agentpg.prom --every 30s
        # What goes with them.
        agentpg monitor metrics --rules > agentpg-rules.yml
        agentpg monitor metrics --dashboard > agentpg-dashboard.json
    """,
)
@click.option(
    "--listen",
    metavar="[HOST:]PORT",
    help="Serve them there until SIGTERM or Ctrl-C; without a host on this machine only.",
)
@click.option("--file", "path", type=FILE_PATH, metavar="FILE", help="Write them to a file.")
@click.option(
    "--every",
    type=DURATION,
    metavar="TIME",
    help="Write the file again and again, so often, until SIGTERM or Ctrl-C.",
)
@click.option("--dashboard", is_flag=True, help="Print a dashboard for Grafana.")
@click.option("--rules", is_flag=True, help="Print alert rules for Prometheus.")
@json_option
@click.pass_obj
def metrics(
    session: Session,
    listen: str | None,
    path: Path | None,
    every: timedelta | None,
    dashboard: bool,
    rules: bool,
    as_json: bool,
) -> None:
    """Print the metrics of the server and the agents, or serve them for Prometheus.

    Where the server is away pg_up is 0, and what is served goes on. Counters of executions and
    calls count from the start of the command; printed once, they have those of the last hour.
    """
    if sum(map(bool, (listen, path, dashboard, rules, as_json))) > 1:
        raise UsageError(_ONE_WAY)
    if every is not None and path is None:
        raise UsageError(N_("--every needs --file"))
    if every is not None and every < _MOST_OFTEN:
        raise UsageError(N_("--every takes 1s at least"))
    if dashboard or rules:
        from agentpg.desk.monitor.metrics.shipped import dashboard_text, rules_text

        click.echo(dashboard_text() if dashboard else rules_text(), nl=False)
    elif listen is not None:
        _serve(session, listen)
    elif path is not None:
        _write(session, path, every)
    else:
        _print(session, as_json=as_json)


def _print(session: Session, *, as_json: bool) -> None:
    from agentpg.desk.monitor.metrics.rendering import document_of, text_of

    with _collecting(session, reach=_REACH, patient=True) as collecting:
        if as_json:
            session.out.json(document_of(collecting))
        else:
            click.echo(text_of(collecting), nl=False)


def _serve(session: Session, listen: str) -> None:
    from agentpg.cli.logs import start_logging
    from agentpg.desk.monitor.metrics.serving import parse_address, served

    host, port = parse_address(listen)
    with (
        _until_told() as ended,
        _collecting(session) as collecting,
        served(collecting, host, port) as bound,
    ):
        start_logging(session.settings)
        _say_where(session, host, bound)
        ended.wait()


def _say_where(session: Session, host: str, port: int) -> None:
    _ = session.translate
    shown = f"[{host}]" if ":" in host else host
    said = _(N_("The metrics are at {address}. Ctrl-C stops it."))
    session.out.line(said.format(address=f"http://{shown}:{port}/metrics"))
    if not host.startswith(_LOOPBACK):
        text = N_("Whoever reaches this address can read them: names of agents and tables.")
        session.out.note(_(text))
    sys.stdout.flush()


def _write(session: Session, path: Path, every: timedelta | None) -> None:
    from agentpg.cli.logs import start_logging
    from agentpg.desk.monitor.metrics.serving import keep_writing, write_file

    if every is None:
        with _collecting(session, reach=_REACH, patient=True) as collecting:
            write_file(collecting, path)
        return
    start_logging(session.settings)
    with _until_told() as ended, _collecting(session) as collecting:
        keep_writing(collecting, path, every, ended)


@contextmanager
def _collecting(
    session: Session, reach: timedelta = timedelta(), *, patient: bool = False
) -> Iterator[Collecting]:
    from agentpg.desk.monitor.metrics.aside import Aside
    from agentpg.desk.monitor.metrics.backups import look_at_backups
    from agentpg.desk.monitor.metrics.collecting import Collecting

    settings = session.settings
    try:
        monitored, database = session.monitor_database, session.database
    except ServerNotRunning:
        # That it is away is a measurement as well.
        monitored = database = session.looked_at
    backups = Aside("backups", lambda: look_at_backups(database, settings))
    if patient:
        backups.found(_PATIENCE)
    collecting = Collecting(monitored, reach=reach, aside=[backups], patient=patient)
    try:
        yield collecting
    finally:
        collecting.close()


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """An event that SIGTERM, SIGHUP and Ctrl-C set."""
    ended = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [(number, signal.signal(number, lambda *_: ended.set())) for number in numbers]
    try:
        yield ended
    finally:
        for number, handler in before:
            signal.signal(number, handler)
