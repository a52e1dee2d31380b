"""`agentpg notify`: who is told what is wrong, and what of it is open."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli.command import Group
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, GIVEN
from agentpg.errors import AlertNotFound, MatcherWrong, SilenceNotFound, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.notify.alert import Alert
    from agentpg.notify.kept import Alerts
    from agentpg.notify.policy import Policy

_CONTACTS = click.Choice(["dba", "ops"])
_LONGEST = timedelta(days=92)

_by = click.option(
    "--by", "owner", type=GIVEN, metavar="NAME", help="Who; by default this account's name."
)


@click.group(
    "notify",
    cls=Group,
    examples="""
        # Does a message get to everybody?
        agentpg notify test
        agentpg notify list
        # I take care of it.
        agentpg notify ack B01 --note 'the bucket is full; ticket 4711'
        agentpg notify silence room=backup --for 2h --reason 'the storage is moved'
    """,
)
def notify() -> None:
    """Tell people what is wrong: contacts, alerts, silences.

    HealthAgent looks every minute at all that the doctor knows. What it finds is an alert; the
    contacts, dba and ops, are told when it begins, gets worse, goes on, and is over.
    """


@notify.command(
    "list",
    examples="""
        agentpg notify list
        # What fires and nobody takes care of, for a script.
        agentpg notify list --json |
            jq '.alerts[] | select(.state == "firing" and .acked_at == null)'
    """,
)
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """List the alerts that are open, the worst first, and the silences in force."""
    from agentpg.cli.notify_view import alert_document, show_alerts, show_silences

    with _alerts(session) as alerts:
        found, silences = alerts.open_alerts(), alerts.silences()
    if as_json:
        documents = [alert_document(one) for one in found]
        session.out.json({"alerts": documents, "silences": [s.document() for s in silences]})
        return
    show_alerts(session.out, found, silences)
    show_silences(session.out, silences)


@notify.command(
    "show",
    examples="""
        agentpg notify show B01
    """,
)
@click.argument("alert", metavar="ALERT", type=GIVEN, help="Its id or code.")
@json_option
@click.pass_obj
def show(session: Session, alert: str, as_json: bool) -> None:
    """Show an alert with its evidence, what helps, and who was told."""
    from agentpg.cli.notify_view import alert_document, show_alert

    with _alerts(session) as alerts:
        found = _named(alerts, alert)
    if as_json:
        session.out.json([alert_document(one) for one in found])
        return
    for one in found:
        show_alert(session.out, one)


@notify.command(
    "ack",
    examples="""
        agentpg notify ack 1a2b3c4d
        # All alerts of a code.
        agentpg notify ack B01 --by kim --note 'ticket 4711'
    """,
)
@click.argument("alert", metavar="ALERT", type=GIVEN, help="Its id or code.")
@_by
@click.option("--note", type=GIVEN, default=None, metavar="TEXT", help="What is done about it.")
@click.pass_obj
def ack(session: Session, alert: str, owner: str | None, note: str | None) -> None:
    """Say that you take care of an alert.

    It is not told again and not escalated, unless it gets worse; that it is over is told.
    """
    with _alerts(session) as alerts:
        found = _named(alerts, alert)
        who = owner or _account()
        with session.recorded(Action.NOTIFY_ACK, alert.upper(), by=who, note=note):
            alerts.acknowledge([one.id for one in found], who, note or "")
    _ = session.translate
    for one in found:
        text = _(N_("acknowledged: {code} {message}"))
        message = one.condition.message(_)
        session.out.line(text.format(code=one.condition.code, message=message))


@notify.command(
    "silence",
    examples="""
        # While the storage is moved.
        agentpg notify silence room=backup --for 2h --reason 'the storage is moved'
        # One table, and only its warnings.
        agentpg notify silence code=D12 'subject=public.log*' level=warning \\
            --for 7d --reason 'it goes on Friday'
    """,
)
@click.argument(
    "matchers",
    metavar="NAME=PATTERN…",
    nargs=-1,
    required=True,
    help="What all must match: code, room, subject, level or contact, with * and ?.",
)
@click.option(
    "--for", "lasts", type=DURATION, required=True, metavar="TIME", help="How long: 2h, 7d."
)
@click.option("--reason", type=GIVEN, required=True, metavar="TEXT", help="Why.")
@_by
@json_option
@click.pass_obj
def silence(
    session: Session,
    matchers: tuple[str, ...],
    lasts: timedelta,
    reason: str,
    owner: str | None,
    as_json: bool,
) -> None:
    """Tell nobody of what matches, for a time.

    Alerts go on being kept; what still fires when the silence ends is told then.
    """
    from agentpg.cli.notify_view import show_silences

    matched = _matchers(matchers)
    if not timedelta() < lasts <= _LONGEST:
        raise UsageError(N_("--for takes up to 92d: what is never to be told has a route"))
    with _alerts(session) as alerts:
        who = owner or _account()
        said = " ".join(f"{name}={pattern}" for name, pattern in matched.items())
        with session.recorded(Action.NOTIFY_SILENCE, said, by=who, reason=reason, lasts=lasts):
            made = alerts.silence(matched, who, reason, lasts)
    if as_json:
        session.out.json(made.document())
    else:
        show_silences(session.out, [made])


@notify.command("unsilence", examples="agentpg notify unsilence 1a2b3c4d")
@click.argument("silence_id", metavar="SILENCE", type=GIVEN, help="The id of the silence.")
@click.pass_obj
def unsilence(session: Session, silence_id: str) -> None:
    """End a silence now."""
    with _alerts(session) as alerts:
        found = [one.id for one in alerts.silences() if str(one.id).endswith(silence_id.lower())]
        if not found:
            raise SilenceNotFound(silence=silence_id)
        with session.recorded(Action.NOTIFY_UNSILENCE, silence_id):
            alerts.end_silences(found)
    session.out.line(session.translate(N_("The silence has ended.")))


@notify.command(
    "contacts",
    examples="""
        agentpg notify contacts
    """,
)
@json_option
@click.pass_obj
def contacts(session: Session, as_json: bool) -> None:
    """Show the contacts, the ways to them, and who is told of what.

    Addresses of webhooks and of apprise are secrets, and are not shown.
    """
    from agentpg.cli.notify_view import contacts_document, show_contacts

    policy = _policy(session)
    if as_json:
        session.out.json(contacts_document(policy))
    else:
        show_contacts(session.out, policy)


@notify.command(
    "test",
    examples="""
        agentpg notify test
        agentpg notify test ops
    """,
)
@click.argument("contact", type=_CONTACTS, required=False, help="One of them; by default both.")
@json_option
@click.pass_obj
def test(session: Session, contact: str | None, as_json: bool) -> int:
    """Send a test message by every way to a contact, and say what came of each.

    Needs no database. Exits with 1 where a message was not taken.
    """
    from agentpg.cli.notify_testing import tried
    from agentpg.cli.notify_view import show_tried

    results = tried(session.settings, _policy(session), _target(session), contact)
    if as_json:
        session.out.json(results)
    else:
        show_tried(session.out, results)
    return 0 if all(one.error is None for one in results) else 1


def _policy(session: Session) -> Policy:
    from agentpg.notify.policy import policy_of

    return policy_of(session.settings, session.language)


def _target(session: Session) -> str:
    """The database in words; where none is configured, this machine."""
    import socket

    from agentpg.errors import NoDatabase

    try:
        return session.looked_at.target()
    except NoDatabase:
        return socket.gethostname()


@contextmanager
def _alerts(session: Session) -> Iterator[Alerts]:
    from agentpg.notify.kept import kept_alerts
    from agentpg.schema import check_version

    check_version(session.database)
    with kept_alerts(session.database, "agentpg notify") as alerts:
        yield alerts


def _named(alerts: Alerts, name: str) -> list[Alert]:
    """The open alerts of this code, or whose id ends so. Raises AlertNotFound."""
    found = [
        one
        for one in alerts.open_alerts()
        if one.condition.code == name.upper()
        or (len(name) >= 4 and str(one.id).endswith(name.lower()))
    ]
    if not found:
        raise AlertNotFound(alert=name)
    return found


def _matchers(given: tuple[str, ...]) -> dict[str, str]:
    from agentpg.notify.alert import MATCHERS

    matched: dict[str, str] = {}
    for one in given:
        name, equals, pattern = one.partition("=")
        if name not in MATCHERS or not equals or not pattern or name in matched:
            raise MatcherWrong(given=repr(one))
        matched[name] = pattern
    return matched


def _account() -> str:
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        # In a container an account may have no name.
        return str(number)
