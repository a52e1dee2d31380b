"""`agentpg agent`: who there is, and what each has done."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from agentpg.cli import figures
from agentpg.cli.command import Group
from agentpg.cli.output import Column, json_option
from agentpg.cli.session import Session
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.tasks.statistics import AgentStatistics, AgentWork


@click.group(
    "agent",
    cls=Group,
    examples="""
        agentpg agent list
        agentpg agent stats
    """,
)
def agent() -> None:
    """Show the agents and their statistics.

    An agent is the name that owns handlers; it is known by its tasks and by the workers
    that run its handlers.
    """


@agent.command(
    "list",
    examples="""
        agentpg agent list
        # What waits without a worker, for a script.
        agentpg agent list --json | jq '.[] | select(.nobody_knows)'
    """,
)
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """List the agents with their task types, living workers and unfinished tasks.

    A worker is counted while its heartbeat is younger than its lease.
    """
    from agentpg.db import snapshot
    from agentpg.tasks.statistics import Statistics

    with snapshot(session.database, "agentpg agent list") as connection:
        found = Statistics(connection, session.database.schema).agents()
    if as_json:
        session.out.json([_document(work) for work in found])
        return
    _show_agents(session, found)


@agent.command(
    "stats",
    examples="""
        agentpg agent stats
        # Who costs most.
        agentpg agent stats --json | jq 'sort_by(-(.cost_usd // 0 | tonumber)) | .[0]'
    """,
)
@json_option
@click.pass_obj
def stats(session: Session, as_json: bool) -> None:
    """Show each agent's last seven days and today: executions, durations, tokens, cost.

    What a stopping worker handed back is not counted. The same figures are in the view
    agent_statistics.
    """
    from agentpg.db import snapshot
    from agentpg.tasks.statistics import Statistics

    with snapshot(session.database, "agentpg agent stats") as connection:
        found = Statistics(connection, session.database.schema).agent_statistics()
    if as_json:
        session.out.json(found)
        return
    show_statistics(session, found)


def _document(work: AgentWork) -> dict[str, object]:
    return {**dataclasses.asdict(work), "nobody_knows": work.nobody_knows}


def _show_agents(session: Session, found: list[AgentWork]) -> None:
    columns = (
        Column(N_("Agent"), yields=1),
        Column(N_("Task type"), yields=2),
        *(Column(title, right=True) for title in (N_("Workers"), N_("Pending"), N_("Held"))),
        *(Column(title, right=True) for title in (N_("Running"), N_("Waiting"))),
    )
    rows = [
        (w.agent_name, w.task_type, w.workers, w.pending, w.held, w.running, w.waiting)
        for w in found
    ]
    session.out.table(columns, rows, empty=N_("There is no agent yet: no task and no worker."))
    for work in found:
        if work.nobody_knows:
            _ = session.translate
            session.out.line(
                _(N_("no worker knows this: {agent} / {task_type}")).format(
                    agent=work.agent_name, task_type=work.task_type
                )
            )


def show_statistics(session: Session, found: list[AgentStatistics]) -> None:
    """The table of `agent stats`."""
    numbers = (N_("Executions"), N_("Failures"), N_("Mean"), "p95", N_("Tokens"), N_("Cost"))
    columns = (Column(N_("Agent"), yields=1), *(Column(title, right=True) for title in numbers))
    session.out.table(
        columns,
        [_statistics_row(one) for one in found],
        empty=N_("No execution was recorded in the last seven days."),
    )
    if any(one.unknown_calls or one.unpriced_calls for one in found):
        _ = session.translate
        session.out.line(_(N_("+ and more: calls whose tokens or cost are not known.")))


def _statistics_row(one: AgentStatistics) -> tuple[object, ...]:
    tokens: int | None = one.total_tokens
    if one.llm_calls and one.unknown_calls >= one.llm_calls:
        tokens = None
    cost = one.cost_usd
    if not one.llm_calls and not one.total_tokens:
        cost = Decimal()
    return (
        one.agent_name,
        one.total_executions,
        one.failed + one.timed_out + one.lost,
        figures.duration(one.avg_duration_seconds),
        figures.duration(one.p95_duration_seconds),
        _and_more(None if tokens is None else figures.count(tokens), one.unknown_calls),
        _and_more(None if cost is None else figures.money(cost), one.unpriced_calls),
    )


def _and_more(known: str | None, more: int) -> str | None:
    return f"{known}+" if known is not None and more else known
