"""`agentpg report`: the operations and cost report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.cli import figures
from agentpg.cli.command import Command
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import FILE_PATH
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.report_data import Report


@click.command(
    "report",
    cls=Command,
    examples="""
        # Both forms, as files in the folder reports of `home`.
        agentpg report
        # The last 30 days, to read here.
        agentpg report --days 30 --format markdown | less
        # To a file of your own.
        agentpg report --output report.html
        # The totals, for a program.
        agentpg report --json | jq .cost_usd
    """,
)
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=7,
    show_default=True,
    help="How many days before today; today so far is always in it.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "markdown"]),
    help="Print the report in this form, or write it so to the file of --output.",
)
@click.option(
    "--output",
    type=FILE_PATH,
    help="Write the report to this file; one that ends in .md is Markdown, others are HTML.",
)
@json_option
@click.pass_obj
def report(
    session: Session, days: int, form: str | None, output: Path | None, as_json: bool
) -> None:
    """Write the operations and cost report of the last days.

    It tells from the recorded executions what was done, what failed, how long it took and
    what it cost, day by day and by agent, model and task type. With --json the totals are
    printed, and a file is written only where --output names one.
    """
    if output is not None:
        _write_one(session, days, form or _form_of(output), output, as_json)
    elif as_json:
        from agentpg.desk.report_data import collect_report, report_totals

        session.out.json(report_totals(collect_report(session.database, days)))
    elif form is not None:
        from agentpg.desk.report_data import collect_report

        click.echo(_text(session, collect_report(session.database, days), form), nl=False)
    else:
        _write_both(session, days)


def _write_both(session: Session, days: int) -> None:
    from agentpg.desk.report import FOLDER, write_report

    written = write_report(session.database, session.home / FOLDER, days, session.language)
    paths = ((N_("Markdown"), written.markdown_path), (N_("HTML"), written.html_path))
    _show(session, written.report, paths)


def _write_one(session: Session, days: int, form: str, output: Path, as_json: bool) -> None:
    from agentpg.desk.files import replace_file
    from agentpg.desk.report_data import collect_report, report_totals

    collected = collect_report(session.database, days)
    replace_file(output, _text(session, collected, form))
    if as_json:
        session.out.json({**report_totals(collected), "path": output})
    else:
        _show(session, collected, ((N_("file"), output),))


def _form_of(output: Path) -> str:
    return "markdown" if output.suffix.lower() in (".md", ".markdown") else "html"


def _text(session: Session, collected: Report, form: str) -> str:
    from agentpg.desk.report_html import html_report
    from agentpg.desk.report_markdown import markdown_report

    make = html_report if form == "html" else markdown_report
    return make(collected, session.language)


def _show(session: Session, collected: Report, files: Iterable[tuple[str, Path]]) -> None:
    """The totals in a few lines, and where the whole is."""
    from agentpg.desk.report_page import cost_of, tokens_of, words_of

    words, total = words_of(session.language), collected.total
    failures = figures.percent(total.bad / total.ended if total.ended else None)
    session.out.facts(
        (
            (N_("since"), collected.window.since),
            (N_("executions"), total.executions),
            (N_("failures"), f"{figures.count(total.bad)} ({failures})"),
            (N_("tokens"), tokens_of(total, words)),
            (N_("cost"), cost_of(total, words)),
            *files,
        )
    )
