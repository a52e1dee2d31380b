"""`agentpg monitor activity`: who is connected, and what each session does or waits for."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from agentpg.cli import figures
from agentpg.cli.command import Command
from agentpg.cli.monitor_options import sql_option
from agentpg.cli.output import Column, Output, in_a_line, json_option
from agentpg.cli.session import Session as Call
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.monitor.sessions import Activity, Session

_MOST_SESSIONS = 20

# States as PostgreSQL has them are long.
_STATES = {
    "idle in transaction": "idle in tx",
    "idle in transaction (aborted)": "failed in tx",
    "fastpath function call": "fastpath",
}


@click.command(
    "activity",
    cls=Command,
    examples="""
        agentpg monitor activity
        # Who blocks others.
        agentpg monitor activity --json |
            jq '.roots as $r | .sessions[] | select(.pid | IN($r[]))'
    """,
)
@click.option("--all", "show_all", is_flag=True, help="Show idle sessions, too, and all of them.")
@sql_option
@json_option
@click.pass_obj
def activity(session: Call, show_all: bool, as_sql: bool, as_json: bool) -> None:
    """Show the sessions: what each does, waits for, and for whom it works.

    Those that block others come first, then those that are blocked, and transactions that are
    open and idle. A worker's sessions are shown with the agents whose tasks it runs; one of a
    handler's own too, where its application_name has the id of the task. Statements are
    shortened, and passwords in them hidden.
    """
    from agentpg.db import Statements
    from agentpg.desk.monitor.reading import reading
    from agentpg.desk.monitor.sessions import read_activity

    with reading(session.monitor_database, "agentpg monitor activity") as reader:
        if as_sql:
            session.out.line(reader.shown(Statements("monitor", ""), "guide_connections"))
            return
        found = read_activity(reader)
    if as_json:
        session.out.json(activity_document(found))
    else:
        show_activity(session.out, found, most=None if show_all else _MOST_SESSIONS)


def activity_document(activity: Activity) -> dict[str, object]:
    """For JSON: all that is known, and what follows from it."""
    longest = activity.longest
    return {
        "connections": {
            **dataclasses.asdict(activity.connections),
            "usable": activity.connections.usable,
        },
        "states": _states(activity),
        "blocked": len(activity.blocked),
        "roots": activity.roots,
        "idle_in_transaction": len(activity.idle_in_transaction),
        "longest_transaction": None
        if longest is None
        else {"pid": longest.pid, "seconds": longest.transaction_seconds},
        "sessions": [
            {**dataclasses.asdict(one), "agents": one.agents} for one in activity.urgent_first()
        ],
    }


def _states(activity: Activity) -> dict[str, int]:
    counted = Counter(one.state or "unknown" for one in activity.sessions)
    return dict(counted.most_common())


def show_activity(out: Output, activity: Activity, *, most: int | None) -> None:
    """What matters first, then the sessions; idle ones only where all are wanted."""
    out.facts(_activity_lines(out, activity))
    sessions = activity.urgent_first()
    shown = [one for one in sessions if most is None or one.state != "idle" or one.blocked_by]
    shown = shown[:most]
    if shown:
        out.line()
        _session_table(out, shown, activity.roots)
    left = len(sessions) - len(shown)
    if left:
        out.line()
        text = out.translate(N_("and {number} more, idle; --all shows them"))
        more = out.translate(N_("and {number} more; --all shows them"))
        idle = all(one.state == "idle" for one in sessions if one not in shown)
        out.line((text if idle else more).format(number=left))


def _activity_lines(out: Output, activity: Activity) -> Iterator[tuple[str, object]]:
    counted = activity.connections
    text = out.translate(N_("{sessions} of {usable}; {processes} processes with the server's own"))
    yield (
        N_("sessions"),
        text.format(sessions=counted.sessions, usable=counted.usable, processes=counted.processes),
    )
    states = ", ".join(f"{state} {number}" for state, number in _states(activity).items())
    yield N_("by state"), states or figures.UNKNOWN
    longest = activity.longest
    if longest is not None:
        yield N_("longest transaction"), _with_pid(out, longest.transaction_seconds, longest)
    idle = activity.idle_in_transaction
    if idle:
        yield N_("idle in transaction"), _with_pid(out, idle[0].state_seconds, idle[0], len(idle))
    blocked = activity.blocked
    if blocked:
        roots = ", ".join(map(str, activity.roots)) or figures.UNKNOWN
        text = out.translate(N_("{number}, by process {roots}"))
        yield N_("blocked"), text.format(number=len(blocked), roots=roots)
    if counted.hidden:
        text = out.translate(
            N_("{number} of other roles; GRANT pg_monitor lets this role see them")
        )
        yield N_("hidden"), text.format(number=counted.hidden)


def _with_pid(out: Output, seconds: float | None, one: Session, number: int = 1) -> str:
    text = out.translate(N_("{time}, process {pid}"))
    said = text.format(time=figures.duration(seconds), pid=one.pid)
    return said if number == 1 else f"{number}; {said}"


def _session_table(out: Output, sessions: Sequence[Session], roots: list[int]) -> None:
    blocks = any(one.blocked_by for one in sessions)
    columns = [
        Column(N_("Process"), show=str, right=True),
        Column(N_("State"), state=True),
        Column(N_("For"), right=True),
        Column(N_("Transaction"), right=True),
        Column(N_("Waits for"), yields=1),
        Column(N_("Whose"), yields=2),
    ]
    rows = [
        [
            one.pid,
            state_of(one, roots),
            figures.duration(_coarse(one.query_seconds or one.state_seconds)),
            figures.duration(_coarse(one.transaction_seconds)),
            waits_for(one),
            whose(one),
        ]
        for one in sessions
    ]
    if blocks:
        columns.insert(4, Column(N_("Blocked by"), right=True))
        for row, one in zip(rows, sessions, strict=True):
            row.insert(4, ", ".join(map(str, one.blocked_by)) or None)
    out.table(columns, rows, below=[one.query or "" for one in sessions])


def _coarse(seconds: float | None) -> float | None:
    """Seconds without fractions from ten on: they only flicker."""
    return seconds if seconds is None or seconds < 10 else float(round(seconds))


def state_of(session: Session, roots: Sequence[int]) -> str:
    """The state in few letters; one that blocks others is that before all."""
    if session.hidden:
        return "hidden"
    if session.pid in roots:
        return "blocks"
    if session.blocked_by:
        return "blocked"
    state = session.state or session.kind
    return _STATES.get(state, state)


def waits_for(session: Session) -> str:
    """What it waits for, but for the next statement of its client."""
    if session.wait_type is None or session.wait_event is None or session.wait_type == "Client":
        return figures.UNKNOWN
    return f"{session.wait_type}: {session.wait_event}"


def whose(session: Session) -> str:
    """The agents or the task that it works for, or else what it calls itself."""
    tasks = [one for one in session.work if one.task_id == one.named]
    if tasks:
        return in_a_line(f"{tasks[0].agent_name}/{tasks[0].task_type}")
    if session.agents:
        return in_a_line(", ".join(session.agents))
    called = session.application or session.kind
    return in_a_line(called if not session.work else f"worker {session.work[0].host}")
