"""`agentpg security password rotate`: from one login of a pair to the other."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action as AuditAction
from agentpg.cli.command import Command
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, GIVEN
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.security.rotation.draining import Holder, Patience
    from agentpg.desk.security.rotation.planning import Plan
    from agentpg.desk.security.rotation.rotating import Action, Rotator, Wanted
    from agentpg.desk.security.rotation.turn import Step, Turn

_KINDS = {"file": N_("file"), "sql": N_("SQL"), "wait": N_("wait")}

_FIRST = N_("{group}: {new} will be its first login; programs begin to connect by the service.")
_NEXT = N_("{group}: from {old} to {new}")
_WAITING = N_("until nobody is connected as {login} any more, at most {lasts}")


@click.command(
    "rotate",
    cls=Command,
    examples="""
        # What would be done, and the question whether to do it.
        agentpg security password rotate agentic_ai_agent
        agentpg security password rotate agent --yes
        # One that was killed, or held up.
        agentpg security password rotate agent --resume
        agentpg security password rotate agent --rollback
    """,
)
@click.argument(
    "pair",
    type=GIVEN,
    help="The group role whose pair of logins takes turns, with or without its prefix.",
)
@click.option("--resume", is_flag=True, help="Go on with one that was not ended.")
@click.option("--rollback", is_flag=True, help="Take back one that was not ended.")
@click.option(
    "--wait",
    "lasts",
    type=DURATION,
    default="5min",
    show_default=True,
    help="How long to wait for programs to leave the old login.",
)
@click.option(
    "--quiet-for",
    "quiet",
    type=DURATION,
    default="15s",
    show_default=True,
    help="How long nobody may be seen with it before it is locked: longer than connecting takes.",
)
@click.option("--end-idle", is_flag=True, help="End others' sessions that do nothing, too.")
@click.option(
    "--service-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The service file to write; by default logins/pg_service.conf in AGENTPG_HOME.",
)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The password file to write; by default logins/pgpass in AGENTPG_HOME.",
)
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".env"),
    show_default=True,
    help="The .env whose connection strings begin to name the service.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def rotate(
    session: Session,
    pair: str,
    resume: bool,
    rollback: bool,
    lasts: timedelta,
    quiet: timedelta,
    end_idle: bool,
    service_file: Path | None,
    password_file: Path | None,
    env_file: Path,
    yes: bool,
    as_json: bool,
) -> None:
    """Change the password of a PAIR of logins under running programs, without a failed connection.

    PAIR is a group such as agentic_ai_agent, one of its logins, or its short name. The login that
    is not in use gets a new password, is proved by a real connection, and the service that programs
    connect by leads to it; programs of agentpg follow with their next statement. When nobody is
    connected as the old login any more, it is locked. All is shown first. A rotation that is killed
    is resumed or rolled back; until it has ended both logins work.
    """
    if resume and rollback:
        raise UsageError(N_("--resume and --rollback exclude each other"))
    from agentpg.desk.security.rotation.draining import Patience
    from agentpg.desk.security.rotation.rotating import Wanted

    asking = _Asking(session, Patience(lasts=lasts, quiet=quiet, end_idle=end_idle), as_json)
    if resume or rollback:
        turn = asking.go_on(pair, back=rollback)
    else:
        wanted = Wanted(
            name=pair, service_file=service_file, password_file=password_file, env_file=env_file
        )
        found = asking.rotate(wanted, yes=yes)
        if found is None:
            return
        turn = found
    _tell(session, turn, as_json=as_json)


class _Asking:
    """Shows what will be done, asks, and says how it goes on."""

    def __init__(self, session: Session, patience: Patience, as_json: bool) -> None:
        self._session = session
        self._patience = patience
        self._as_json = as_json
        self._held: tuple[str, ...] = ()

    def rotate(self, wanted: Wanted, *, yes: bool) -> Turn | None:
        """Show, ask and rotate; None where that was not wanted."""
        rotator = self._rotator()
        plan, _, actions = rotator.plan(wanted)
        self._show(plan, actions)
        if not yes and not self._agreed():
            self._note(N_("Nothing was changed."))
            return None
        with self._session.recorded(AuditAction.SECURITY_PASSWORD, wanted.name, did="rotate"):
            return rotator.rotate(wanted)

    def go_on(self, pair: str, *, back: bool) -> Turn:
        """Resume or roll back."""
        rotator, prefix = self._rotator(), self._session.database.name()
        did = "roll back" if back else "resume"
        with self._session.recorded(AuditAction.SECURITY_PASSWORD, pair, did=did):
            return rotator.roll_back(pair, prefix) if back else rotator.resume(pair, prefix)

    def _rotator(self) -> Rotator:
        from agentpg.desk.doctor.disk.looking import as_administrator
        from agentpg.desk.security.rotation.rotating import Rotator, Telling
        from agentpg.desk.security.rotation.turn import Logins

        session = self._session
        database = as_administrator(session.database, session.settings)
        telling = Telling(done=self._done, holds=self._holds)
        return Rotator(database, Logins(session.home), self._patience, telling)

    def _show(self, plan: Plan, actions: Sequence[Action]) -> None:
        from agentpg.cli.output import visible
        from agentpg.quantities import format_duration

        say, translate = self._session.out.note, self._session.translate
        text = _NEXT if plan.old else _FIRST
        say(translate(text).format(group=plan.group, old=plan.old, new=plan.new))
        for action in actions:
            said = visible(action.text)
            if action.kind == "wait":
                lasts = format_duration(self._patience.lasts)
                said = translate(_WAITING).format(login=said, lasts=lasts)
            say(f"  {translate(_KINDS[action.kind])}: {said}")

    def _agreed(self) -> bool:
        if not sys.stdin.isatty():
            raise UsageError(
                N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
            )
        return click.confirm(self._session.translate(N_("Do this now?")), err=True)

    def _done(self, step: Step) -> None:
        from agentpg.desk.security.rotation.turn import MEANINGS

        self._note_line(f"✓ {self._session.translate(MEANINGS[step])}")

    def _holds(self, holders: Sequence[Holder]) -> None:
        """Who holds on, whenever that changes."""
        here = tuple(sorted({one.application or "?" for one in holders}))
        if here and here != self._held:
            text = self._session.translate(N_("waiting for {number} sessions: {names}"))
            self._note_line("· " + text.format(number=len(holders), names=", ".join(here)))
        self._held = here

    def _note(self, text: str) -> None:
        self._note_line(self._session.translate(text))

    def _note_line(self, text: str) -> None:
        self._session.out.note(text)


def _tell(session: Session, turn: Turn, *, as_json: bool) -> None:
    """As whom programs connect now, and by what."""
    from agentpg.desk.security.rotation.places import SERVICE_FILE, service_string

    dsn = service_string(turn.service)
    login = turn.old if turn.back else turn.new
    locked = turn.new if turn.back else turn.old
    if as_json:
        said = {"group": turn.group, "login": login, "locked": locked or None, "dsn": dsn}
        files = {"service_file": turn.service_file, "password_file": turn.password_file}
        session.out.json({**said, **files, "rolled_back": turn.back})
        return
    if not login:
        session.out.line(session.translate(N_("{new} is locked again.")).format(new=turn.new))
        return
    text = N_("Programs of {group} connect as {login} now, by these variables:")
    session.out.line(session.translate(text).format(group=turn.group, login=login))
    session.out.line(f"  {SERVICE_FILE}={shlex.quote(turn.service_file)}")
    session.out.line(f"  AGENTPG_DSN={shlex.quote(dsn)}")
