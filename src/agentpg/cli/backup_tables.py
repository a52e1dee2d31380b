"""`agentpg backup restore --table`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli.output import Column, plain
from agentpg.cli.reasons import reason_in
from agentpg.cli.session import Session
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.backup.restore.merging import Differences
    from agentpg.desk.backup.restore.remaking import Dependent
    from agentpg.desk.backup.restore.unfinished import Unfinished


def restore_tables(
    session: Session,
    name: str | None,
    *,
    tables: tuple[str, ...],
    where: str | None,
    overwrite: bool,
    undo_file: Path | None,
    unfinished: Unfinished,
    yes: bool,
    as_json: bool,
    **_: object,
) -> None:
    """Bring rows, or whole tables, of a backup back into the present database."""
    from agentpg.desk.backup.restore.merging import MergeOptions, bring_back
    from agentpg.desk.backup.restore.tables import find_tables, open_source
    from agentpg.desk.backup.storage.choosing import choose_to_restore
    from agentpg.desk.backup.storage.keys import seal_for_opening

    over = session.restore_database.name()
    backup = choose_to_restore(session.repository, name, session.backup_source, over)
    seal = seal_for_opening(session.settings, session.repository, backup)
    live = session.restore_database
    undo = undo_file or session.home / "undo" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.sql"
    options = MergeOptions(undo=undo, where=where or "", overwrite=overwrite, unfinished=unfinished)
    merged = False

    def agree(differences: Differences) -> bool:
        nonlocal merged
        if not as_json:
            _show(session, differences)
        merged = yes or agreed(session, N_("Go ahead?"))
        return merged

    with session.out.measure(session.translate(N_("Restoring"))) as measure:
        opened = open_source(
            backup,
            session.repository,
            seal,
            session.home / "scratch",
            session.settings.pg_bin,
            measure.reach,
        )
        with opened as source:
            measure.pause()
            found = find_tables(source, live, tables)
            with session.recorded(Action.BACKUP_RESTORE, backup.name, tables=tables) as course:
                differences = bring_back(source, live, found, options, agree)
                course.changed, course.details["undo"] = merged, undo
    if as_json:
        document = {"backup": backup.name, **plain(differences), "merged": merged}
        session.out.json({**document, "undo": undo if merged else None})
    elif merged:
        _say_undo(session, undo)
    else:
        nothing = N_("All rows are there as they were.") if differences.nothing_to_do else None
        session.out.note(session.translate(nothing or N_("Nothing was changed.")))
    if merged:
        _require_all(session, differences, as_json=as_json)


def agreed(session: Session, question: str) -> bool:
    """Whether the one who is asked says yes. Raises UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    return click.confirm(session.translate(question), err=True)


def _show(session: Session, differences: Differences) -> None:
    columns = (
        Column(N_("Table")),
        Column(N_("Missing"), right=True),
        Column(N_("Changed"), right=True),
        Column(N_("Only here"), right=True),
    )
    whole = session.translate(N_("all of it"))
    rows = [
        (t.table, whole if t.missing is None else t.missing, t.changed, t.only_live)
        for t in differences.tables
    ]
    session.out.table(columns, rows)
    made = [one.name for one in differences.dependents if not one.reason]
    lacking = [one for one in differences.dependents if one.reason]
    if made:
        session.out.line()
        session.out.line(session.translate(N_("This went with it, and is made again:")))
        for name in made:
            session.out.line(f"  {name}")
    if lacking:
        _show_missing(session, lacking, N_("This went with it, and can not be made again:"))


def _require_all(session: Session, differences: Differences, *, as_json: bool) -> None:
    """Say what could not be made again, and how it is made. Raises DependentsNotMade."""
    from agentpg.errors import DependentsNotMade

    missing = [one for one in differences.dependents if one.reason]
    if not missing:
        return
    if not as_json:
        _show_missing(session, missing, N_("This could not be made again:"))
    raise DependentsNotMade(number=len(missing), names=", ".join(one.name for one in missing))


def _show_missing(session: Session, missing: Sequence[Dependent], title: str) -> None:
    from agentpg.desk.backup.restore.remaking import NEEDS

    session.out.line()
    session.out.line(session.translate(title))
    for one in missing:
        reason = reason_in(session.translate, one.reason, (NEEDS,))
        session.out.line(f"  {one.name}: {reason}")
        for line in one.sql.splitlines():
            session.out.line(f"    {line}")


def _say_undo(session: Session, undo: Path) -> None:
    session.out.line()
    session.out.line(session.translate(N_("This undoes it:")))
    session.out.line(f"  psql --no-psqlrc --set ON_ERROR_STOP=1 --file {undo}")
