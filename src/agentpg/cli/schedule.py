"""`agentpg schedule`: what is submitted again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from agentpg.cli.command import Group
from agentpg.cli.output import json_option
from agentpg.cli.payload import read_payload
from agentpg.cli.session import Session
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.tasks.client import Client

_name = click.argument("name", metavar="NAME", help="The name of the schedule.")


@click.group(
    "schedule",
    cls=Group,
    examples="""
        agentpg schedule add report '0 7 * * mon' ReportAgent weekly_report
        agentpg schedule list
        agentpg schedule pause report
    """,
)
def schedule() -> None:
    """Submit tasks again and again, by the clock.

    A schedule is a cron line in a time zone, and the task that it submits. Any worker fires
    it, each tick once.
    """


@schedule.command(
    "list",
    examples="""
        agentpg schedule list
        # Those that fire no more, for a script.
        agentpg schedule list --json |
            jq -r '.[] | select(.state != "active") | .name'
    """,
)
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """List the schedules, the next one first."""
    from agentpg.cli.schedule_view import document, show_list

    with _client(session) as client:
        found = client.schedules.find()
    if as_json:
        session.out.json([document(one) for one in found])
    else:
        show_list(session.out, found)


@schedule.command(
    "add",
    examples="""
        # Every Monday at seven, in Seoul.
        agentpg schedule add news '0 7 * * mon' Digest write --time-zone Asia/Seoul
        # Every quarter of an hour; what was missed is left out.
        agentpg schedule add poll '*/15 * * * *' Indexer poll '{"limit": 100}' \\
            --catch-up skip
        # Another one in its place.
        agentpg schedule add poll '*/5 * * * *' Indexer poll '{"limit": 30}' --replace
    """,
)
@_name
@click.argument(
    "cron", metavar="CRON", help="Minute, hour, day, month and weekday; or @daily and its like."
)
@click.argument("agent", help="The agent that owns the handler.")
@click.argument("task_type", metavar="TYPE", help="The type of the task.")
@click.argument(
    "payload",
    metavar="[PAYLOAD|@FILE|-]",
    default="",
    help="JSON for the handler, a file that holds it, or - for standard input.",
)
@click.option(
    "--time-zone",
    metavar="ZONE",
    help="In which the line is read, such as Asia/Seoul; by default the setting `time_zone`.",
)
@click.option(
    "--catch-up",
    type=click.Choice(["skip", "one", "all"]),
    default="one",
    show_default=True,
    help="Of the ticks that were missed, because no worker lived, fire none, the newest, or "
    "all; never more than a thousand.",
)
@click.option(
    "--priority",
    type=click.IntRange(0, 1000),
    default=100,
    show_default=True,
    help="The smaller runs first.",
)
@click.option(
    "--max-attempts",
    type=click.IntRange(min=1),
    help="How many failed attempts end it; by default the handler says.",
)
@click.option(
    "--on-crash",
    type=click.Choice(["retry", "fail"]),
    default="retry",
    show_default=True,
    help="What to do when its worker dies; fail is for work that must not run twice.",
)
@click.option("--tenant", metavar="NAME", help="On whose behalf.")
@click.option(
    "--replace",
    is_flag=True,
    help="Put it in place of the schedule that has this name; what is not given is as for a "
    "new one.",
)
@json_option
@click.pass_obj
def add(
    session: Session,
    /,
    name: str,
    agent: str,
    payload: str,
    time_zone: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Add a schedule, and show when it fires next."""
    value = read_payload(payload)
    zone = session.settings.time_zone if time_zone is None else time_zone
    with _client(session) as client:
        client.schedules.add(name, agent_name=agent, payload=value, time_zone=zone, **options)
        _show(session, client, name, as_json)


@schedule.command(
    "show",
    examples="""
        agentpg schedule show report
        # The next twenty times.
        agentpg schedule show report --next 20
    """,
)
@_name
@click.option(
    "--next",
    "count",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    help="How many of the next times to show.",
)
@json_option
@click.pass_obj
def show(session: Session, name: str, count: int, as_json: bool) -> None:
    """Show a schedule and the next times at which it fires."""
    with _client(session) as client:
        _show(session, client, name, as_json, count)


@schedule.command(
    "pause",
    examples="""
        agentpg schedule pause report
    """,
)
@_name
@json_option
@click.pass_obj
def pause(session: Session, name: str, as_json: bool) -> None:
    """Let a schedule fire no more until it is resumed."""
    from agentpg.cli.schedule_view import document

    with _client(session) as client:
        paused = client.schedules.pause(name)
    if as_json:
        session.out.json(document(paused))
    else:
        session.out.line(session.translate(N_("{name} is paused.")).format(name=name))


@schedule.command(
    "resume",
    examples="""
        agentpg schedule resume report
    """,
)
@_name
@json_option
@click.pass_obj
def resume(session: Session, name: str, as_json: bool) -> None:
    """Let a paused schedule fire again.

    What it would have fired while it was paused is not caught up.
    """
    with _client(session) as client:
        client.schedules.resume(name)
        _show(session, client, name, as_json)


@schedule.command(
    "run",
    examples="""
        agentpg schedule run report
        # And wait for the result.
        agentpg schedule run report | xargs agentpg task wait
    """,
)
@_name
@json_option
@click.pass_obj
def run(session: Session, name: str, as_json: bool) -> None:
    """Submit the task of a schedule now, and print its id.

    The schedule goes on as if nothing had been; one that is paused can be run too.
    """
    with _client(session) as client:
        task_id = client.schedules.run(name)
    if as_json:
        session.out.json({"id": task_id})
    else:
        session.out.line(str(task_id))


@schedule.command(
    "remove",
    examples="""
        agentpg schedule remove report
    """,
)
@_name
@json_option
@click.pass_obj
def remove(session: Session, name: str, as_json: bool) -> None:
    """Remove a schedule; the tasks that it submitted stay.

    One that an app declares comes back with the app's next worker: pause it instead.
    """
    with _client(session) as client:
        client.schedules.remove(name)
    if as_json:
        session.out.json({"name": name})
    else:
        session.out.line(session.translate(N_("{name} is removed.")).format(name=name))


@contextmanager
def _client(session: Session) -> Iterator[Client]:
    from agentpg.tasks.client import Client

    with Client(session.database, settings=session.settings, actor=session.actor) as client:
        yield client


def _show(session: Session, client: Client, name: str, as_json: bool, count: int = 5) -> None:
    from agentpg.cli.schedule_view import document, show_schedule

    found = client.schedules.get(name)
    if as_json:
        session.out.json(document(found, count))
    else:
        show_schedule(session.out, found, count)
