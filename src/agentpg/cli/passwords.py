"""Passwords that a command is given: by a prompt, by standard input, or made here.

Never as an argument: every account of the machine reads the arguments of others' programs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from agentpg.cli.session import Session
from agentpg.errors import UsageError
from agentpg.language import N_

F = TypeVar("F", bound=Callable[..., Any])


def password_options(command: F) -> F:
    """The options `--generate` and `--password-stdin`, given as `generate` and `from_stdin`."""
    generate = click.option(
        "--generate", is_flag=True, help="Make one, and show it once; it is to be changed."
    )
    from_stdin = click.option(
        "--password-stdin",
        "from_stdin",
        is_flag=True,
        help="Read it from the first line of standard input.",
    )
    return generate(from_stdin(command))


def asked_password(
    session: Session, name: str, generate: bool, from_stdin: bool
) -> tuple[str, bool]:
    """The password, and whether it is to be changed by its owner. Raises PasswordTooWeak."""
    from agentpg.users.judging import require_strong
    from agentpg.users.passwords import make_password

    if generate and from_stdin:
        raise UsageError(N_("--generate and --password-stdin go not together"))
    if generate:
        return make_password(), True
    chosen = _first_line() if from_stdin else _prompted(session)
    require_strong(chosen, name)
    return chosen, False


def _first_line() -> str:
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise UsageError(N_("standard input has no password"))
    return line


def _prompted(session: Session) -> str:
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked for the password"),
            hint=N_("Say --generate or --password-stdin."),
        )
    _ = session.translate
    first: str = click.prompt(_(N_("Password")), hide_input=True, err=True)
    again: str = click.prompt(_(N_("Once more")), hide_input=True, err=True)
    if first != again:
        raise UsageError(N_("the two passwords differ"))
    return first
