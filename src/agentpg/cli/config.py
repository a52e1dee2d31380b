"""`agentpg config`: the settings, where they come from, and whether they work."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Group
from agentpg.cli.output import Column, json_option
from agentpg.cli.session import Session
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.settings import Option

_SOURCES = {
    "default": N_("default"),
    "environment": N_("environment"),
    ".env": ".env",
    "option": N_("command line"),
}


@click.group(
    "config",
    cls=Group,
    examples="""
        agentpg config show
        agentpg config check
    """,
)
def config() -> None:
    """Show and check the settings.

    A setting is read from its environment variable, then from the file `.env` in the
    working folder, then has its default.
    """


@config.command(
    "show",
    examples="""
        agentpg config show
        # With variable, unit, default and meaning.
        agentpg config show --long
        # One value, for a script.
        agentpg config show --json | jq -r '.[] | select(.name == "home").value'
    """,
)
@click.option("--long", "-l", is_flag=True, help="Show variable, default and meaning too.")
@json_option
@click.pass_obj
def show(session: Session, long: bool, as_json: bool) -> None:
    """Show every setting with its value and where it comes from.

    Passwords and keys are hidden.
    """
    options = _options(session)
    if as_json:
        session.out.json(options)
    elif long:
        _show_long(session, options)
    else:
        _show_table(session, options)


@config.command(
    "check",
    examples="""
        agentpg config check
        # In a script: 0 well, 2 a setting is wrong, 3 the database does not answer.
        agentpg config check --json || exit
    """,
)
@json_option
@click.pass_obj
def check(session: Session, as_json: bool) -> None:
    """Check the settings, and that the database answers.

    Exits with 2 where a setting is wrong or no database is configured, and with 3 where
    the database does not answer.
    """
    from agentpg.db import connect
    from agentpg.desk.retention import policy_of

    policy_of(session.settings)
    database = session.database
    with connect(database, "agentpg config check") as connection:
        version = connection.info.server_version
        role = connection.info.user
    found = {
        "database": database.target(),
        "role": role,
        "schema": database.schema,
        "postgresql": f"{version // 10000}.{version % 10000}",
    }
    if as_json:
        session.out.json(found)
        return
    names = (N_("database"), N_("role"), N_("schema"), "PostgreSQL")
    session.out.facts(zip(names, found.values(), strict=True))
    session.out.line(session.translate(N_("The settings are well, and the database answers.")))


def _options(session: Session) -> list[Option]:
    """The settings; one that a global option overrides says so."""
    from agentpg.settings import describe

    return [
        dataclasses.replace(o, source="option") if o.name in session.overrides else o
        for o in describe(session.settings)
    ]


def _show_table(session: Session, options: list[Option]) -> None:
    columns = (
        Column(N_("Name")),
        Column(N_("Value"), yields=1, fold=True),
        Column(N_("Source")),
    )
    session.out.table(columns, [(o.name, o.value or None, _source(session, o)) for o in options])


def _show_long(session: Session, options: list[Option]) -> None:
    for option in options:
        session.out.heading(option.name)
        session.out.facts(_long(session, option), indent=2)
        session.out.line()


def _long(session: Session, option: Option) -> tuple[tuple[str, str | None], ...]:
    return (
        (N_("value"), option.value or None),
        (N_("variable"), option.variable),
        (N_("source"), _source(session, option)),
        (N_("default"), option.default or None),
        (N_("unit"), option.unit or None),
        (N_("meaning"), session.translate(option.meaning)),
    )


def _source(session: Session, option: Option) -> str:
    return session.translate(_SOURCES.get(option.source, option.source))
