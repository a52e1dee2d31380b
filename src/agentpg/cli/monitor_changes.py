"""`agentpg monitor changes`: what is not as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from agentpg.cli import figures
from agentpg.cli.command import Command
from agentpg.cli.monitor_sizes import grown, sizes_document
from agentpg.cli.output import Column, Output, json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.monitor.changes import Changes

_MOST_TABLES = 10
_MOST_SETTINGS = 10

_NAMES = {
    "commits": N_("transactions committed"),
    "rollbacks": N_("transactions rolled back"),
    "deadlocks": N_("deadlocks"),
    "sessions": N_("sessions begun"),
    "rows_written": N_("rows written"),
    "pages_read": N_("pages read from disk"),
    "temp_bytes": N_("temporary files"),
    "wal_bytes": N_("WAL written"),
}


@click.command(
    "changes",
    cls=Command,
    examples="""
        agentpg monitor changes
        agentpg monitor changes --since 7d
        # Settings that have changed.
        agentpg monitor changes --json | jq -r '.settings[]'
    """,
)
@click.option(
    "--since",
    type=DURATION,
    default="1d",
    show_default=True,
    metavar="TIME",
    help="How far back to compare with.",
)
@json_option
@click.pass_obj
def changes(session: Session, since: timedelta, as_json: bool) -> None:
    """Show what has changed since yesterday: settings, sizes, and what the server did.

    Compares with samples that MaintenanceAgent keeps in the database, one every five minutes;
    they are thinned to one an hour after a day, and to one a day after a month. What the server
    did is shown beside a time of the same length before.
    """
    from agentpg.desk.monitor.changes import read_changes
    from agentpg.desk.monitor.reading import reading

    with reading(session.monitor_database, "agentpg monitor changes") as reader:
        found = read_changes(reader, since)
    if as_json:
        session.out.json(_document(found))
    else:
        _show(session.out, found)


def _document(changes: Changes) -> dict[str, object]:
    return {
        "since": changes.since,
        "until": changes.until,
        "restarted_at": changes.restarted_at,
        "version_before": changes.version_before,
        "settings": changes.settings,
        "sizes": sizes_document(changes.sizes),
        "counted": changes.counted,
    }


def _show(out: Output, changes: Changes) -> None:
    out.facts(_facts(out, changes))
    out.line()
    columns = (
        Column(N_("What")),
        Column(N_("Since then"), right=True),
        Column(N_("The time before"), right=True),
    )
    rows = [
        (out.translate(_NAMES[one.name]), _shown(one.name, one.now), _shown(one.name, one.before))
        for one in changes.counted
    ]
    out.table(columns, rows)
    _show_tables(out, changes)


def _facts(out: Output, changes: Changes) -> Iterator[tuple[str, object]]:
    ago = out.translate(N_("{time} ago")).format(time=figures.age(changes.since, changes.until))
    yield N_("since"), f"{figures.moment(changes.since)}, {ago}"
    if changes.restarted_at is not None:
        yield N_("restarted"), figures.moment(changes.restarted_at)
    if changes.version_before is not None:
        yield N_("version before"), changes.version_before
    names = changes.settings[:_MOST_SETTINGS]
    left = len(changes.settings) - len(names)
    more = f" {out.translate(N_('and {number} more')).format(number=left)}" if left else ""
    none = out.translate(N_("none has changed"))
    yield N_("settings"), f"{', '.join(names)}{more}" if names else none
    sizes = changes.sizes
    yield N_("database"), f"{figures.size(sizes.bytes)}, {grown(sizes.grown_bytes)}"
    if sizes.gone:
        yield N_("gone"), ", ".join(sizes.gone)


def _show_tables(out: Output, changes: Changes) -> None:
    moved = [one for one in changes.sizes.tables if one.grown_bytes or one.is_new]
    moved.sort(key=lambda one: -abs(one.grown_bytes or 0))
    if not moved:
        return
    out.line()
    columns = (
        Column(N_("Table"), yields=1),
        Column(N_("Rows"), right=True),
        Column(N_("Total"), right=True),
        Column(N_("Grown"), right=True),
    )
    rows = [
        (
            f"{one.schema}.{one.name}",
            one.estimated_rows,
            figures.size(one.total_bytes),
            out.translate(N_("new")) if one.is_new else grown(one.grown_bytes),
        )
        for one in moved[:_MOST_TABLES]
    ]
    out.table(columns, rows)


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return figures.UNKNOWN
    return figures.size(round(value)) if name.endswith("_bytes") else figures.count(round(value))
