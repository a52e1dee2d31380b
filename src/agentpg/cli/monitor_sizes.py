"""`agentpg monitor sizes`: how much room the database and its tables take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.cli import figures
from agentpg.cli.command import Command
from agentpg.cli.monitor_options import SINCE, sql_option
from agentpg.cli.output import Column, Output, json_option
from agentpg.cli.session import Session
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.monitor.sizes import Sizes, TableSize

_MOST_TABLES = 20


@click.command(
    "sizes",
    cls=Command,
    examples="""
        agentpg monitor sizes
        # What has grown since yesterday, by a sample that was kept.
        agentpg monitor sizes --since 1d
        # And since then.
        agentpg monitor sizes --json > monday.json
        agentpg monitor sizes --since monday.json
        # The ten largest tables of all.
        agentpg monitor sizes --json | jq '.tables[:10] | map(.name)'
    """,
)
@click.option("--all", "show_all", is_flag=True, help="Show all tables, not the largest only.")
@click.option(
    "--since",
    type=SINCE,
    metavar="TIME|FILE",
    help="Show what has changed since then: a time ago, such as 1d, or a sample that --json has "
    "printed.",
)
@sql_option
@json_option
@click.pass_obj
def sizes(
    session: Session, show_all: bool, since: timedelta | Path | None, as_sql: bool, as_json: bool
) -> None:
    """Show the size of the database and of its tables, with indexes and TOAST.

    Rows are those that the server estimates. A table that somebody rewrites just now has no
    size here: it would have to be waited for.
    """
    from agentpg.desk.monitor.reading import reading
    from agentpg.desk.monitor.samples import read_near
    from agentpg.desk.monitor.sizes import compared, guide_queries, read_sample, read_sizes

    earlier = read_sample(since) if isinstance(since, Path) else None
    with reading(session.monitor_database, "agentpg monitor sizes") as reader:
        if as_sql:
            name = read_sizes(reader).database
            session.out.line("\n\n".join(guide_queries(reader, name)))
            return
        found = read_sizes(reader)
        if isinstance(since, timedelta):
            earlier = read_near(reader, since).sizes
    if earlier is not None:
        found = compared(found, earlier)
    if as_json:
        session.out.json(sizes_document(found))
    else:
        show_sizes(session.out, found, most=None if show_all else _MOST_TABLES)


def sizes_document(sizes: Sizes) -> dict[str, object]:
    """For JSON: also what `--since` reads again."""
    return {**dataclasses.asdict(sizes), "grown_bytes_a_day": sizes.grown_a_day}


def show_sizes(out: Output, sizes: Sizes, *, most: int | None) -> None:
    """The database and its largest tables, with what has changed."""
    out.facts(_size_lines(out, sizes))
    out.line()
    tables = sizes.tables[:most]
    schemas = {table.schema for table in sizes.tables}
    out.table(
        _size_columns(grown=sizes.since is not None),
        [_size_row(out, table, sizes, qualified=len(schemas) > 1) for table in tables],
        empty=N_("There is no table."),
    )
    left = len(sizes.tables) - len(tables)
    if left:
        out.line()
        text = out.translate(N_("and {number} more; --all shows them"))
        out.line(text.format(number=left))


def _size_lines(out: Output, sizes: Sizes) -> Iterator[tuple[str, object]]:
    yield N_("database"), f"{sizes.database}, {figures.size(sizes.bytes)}"
    yield N_("tables"), len(sizes.tables)
    if sizes.since is not None:
        time = figures.age(sizes.since, sizes.taken_at)
        text = out.translate(N_("{size} in {time}")).format(
            size=grown(sizes.grown_bytes), time=time
        )
        pace = sizes.grown_a_day
        if pace is not None:
            a_day = out.translate(N_("{size} a day")).format(size=grown(round(pace)))
            text = f"{text}, {a_day}"
        yield N_("grown"), text
    if sizes.gone:
        yield N_("gone"), ", ".join(sizes.gone)


def _size_columns(*, grown: bool) -> list[Column]:
    columns = [
        Column(N_("Table"), yields=1),
        Column(N_("Rows"), right=True),
        Column(N_("Dead"), right=True),
        Column(N_("Data"), right=True),
        Column(N_("Indexes"), right=True),
        Column(N_("TOAST"), right=True),
        Column(N_("Total"), right=True),
    ]
    return [*columns, Column(N_("Grown"), right=True)] if grown else columns


def _size_row(out: Output, table: TableSize, sizes: Sizes, *, qualified: bool) -> list[object]:
    row: list[object] = [
        f"{table.schema}.{table.name}" if qualified else table.name,
        table.estimated_rows,
        table.dead_rows,
        figures.size(table.heap_bytes),
        figures.size(table.index_bytes),
        figures.size(table.toast_bytes),
        figures.size(table.total_bytes),
    ]
    if sizes.since is None:
        return row
    return [*row, out.translate(N_("new")) if table.is_new else grown(table.grown_bytes)]


def grown(size: int | None) -> str:
    """A difference of sizes with its sign: +1.5 MB."""
    if size is None:
        return figures.UNKNOWN
    return f"+{figures.size(size)}" if size > 0 else figures.size(size)
