"""`agentpg backup verify`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.output import Column, json_option
from agentpg.cli.session import Session
from agentpg.cli.values import GIVEN
from agentpg.errors import (
    AgentpgError,
    NoBackups,
    ProgramsMissing,
    RepositoryError,
    UsageError,
)
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.backup.model import Backup, Outcome
    from agentpg.desk.backup.verifying import Opener, Verification

# Damage wins over what could not be looked at.
_EXIT_CODES: dict[Outcome, int] = {"failed": 1, "unknown": 6}


@click.command(
    "verify",
    cls=Command,
    examples="""
        agentpg backup verify
        agentpg backup verify --all
        agentpg backup verify 20260301T120000Z-dump --json
    """,
)
@click.argument(
    "name",
    type=GIVEN,
    required=False,
    help="The backup; by default the newest of this database.",
)
@click.option("--all", "every", is_flag=True, help="All backups.")
@json_option
@click.pass_obj
def verify(session: Session, name: str | None, every: bool, as_json: bool) -> int:
    """Read a backup's files and compare them with their checksums, without restoring it.

    It says that the backup is as it was made; that it can be restored, a drill proves. Exit
    code 1: damaged. 6: something could not be looked at.
    """
    backups, damaged = _chosen(session, name, every)
    found = [*_verify(session, backups), *damaged]
    if as_json:
        session.out.json(found if every else found[0])
    else:
        _show(session, found)
    outcomes = {one.outcome for one in found}
    return next((code for outcome, code in _EXIT_CODES.items() if outcome in outcomes), 0)


def _chosen(
    session: Session, name: str | None, every: bool
) -> tuple[list[Backup], list[Verification]]:
    """The backups to look at, and those that can't be looked at for their records."""
    from agentpg.desk.backup.model import Check
    from agentpg.desk.backup.storage.choosing import choose_backup
    from agentpg.desk.backup.storage.records import find_backups
    from agentpg.desk.backup.verifying import Verification

    if not every:
        return [choose_backup(session.repository, name, session.backup_source)], []
    if name is not None:
        raise UsageError(N_("--all and a name exclude each other"))
    found = find_backups(session.repository)
    if not found.backups and not found.damaged:
        raise NoBackups(place=session.repository.place)
    damaged = [
        Verification(
            backup=bad,
            checks=(Check(name="record", outcome="failed", reason=error.message()),),
        )
        for bad, error in found.damaged.items()
    ]
    return list(found.backups), damaged


def _verify(session: Session, backups: list[Backup]) -> list[Verification]:
    from agentpg.desk.backup.verifying import verify_backup

    done, total = 0, sum(backup.size_bytes for backup in backups)
    with session.out.measure(session.translate(N_("Reading the backup"))) as measure:

        def read(size: int) -> None:
            nonlocal done
            done += size
            measure.reach(done, total)

        return [verify_backup(backup, _opener(session, backup, read)) for backup in backups]


def _opener(session: Session, backup: Backup, read: Callable[[int], None]) -> Opener:
    from agentpg.desk.backup.programs import find_programs
    from agentpg.desk.backup.storage.keys import seal_for_opening
    from agentpg.desk.backup.verifying import Opener

    programs, unseal, no_programs, no_key = None, None, "", ""
    try:
        programs = find_programs(session.settings.pg_bin, backup.tool_major)
    except ProgramsMissing as error:
        no_programs = error.message(session.translate)
    try:
        seal = seal_for_opening(session.settings, session.repository, backup)
        unseal = seal.unseal_to if seal else None
    except RepositoryError:
        raise
    except AgentpgError as error:
        no_key = error.message(session.translate)
    return Opener(
        repository=session.repository,
        near=session.home / "scratch",
        pg_bin=session.settings.pg_bin,
        programs=programs,
        unseal=unseal,
        read=read,
        no_programs=no_programs,
        no_key=no_key,
    )


def _show(session: Session, found: list[Verification]) -> None:
    from agentpg.cli.backup_checks import check_reason, show_differences

    columns = (
        Column(N_("Backup")),
        Column(N_("Check")),
        Column(N_("Outcome"), state=True),
        Column(N_("Reason"), yields=1, fold=True),
    )
    session.out.table(
        columns,
        [
            (
                one.backup,
                check.name,
                check.outcome,
                check_reason(session.translate, check.reason) or None,
            )
            for one in found
            for check in one.checks
        ],
    )
    for one in found:
        differences = [d for check in one.checks for d in check.differences]
        show_differences(session, differences, N_("File"))
