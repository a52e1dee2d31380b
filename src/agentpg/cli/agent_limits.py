"""What `agentpg agent limit` changes and shows, and which agents are paused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from agentpg.cli.output import Column, Output, in_a_line
from agentpg.cli.session import Session
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.tasks.limits import DeclaredLimit, PausedAgent
    from agentpg.tasks.statistics import AgentWork


def change_limit(
    session: Session,
    agent_name: str | None,
    task_type: str | None,
    key: str | None,
    numbers: tuple[int | None, str | None],
    *,
    remove: bool,
) -> None:
    """Set a limit, change it, or lift it."""
    from agentpg.tasks.client import Client
    from agentpg.tasks.limits import Limit, parse_rate

    if agent_name is None:
        raise UsageError(N_("name the agent"))
    concurrency, rate = numbers
    if remove and (concurrency is not None or rate is not None):
        raise UsageError(N_("--remove lifts the whole limit; give no numbers with it"))
    with Client(session.database, settings=session.settings, actor=session.actor) as client:
        if remove:
            client.remove_limit(agent_name, task_type=task_type, key=key)
            return
        number, period = (None, None) if rate is None else parse_rate(rate)
        wanted = Limit(
            agent_name=agent_name,
            task_type=task_type,
            key=key,
            concurrency=concurrency,
            rate=number,
            period=period,
        )
        client.limit(wanted)
    note_if_unknown(session, agent_name)


def show_limits(session: Session, agent_name: str | None, *, as_json: bool) -> None:
    """The limits of one agent, or all."""
    from agentpg.tasks.client import Client

    with Client(session.database, settings=session.settings, actor=session.actor) as client:
        found = client.limits(agent_name)
    if as_json:
        session.out.json(found)
        return
    columns = (
        Column(N_("Agent"), yields=1),
        Column(N_("Task type"), yields=2),
        Column(N_("Key"), yields=3),
        Column(N_("At a time"), right=True),
        Column(N_("Rate"), right=True),
        Column(N_("Declared by")),
    )
    session.out.table(
        columns,
        [
            (one.agent_name, one.task_type, one.key, one.concurrency, _rate(one), one.declared_by)
            for one in found
        ],
        empty=N_("Nothing is limited."),
    )


def show_paused(out: Output, paused: Iterable[PausedAgent]) -> None:
    """A line for each paused agent."""
    for one in paused:
        reason = f": {' '.join(one.reason.split())}" if one.reason else ""
        text = out.translate(N_("paused since {moment}: {agent}"))
        moment = one.paused_at.astimezone().strftime("%Y-%m-%d %H:%M")
        out.line(text.format(moment=moment, agent=in_a_line(one.agent_name)) + reason)


def idle_and_paused(
    paused: Mapping[str, PausedAgent], found: Iterable[AgentWork]
) -> list[AgentWork]:
    """The paused agents that have neither a task nor a worker, as `agent list` shows them."""
    from agentpg.tasks.statistics import AgentWork

    known = {work.agent_name for work in found}
    nothing = dict.fromkeys(("workers", "pending", "held", "running", "waiting"), 0)
    return [
        AgentWork(agent_name=name, task_type=None, oldest_ready_at=None, **nothing)
        for name in paused
        if name not in known
    ]


def note_if_unknown(session: Session, agent_name: str) -> None:
    """Say so where neither a task nor a worker names the agent: it may be a slip of the pen."""
    from agentpg.db import snapshot
    from agentpg.tasks.statistics import Statistics

    with snapshot(session.database, "agentpg agent") as connection:
        known = Statistics(connection, session.database.schema).knows_agent(agent_name)
    if not known:
        text = session.translate(N_("No task and no worker names the agent {agent} so far."))
        session.out.note(text.format(agent=agent_name))


def _rate(limit: DeclaredLimit) -> str | None:
    from agentpg.quantities import format_duration

    if limit.rate is None or limit.period_seconds is None:
        return None
    return f"{limit.rate}/{format_duration(timedelta(seconds=limit.period_seconds))}"
