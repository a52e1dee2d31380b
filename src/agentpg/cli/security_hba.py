"""`agentpg security hba`: show, explain, propose, apply, confirm, undo."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli import figures
from agentpg.cli.command import Command, Group
from agentpg.cli.doctor_view import exit_code, findings_options, level_counts, show_findings
from agentpg.cli.output import json_option
from agentpg.cli.security_hba_view import (
    effect_document,
    show_decisions,
    show_differences,
    show_effects,
    show_lines,
)
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, GIVEN, WrongValue
from agentpg.errors import NothingPending
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.finding import Level
    from agentpg.desk.security.addresses.facts import Facts
    from agentpg.desk.security.addresses.proposing import Proposal

_NO_ADDRESS = N_("it is no address, such as 10.0.5.7")
_NO_NETWORK = N_("it is no network, such as 10.0.5.0/24")
_SHORTEST, _LONGEST = timedelta(seconds=5), timedelta(hours=1)
_NOT_BETWEEN = N_("it must be from 5s to 1h")
_HBA = ("L01", "L02", "L03", "L04", "L05", "L06", "L07", "L08", "L09", "L18")


@click.group(
    "hba",
    cls=Group,
    examples="""
        agentpg security hba show
        agentpg security hba explain --role admin --address 10.0.5.7
        agentpg security hba propose --network 10.0.5.0/24
    """,
)
def verb() -> None:
    """Say who gets in from where by pg_hba.conf, and better it.

    The file is judged by what it does: of its lines the first that fits decides.
    """


def _facts(session: Session) -> Facts:
    from agentpg.desk.security.addresses.looking import look_at_addresses

    return look_at_addresses(session.database, session.settings)


@verb.command(
    "show",
    cls=Command,
    examples="""
        agentpg security hba show
        agentpg security hba show --all
    """,
)
@findings_options
@click.pass_obj
def show(session: Session, show_all: bool, fail_on: Level, as_json: bool) -> int:
    """Show the lines, who gets in by them, and what is wrong with that.

    Exits with 5 where there are findings of the level of --fail-on or above.
    """
    from agentpg.desk.security.addresses.effects import effects
    from agentpg.desk.security.addresses.findings import find
    from agentpg.desk.security.addresses.policy import policy_of

    facts = _facts(session)
    found = [one for one in find(facts, policy_of(session.settings)) if one.code in _HBA]
    said = effects(facts)
    if as_json:
        session.out.json(
            {
                "file": facts.hba if isinstance(facts.hba, Path) else None,
                "effects": [effect_document(one) for one in said],
                "levels": level_counts(found),
                "findings": [one.document() for one in found],
            }
        )
        return exit_code(found, fail_on)
    show_lines(session.out, facts)
    show_effects(session.out, said)
    show_findings(session.out, found, show_all=show_all)
    return exit_code(found, fail_on)


def _address(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    try:
        return value and str(ipaddress.ip_address(value))
    except ValueError:
        raise WrongValue(value, _NO_ADDRESS, option, context) from None


def _networks(
    context: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    found = []
    for value in values:
        try:
            found.append(str(ipaddress.ip_network(value, strict=False)))
        except ValueError:
            raise WrongValue(value, _NO_NETWORK, option, context) from None
    return tuple(found)


@verb.command(
    "explain",
    cls=Command,
    examples="""
        agentpg security hba explain --role admin --address 10.0.5.7
        # Without TLS, by the socket, for replication.
        agentpg security hba explain --role admin --address 10.0.5.7 --no-tls
        agentpg security hba explain --role postgres
        agentpg security hba explain --role backup --replication --address 10.0.5.7
    """,
)
@click.option("--role", type=GIVEN, help="As whom; by default the one that connects now.")
@click.option("--database", type=GIVEN, help="To which database; by default the present one.")
@click.option("--address", callback=_address, help="From where; by default by the socket.")
@click.option("--tls/--no-tls", "tls", default=True, help="With or without TLS.")
@click.option("--replication", is_flag=True, help="To copy the whole cluster.")
@json_option
@click.pass_obj
def explain(
    session: Session,
    role: str | None,
    database: str | None,
    address: str | None,
    tls: bool,
    replication: bool,
    as_json: bool,
) -> None:
    """Say which line decides about a connection, and why not an earlier one.

    Lines that may fit, which only the server knows, are named too.
    """
    from agentpg.desk.security.addresses.explaining import explain as explained

    facts = _facts(session)
    said = explained(
        facts, role=role, database=database, address=address or "", tls=tls, replication=replication
    )
    if as_json:
        session.out.json(said)
    else:
        show_decisions(session.out, said)


_network_option = click.option(
    "--network",
    "networks",
    multiple=True,
    callback=_networks,
    help="A network from which somebody comes, in place of everywhere; may be given again.",
)
_certificate_option = click.option(
    "--certificate",
    "certificates",
    multiple=True,
    type=GIVEN,
    metavar="ROLE",
    help="A role that comes from other machines by its certificate alone; may be given again.",
)
_open_option = click.option(
    "--allow-plain", is_flag=True, help="Leave lines that let in without TLS as they are."
)
_super_option = click.option(
    "--allow-remote-superusers", is_flag=True, help="Let superusers in from other machines."
)
_file_option = click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="A file of your own, in place of the proposed one.",
)


@verb.command(
    "propose",
    cls=Command,
    examples="""
        agentpg security hba propose
        agentpg security hba propose --network 10.0.5.0/24
        # The reporter comes by certificate, and by nothing else.
        agentpg security hba propose --network 10.0.5.0/24 --certificate reporter
        # What a file of your own would change.
        agentpg security hba propose --file new_hba.conf
    """,
)
@_network_option
@_certificate_option
@_open_option
@_super_option
@_file_option
@json_option
@click.pass_obj
def propose(
    session: Session,
    networks: tuple[str, ...],
    certificates: tuple[str, ...],
    allow_plain: bool,
    allow_remote_superusers: bool,
    file: Path | None,
    as_json: bool,
) -> None:
    """Print a better file, and what it changes for whom; nothing is written.

    Weak methods become scram-sha-256 where no role needs them, other machines come in by TLS where
    the server offers it, superusers from this machine alone, and lines that never decide go.
    """
    facts = _facts(session)
    made = _proposal(
        facts, file, networks, certificates, plain=allow_plain, superusers=allow_remote_superusers
    )
    if as_json:
        session.out.json(
            {
                "file": made.path,
                "text": made.text.encode("utf-8", "replace").decode(),
                "differences": [
                    {"before": effect_document(one.before), "after": effect_document(one.after)}
                    for one in made.differences
                ],
            }
        )
        return
    for line in made.text.rstrip("\n").split("\n"):
        session.out.line(line)
    session.out.line()
    show_differences(session.out, made.differences)


def _proposal(
    facts: Facts,
    file: Path | None,
    networks: tuple[str, ...],
    certificates: tuple[str, ...],
    *,
    plain: bool,
    superusers: bool,
) -> Proposal:
    from agentpg.desk.hba.reading import text_of
    from agentpg.desk.security.addresses.proposing import Wanted, proposal_of, propose as made
    from agentpg.errors import FileNotRead

    if file is not None:
        try:
            return proposal_of(facts, text_of(file))
        except OSError as error:
            raise FileNotRead(error.strerror or str(error), path=file) from None
    return made(
        facts,
        Wanted(
            networks=networks,
            certificates=certificates,
            only_tls=not plain,
            local_superusers=not superusers,
        ),
    )


def _between(context: click.Context, option: click.Parameter, value: timedelta) -> timedelta:
    if not _SHORTEST <= value <= _LONGEST:
        raise WrongValue(f"{value.total_seconds():g}s", _NOT_BETWEEN, option, context)
    return value


@verb.command(
    "apply",
    cls=Command,
    examples="""
        agentpg security hba apply --network 10.0.5.0/24
        agentpg security hba confirm
        # A file of your own, with more time to try it.
        agentpg security hba apply --file new_hba.conf --confirm-within 5min
    """,
)
@_network_option
@_certificate_option
@_open_option
@_super_option
@_file_option
@click.option(
    "--confirm-within",
    type=DURATION,
    default="1min",
    show_default=True,
    callback=_between,
    help="After this time it is undone, unless it was confirmed.",
)
@json_option
@click.pass_obj
def apply(
    session: Session,
    networks: tuple[str, ...],
    certificates: tuple[str, ...],
    allow_plain: bool,
    allow_remote_superusers: bool,
    file: Path | None,
    confirm_within: timedelta,
    as_json: bool,
) -> None:
    """Put the proposed file, or one of your own, in force; it undoes itself unless confirmed.

    The server has to understand every line, and to let in anew whoever applies it; else the former
    file is back at once. After a minute it is back too, by a process that needs no connection,
    unless `agentpg security hba confirm` says that all is well.
    """
    from agentpg.desk.security.addresses.applying import apply as applied

    settle_overdue(session)
    facts = _facts(session)
    made = _proposal(
        facts, file, networks, certificates, plain=allow_plain, superusers=allow_remote_superusers
    )
    with session.recorded(Action.SECURITY_HBA, "apply") as course:
        done = applied(facts, session.database, session.settings, made.text, confirm_within)
        course.details |= {"file": done.path, "undone_at": done.until}
    if as_json:
        session.out.json(
            {"file": done.path, "until": done.until, "ways": done.ways, "watcher": done.watcher}
        )
        return
    show_differences(session.out, made.differences)
    said = N_(
        "{path} is in force, and undone at {until} unless `agentpg security hba confirm` comes "
        "before."
    )
    session.out.line(
        session.translate(said).format(path=done.path, until=figures.moment(done.until))
    )


@verb.command("confirm", cls=Command, examples="agentpg security hba confirm")
@click.pass_obj
def confirm(session: Session) -> None:
    """Let the change of pg_hba.conf stay, by getting in with it."""
    from agentpg.desk.security.addresses.applying import confirm as confirmed

    settle_overdue(session)
    path = _changed(session)
    with session.recorded(Action.SECURITY_HBA, "confirm", file=path):
        confirmed(path, session.database, session.settings)
    session.out.line(session.translate(N_("{path} stays as it is now.")).format(path=path))


@verb.command("undo", cls=Command, examples="agentpg security hba undo")
@click.pass_obj
def undo(session: Session) -> None:
    """Take back the change that waits, or the last that was confirmed; needs no connection."""
    from agentpg.desk.security.addresses.applying import undo as undone

    path = _changed(session)
    with session.recorded(Action.SECURITY_HBA, "undo", file=path):
        undone(path, session.settings)
    session.out.line(session.translate(N_("{path} is as it was before.")).format(path=path))


def settle_overdue(session: Session) -> None:
    """Take back what was not confirmed in time, and say so."""
    from agentpg.desk.security.addresses.applying import take_back_overdue

    said = N_("{path} is as it was before: its change was not confirmed in time.")
    for path in take_back_overdue(session.settings):
        session.out.note(session.translate(said).format(path=path))


def _changed(session: Session) -> Path:
    from agentpg.desk.security.addresses.applying import last_changed

    path = last_changed(session.settings)
    if path is None:
        raise NothingPending(path="pg_hba.conf")
    return path
