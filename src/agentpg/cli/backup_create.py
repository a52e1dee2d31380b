"""`agentpg backup create`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION
from agentpg.desk.backup.model import KINDS, OF_CLUSTERS
from agentpg.errors import NotSealed, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.cli.progress import Measure, NoMeasure
    from agentpg.desk.backup.creating import Step
    from agentpg.desk.backup.model import Backup, Kind
    from agentpg.desk.backup.storage.sealing import Seal


@click.command(
    "create",
    cls=Command,
    examples="""
        agentpg backup create
        # One file that psql alone restores.
        agentpg backup create --kind sql
        # Refuse to make one that is not sealed.
        agentpg backup create --encrypt
        # In a script.
        agentpg backup create --json | jq -r .name
    """,
)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="dump",
    show_default=True,
    help="A dump with several connections, one SQL file, or the whole cluster: base by "
    "PostgreSQL's own programs, pgbackrest by pgBackRest.",
)
@click.option(
    "--type",
    "scope",
    type=click.Choice(["full", "diff", "incr"]),
    help="What pgBackRest copies: all, what changed since the last full one, or since the last.",
)
@click.option("--jobs", type=click.IntRange(1, 64), help="How many connections a dump reads with.")
@click.option(
    "--compression",
    metavar="METHOD:LEVEL",
    help="Such as gzip:6, zstd:3 or none. A SQL file is compressed only if this is given.",
)
@click.option(
    "--lock-wait",
    type=DURATION,
    help="How long to wait for a table that somebody else has for himself.",
)
@click.option(
    "--role-passwords",
    is_flag=True,
    help="Keep the roles' password verifiers too; only a superuser may read them.",
)
@click.option(
    "--encrypt/--no-encrypt",
    default=None,
    help="Seal it, or refuse where no key is configured; or leave it open. By default it is "
    "sealed where a key is configured.",
)
@json_option
@click.pass_obj
def create(
    session: Session,
    kind: Kind,
    scope: str | None,
    jobs: int | None,
    compression: str | None,
    lock_wait: timedelta | None,
    role_passwords: bool,
    encrypt: bool | None,
    as_json: bool,
) -> None:
    """Make a backup of the database, with proof of what it held at that moment.

    Workers go on meanwhile. The backup appears whole or not at all; what a killed one left is
    removed by the next. With it come the roles and tablespaces of the cluster, without
    passwords unless asked for.
    """
    from agentpg.desk.backup.creating import CreateOptions, create_backup

    if scope is not None and kind != "pgbackrest":
        raise UsageError(N_("--type is for --kind pgbackrest alone"))
    settings = session.settings
    # A file for psql is as it is written unless the call itself says otherwise.
    usual = "" if kind == "sql" else settings.backup_compression
    options = CreateOptions(
        kind=kind,
        jobs=jobs or settings.backup_jobs,
        compression=usual if compression is None else compression,
        lock_wait=settings.backup_lock_wait if lock_wait is None else lock_wait,
        role_passwords=role_passwords,
        pg_bin=settings.pg_bin,
        stages=session.home / "stages",
        seal=_seal(session, encrypt),
        holder=session.holding_database,
        more={} if scope is None else {"type": scope},
    )
    database = session.cluster_database if kind in OF_CLUSTERS else session.backup_database
    title = session.translate(N_("Making the backup"))
    with session.out.measure(title) as measure:
        made = create_backup(database, session.repository, options, _teller(session, measure))
    if as_json:
        session.out.json(made)
    else:
        _show_made(session, made)


def _seal(session: Session, encrypt: bool | None) -> Seal | None:
    from agentpg.desk.backup.storage.keys import seal_of

    seal = None if encrypt is False else seal_of(session.settings, session.repository)
    if encrypt and seal is None:
        raise NotSealed
    return seal


def _teller(session: Session, measure: Measure | NoMeasure) -> Callable[[Step], None]:
    def tell(step: Step) -> None:
        if step.note:
            values = {name: session.translate(str(value)) for name, value in step.values}
            session.out.note(session.translate(step.note).format_map(values))
        else:
            measure.call(session.translate(step.work))
            measure.reach(step.done_bytes, step.total_bytes)

    return tell


def _show_made(session: Session, made: Backup) -> None:
    from agentpg.cli.backup_view import show_facts

    show_facts(session, made)
    if made.kind == "sql":
        _say_how_to_restore(session, made)
    if not made.details.get("globals", True):
        session.out.note(
            session.translate(
                N_("Roles and tablespaces of the cluster are not in it: {reason}")
            ).format(reason=made.details.get("globals_missing"))
        )


def _say_how_to_restore(session: Session, made: Backup) -> None:
    from agentpg.desk.backup.storage.records import key_of

    [path] = [file.path for file in made.files if file.path.startswith("data/")]
    place = session.repository.folder(key_of(made.name, path))
    if place is not None and place.suffix == ".sql":
        session.out.line()
        session.out.line(session.translate(N_("psql alone restores it into an empty database:")))
        session.out.line(f"  psql -d DATABASE < {shlex.quote(str(place))}")
