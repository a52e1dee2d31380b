"""`agentpg task retry --failed`, `task release --held`: first a look at what they would do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli import figures
from agentpg.cli.output import Column
from agentpg.cli.reasons import optional_reason
from agentpg.cli.session import Session
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.tasks.bulk import FailedFilter, FailedGroup, HeldFilter, HeldGroup


def retry_all(session: Session, which: FailedFilter, *, yes: bool, as_json: bool) -> int:
    """Show the failed tasks, ask, and retry them."""
    from agentpg.tasks.bulk import failed_groups

    groups = failed_groups(session.database, which)
    total = sum(group.tasks for group in groups)
    if not as_json:
        _preview(session, groups)
    if (
        total
        and not yes
        and not _agreed(
            session,
            total,
            N_("Retry these {number} tasks?"),
            N_("nobody can be asked whether to retry them"),
        )
    ):
        session.out.note(session.translate(N_("Nothing was changed.")))
        return 0
    retried = _retry(session, which, groups) if total else 0
    if as_json:
        session.out.json({"retried": retried})
    elif total:
        text = session.translate(N_("{number} tasks are pending again."))
        session.out.line(text.format(number=figures.count(retried)))
    return 0


def _preview(session: Session, groups: list[FailedGroup]) -> None:
    columns = (
        Column(N_("Agent"), yields=2),
        Column(N_("Task type"), yields=2),
        Column(N_("Tasks"), right=True),
        Column(N_("Last failed"), show=figures.age, right=True),
        Column(N_("Last error"), yields=3),
    )
    rows = [
        (
            g.agent_name,
            g.task_type,
            g.tasks,
            g.last_failed_at,
            optional_reason(session.translate, g.last_error or None),
        )
        for g in groups
    ]
    session.out.table(columns, rows, empty=N_("There are no such tasks."))


def release_all(session: Session, which: HeldFilter, *, yes: bool, as_json: bool) -> int:
    """Show the held tasks, ask, and release them."""
    from agentpg.tasks.bulk import held_groups

    groups = held_groups(session.database, which)
    total = sum(group.tasks for group in groups)
    if not as_json:
        _preview_held(session, groups)
    if (
        total
        and not yes
        and not _agreed(
            session,
            total,
            N_("Release these {number} tasks?"),
            N_("nobody can be asked whether to release them"),
        )
    ):
        session.out.note(session.translate(N_("Nothing was changed.")))
        return 0
    released = _release(session, which, groups) if total else 0
    if as_json:
        session.out.json({"released": released})
    elif total:
        text = session.translate(N_("{number} tasks may run again."))
        session.out.line(text.format(number=figures.count(released)))
    return 0


def _preview_held(session: Session, groups: list[HeldGroup]) -> None:
    columns = (
        Column(N_("Agent"), yields=2),
        Column(N_("Task type"), yields=2),
        Column(N_("Tasks"), right=True),
        Column(N_("Held because"), yields=3),
    )
    rows = [
        (g.agent_name, g.task_type, g.tasks, optional_reason(session.translate, g.reason))
        for g in groups
    ]
    session.out.table(columns, rows, empty=N_("There are no such tasks."))


def _agreed(session: Session, total: int, question: str, nobody: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(nobody, hint=N_("Say --yes to go ahead."))
    asked = session.translate(question).format(number=figures.count(total))
    return click.confirm(asked, err=True)


def _release(session: Session, which: HeldFilter, groups: list[HeldGroup]) -> int:
    from agentpg.tasks.bulk import release_held

    total, released = sum(group.tasks for group in groups), 0
    with (
        session.out.progress(session.translate(N_("Releasing")), total) as progress,
        session.recorded(Action.TASK_RELEASE, which=str(which)) as course,
    ):
        for number in release_held(session.database, which, groups[0].counted_at):
            released += number
            course.details["tasks"] = released
            progress.advance(number)
    return released


def _retry(session: Session, which: FailedFilter, groups: list[FailedGroup]) -> int:
    from agentpg.tasks.bulk import retry_failed

    total, retried = sum(group.tasks for group in groups), 0
    title = session.translate(N_("Retrying"))
    with (
        session.out.progress(title, total) as progress,
        session.recorded(Action.TASK_RETRY, which=str(which)) as course,
    ):
        for number in retry_failed(session.database, which, groups[0].counted_at):
            retried += number
            course.details["tasks"] = retried
            progress.advance(number)
    return retried
