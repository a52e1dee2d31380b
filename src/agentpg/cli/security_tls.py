"""`agentpg security tls`: create, install, check, renew, revoke."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli import figures
from agentpg.cli.command import Command, Group
from agentpg.cli.doctor_view import exit_code, findings_options, level_counts, show_findings
from agentpg.cli.output import Column, Output, json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, GIVEN, WrongValue
from agentpg.desk.check import Unlooked
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.finding import Level
    from agentpg.desk.security.tls.facts import Shown
    from agentpg.desk.security.tls.store import Store

_SHORTEST, _LONGEST = timedelta(hours=1), timedelta(days=3650)
_NOT_BETWEEN = N_("it must be from 1h to 3650d")


@click.group(
    "tls",
    cls=Group,
    examples="""
        agentpg security tls create --name db.example
        agentpg security tls install
        agentpg security tls check
    """,
)
def verb() -> None:
    """Make certificates, give them to the server, watch them."""


def _store(session: Session) -> Store:
    from agentpg.desk.security.tls.store import Store

    return Store(session.home)


def _lasting(context: click.Context, option: click.Parameter, value: timedelta) -> timedelta:
    if not _SHORTEST <= value <= _LONGEST:
        raise WrongValue(f"{value.total_seconds():g}s", _NOT_BETWEEN, option, context)
    return value


_lasts_option = click.option(
    "--lasts",
    type=DURATION,
    default="365d",
    show_default=True,
    callback=_lasting,
    help="How long it holds.",
)


@verb.command(
    "create",
    cls=Command,
    examples="""
        agentpg security tls create --name db.example --name 10.0.5.2
        # For a role that logs in by certificate.
        agentpg security tls create --client reporter
    """,
)
@click.option(
    "--name",
    "names",
    multiple=True,
    type=GIVEN,
    help="A name or an address by which clients know the server; may be given again.",
)
@click.option("--client", "role", type=GIVEN, help="Make one for this role in place of a server's.")
@_lasts_option
@json_option
@click.pass_obj
def create(
    session: Session, names: tuple[str, ...], role: str | None, lasts: timedelta, as_json: bool
) -> None:
    """Make a private authority, where there is none, and a certificate of it.

    All lies in the folder `tls` of AGENTPG_HOME; keys have the mode 0600. Nothing is given to the
    server. Without --name it is for this machine's name and for loopback.
    """
    store = _store(session)
    store.create_authority(f"agentpg authority of {socket.gethostname()[:40]}")
    if role:
        made, path = store.create_client(role, lasts), store.client(role)
    else:
        wanted = [*names, *(() if names else (socket.gethostname(),)), *_LOOPBACK]
        made, path = store.create_server(list(dict.fromkeys(wanted)), lasts), store.server
    if as_json:
        document = {
            "certificate": path,
            "key": path.with_suffix(".key"),
            "authority": store.authority,
        }
        session.out.json({**document, "facts": made})
        return
    session.out.facts(
        (
            (N_("certificate"), path),
            (N_("key"), path.with_suffix(".key")),
            (N_("authority"), store.authority),
            (N_("for"), ", ".join(made.names)),
            (N_("until"), made.ends_at),
        )
    )


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@verb.command("install", cls=Command, examples="agentpg security tls install")
@click.option("--undo", is_flag=True, help="Give the server back the settings that it had.")
@json_option
@click.pass_obj
def install(session: Session, undo: bool, as_json: bool) -> None:
    """Give the server its certificate, and prove that it shows it.

    The files are copied into the data folder with the server's owner, and the settings written by
    ALTER SYSTEM: TLS from 1.2 on, our authority for clients' certificates, and the list of revoked
    ones. Where the server then does not show the certificate, the former settings are back.
    """
    from agentpg.desk.security.tls.installing import install as installed, take_back

    if undo:
        with session.recorded(Action.SECURITY_TLS, "undo"):
            take_back(session.database, session.settings)
        session.out.line(session.translate(N_("The server has its former settings of TLS.")))
        return
    with session.recorded(Action.SECURITY_TLS, "install"):
        shown = installed(session.database, session.settings)
    _say_shown(session, shown, as_json=as_json)


@verb.command("renew", cls=Command, examples="agentpg security tls renew")
@_lasts_option
@json_option
@click.pass_obj
def renew(session: Session, lasts: timedelta, as_json: bool) -> None:
    """Make the server's certificate and the list of revoked ones anew, and give it both.

    Sessions go on; new ones see the new certificate, which is proved.
    """
    from agentpg.desk.security.tls.installing import renew as renewed

    with session.recorded(Action.SECURITY_TLS, "renew"):
        shown = renewed(session.database, session.settings, lasts)
    _say_shown(session, shown, as_json=as_json)


@verb.command(
    "revoke",
    cls=Command,
    examples="""
        agentpg security tls revoke --client reporter
        agentpg security tls install
    """,
)
@click.option("--client", "role", type=GIVEN, required=True, help="Whose certificate.")
@click.pass_obj
def revoke(session: Session, role: str) -> None:
    """Have a client's certificate believed no more, once the list is installed again."""
    store = _store(session)
    gone = store.revoke(store.client(role))
    text = N_(
        "{subject} (serial {serial}) is revoked; `agentpg security tls install` tells the server."
    )
    session.out.line(session.translate(text).format(subject=gone.subject, serial=gone.serial))


@verb.command(
    "check",
    cls=Command,
    examples="""
        agentpg security tls check
        # When does the server's certificate end?
        agentpg security tls check --json | jq -r .served.ends_at
    """,
)
@findings_options
@click.pass_obj
def check(session: Session, show_all: bool, fail_on: Level, as_json: bool) -> int:
    """Show the certificates, until when they hold, and all that was checked of TLS.

    What is well is said too, with what was seen: the version, the end, the names and who signed
    them, the sessions, our own connections, revoked certificates, the key. Exits with 5 where there
    are findings of the level of --fail-on or above.
    """
    from agentpg.desk.security.addresses.findings import TLS_CODES, find
    from agentpg.desk.security.addresses.looking import look_at_addresses
    from agentpg.desk.security.addresses.policy import policy_of

    facts = look_at_addresses(session.database, session.settings)
    found = [one for one in find(facts, policy_of(session.settings)) if one.code in TLS_CODES]
    served = facts.certificate if not isinstance(facts.certificate, Unlooked) else None
    if as_json:
        levels = level_counts(found)
        documents = [one.document() for one in found]
        session.out.json(
            {"served": served, "issued": facts.issued, "levels": levels, "findings": documents}
        )
        return exit_code(found, fail_on)
    del show_all
    _show_certificates(session.out, served, facts.issued)
    show_findings(session.out, found, show_all=True)
    return exit_code(found, fail_on)


def _show_certificates(out: Output, served: Shown | None, issued: tuple[Shown, ...]) -> None:
    """The server's, and those of our authority."""
    seen = {one.serial: one for one in (*((served,) if served else ()), *issued)}
    if not seen:
        return
    columns = (
        Column(N_("Certificate"), yields=2),
        Column(N_("Names"), yields=3),
        Column(N_("Signed by"), yields=1),
        Column(N_("Until")),
        Column(N_("Served")),
    )
    rows = [
        (
            one.subject,
            ", ".join(one.names),
            one.issuer,
            one.ends_at,
            served is not None and one.serial == served.serial,
        )
        for one in seen.values()
    ]
    out.table(columns, rows)
    out.line()


def _say_shown(session: Session, shown: Shown, *, as_json: bool) -> None:
    if as_json:
        session.out.json({"served": shown})
        return
    text = N_("The server shows the certificate for {names}, which holds until {until}.")
    until = figures.moment(shown.ends_at)
    session.out.line(session.translate(text).format(names=", ".join(shown.names), until=until))
