"""`agentpg security password`: generate, check, set, age; rotate has a file of its own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli import figures
from agentpg.cli.command import Command, Group
from agentpg.cli.doctor_view import exit_code, findings_options, level_counts, show_findings
from agentpg.cli.output import Column, json_option
from agentpg.cli.security_rotate import rotate
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, GIVEN
from agentpg.errors import PasswordUnusable, PasswordWeak, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.finding import Level
    from agentpg.desk.security.passwords.facts import Age
    from agentpg.users.judging import Judgement

_EMPTY = N_("it is empty")
_BREAK = N_("it has a line break or a zero byte, which no password file can hold")
_DIFFERENT = N_("the two are different")

_WHY = {
    "none": N_("it has none"),
    "otherwise": N_("changed by other means"),
    "unrecorded": N_("not recorded"),
    "": "",
}

# A line of standard input is a password; more is a file that somebody has mixed up.
_LONGEST = 1024


@click.group(
    "password",
    cls=Group,
    examples="""
        agentpg security password generate
        agentpg security password set agentic_ai_agent_1 --generate
        agentpg security password rotate agentic_ai_agent
        agentpg security password age
    """,
)
def verb() -> None:
    """Make, judge, set and rotate passwords of roles; say how old they are.

    A password is asked for or read from standard input, never taken from the command line, where
    every account sees it. The server gets a verifier (SCRAM-SHA-256), never the password.
    """


verb.add_command(rotate)


@verb.command(
    "generate",
    cls=Command,
    examples="""
        agentpg security password generate
        agentpg security password generate --bits 256
    """,
)
@click.option(
    "--bits",
    type=click.IntRange(80, 512),
    default=192,
    show_default=True,
    help="How much chance is in it, in bits of entropy.",
)
@json_option
@click.pass_obj
def generate(session: Session, bits: int, as_json: bool) -> None:
    """Print a strong password.

    It has letters and digits alone, which need no quoting anywhere. How much chance is in it is
    said beside it, on standard error.
    """
    from agentpg.desk.security.passwords.making import make_password

    made = make_password(bits)
    if as_json:
        session.out.json({"password": made.password, "bits": round(made.bits, 1)})
        return
    session.out.line(made.password)
    text = N_("{length} of {signs} characters by chance: {bits} bits of entropy")
    values = {"length": len(made.password), "signs": made.signs, "bits": f"{made.bits:.0f}"}
    session.out.note(session.translate(text).format(**values))


@verb.command(
    "check",
    cls=Command,
    examples="""
        agentpg security password check
        agentpg security password check --role agentic_ai_agent_1 < password.txt
    """,
)
@click.option("--role", type=GIVEN, help="Whose it is to be: its name makes it easier to guess.")
@json_option
@click.pass_obj
def check(session: Session, role: str | None, as_json: bool) -> int:
    """Judge a password that is typed or comes on standard input.

    By zxcvbn, which knows leaked passwords, words, names, dates and keyboards, and by its length.
    Nothing is sent anywhere. Exits with 5 where it is too easy to guess.
    """
    said = _judged(session, _asked(session, twice=False), role or "")
    if as_json:
        session.out.json({**_document(said), "enough": said.is_enough})
    else:
        _show(session, said)
    return 0 if said.is_enough else 5


@verb.command(
    "set",
    cls=Command,
    examples="""
        agentpg security password set agentic_ai_agent_1 --generate
        agentpg security password set kim
        agentpg security password set kim --valid-for 90d < password.txt
    """,
)
@click.argument("role", type=GIVEN, help="The login whose password is set.")
@click.option("--generate", "by_chance", is_flag=True, help="Make a strong one, and print it once.")
@click.option(
    "--valid-for",
    type=DURATION,
    help="Let it end after this time; the server then refuses it.",
)
@click.option(
    "--accept-weak", is_flag=True, help="Take a typed one that is too easy to guess all the same."
)
@json_option
@click.pass_obj
def set_(
    session: Session,
    role: str,
    by_chance: bool,
    valid_for: timedelta | None,
    accept_weak: bool,
    as_json: bool,
) -> None:
    """Give ROLE a password: typed, from standard input, or made.

    The server gets a verifier that is made here, and logs not even that where this role may turn
    that off. When it was changed is written about the role, for `agentpg security password age`.
    Its programs go on until they connect anew; `rotate` changes a password under running programs.
    """
    from agentpg.db import connect
    from agentpg.desk.doctor.disk.looking import as_administrator
    from agentpg.desk.security.passwords.making import make_password
    from agentpg.desk.security.passwords.storing import store_password

    until = _until(valid_for)
    password = make_password().password if by_chance else _asked(session, twice=True)
    if not by_chance and not accept_weak:
        said = _judged(session, password, role)
        if not said.is_enough:
            _show(session, said, aside=True)
            raise PasswordWeak(score=said.score)
    database = as_administrator(session.database, session.settings)
    with (
        session.recorded(Action.SECURITY_PASSWORD, role, until=until),
        connect(database, "agentpg security") as connection,
    ):
        stored = store_password(connection, role, password, until=until)
    if as_json:
        document = {"role": role, "changed_at": stored.at, "valid_until": until}
        made = {"password": password} if by_chance else {}
        told = {"recorded": stored.recorded, "hidden_from_log": stored.hidden}
        session.out.json({**document, **told, **made})
        return
    if by_chance:
        session.out.line(password)
    session.out.note(session.translate(N_("{role} has a new password.")).format(role=role))
    for told_so, text in ((stored.recorded, _NOT_RECORDED), (stored.hidden, _NOT_HIDDEN)):
        if not told_so:
            session.out.note(session.translate(text))


_NOT_RECORDED = N_(
    "When it was changed could not be recorded: that takes a role which may change roles."
)
_NOT_HIDDEN = N_(
    "The server's log may have its verifier: to keep that out takes a superuser. It is no password."
)


@verb.command(
    "age",
    cls=Command,
    examples="""
        agentpg security password age
        agentpg security password age --fail-on info
    """,
)
@findings_options
@click.pass_obj
def age(session: Session, show_all: bool, fail_on: Level, as_json: bool) -> int:
    """Show when the passwords were changed and when they end, and what is due.

    PostgreSQL keeps no such date; agentpg writes it about the role with each change. Exits with 5
    where there are findings of the level of --fail-on or above.
    """
    from agentpg.desk.security.passwords.facts import ages
    from agentpg.desk.security.passwords.findings import find, policy_of
    from agentpg.desk.security.passwords.looking import look_at_passwords

    facts = look_at_passwords(session.database, session.settings)
    found = find(facts, policy_of(session.settings))
    known = ages(facts)
    if as_json:
        session.out.json(
            {
                "passwords": known,
                "levels": level_counts(found),
                "findings": [one.document() for one in found],
            }
        )
        return exit_code(found, fail_on)
    columns = (Column(N_("Role"), yields=1), Column(N_("Changed")), Column(N_("Ends")))
    session.out.table(columns, [_row(session, one) for one in known])
    session.out.line()
    show_findings(session.out, found, show_all=show_all)
    return exit_code(found, fail_on)


def _row(session: Session, one: Age) -> tuple[object, ...]:
    changed = figures.moment(one.changed_at) if one.changed_at else session.translate(_WHY[one.why])
    return one.role, changed, one.valid_until


def _until(valid_for: timedelta | None) -> datetime | None:
    if valid_for is None:
        return None
    if valid_for <= timedelta():
        raise UsageError(N_("--valid-for must be greater than 0"))
    return datetime.now(UTC) + valid_for


def _asked(session: Session, *, twice: bool) -> str:
    """A password from the terminal, unseen, or else the first line of standard input."""
    if sys.stdin.isatty():
        said: str = click.prompt(session.translate(N_("Password")), hide_input=True, err=True)
        if twice:
            again = click.prompt(session.translate(N_("Once more")), hide_input=True, err=True)
            if again != said:
                raise PasswordUnusable(_DIFFERENT)
    else:
        said = sys.stdin.read(_LONGEST).rstrip("\r\n")
    if not said:
        raise PasswordUnusable(_EMPTY)
    if any(sign in said for sign in "\r\n\0"):
        raise PasswordUnusable(_BREAK)
    return said


def _judged(session: Session, password: str, role: str) -> Judgement:
    from agentpg.errors import NoDatabase, ServerNotRunning
    from agentpg.users.judging import judge

    try:
        names = [session.database.name(), session.database.user()]
    except (NoDatabase, ServerNotRunning):
        names = []
    return judge(password, [name for name in (role, *names) if name])


def _show(session: Session, said: Judgement, *, aside: bool = False) -> None:
    """The score with its meaning, what is bad, and what would be better."""
    translate, say = session.translate, session.out.note if aside else session.out.line
    text = N_("{score} of 4: found in about 10^{power} guesses")
    say(translate(text).format(score=said.score, power=f"{said.guesses_log10:.0f}"))
    for warning in said.warnings:
        say("  ✗ " + translate(warning).format(least=_least()))
    for advice in said.advice:
        say("  → " + translate(advice))
    if said.is_enough:
        say(translate(N_("It is strong enough.")))


def _least() -> int:
    from agentpg.users.judging import SHORTEST

    return SHORTEST


def _document(said: Judgement) -> dict[str, object]:
    return {
        "score": said.score,
        "guesses_log10": round(said.guesses_log10, 1),
        "length": said.length,
        "warnings": [text.format(least=_least()) for text in said.warnings],
        "advice": list(said.advice),
    }
