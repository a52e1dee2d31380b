"""`agentpg backup drill`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from agentpg.cli import figures
from agentpg.cli.command import Command
from agentpg.cli.output import json_option, plain
from agentpg.cli.session import Session
from agentpg.cli.values import GIVEN
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.cli.progress import Measure, NoMeasure
    from agentpg.desk.backup.drilling import Stage
    from agentpg.desk.backup.model import Backup, Drill, Outcome
    from agentpg.desk.backup.storage.sealing import Seal

# Damage wins over what could not be found out.
_EXIT_CODES: dict[Outcome, int] = {"failed": 1, "unknown": 6}


@click.command(
    "drill",
    cls=Command,
    examples="""
        agentpg backup drill
        agentpg backup drill 20260301T120000Z-dump
        # In a script: 0 proved, 1 damaged, 6 not found out.
        agentpg backup drill --json | jq -r .outcome
    """,
)
@click.argument(
    "name",
    type=GIVEN,
    required=False,
    help="The backup; by default the newest of this database.",
)
@click.option("--jobs", type=click.IntRange(1, 64), help="How many connections restore it.")
@click.option("--fast", is_flag=True, help="At the usual priority instead of a low one.")
@json_option
@click.pass_obj
def drill(session: Session, name: str | None, jobs: int | None, fast: bool, as_json: bool) -> int:
    """Prove a backup: restore it into a private server and compare everything with the source.

    Every count and hash is compared with what the source held at that moment; then come
    indexes, constraints, foreign keys, sequences, the schema and the guide's queries. The time
    of the restore is measured, the result is kept with the backup, and the server is deleted.
    Exit code 1: the backup is not what the source was. 6: something could not be found out,
    which is never a pass.
    """
    from agentpg.desk.backup.drilling import DrillOptions, run_drill
    from agentpg.desk.backup.storage.choosing import choose_backup
    from agentpg.desk.backup.storage.keys import seal_for_opening

    backup = choose_backup(session.repository, name, session.backup_source)

    def open_seal(backup: Backup) -> Seal | None:
        return seal_for_opening(session.settings, session.repository, backup)

    options = DrillOptions(
        parent=session.home / "scratch",
        pg_bin=session.settings.pg_bin,
        jobs=jobs or session.settings.backup_jobs,
        gently=not fast,
        open_seal=open_seal,
    )
    with session.out.measure(session.translate(N_("Drill"))) as measure:
        found = run_drill(session.repository, backup.name, options, _teller(session, measure))
    if as_json:
        session.out.json({**plain(found), "outcome": found.outcome})
    else:
        _show(session, found)
    return _EXIT_CODES.get(found.outcome, 0)


def _teller(session: Session, measure: Measure | NoMeasure) -> Callable[[Stage], None]:
    def tell(stage: Stage) -> None:
        measure.call(session.translate(stage.work))
        measure.reach(stage.done_bytes, stage.total_bytes)

    return tell


def _show(session: Session, found: Drill) -> None:
    from agentpg.cli.backup_checks import show_checks

    show_checks(session, found.checks)
    session.out.line()
    session.out.facts(
        (
            (N_("outcome"), found.outcome),
            (N_("restored in"), found.restore or None),
            (N_("time"), found.ended_at - found.begun_at),
            (N_("server"), _version(found.server_version)),
            (N_("kept with the backup"), True),
        )
    )


def _version(number: int) -> str:
    return f"PostgreSQL {number // 10000}.{number % 10000}" if number else figures.UNKNOWN
