"""`agentpg user`: accounts, their roles, passwords and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Group
from agentpg.cli.output import json_option
from agentpg.cli.passwords import asked_password, password_options
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, GIVEN
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.users.kept import Users

# As `agentpg.users.Role`, which is not loaded for the help.
_ROLES = ("viewer", "operator", "approver", "admin")

_name = click.argument("name", metavar="NAME", type=GIVEN, help="The account's name.")
_role = click.option(
    "--role", type=click.Choice(_ROLES), required=True, help="What it may do; `user roles` says."
)


@click.group(
    "user",
    cls=Group,
    examples="""
        agentpg user add kim --role operator
        agentpg user token kim --name ci --scope tasks:submit
        agentpg user list
        agentpg user disable kim
    """,
)
def user() -> None:
    """Keep accounts: who may do what, by password or by token.

    An account is a row of the table `users`. Passwords and tokens are kept as hashes; every change
    is an entry of the audit log.
    """


@user.command(
    "add",
    examples="""
        # It asks for the password twice.
        agentpg user add kim --role operator
        # A password that is made, and shown once; its owner is told to change it.
        agentpg user add lee@example.com --role viewer --generate
        # For programs, which have tokens.
        agentpg user add ci --role operator --no-password
    """,
)
@_name
@_role
@password_options
@click.option("--no-password", is_flag=True, help="Nobody logs in by password; it has tokens.")
@json_option
@click.pass_obj
def add(
    session: Session,
    name: str,
    role: str,
    generate: bool,
    from_stdin: bool,
    no_password: bool,
    as_json: bool,
) -> None:
    """Add an account.

    A row of this name that `agentpg schema adopt` took over becomes one, with a new password: the
    old one is not known.
    """
    from agentpg.cli.user_view import show_made
    from agentpg.users.rights import Role

    if no_password and (generate or from_stdin):
        raise UsageError(N_("--no-password goes with no other option for the password"))
    with _users(session) as users:
        password, temporary = (
            (None, False) if no_password else asked_password(session, name, generate, from_stdin)
        )
        made = users.add(name, Role(role), password, is_temporary=temporary)
    show_made(session.out, made, password if generate else None, as_json=as_json)


@user.command("list", examples="agentpg user list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """List the accounts, those in use first."""
    from agentpg.cli.user_view import show_users, user_document

    with _users(session) as users:
        found = users.find()
    if as_json:
        session.out.json([user_document(one) for one in found])
    else:
        show_users(session.out, found)


@user.command("show", examples="agentpg user show kim")
@_name
@json_option
@click.pass_obj
def show(session: Session, name: str, as_json: bool) -> None:
    """Show an account, what it may do, and its tokens."""
    from agentpg.cli.user_view import show_user, token_document, user_document

    with _users(session) as users:
        found, tokens = users.get(name), users.tokens(name)
    if as_json:
        document = user_document(found)
        session.out.json({**document, "tokens": [token_document(one) for one in tokens]})
    else:
        show_user(session.out, found, tokens)


@user.command("roles", examples="agentpg user roles")
@json_option
@click.pass_obj
def roles(session: Session, as_json: bool) -> None:
    """Show what each role may do; the scopes of tokens have the same names.

    Needs no database.
    """
    from agentpg.cli.user_view import roles_document, show_roles

    if as_json:
        session.out.json(roles_document())
    else:
        show_roles(session.out)


@user.command("role", examples="agentpg user role kim --role approver")
@_name
@_role
@click.pass_obj
def role_(session: Session, name: str, role: str) -> None:
    """Give an account another role; its tokens may then do no more than that."""
    from agentpg.users.rights import Role

    with _users(session) as users:
        changed = users.set_role(name, Role(role))
    text = session.translate(N_("{name} has the role {role} now."))
    session.out.line(text.format(name=changed.name, role=changed.role))


@user.command(
    "password",
    examples="""
        agentpg user password kim
        agentpg user password kim --generate
        pass show agentpg/kim | agentpg user password kim --password-stdin
        # Its tokens stay.
        agentpg user password kim --none
    """,
)
@_name
@password_options
@click.option("--none", "removes", is_flag=True, help="Take the password away.")
@json_option
@click.pass_obj
def password(
    session: Session, name: str, generate: bool, from_stdin: bool, removes: bool, as_json: bool
) -> None:
    """Give an account another password; its failed log-ins are forgotten."""
    from agentpg.cli.user_view import show_made

    if removes and (generate or from_stdin):
        raise UsageError(N_("--none goes with no other option for the password"))
    with _users(session) as users:
        users.get(name)
        chosen, temporary = (
            (None, False) if removes else asked_password(session, name, generate, from_stdin)
        )
        changed = users.set_password(name, chosen, is_temporary=temporary)
    show_made(session.out, changed, chosen if generate else None, as_json=as_json)


@user.command(
    "token",
    examples="""
        agentpg user token ci --name build --scope tasks:submit --scope tasks:read
        # The token alone, for a script: it is shown this once.
        agentpg user token ci --name nightly --scope tasks:submit --json |
            jq -r .token
        agentpg user token ci --revoke nightly
        agentpg user token ci --revoke-all
    """,
)
@_name
@click.option("--name", "purpose", type=GIVEN, metavar="TEXT", help="What the token is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=GIVEN,
    help="What it may do; may be given again. `agentpg user roles` lists them.",
)
@click.option("--lasts", type=DURATION, metavar="TIME", help="How long; by default the setting.")
@click.option("--for-ever", is_flag=True, help="It does not end by itself.")
@click.option("--revoke", type=GIVEN, metavar="TOKEN", help="End one: its name, id or first signs.")
@click.option("--revoke-all", is_flag=True, help="End all tokens of the account.")
@json_option
@click.pass_obj
def token(
    session: Session,
    name: str,
    purpose: str | None,
    scopes: tuple[str, ...],
    lasts: timedelta | None,
    for_ever: bool,
    revoke: str | None,
    revoke_all: bool,
    as_json: bool,
) -> None:
    """Make a token for a program, or end it.

    It is shown once and kept as a hash. What it may do is what its scopes and its account's role
    both allow.
    """
    from agentpg.cli.user_view import show_token, token_document

    ends = revoke is not None or revoke_all
    if ends and (purpose or scopes or lasts or for_ever or (revoke and revoke_all)):
        raise UsageError(N_("--revoke and --revoke-all go with no other option"))
    if not ends and not (purpose and scopes):
        raise UsageError(N_("give --name and at least one --scope"))
    if lasts and for_ever:
        raise UsageError(N_("--lasts and --for-ever go not together"))
    with _users(session) as users:
        if ends:
            ended = users.revoke_tokens(name, revoke)
            _say_ended(session, ended, as_json=as_json)
            return
        limit = None if for_ever else lasts or session.settings.token_lasts
        made, kept = users.add_token(name, str(purpose), scopes, limit)
    if as_json:
        session.out.json({"token": made, **token_document(kept)})
    else:
        show_token(session.out, made, kept)


@user.command("disable", examples="agentpg user disable kim --reason 'has left'")
@_name
@click.option("--reason", type=GIVEN, metavar="TEXT", help="Why, for others.")
@click.pass_obj
def disable(session: Session, name: str, reason: str | None) -> None:
    """Let nobody in with an account, neither by its password nor by its tokens."""
    with _users(session) as users:
        users.disable(name, reason)
    _say(session, N_("{name} is disabled."), name)


@user.command("enable", examples="agentpg user enable kim")
@_name
@click.pass_obj
def enable(session: Session, name: str) -> None:
    """Let a disabled account be used again."""
    with _users(session) as users:
        users.enable(name)
    _say(session, N_("{name} is enabled."), name)


@user.command("unlock", examples="agentpg user unlock kim")
@_name
@click.pass_obj
def unlock(session: Session, name: str) -> None:
    """Let an account log in at once that failed log-ins have locked."""
    with _users(session) as users:
        failures = users.unlock(name)
    text = session.translate(N_("{name} is unlocked; {failures} log-ins had failed."))
    session.out.line(text.format(name=name, failures=failures))


@contextmanager
def _users(session: Session) -> Iterator[Users]:
    from agentpg.schema import check_version
    from agentpg.users.kept import kept_users

    check_version(session.database)
    with kept_users(session.database, session.actor) as users:
        yield users


def _say(session: Session, sentence: str, name: str) -> None:
    session.out.line(session.translate(sentence).format(name=name))


def _say_ended(session: Session, ended: list[str], *, as_json: bool) -> None:
    if as_json:
        session.out.json({"revoked": ended})
        return
    text = session.translate(N_("{number} tokens have ended: {names}"))
    session.out.line(text.format(number=len(ended), names=", ".join(ended) or "–"))
