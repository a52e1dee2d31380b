"""`agentpg doctor connection`: the way to the server, step by step, and what stops on it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.doctor_view import document, exit_code, findings_options, show_findings
from agentpg.cli.output import Output, visible
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, GIVEN
from agentpg.cli.wrapping import cell_width, wrap
from agentpg.errors import SettingError
from agentpg.language import N_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentpg.desk.doctor.connection.facts import Facts
    from agentpg.desk.doctor.connection.steps import Step
    from agentpg.desk.finding import Finding, Level

# What each state of a step is shown by, and the level whose colour that has.
_SIGNS = {
    "done": ("✓", "ok"),
    "stopped": ("✗", "critical"),
    "ahead": ("·", ""),
    "without": ("–", ""),
}

_WIDEST = 100


@click.command(
    "connection",
    cls=Command,
    examples="""
        # The way to the database that is configured.
        agentpg doctor connection
        # Any other one; with libpq's variables, services and .pgpass.
        agentpg doctor connection postgresql://admin@db.example/agentic_ai
        agentpg doctor connection 'service=reports sslmode=verify-full'
        agentpg doctor connection --json | jq -r '.rooms.connection[0].code'
    """,
)
@click.argument("dsn", required=False, type=GIVEN, help="A libpq connection string or URI.")
@click.option(
    "--timeout",
    type=DURATION,
    default="8s",
    show_default=True,
    metavar="DURATION",
    help="How long all steps may take together.",
)
@findings_options
@click.pass_obj
def verb(
    session: Session,
    dsn: str | None,
    timeout: timedelta,
    show_all: bool,
    fail_on: Level,
    as_json: bool,
) -> int:
    """Go to the server step by step, and say what stops and why.

    It works when nothing else does, and needs no password for most of it: the connection string
    is read as libpq reads it, then come the name, the network, TLS, and the server's own answer.
    On the server's machine its processes, sockets, log and pg_hba.conf are looked at too. It ends
    with 5 where the connection fails.
    """
    from agentpg.desk.doctor.connection.findings import judge
    from agentpg.desk.doctor.connection.looking import look

    facts = look(_string(session, dsn), session.settings, timeout)
    findings = list(judge(facts))
    if as_json:
        session.out.json(_document(facts, findings))
        return exit_code(findings, fail_on)
    show_steps(session.out, facts)
    session.out.line()
    show_findings(session.out, findings, show_all=show_all or findings[0].level == "ok")
    if facts.around is not None:
        _show_log(session.out, facts.around.log)
    return exit_code(findings, fail_on)


def show_steps(out: Output, facts: Facts) -> None:
    """The ladder: each step with what came of it, in the colour of that."""
    from agentpg.desk.doctor.connection.steps import steps_of

    steps = steps_of(facts)
    wide = max(cell_width(out.translate(step.name)) for step in steps)
    for step in steps:
        _show_step(out, step, wide)


def _show_step(out: Output, step: Step, wide: int) -> None:
    name = out.translate(step.name)
    sign, level = _SIGNS[step.state]
    head = f"  {sign} {name}{' ' * (wide - cell_width(name))}  "
    text = visible(out.translate(step.text).format_map(step.values)) if step.text else ""
    width = min(out.width, _WIDEST)
    first, *rest = wrap(text, width, first=head, rest=" " * cell_width(head)) or [head.rstrip()]
    out.marked(first, 2, 3, level)
    for line in rest:
        out.line(line)


def _show_log(out: Output, lines: Sequence[str]) -> None:
    if lines:
        out.line()
        out.line(out.translate(N_("The end of the server's log:")))
    for line in lines:
        for folded in wrap(visible(line), min(out.width, _WIDEST), first="    ", rest="      "):
            out.line(folded)


def _document(facts: Facts, findings: list[Finding]) -> dict[str, object]:
    from agentpg.desk.doctor.connection.steps import steps_of

    wanted = facts.wanted
    target = ", ".join(place.name for place in wanted.places) if wanted else ""
    steps = [
        {"name": s.name, "state": s.state, "text": s.text.format_map(s.values), **s.values}
        for s in steps_of(facts)
    ]
    return {**document(target, {"connection": findings}), "steps": steps}


def _string(session: Session, dsn: str | None) -> str:
    """The connection string with what the settings add; as it is, where that cannot be read."""
    if dsn is not None:
        session.override("dsn", dsn)
    try:
        return session.looked_at.dsn
    except SettingError:
        return session.settings.dsn
