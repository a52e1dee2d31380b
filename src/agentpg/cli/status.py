"""`agentpg status`: the state of the installation on one screen."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from agentpg.cli import figures
from agentpg.cli.command import Command
from agentpg.cli.output import Column, Output, in_a_line, json_option
from agentpg.cli.session import Session
from agentpg.cli.wrapping import wrap
from agentpg.errors import AgentpgError, Refused
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.finding import Finding
    from agentpg.settings import Settings
    from agentpg.tasks.lookup import WorkerRow
    from agentpg.tasks.overview import Activity, ServerFacts

_MOST_WORKERS = 10
_MOST_UNKNOWN = 5
_MOST_FINDINGS = 5
_MOST_FAILED = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Backups:
    """The last backup that a drill proved."""

    last_proved: str | None
    proved_at: datetime | None


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What was found; `problem` says why there is no activity to show.

    `findings` is what the doctor says, by room; `alerts` are those that fire, by their level, the
    worst first, and None where they may not be read.
    """

    target: str
    schema: str
    server: ServerFacts
    version: int | None
    activity: Activity | None
    problem: AgentpgError | None
    backups: Backups
    findings: dict[str, list[Finding]]
    alerts: dict[str, int] | None


@click.command(
    "status",
    cls=Command,
    examples="""
        agentpg status
        # In a script: 0 well, 3 no server answers, 4 the schema does not fit.
        agentpg status --json || exit
    """,
)
@json_option
@click.pass_obj
def status(session: Session, as_json: bool) -> int:
    """Show the state of the installation on one screen.

    The findings are the worst that `agentpg doctor` has, which says what to do about them.

    Exits with 3 where the server cannot be reached, and with 4 where the schema is missing
    or of another version.
    """
    found = _find(session.database, session.settings)
    if as_json:
        session.out.json(_document(found))
    else:
        _show(session.out, found)
    if found.problem is None:
        return 0
    session.out.note(f"agentpg: {found.problem.message(session.translate)}")
    session.out.note(f"{session.translate(N_('hint'))}: {found.problem.advice(session.translate)}")
    return found.problem.exit_code


def _find(database: Database, settings: Settings) -> Found:
    from agentpg.db import connect, driver_errors
    from agentpg.schema import check_version, released_migrations
    from agentpg.tasks.overview import activity, server_facts

    place = (database.target(), database.schema)
    with driver_errors(database.target()), connect(database, "agentpg status") as connection:
        server = server_facts(connection)
        try:
            check_version(database)
        except Refused as problem:
            examined = _examined(database, settings)
            return Found(*place, server, None, None, problem, *examined, None)
        found = activity(connection, database.schema)
    version = released_migrations()[-1].version
    examined = _examined(database, settings)
    return Found(*place, server, version, found, None, *examined, _find_alerts(database))


def _find_alerts(database: Database) -> dict[str, int] | None:
    from agentpg.notify.kept import kept_alerts

    try:
        with kept_alerts(database, "agentpg status") as alerts:
            found = alerts.open_alerts()
    except AgentpgError:
        return None
    return dict(Counter(one.condition.level for one in found if one.state == "firing"))


def _examined(database: Database, settings: Settings) -> tuple[Backups, dict[str, list[Finding]]]:
    """The backups, and what every room of the doctor says."""
    from agentpg.desk.backup.inspection.facts import Catalogue
    from agentpg.desk.doctor.backup import look
    from agentpg.desk.doctor.rooms import ROOMS, examine

    facts, of_backups = look(database, settings)
    passed = facts.catalogue.last_passed if isinstance(facts.catalogue, Catalogue) else None
    backups = Backups(
        last_proved=passed[0].backup.name if passed else None,
        proved_at=passed[1].ended_at if passed else None,
    )
    others = examine(database, settings, [name for name in ROOMS if name != "backup"])
    return backups, {**others, "backup": list(of_backups)}


def _document(found: Found) -> dict[str, object]:
    """For JSON: the same names whether the schema is there or not."""
    activity = found.activity
    tasks = None
    if activity is not None:
        tasks = {
            **{f.name: getattr(activity.tasks, f.name) for f in dataclasses.fields(activity.tasks)},
            "finished": activity.finished,
        }
    server = {f.name: getattr(found.server, f.name) for f in dataclasses.fields(found.server)}
    return {
        "server": {"target": found.target, **server},
        "schema": {
            "name": found.schema,
            "version": found.version,
            "problem": None if found.problem is None else str(found.problem),
        },
        "tasks": tasks,
        "workers": activity.workers if activity else None,
        "nobody_knows": activity.nobody_knows if activity else None,
        "schedules": activity.schedules if activity else None,
        "paused": activity.paused if activity else None,
        "alerts": found.alerts,
        "backups": {
            "last_proved": found.backups.last_proved,
            "proved_at": found.backups.proved_at,
            "findings": _documents(found.findings["backup"]),
        },
        "findings": _documents(one for some in found.findings.values() for one in some),
    }


def _documents(findings: Iterable[Finding]) -> list[dict[str, object]]:
    from agentpg.desk.finding import at_or_above

    return [finding.document() for finding in at_or_above(list(findings), "warning")]


def _show(out: Output, found: Found) -> None:
    out.facts(_server_lines(out, found))
    if found.activity is not None:
        out.line()
        _show_tasks(out, found.activity, found.server.now)
        out.line()
        _show_workers(out, found.activity, found.server.now)
    out.line()
    _show_backups(out, found.backups)
    out.line()
    _show_findings(out, [one for some in found.findings.values() for one in some])


def _show_findings(out: Output, findings: Sequence[Finding]) -> None:
    """The worst of them, a line each; `agentpg doctor` says what to do."""
    from agentpg.cli.doctor_view import level_counts, told_once
    from agentpg.desk.finding import at_or_above

    out.heading(N_("Findings"))
    shown = list(told_once(at_or_above(findings, "warning"), out))
    for codes, finding in shown[:_MOST_FINDINGS]:
        first, *others = codes.split()
        lead = f"{first} …" if others else first
        out.stated(f"  {lead}", finding.level, finding.message(out.translate), lines=1)
    counts = ", ".join(f"{level} {number}" for level, number in level_counts(findings).items())
    told = out.translate(N_("`agentpg doctor` says what to do")) if shown else ""
    said = "; ".join(part for part in (counts, told) if part)
    for line in wrap(said, out.width, first="  ", rest="  "):
        out.line(line)


def _show_backups(out: Output, backups: Backups) -> None:
    out.heading(N_("Backups"))
    proved = out.translate(N_("none yet"))
    if backups.last_proved:
        ago = out.translate(N_("{time} ago")).format(time=figures.age(backups.proved_at))
        proved = f"{backups.last_proved}, {ago}"
    out.facts([(N_("last proved"), proved)], indent=2)


def _server_lines(out: Output, found: Found) -> Iterator[tuple[str, object]]:
    server = found.server
    uptime = figures.duration(_seconds_since(server.started_at, server.now))
    up = out.translate(N_("up for {time}")).format(time=uptime)
    yield N_("server"), f"PostgreSQL {server.version}, {up}"
    yield N_("database"), f"{found.target}, {figures.size(server.size_bytes)}"
    if server.in_recovery:
        yield N_("recovery"), out.translate(N_("the server is in recovery and only reads"))
    if server.pooled:
        yield N_("pooler"), out.translate(N_("in between: workers look for tasks every second"))
    if found.version is None:
        yield N_("schema"), found.schema
        return
    version = out.translate(N_("version {number}")).format(number=found.version)
    yield N_("schema"), f"{found.schema}, {version}"
    if found.alerts != {}:
        yield N_("alerts"), _alerts_line(out, found.alerts)


def _alerts_line(out: Output, alerts: dict[str, int] | None) -> str:
    if alerts is None:
        return out.translate(N_("unknown: this role may not read them"))
    counts = ", ".join(f"{number} {level}" for level, number in alerts.items())
    return f"{counts}: agentpg notify list"


def _show_tasks(out: Output, activity: Activity, now: datetime) -> None:
    out.heading(N_("Tasks"))
    out.facts(_task_lines(out, activity, now), indent=2)


def _task_lines(out: Output, activity: Activity, now: datetime) -> Iterator[tuple[str, object]]:
    tasks, finished = activity.tasks, activity.finished
    oldest = ""
    if tasks.oldest_ready is not None:
        text = out.translate(N_("the oldest for {time}"))
        oldest = f", {text.format(time=figures.age(tasks.oldest_ready, now))}"
    yield N_("ready"), f"{figures.count(tasks.ready)}{oldest}"
    yield N_("delayed"), tasks.delayed
    yield N_("held"), tasks.held
    yield N_("running"), tasks.running
    yield N_("waiting"), tasks.waiting
    ended = (
        f"{s} {figures.count(finished.get(s, 0))}" for s in ("completed", "failed", "cancelled")
    )
    yield N_("of the last 24 hours"), ", ".join(ended)
    for unknown in activity.nobody_knows[:_MOST_UNKNOWN]:
        count = out.translate(N_("{number} pending")).format(number=figures.count(unknown.tasks))
        yield (
            N_("no worker knows this"),
            in_a_line(f"{unknown.agent_name}/{unknown.task_type}, {count}"),
        )
    left = len(activity.nobody_knows) - _MOST_UNKNOWN
    if left > 0:
        yield "", out.translate(N_("and {number} more")).format(number=left)
    if activity.paused:
        yield N_("paused"), ", ".join(in_a_line(one.agent_name) for one in activity.paused)
    yield from _schedule_lines(out, activity)


def _schedule_lines(out: Output, activity: Activity) -> Iterator[tuple[str, object]]:
    """Nothing, unless a schedule needs a look."""
    state = activity.schedules
    texts = {
        N_("{number} paused"): state.paused,
        N_("{number} overdue"): state.overdue,
        N_("{number} broken"): state.broken,
    }
    said = [out.translate(text).format(number=n) for text, n in texts.items() if n]
    if state.failed:
        names = in_a_line(", ".join(state.failed[:_MOST_FAILED]))
        said.append(
            out.translate(N_("{number} failed last: {names}")).format(
                number=len(state.failed), names=names
            )
        )
    if said:
        yield N_("schedules"), ", ".join(said)


def _show_workers(out: Output, activity: Activity, now: datetime) -> None:
    alive = [worker for worker in activity.workers if worker.ended_at is None]
    lost = [worker for worker in activity.workers if worker.ended_how == "lost"]
    out.heading(N_("Workers"))
    if not alive:
        out.line(f"  {out.translate(N_('No worker is running.'))}")
    if alive or lost:
        _worker_table(out, [*alive[:_MOST_WORKERS], *lost[:_MOST_WORKERS]], now)
    left = len(alive) - _MOST_WORKERS
    if left > 0:
        more = out.translate(N_("and {number} more")).format(number=left)
        out.line(f"  {more}")


def _worker_table(out: Output, workers: list[WorkerRow], now: datetime) -> None:
    columns = (
        Column(N_("Host"), yields=1),
        Column(N_("Process"), show=str, right=True),
        Column(N_("State"), state=True),
        Column(N_("Running"), right=True),
        Column(N_("Heartbeat"), right=True),
        Column(N_("Version")),
    )
    rows = [
        (
            worker.host,
            worker.pid,
            "lost" if worker.ended_at else "alive",
            f"{worker.running}/{worker.concurrency}",
            out.translate(N_("{time} ago")).format(time=figures.age(worker.heartbeat_at, now)),
            worker.version,
        )
        for worker in workers
    ]
    out.table(columns, rows)


def _seconds_since(moment: datetime, now: datetime) -> timedelta:
    return timedelta(seconds=round((now - moment).total_seconds()))
