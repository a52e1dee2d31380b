"""`--fix` of the doctor: shows what is safe, asks, does it, and looks again whether it helped."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agentpg.audit.acting import Action
from agentpg.cli.output import visible
from agentpg.cli.wrapping import wrap
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.cli.output import Output
    from agentpg.cli.session import Session
    from agentpg.desk.doctor.fixing import Fix, Outcome
    from agentpg.desk.finding import Finding
    from agentpg.errors import AgentpgError

F = TypeVar("F", bound=Callable[..., Any])

Found = Mapping[str, Sequence["Finding"]]

_WIDEST = 100

# The global options, by the settings that they override.
_GLOBAL = {"dsn": "--dsn", "schema_name": "--schema", "home": "--home", "lang": "--lang"}

_SIGNS = {"helped": ("✓", "ok"), "remains": ("·", "warning"), "failed": ("✗", "critical")}

_SAID = {
    "helped": N_("done, and {codes} says nothing any more"),
    "remains": N_("done, and {codes} says so still"),
    "failed": N_("not done: {why}"),
}


def fix_options(command: F) -> F:
    """The options `--fix` and `--yes`, as `fix` and `yes`."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--fix", is_flag=True, help="Do what is safe, after showing it and asking."),
    ):
        command = option(command)
    return command


class Fixing:
    """One call with `--fix`; `look` says what the rooms of these names find now."""

    def __init__(
        self, session: Session, look: Callable[[Sequence[str]], Found], *, as_json: bool
    ) -> None:
        self._session = session
        self._out: Output = session.out
        self._look = look
        self._as_json = as_json

    def fix(self, found: Found, *, yes: bool) -> tuple[Found, list[Outcome]]:
        """Do what is safe; what is found then, and what became of each."""
        from agentpg.desk.doctor.fixing import fixes_of, outcomes

        fixes = fixes_of(found)
        self._say_refused([one for one in fixes if one.refused])
        chosen = [one for one in fixes if not one.refused]
        if not chosen:
            self._note(N_("There is nothing that could be done here."))
            return found, []
        if not self._agreed(chosen, yes=yes):
            self._note(N_("Nothing was changed."))
            return found, []
        done = list(self._do(chosen, yes=yes))
        rooms = list(dict.fromkeys(fix.room for fix in chosen))
        after = {**found, **self._look(rooms)}
        said = list(outcomes(done, after))
        for one in said:
            self._show(one)
        return after, said

    def _do(self, fixes: Sequence[Fix], *, yes: bool) -> Iterator[tuple[Fix, AgentpgError | None]]:
        from agentpg.desk.doctor.fixing import Fixer

        def run_command(arguments: Sequence[str]) -> int:
            return self._run(arguments, yes=yes)

        fixer = Fixer(self._session.looked_at, self._session.settings, run_command)
        for fix in fixes:
            remedy = fix.remedy.command or fix.remedy.sql
            self._note_line(f"→ {remedy}")
            with self._session.recorded(Action.DOCTOR_FIX, fix.codes, remedy=remedy) as course:
                course.error = fixer.do(fix)
            yield fix, course.error

    def _run(self, arguments: Sequence[str], *, yes: bool) -> int:
        """Run `agentpg …` here, as this call was; it asks for itself unless `yes` was said."""
        from agentpg.cli.running import run

        said = [*arguments, *(["--yes"] if yes and _asks(arguments) else [])]
        for name, option in _GLOBAL.items():
            if name in self._session.overrides:
                said += [option, str(self._session.overrides[name])]
        said += ["--no-color"] if self._session.no_color else []
        # What it says is not the document.
        aside = (
            contextlib.redirect_stdout(sys.stderr) if self._as_json else contextlib.nullcontext()
        )
        with aside:
            return run(said)

    def _agreed(self, fixes: Sequence[Fix], *, yes: bool) -> bool:
        say = self._note_line if self._as_json else self._out.line
        say("")
        for fix in fixes:
            for line in self._lines(fix):
                say(line)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise UsageError(
                N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
            )
        return click.confirm(self._session.translate(N_("Do this now?")), err=True)

    def _lines(self, fix: Fix) -> Iterator[str]:
        text = f"{fix.codes}: {self._out.translate(fix.remedy.sentence)}"
        yield from wrap(text, min(self._out.width, _WIDEST), first="  → ", rest="    ")
        yield f"      {visible(fix.remedy.command or fix.remedy.sql)}"

    def _say_refused(self, fixes: Sequence[Fix]) -> None:
        text = self._out.translate(N_("Not done: {codes}: {command}: {why}."))
        for fix in fixes:
            why = self._out.translate(fix.refused)
            command = fix.remedy.command or fix.remedy.sql
            self._note_line(text.format(codes=fix.codes, command=command, why=why))

    def _show(self, outcome: Outcome) -> None:
        sign, state = _SIGNS[outcome.state]
        why = "" if outcome.error is None else outcome.error.message(self._out.translate)
        said = self._out.translate(_SAID[outcome.state]).format(codes=outcome.fix.codes, why=why)
        text = f"{self._out.translate(outcome.fix.remedy.sentence).rstrip('.')}: {said}"
        if self._as_json:
            return
        width = min(self._out.width, _WIDEST)
        first, *rest = wrap(visible(text), width, first=f"  {sign} ", rest="    ")
        self._out.marked(first, 2, 3, state)
        for line in rest:
            self._out.line(line)

    def _note(self, text: str) -> None:
        self._note_line(self._session.translate(text))

    def _note_line(self, text: str) -> None:
        self._out.note(text)


def documents(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """What was done, as JSON has it."""
    return [
        {
            "codes": one.fix.codes.split(),
            "command": one.fix.remedy.command,
            "sql": one.fix.remedy.sql,
            "state": one.state,
            "error": None if one.error is None else str(one.error),
        }
        for one in outcomes
    ]


def _asks(arguments: Sequence[str]) -> bool:
    """Whether a command has the option `--yes`."""
    from agentpg.cli.root import root

    command: click.Command | None = root
    context = click.Context(root)
    for word in arguments:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(context, word)
    return command is not None and any("--yes" in one.opts for one in command.params)
