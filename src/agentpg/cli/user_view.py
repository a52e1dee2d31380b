"""How accounts, roles and tokens are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentpg.cli.output import Column, Output
from agentpg.language import N_
from agentpg.users.account import Token, User
from agentpg.users.rights import LEAST, Permission, Role


def user_document(user: User) -> dict[str, Any]:
    """As JSON has it; hashes are no part of it."""
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "state": user.state,
        "created_at": user.created_at,
        "has_password": user.has_password,
        "password_set_at": user.password_set_at,
        "password_set_by": user.password_set_by,
        "must_change": user.is_temporary,
        "disabled_at": user.disabled_at,
        "disabled_reason": user.disabled_reason,
        "seen_at": user.seen_at,
        "failures": user.failures,
        "locked_until": user.locked_until,
        "active_tokens": user.tokens,
    }


def token_document(token: Token) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "id": token.id,
        "name": token.name,
        "begins_with": token.hint,
        "state": token.state,
        "scopes": token.scopes,
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }


def show_users(out: Output, users: Sequence[User]) -> None:
    """A line for each."""
    columns = (
        Column(N_("Name"), yields=1),
        Column(N_("Role")),
        Column(N_("State"), state=True),
        Column(N_("Password set")),
        Column(N_("Tokens"), right=True),
        Column(N_("Seen")),
    )
    rows = [
        (one.name, str(one.role), one.state, one.password_set_at, one.tokens, one.seen_at)
        for one in users
    ]
    out.table(columns, rows, empty=N_("There are no accounts; `agentpg user add` makes one."))


def show_user(out: Output, user: User, tokens: Sequence[Token]) -> None:
    """All of one."""
    may = ", ".join(user.role.permissions())
    facts: list[tuple[str, object]] = [
        (N_("name"), user.name),
        (N_("id"), user.id),
        (N_("role"), str(user.role)),
        (N_("state"), user.state),
        (N_("may"), may),
        (N_("added"), user.created_at),
        (N_("seen"), user.seen_at),
        (N_("password set"), user.password_set_at),
        (N_("password set by"), user.password_set_by),
    ]
    if user.is_temporary:
        facts.append((N_("to be changed"), True))
    if user.failures:
        facts.append((N_("failed log-ins"), user.failures))
    if user.locked_until:
        facts.append((N_("locked until"), user.locked_until))
    if user.disabled_at:
        facts += [(N_("disabled"), user.disabled_at), (N_("because"), user.disabled_reason)]
    out.facts(facts)
    if tokens:
        out.line()
        show_tokens(out, tokens)


def show_tokens(out: Output, tokens: Sequence[Token]) -> None:
    """A line for each, with its scopes below."""
    columns = (
        Column(N_("Token")),
        Column(N_("Purpose"), yields=1),
        Column(N_("State"), state=True),
        Column(N_("Until")),
        Column(N_("Used")),
    )
    rows = [
        (f"{one.hint}…", one.name, one.state, one.expires_at, one.last_used_at) for one in tokens
    ]
    out.table(columns, rows, below=[" ".join(one.scopes) for one in tokens])


def show_token(out: Output, token: str, kept: Token) -> None:
    """A new one: the only time that it is shown."""
    out.line(token)
    text = out.translate(N_("It is shown this once. It may: {scopes}. Until: {until}."))
    until = out.translate(N_("for ever")) if kept.expires_at is None else out.text(kept.expires_at)
    out.note(text.format(scopes=" ".join(kept.scopes), until=until))


def show_made(out: Output, user: User, password: str | None, *, as_json: bool) -> None:
    """An account as it is now, and its password where it was made here."""
    if as_json:
        made = {} if password is None else {"password": password}
        out.json({**user_document(user), **made})
        return
    if password is not None:
        out.line(password)
        out.note(out.translate(N_("The password is shown this once, and is to be changed.")))
    text = out.translate(N_("{name}: role {role}, {how}"))
    how = N_("logs in by password") if user.has_password else N_("has no password")
    out.note(text.format(name=user.name, role=user.role, how=out.translate(how)))


def roles_document() -> dict[str, Any]:
    """The table as JSON has it."""
    return {str(role): [str(one) for one in role.permissions()] for role in Role}


def show_roles(out: Output) -> None:
    """Each permission with the roles that have it."""
    columns = (
        Column(N_("Scope")),
        *(Column(str(role)) for role in Role),
        Column(N_("What it is"), yields=1, fold=True),
    )
    rows = [
        (
            str(one),
            *("●" if role.may(one) else "·" for role in Role),
            out.translate(LEAST[one][1]),
        )
        for one in Permission
    ]
    out.table(columns, rows)
