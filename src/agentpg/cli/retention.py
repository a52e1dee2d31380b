"""`agentpg retention`: what finished history would go, removing it, and bringing it back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agentpg.audit.acting import Action
from agentpg.cli import figures
from agentpg.cli.command import Group
from agentpg.cli.interruption import Interruption
from agentpg.cli.output import Column, Progress, json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, FOLDER_PATH, FOLDER_THERE
from agentpg.errors import RetentionNotSet, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.archive import Part
    from agentpg.desk.removal import Batch, Removed
    from agentpg.desk.restoring import Restored
    from agentpg.desk.retention import Expired, Policy

F = TypeVar("F", bound=Callable[..., Any])

_NOTE_SECONDS = 1.0


@click.group(
    "retention",
    cls=Group,
    examples="""
        agentpg retention show
        agentpg retention apply --older-than 90d --archive archive
        agentpg retention restore archive
    """,
)
def retention() -> None:
    """Remove old finished history, keep it in files, restore it.

    How long completed, failed and cancelled tasks are kept is said by the settings
    AGENTPG_RETENTION_COMPLETED, _FAILED and _CANCELLED. Without them all is kept for ever.
    """


def _policy_options(command: F) -> F:
    older = click.option(
        "--older-than",
        type=DURATION,
        help="What ended longer ago than this, such as 90d, whatever the settings say.",
    )
    adopted = click.option(
        "--adopted", is_flag=True, help="Finished tasks from before agentpg as well."
    )
    return older(adopted(command))


@retention.command(
    "show",
    examples="""
        agentpg retention show
        # What a shorter period would remove.
        agentpg retention show --older-than 30d
        agentpg retention show --json | jq 'map(.tasks) | add'
    """,
)
@_policy_options
@json_option
@click.pass_obj
def show(session: Session, older_than: timedelta | None, adopted: bool, as_json: bool) -> None:
    """Show what history would go now, and change nothing.

    Tasks that have not ended, are held, or are children of one that has not ended never go.
    Sizes are estimates and include the indexes.
    """
    from agentpg.desk.retention import find_expired, policy_of

    policy = policy_of(session.settings, older_than, adopted=adopted)
    expired = [] if policy.keeps_all else find_expired(session.database, policy)
    if as_json:
        session.out.json(expired)
        return
    _show_policy(session, policy)
    if policy.keeps_all:
        session.out.note(session.translate(RetentionNotSet.hint))
    else:
        _show_expired(session, expired)


@retention.command(
    "apply",
    examples="""
        agentpg retention apply
        # Keep what goes in files.
        agentpg retention apply --archive /var/backups/agentpg
        # In a script.
        agentpg retention apply --older-than 90d --yes --json
    """,
)
@_policy_options
@click.option(
    "--archive",
    type=FOLDER_PATH,
    help="Write it to this folder first; by default that of the settings, if any.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def apply(
    session: Session,
    older_than: timedelta | None,
    adopted: bool,
    archive: Path | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Remove finished history that is older than it is kept, with its executions and calls.

    It shows what would go and asks first. Batches rest while workers are busy. With an
    archive, rows are removed after they were written, brought to the disk and read back.
    Ctrl-C ends it after a whole batch, and it says what was removed; what is left goes with
    the next call.
    """
    from agentpg.desk.retention import find_expired, policy_of

    policy = policy_of(session.settings, older_than, adopted=adopted)
    if policy.keeps_all:
        raise RetentionNotSet
    expired = find_expired(session.database, policy)
    if not as_json:
        _show_policy(session, policy)
        _show_expired(session, expired)
    total = sum(group.tasks for group in expired)
    folder = archive or _archive_of_settings(session)
    if total and not yes and not _agreed(session, total, folder):
        session.out.note(session.translate(N_("Nothing was changed.")))
        return 0
    if not total and not as_json:
        return 0
    removed, interrupted = _remove(session, policy, folder, total)
    _show_removed(session, removed, as_json)
    return _say_interrupted(session) if interrupted else 0


@retention.command(
    "restore",
    examples="""
        # Is the archive whole?
        agentpg retention restore archive --check
        agentpg retention restore archive
        agentpg retention restore archive/agentic_ai-20260301T040000Z-5f0c3a1b/000001
    """,
)
@click.argument(
    "folder",
    type=FOLDER_THERE,
    help="An archive, a part of one, or a folder of several.",
)
@click.option("--check", is_flag=True, help="Only read the files and compare their checksums.")
@json_option
@click.pass_obj
def restore(session: Session, folder: Path, check: bool, as_json: bool) -> None:
    """Bring archived history back, each row as it was.

    A task that is there already stays as it is, and so does all that hangs on it. If it is
    there exactly as in the file, what is missing of its executions and calls is added.
    """
    from agentpg.desk.restoring import find_parts

    parts = find_parts(folder)
    if check:
        _check(session, parts, as_json)
        return
    restored = _restore(session, parts)
    if as_json:
        session.out.json(restored)
    else:
        _show_restored(session, restored)


def _archive_of_settings(session: Session) -> Path | None:
    said = session.settings.retention_archive
    return session.home / said if said else None


def _show_policy(session: Session, policy: Policy) -> None:
    from agentpg.quantities import format_duration

    forever = session.translate(N_("kept for ever"))
    kept = session.translate(N_("kept for {period}"))
    session.out.facts(
        (
            (status, kept.format(period=format_duration(period)) if period else forever)
            for status, period in policy.periods()
        )
    )


def _show_expired(session: Session, expired: Sequence[Expired]) -> None:
    columns = (
        Column(N_("Agent"), yields=2),
        Column(N_("Task type"), yields=2),
        Column(N_("Status"), state=True),
        Column(N_("Tasks"), right=True),
        Column(N_("Size"), show=figures.size, right=True),
        Column(N_("Oldest ended"), show=figures.age, right=True),
    )
    rows = [
        (e.agent_name, e.task_type, e.status, e.tasks, e.size_bytes, e.oldest_at) for e in expired
    ]
    session.out.line()
    session.out.table(columns, rows, empty=N_("There is no history to remove."))
    if expired:
        session.out.line()
        session.out.line(
            session.translate(
                N_("In all {tasks} tasks, {executions} executions and {calls} calls, {size}.")
            ).format(
                tasks=figures.count(sum(e.tasks for e in expired)),
                executions=figures.count(sum(e.executions for e in expired)),
                calls=figures.count(sum(e.llm_requests for e in expired)),
                size=figures.size(sum(e.size_bytes for e in expired)),
            )
        )


def _agreed(session: Session, total: int, archive: Path | None) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    question = (
        N_("Remove these {number} tasks for good?")
        if archive is None
        else N_("Write these {number} tasks to {archive} and remove them?")
    )
    text = session.translate(question).format(number=figures.count(total), archive=archive)
    return click.confirm(text, err=True)


def _remove(
    session: Session, policy: Policy, archive: Path | None, total: int
) -> tuple[Removed, bool]:
    """What was removed, and whether Ctrl-C ended it before all was."""
    from agentpg.desk.removal import EndRemoval, RemovalOptions, remove_history

    def check() -> None:
        if interruption.happened:
            raise EndRemoval

    options = RemovalOptions(policy=policy, archive=archive)
    title = session.translate(N_("Removing"))
    ending = session.translate(N_("Ending after this batch. Ctrl-C once more ends it at once."))
    with session.out.progress(title, total) as progress, Interruption(ending) as interruption:
        told = _Told(progress)
        try:
            with session.recorded(Action.RETENTION_APPLY, archive=archive) as course:
                removed = remove_history(session.database, options, check=check, tell=told.batch)
                course.details["tasks"] = told.tasks
        except KeyboardInterrupt:
            text = session.translate(N_("Ended at once. Tasks removed before: {tasks}"))
            session.out.note(text.format(tasks=figures.count(told.tasks)))
            raise
    return removed, interruption.happened and not removed.complete


class _Told:
    """Advances the progress, and says the rate now and then."""

    def __init__(self, progress: Progress) -> None:
        self.tasks = 0
        self._progress = progress
        self._begun = self._noted = time.monotonic()

    def batch(self, batch: Batch) -> None:
        """One more batch is gone."""
        self.tasks += batch.tasks
        now = time.monotonic()
        note = ""
        if now >= self._noted + _NOTE_SECONDS:
            self._noted, note = now, _rate(self.tasks, now - self._begun)
        self._progress.advance(batch.tasks, note)


def _say_interrupted(session: Session) -> int:
    from agentpg.cli.running import INTERRUPTED

    text = N_("Ended by Ctrl-C. What is left goes with the next call.")
    session.out.note(session.translate(text))
    return INTERRUPTED


def _show_removed(session: Session, removed: Removed, as_json: bool) -> None:
    if as_json:
        session.out.json(removed)
        return
    seconds = removed.worked_seconds + removed.rested_seconds
    session.out.line()
    session.out.facts(
        (
            (N_("removed tasks"), removed.tasks),
            (N_("executions"), removed.executions),
            (N_("calls"), removed.llm_requests),
            (N_("time"), f"{figures.duration(seconds)} ({_rate(removed.tasks, seconds)})"),
            (N_("archive"), removed.archive),
        )
    )


def _rate(tasks: int, seconds: float) -> str:
    return f"{figures.count(round(tasks / max(seconds, 0.001)))}/s"


def _check(session: Session, parts: list[Part], as_json: bool) -> None:
    from agentpg.desk.restoring import check_part

    title = session.translate(N_("Checking"))
    with session.out.progress(title, len(parts)) as progress:
        for part in parts:
            check_part(part)
            progress.advance()
    rows = {table: sum(p.tables[table].rows for p in parts) for table in parts[0].tables}
    if as_json:
        session.out.json({"parts": len(parts), "rows": rows})
        return
    session.out.table((Column(N_("Table")), Column(N_("Rows"), right=True)), rows.items())
    session.out.line(session.translate(N_("The archive is whole.")))


def _restore(session: Session, parts: list[Part]) -> list[Restored]:
    from agentpg.desk.restoring import restore as bring_back

    restored = []
    title = session.translate(N_("Restoring"))
    with (
        session.out.progress(title, len(parts)) as progress,
        session.recorded(Action.RETENTION_RESTORE) as course,
    ):
        for one in bring_back(session.database, parts):
            restored.append(one)
            progress.advance()
        course.details["tasks"] = sum(one.tasks for one in restored)
    return restored


def _show_restored(session: Session, restored: Sequence[Restored]) -> None:
    in_the_way = [task for one in restored for task in one.some][:5]
    session.out.facts(
        (
            (N_("restored tasks"), sum(one.tasks for one in restored)),
            (N_("executions"), sum(one.executions for one in restored)),
            (N_("calls"), sum(one.llm_requests for one in restored)),
            (N_("already there"), sum(one.already_there for one in restored)),
            (N_("in the way"), sum(one.in_the_way for one in restored)),
        )
    )
    if in_the_way:
        session.out.note(
            session.translate(
                N_("Another task of the same id or idempotency key is there, for: {tasks}")
            ).format(tasks=", ".join(map(str, in_the_way)))
        )
