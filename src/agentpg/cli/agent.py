"""`agentpg agent`: who there is, and what each has done."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from agentpg.cli import figures
from agentpg.cli.command import Group
from agentpg.cli.output import Column, in_a_line, json_option
from agentpg.cli.session import Session
from agentpg.language import N_

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentpg.tasks.limits import PausedAgent
    from agentpg.tasks.statistics import AgentStatistics, AgentWork


@click.group(
    "agent",
    cls=Group,
    examples="""
        agentpg agent list
        agentpg agent stats
        # Nothing more is started until it is resumed.
        agentpg agent pause Billing --reason 'the provider is down'
    """,
)
def agent() -> None:
    """Show, limit, pause and resume agents.

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
    from agentpg.cli.agent_limits import idle_and_paused, show_paused
    from agentpg.db import snapshot
    from agentpg.tasks.limits import paused_agents
    from agentpg.tasks.statistics import Statistics

    with snapshot(session.database, "agentpg agent list") as connection:
        found = Statistics(connection, session.database.schema).agents()
        paused = {p.agent_name: p for p in paused_agents(connection, session.database.schema)}
    found += idle_and_paused(paused, found)
    if as_json:
        session.out.json([_document(work, paused) for work in found])
        return
    _show_agents(session, found)
    show_paused(session.out, list(paused.values()))


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


@agent.command(
    "pause",
    examples="""
        agentpg agent pause Billing --reason 'the provider is down'
        agentpg agent resume Billing
        # In a script: since when, by whom and why, and whether this call did it.
        agentpg agent pause Billing --json
    """,
)
@click.argument("agent_name", metavar="AGENT", help="The agent.")
@click.option("--reason", metavar="TEXT", help="Why, for others.")
@json_option
@click.pass_obj
def pause(session: Session, agent_name: str, reason: str | None, as_json: bool) -> None:
    """Start no more tasks of an agent until it is resumed.

    What runs goes on, and new tasks wait.
    """
    from agentpg.cli.agent_limits import note_if_unknown
    from agentpg.tasks.client import Client

    with Client(session.database, settings=session.settings, actor=session.actor) as client:
        done = client.pause(agent_name, reason=reason)
        paused = [one for one in client.paused() if one.agent_name == agent_name]
    if as_json:
        session.out.json(_steered(agent_name, next(iter(paused), None), changed=done))
    else:
        text = N_("{agent} is paused.") if done else N_("{agent} was paused already.")
        session.out.line(session.translate(text).format(agent=agent_name))
    note_if_unknown(session, agent_name)


@agent.command(
    "resume",
    examples="""
        agentpg agent resume Billing
    """,
)
@click.argument("agent_name", metavar="AGENT", help="The agent.")
@json_option
@click.pass_obj
def resume(session: Session, agent_name: str, as_json: bool) -> None:
    """Start the tasks of a paused agent again."""
    from agentpg.tasks.client import Client

    with Client(session.database, settings=session.settings, actor=session.actor) as client:
        client.resume(agent_name)
    if as_json:
        session.out.json(_steered(agent_name, None, changed=True))
        return
    text = session.translate(N_("{agent} goes on."))
    session.out.line(text.format(agent=agent_name))


@agent.command(
    "limit",
    examples="""
        # At most 5 at a time.
        agentpg agent limit Billing --concurrency 5
        # For each tenant at most 2 invoices at a time, and at most 100 in any hour.
        agentpg agent limit Billing --type invoice --key tenant \\
            --concurrency 2 --rate 100/h
        # What is limited; and no longer.
        agentpg agent limit Billing
        agentpg agent limit Billing --type invoice --key tenant --remove
    """,
)
@click.argument("agent_name", metavar="[AGENT]", required=False, help="The agent.")
@click.option("--type", "task_type", metavar="TYPE", help="Tasks of this type only.")
@click.option(
    "--key",
    metavar="tenant|FIELD",
    help="For each tenant, or each value of this field of the payload, by itself.",
)
@click.option("--concurrency", type=int, metavar="NUMBER", help="How many may run at a time.")
@click.option("--rate", metavar="NUMBER/TIME", help="How many may start in any time so long.")
@click.option("--remove", is_flag=True, help="Lift the limit.")
@json_option
@click.pass_obj
def limit(
    session: Session,
    agent_name: str | None,
    task_type: str | None,
    key: str | None,
    concurrency: int | None,
    rate: str | None,
    remove: bool,
    as_json: bool,
) -> None:
    """Set, change, lift or show limits of agents, which hold for all workers together.

    What is over a new limit goes on; no more is started.
    """
    from agentpg.cli.agent_limits import change_limit, show_limits

    wishes = (task_type, key, concurrency, rate, remove or None)
    if any(wish is not None for wish in wishes):
        change_limit(session, agent_name, task_type, key, (concurrency, rate), remove=remove)
    show_limits(session, agent_name, as_json=as_json)


def _steered(agent_name: str, paused: PausedAgent | None, *, changed: bool) -> dict[str, object]:
    """What became of an agent, for JSON; `paused` as in `agent list`."""
    return {"agent_name": agent_name, "paused": paused, "changed": changed}


def _document(work: AgentWork, paused: Mapping[str, PausedAgent]) -> dict[str, object]:
    return {
        **dataclasses.asdict(work),
        "nobody_knows": work.nobody_knows,
        "paused": paused.get(work.agent_name or ""),
    }


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
                    agent=in_a_line(work.agent_name), task_type=in_a_line(work.task_type)
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
