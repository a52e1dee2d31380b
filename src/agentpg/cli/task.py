"""`agentpg task`: submit tasks, look at them, and steer them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from agentpg.cli.command import Group
from agentpg.cli.output import json_option
from agentpg.cli.payload import read_payload
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, MOMENT
from agentpg.errors import AgentpgError, TaskFailed, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.tasks.client import Client

_STATUSES = ("pending", "running", "waiting", "completed", "failed", "cancelled")

_task_id = click.argument("task_id", metavar="ID", type=click.UUID, help="The id of the task.")
_task_ids = click.argument(
    "task_ids", metavar="ID...", nargs=-1, required=True, type=click.UUID, help="Ids of tasks."
)
_timeout = click.option(
    "--timeout", type=DURATION, help="How long to wait at most, such as 30s; else for ever."
)
_agent_option = click.option("--agent", metavar="NAME", help="Only tasks of this agent.")
_type_option = click.option("--type", "task_type", metavar="NAME", help="Only tasks of this type.")


@click.group(
    "task",
    cls=Group,
    examples="""
        agentpg task submit Greeter greet '{"name": "Kim"}'
        agentpg task list --status failed
        agentpg task show 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b
    """,
)
def task() -> None:
    """Submit tasks and follow them."""


@task.command(
    "submit",
    examples="""
        agentpg task submit Greeter greet '{"name": "Kim"}'
        # The payload from a file, or from another program.
        agentpg task submit Indexer index @documents.json
        jq -c .items feed.json | agentpg task submit Indexer index -
        # Not before tomorrow morning, and before other work.
        agentpg task submit ReportAgent weekly_report \\
            --run-at 2026-03-02T06:00 --priority 10
        # Only once, however often this is called.
        agentpg task submit Billing invoice '{"order": 17}' --key order-17
        # Wait for the result.
        agentpg task submit Greeter greet '{"name": "Kim"}' --wait --timeout 30s
    """,
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
    "--priority",
    type=click.IntRange(0, 1000),
    default=100,
    show_default=True,
    help="The smaller runs first.",
)
@click.option("--delay", type=DURATION, help="How long to wait before it may run, such as 5min.")
@click.option(
    "--run-at",
    type=MOMENT,
    help="When it may run at the earliest, in ISO 8601; local time unless an offset is given.",
)
@click.option("--key", metavar="TEXT", help="Idempotency key: the same one submits only once.")
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
@click.option("--wait", "waits", is_flag=True, help="Wait until it has ended; 1 if it failed.")
@_timeout
@json_option
@click.pass_obj
def submit(
    session: Session,
    /,
    agent: str,
    task_type: str,
    payload: str,
    key: str | None,
    waits: bool,
    timeout: timedelta | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Submit a task and print its id.

    An agent or a type that no worker knows is no error: a worker that does may come.
    """
    if timeout and not waits:
        raise UsageError(N_("--timeout needs --wait"))
    value = read_payload(payload)
    with _client(session) as client:
        task_id = client.submit(agent, task_type, value, idempotency_key=key, **options)
        if not as_json:
            session.out.line(str(task_id))
            sys.stdout.flush()
        elif not waits:
            session.out.json({"id": task_id})
        if waits:
            _wait(session, client, task_id, timeout, as_json)


@task.command(
    "list",
    examples="""
        agentpg task list
        agentpg task list --agent Greeter --status failed
        # The ids of all that are held, for a script.
        agentpg task list --held --limit 1000 --json | jq -r '.[].id'
    """,
)
@_agent_option
@_type_option
@click.option("--status", type=click.Choice(_STATUSES), help="Only tasks in this state.")
@click.option("--held", is_flag=True, help="Only tasks that are held.")
@click.option(
    "--by", "submitted_by", metavar="NAME", help="Only what this account or role submitted."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="How many at most.",
)
@json_option
@click.pass_obj
def list_(
    session: Session,
    agent: str | None,
    task_type: str | None,
    status: str | None,
    held: bool,
    submitted_by: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List tasks, the newest first."""
    from agentpg.cli.task_view import show_list

    with _client(session) as client:
        found = client.find(
            agent_name=agent,
            task_type=task_type,
            status=status,
            held=True if held else None,
            submitted_by=submitted_by,
            limit=limit + 1,
        )
    if as_json:
        session.out.json(found[:limit])
        return
    show_list(session.out, found[:limit])
    if len(found) > limit:
        text = session.translate(N_("There are more; --limit shows more than the newest {limit}."))
        session.out.note(text.format(limit=limit))


@task.command(
    "show",
    examples="""
        agentpg task show 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b
        # See what happens until it has ended.
        agentpg task show 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b --follow
        # The whole result, for a script.
        agentpg task show 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b --json | jq .result
        # Its progress, as it comes, for a script.
        agentpg task show 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b --follow --json |
            jq --unbuffered 'select(.event == "progress") | .fraction'
    """,
)
@_task_id
@click.option("--follow", "-f", "follows", is_flag=True, help="Go on until the task has ended.")
@json_option
@click.pass_obj
def show(session: Session, task_id: UUID, follows: bool, as_json: bool) -> None:
    """Show a task, its executions and its calls to language models.

    A long payload or result is shortened; the JSON document has all of it. With --follow,
    --json prints a line for each thing that happens, and the last one has the result.
    """
    from agentpg.cli.task_follow import show_events, write_events
    from agentpg.cli.task_view import document, show_story
    from agentpg.tasks.following import follow, task_story

    with _client(session) as client:
        story = task_story(client, task_id)
        if follows and as_json:
            write_events(session.out, follow(client, task_id))
            return
        if follows:
            story = show_events(session.out, follow(client, task_id))
            session.out.line()
    if as_json:
        session.out.json(document(story))
    else:
        show_story(session.out, story)


@task.command(
    "wait",
    examples="""
        agentpg task wait 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b --timeout 10min
        # The result alone.
        agentpg task wait 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b --json | jq .result
    """,
)
@_task_id
@_timeout
@json_option
@click.pass_obj
def wait(session: Session, task_id: UUID, timeout: timedelta | None, as_json: bool) -> None:
    """Wait until a task has ended, and print its state and its result.

    Exits with 1 where it ended otherwise than completed, or not in time.
    """
    with _client(session) as client:
        _wait(session, client, task_id, timeout, as_json)


@task.command(
    "cancel",
    examples="""
        agentpg task cancel 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b \\
            --reason 'wrong customer'
        # All that wait for one agent.
        agentpg task list --agent Greeter --status pending --limit 1000 --json |
            jq -r '.[].id' | xargs agentpg task cancel
    """,
)
@_task_ids
@click.option("--reason", metavar="TEXT", help="Why; it becomes the error of the task.")
@json_option
@click.pass_obj
def cancel(session: Session, task_ids: tuple[UUID, ...], reason: str | None, as_json: bool) -> int:
    """Cancel tasks that have not ended.

    One that runs stays running until its handler has ended.
    """
    return _steer(session, task_ids, lambda c, one: c.cancel(one, reason=reason), as_json)


@task.command(
    "retry",
    examples="""
        agentpg task retry 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b
        # All that failed for one agent; this shows them and asks first.
        agentpg task retry --failed --agent Greeter
    """,
)
@click.argument("task_ids", metavar="[ID]...", nargs=-1, type=click.UUID, help="Ids of tasks.")
@click.option("--failed", is_flag=True, help="All failed tasks, or those of --agent and --type.")
@_agent_option
@_type_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def retry(
    session: Session,
    task_ids: tuple[UUID, ...],
    failed: bool,
    agent: str | None,
    task_type: str | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Open tasks again that have ended: the same tasks, with their errors at zero."""
    if failed == bool(task_ids):
        raise UsageError(N_("give ids of tasks, or --failed for all failed ones"))
    if not failed and (agent or task_type):
        raise UsageError(N_("--agent and --type need --failed"))
    if not failed:
        return _steer(session, task_ids, lambda c, one: c.retry(one), as_json)
    from agentpg.cli.task_bulk import retry_all
    from agentpg.tasks.bulk import FailedFilter

    return retry_all(session, FailedFilter(agent, task_type), yes=yes, as_json=as_json)


@task.command(
    "hold",
    examples="""
        agentpg task hold 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b \\
            --reason 'waits for the contract'
        agentpg task list --held
    """,
)
@_task_ids
@click.option(
    "--reason", metavar="TEXT", default="held by hand", show_default=True, help="Why, for others."
)
@json_option
@click.pass_obj
def hold(session: Session, task_ids: tuple[UUID, ...], reason: str, as_json: bool) -> int:
    """Keep pending tasks from being run until they are released."""

    def holding(client: Client, task_id: UUID) -> str:
        client.hold(task_id, reason=reason)
        return "held"

    return _steer(session, task_ids, holding, as_json)


@task.command(
    "release",
    examples="""
        agentpg task release 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b
        # What a restore has held; this shows it and asks first.
        agentpg task release --held --reason 'restored from the backup'
    """,
)
@click.argument("task_ids", metavar="[ID]...", nargs=-1, type=click.UUID, help="Ids of tasks.")
@click.option("--held", is_flag=True, help="All held tasks, or those of the other options.")
@_agent_option
@_type_option
@click.option("--reason", metavar="TEXT", help="Only those whose reason begins so.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def release(
    session: Session,
    task_ids: tuple[UUID, ...],
    held: bool,
    agent: str | None,
    task_type: str | None,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Let held tasks be run."""
    if held == bool(task_ids):
        raise UsageError(N_("give ids of tasks, or --held for all held ones"))
    if not held and (agent or task_type or reason):
        raise UsageError(N_("--agent, --type and --reason need --held"))
    if not held:
        return _steer(session, task_ids, lambda c, one: c.release(one), as_json)
    from agentpg.cli.task_bulk import release_all
    from agentpg.tasks.bulk import HeldFilter

    which = HeldFilter(agent, task_type, reason)
    return release_all(session, which, yes=yes, as_json=as_json)


@contextmanager
def _client(session: Session) -> Iterator[Client]:
    from agentpg.tasks.client import Client

    with Client(session.database, settings=session.settings, actor=session.actor) as client:
        yield client


def _wait(
    session: Session, client: Client, task_id: UUID, timeout: timedelta | None, as_json: bool
) -> None:
    from agentpg.cli.task_view import pretty

    ended = client.wait(task_id, timeout=timeout, check=False)
    if as_json:
        session.out.json(ended)
    else:
        session.out.line(str(ended.status))
        if ended.result is not None:
            session.out.line(pretty(ended.result))
    if ended.status != "completed":
        raise TaskFailed(ended.error_message or "–", task_id=task_id, status=ended.status)


def _steer(
    session: Session,
    task_ids: tuple[UUID, ...],
    action: Callable[[Client, UUID], str],
    as_json: bool,
) -> int:
    """Do one thing to each of the tasks; what fails with one does not stop the others."""
    done: list[dict[str, object]] = []
    with _client(session) as client:
        for task_id in task_ids:
            try:
                done.append({"id": task_id, "status": action(client, task_id), "error": None})
            except AgentpgError as error:
                if len(task_ids) == 1 or error.exit_code != AgentpgError.exit_code:
                    raise
                done.append({"id": task_id, "status": None, "error": str(error)})
                session.out.note(f"agentpg: {error.message(session.translate)}")
    if as_json:
        session.out.json(done)
    else:
        for one in done:
            if one["error"] is None:
                session.out.line(f"{one['id']}  {one['status']}")
    return 1 if any(one["error"] for one in done) else 0
