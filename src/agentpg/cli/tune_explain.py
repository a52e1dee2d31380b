"""`agentpg tune explain`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, FILE_PATH, GIVEN
from agentpg.errors import FileNotRead, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.tune.plans.reading import Question

_ONE_SOURCE = N_("give one statement: as an argument, with --file, or with --query-id")
_WRITE_ALONE = N_("--write is for --analyze")


@click.command(
    "explain",
    cls=Command,
    examples="""
        agentpg tune explain "SELECT * FROM tasks WHERE status = 'failed'"
        # Run it, and see where the time goes.
        agentpg tune explain --analyze --file slow.sql
        # A statement of pg_stat_statements, for any parameters.
        agentpg tune explain --query-id 4212345678901234567
        agentpg tune explain --param failed --file by-status.sql
    """,
)
@click.argument("statement", type=GIVEN, metavar="[SQL]", required=False, help="The statement.")
@click.option("--file", "path", type=FILE_PATH, help="A file that has the statement.")
@click.option(
    "--query-id",
    type=int,
    metavar="NUMBER",
    help="A statement of pg_stat_statements, by its queryid.",
)
@click.option(
    "--param",
    "parameters",
    metavar="VALUE",
    multiple=True,
    help="The value of $1, and so on; without them it is planned for any.",
)
@click.option("--analyze", is_flag=True, help="Run the statement, and measure it.")
@click.option(
    "--write",
    is_flag=True,
    help="With --analyze: let it change what is rolled back at once.",
)
@click.option(
    "--timeout",
    type=DURATION,
    default="30s",
    show_default=True,
    help="Cancel it after this time.",
)
@json_option
@click.pass_obj
def explain(
    session: Session,
    statement: str | None,
    path: Path | None,
    query_id: int | None,
    parameters: tuple[str, ...],
    analyze: bool,
    write: bool,
    timeout: timedelta,
    as_json: bool,
) -> None:
    """Read the plan of a statement, and say what is wrong with it.

    Each node is shown with its own time, its share of the whole, its rows beside those that were
    planned, and the codes of the findings below. Only --analyze runs the statement: in a
    transaction that may only read, unless --write is said, and that is rolled back. Values of
    passwords, keys and tokens are hidden.
    """
    from agentpg.cli.tune_explain_view import document, show
    from agentpg.desk.tune.plans.findings import find
    from agentpg.desk.tune.plans.reading import read_plan

    if write and not analyze:
        raise UsageError(_WRITE_ALONE)
    text = _statement(session, statement, path, query_id)
    plan = read_plan(session.database, _question(text, parameters, analyze, write, timeout))
    findings = find(plan)
    if as_json:
        session.out.json(document(plan, findings))
    else:
        show(session.out, plan, findings)


def _question(
    text: str, parameters: tuple[str, ...], analyze: bool, write: bool, timeout: timedelta
) -> Question:
    from agentpg.desk.tune.plans.reading import Question

    return Question(
        statement=text, parameters=parameters, analyze=analyze, write=write, timeout=timeout
    )


def _statement(
    session: Session, statement: str | None, path: Path | None, query_id: int | None
) -> str:
    if sum(one is not None for one in (statement, path, query_id)) != 1:
        raise UsageError(_ONE_SOURCE)
    if statement is not None:
        return statement
    if query_id is None:
        return "" if path is None else _read(path)
    from agentpg.desk.tune.plans.reading import query_of

    return query_of(session.database, query_id)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FileNotRead(N_("it is not text in UTF-8"), path=path) from None
    except OSError as error:
        raise FileNotRead(error.strerror or str(error), path=path) from None
