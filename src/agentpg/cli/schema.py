"""`agentpg schema`: install, upgrade, verify, show and adopt the schema."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli.command import Group
from agentpg.cli.output import Column, json_option
from agentpg.cli.session import Session
from agentpg.cli.values import FOLDER_PATH
from agentpg.errors import TableNotFound, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.relations import Relation
    from agentpg.schema import Adoption, Difference

_KINDS = {
    "missing": N_("missing"),
    "differs": N_("differs"),
    "extra": N_("extra"),
}
_DEPENDENTS = {
    "view": N_("view"),
    "trigger": N_("trigger"),
    "foreign key": N_("foreign key"),
    "grant": N_("grant"),
}

# What an adoption does to what is there already, and is worth reading before.
_NOTABLE = {
    "drop_constraint": N_("dropped constraint"),
    "rename_column": N_("renamed column"),
    "convert_column": N_("converted column"),
    "copy_column": N_("copied column"),
    "drop_not_null": N_("may be NULL now"),
    "rename_index": N_("renamed index"),
    "reset_options": N_("reset storage settings"),
}


@click.group(
    "schema",
    cls=Group,
    examples="""
        agentpg schema migrate
        agentpg schema verify
        agentpg schema show tasks
        # A database that the operations guide made.
        agentpg schema adopt
    """,
)
def schema() -> None:
    """Install, upgrade and verify the schema.

    The schema is one of the database, agentic_ai by default, with all tables in it.
    """


@schema.command(
    "migrate",
    examples="""
        agentpg schema migrate
        # Look at it first, or let a DBA run it.
        agentpg schema migrate --sql
        agentpg schema migrate --sql | psql "$AGENTPG_DSN"
    """,
)
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL and run nothing.")
@json_option
@click.pass_obj
def migrate(session: Session, as_sql: bool, as_json: bool) -> None:
    """Bring the schema to this release, and make it where it is missing.

    Each migration is one transaction, waits only shortly for its locks and is tried again,
    so that workers go on meanwhile. Roles of `agentpg security roles` get their rights on what is
    new.
    """
    from agentpg.desk.security.roles.applying import regrant
    from agentpg.schema import migrate as run, script

    if as_sql:
        click.echo(script(session.database), nl=False)
        return
    with session.recorded(Action.SCHEMA_MIGRATE, session.database.schema) as course:
        applied = run(session.database)
        course.changed, course.details["applied"] = bool(applied), [str(one) for one in applied]
    granted = regrant(session.database)
    if as_json:
        session.out.json([{"version": m.version, "name": m.name} for m in applied])
        return
    _ = session.translate
    for migration in applied:
        session.out.line(_(N_("Applied {migration}.")).format(migration=migration))
    if not applied:
        session.out.line(_(N_("The schema is that of this release; there is nothing to do.")))
    if granted:
        roles = ", ".join(sorted({step.role for step in granted}))
        session.out.line(_(N_("Granted to {roles} what they lacked.")).format(roles=roles))
    _show_search_path(session)


@schema.command(
    "verify",
    examples="""
        agentpg schema verify
        # In a script: 0 as expected, 1 not.
        agentpg schema verify --json
    """,
)
@json_option
@click.pass_obj
def verify(session: Session, as_json: bool) -> int:
    """Compare the schema with what this release expects.

    What others added is shown as extra and is no difference. Exits with 1 where something
    is missing or differs. The role must be allowed to make a schema; it is rolled back.
    """
    from agentpg.schema import verify as run

    differences = run(session.database)
    wrong = [d for d in differences if d.kind != "extra"]
    if as_json:
        session.out.json(differences)
    else:
        _show_differences(session, differences)
        if not wrong:
            session.out.line(session.translate(N_("The schema is as this release expects it.")))
    return 1 if wrong else 0


@schema.command(
    "show",
    examples="""
        agentpg schema show
        agentpg schema show agent_executions
        # The whole schema with its explanations, without a database.
        agentpg schema show --sql | less
    """,
)
@click.argument("table", required=False, help="A table or a view; all of them by default.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL that this release expects.")
@json_option
@click.pass_obj
def show(session: Session, table: str | None, as_sql: bool, as_json: bool) -> None:
    """Show the tables and views with their columns and what these mean."""
    from agentpg.desk.relations import read_catalogue
    from agentpg.schema import present_schema

    if as_sql:
        click.echo(present_schema(), nl=False)
        return
    found = read_catalogue(session.database).relations
    chosen = [relation for relation in found if table in (None, relation.name)]
    if table is not None and not chosen:
        raise TableNotFound(table=table)
    if as_json:
        session.out.json([_document(relation) for relation in chosen])
        return
    for relation in chosen:
        _show_relation(session, relation)


@schema.command(
    "adopt",
    examples="""
        # See what would be done, then be asked.
        agentpg schema adopt
        # The tables are in another schema, with timestamps in local time.
        agentpg schema adopt --from app --time-zone Asia/Seoul
        # Let a DBA run it.
        agentpg schema adopt --sql > adopt.sql
    """,
)
@click.option(
    "--from", "source", metavar="SCHEMA", help="The schema of the tables; by default it is found."
)
@click.option(
    "--time-zone",
    metavar="ZONE",
    help="The time zone of timestamps without one; by default the server's.",
)
@click.option(
    "--run-pending", is_flag=True, help="Let unfinished tasks run, instead of holding them."
)
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL and run nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def adopt(
    session: Session,
    source: str | None,
    time_zone: str | None,
    run_pending: bool,
    as_sql: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take over the tables of a database that the operations guide made.

    Its tasks, and agent_executions and users where they are, move into the schema as they
    are: every row, view and foreign key stays. Tasks that are unfinished are held until
    `agentpg task release` lets them run. All is one transaction.
    """
    from agentpg.schema import Wishes, adopt as run, plan_adoption

    wishes = Wishes(source=source, time_zone=time_zone, run_pending=run_pending)
    plan = plan_adoption(session.database, wishes)
    if as_sql:
        click.echo(plan.script(), nl=False)
        return
    if not as_json:
        _show_plan(session, plan, held=not run_pending)
    if not yes and not _agreed(session):
        session.out.note(session.translate(N_("Nothing was changed.")))
        return
    with session.recorded(Action.SCHEMA_ADOPT, plan.schema, source=plan.source, rows=plan.rows):
        done = run(session.database, wishes, shown=plan)
    if as_json:
        session.out.json({"source": done.source, "schema": done.schema, "rows": done.rows})
        return
    session.out.line(session.translate(N_("The tables are agentpg's now, with every row.")))
    _show_search_path(session)


@schema.command(
    "docs",
    examples="""
        agentpg schema docs
        agentpg schema docs --folder docs/database
    """,
)
@click.option(
    "--folder",
    type=FOLDER_PATH,
    help="Where the pages go; by default knowledge-base/schemas.",
)
@click.pass_obj
def docs(session: Session, folder: Path | None) -> None:
    """Write a page for each table and view, with a diagram, from the live catalogue."""
    from agentpg.desk.catalogue import FOLDER, write_schema_pages

    for path in write_schema_pages(session.database, folder or FOLDER, session.translate):
        session.out.line(str(path))


def _show_search_path(session: Session) -> None:
    from agentpg.schema import remaining_search_path

    remaining = remaining_search_path(session.database)
    if remaining:
        session.out.note(
            session.translate(N_("For unqualified names, the owner of the database has to run:"))
        )
        for statement in remaining:
            session.out.note(f"{statement};")


def _show_differences(session: Session, differences: list[Difference]) -> None:
    for difference in differences:
        session.out.line(f"{session.translate(_KINDS[difference.kind])}: {difference.object}")
        if difference.kind != "extra":
            facts = ((N_("expected"), difference.expected), (N_("found"), difference.found))
            session.out.facts(facts, indent=2)


def _show_relation(session: Session, relation: Relation) -> None:
    session.out.heading(relation.name)
    if relation.comment:
        session.out.line(relation.comment)
    columns = (
        Column(N_("Column")),
        Column(N_("Type")),
        Column("NULL"),
        Column(N_("Meaning"), yields=1, fold=True),
    )
    session.out.table(
        columns, [(c.name, c.type, c.nullable, c.comment or "") for c in relation.columns]
    )
    session.out.line()


def _document(relation: Relation) -> dict[str, object]:
    columns = [
        {
            "name": column.name,
            "type": column.type,
            "nullable": column.nullable,
            "default": column.default,
            "meaning": column.comment,
        }
        for column in relation.columns
    ]
    return {
        "name": relation.name,
        "kind": relation.kind,
        "meaning": relation.comment,
        "columns": columns,
        "indexes": [dataclasses.asdict(index)["definition"] for index in relation.indexes],
    }


def _show_plan(session: Session, plan: Adoption, *, held: bool) -> None:
    _ = session.translate
    session.out.facts(
        (
            (N_("from schema"), plan.source),
            (N_("to schema"), plan.schema),
            (N_("unfinished"), _fate(session, plan.unfinished, held)),
            (N_("time zone"), plan.time_zone),
        )
    )
    session.out.line()
    session.out.table((Column(N_("Table")), Column(N_("Rows"), right=True)), plan.rows.items())
    unknown = [(count.status or "NULL", count.tasks) for count in plan.unknown]
    if unknown:
        session.out.line()
        session.out.line(_(N_("These statuses are not agentpg's and stay as they are:")))
        session.out.table((Column(N_("Status")), Column(N_("Tasks"), right=True)), unknown)
    if plan.dependents:
        session.out.line()
        session.out.line(_(N_("These objects of others stay and go on working:")))
        rows = [(_(_DEPENDENTS[d.kind]), d.table_name, d.name) for d in plan.dependents]
        titles = (Column(N_("Kind")), Column(N_("Table")), Column(N_("Name"), yields=1, fold=True))
        session.out.table(titles, rows)
    changes = [(_(_NOTABLE[s.what]), s.object) for s in plan.steps if s.what in _NOTABLE]
    if changes:
        session.out.line()
        session.out.line(_(N_("This changes in what is there:")))
        session.out.table((Column(N_("Change")), Column(N_("What"), yields=1, fold=True)), changes)
    session.out.line()


def _fate(session: Session, unfinished: int, held: bool) -> str:
    sentence = N_("{number} tasks, held") if held else N_("{number} tasks, which run")
    return session.translate(sentence).format(number=session.out.text(unfinished))


def _agreed(session: Session) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    return click.confirm(session.translate(N_("Go ahead?")), err=True)
