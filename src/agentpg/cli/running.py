"""One place where errors become a message, a hint and an exit code."""

from __future__ import annotations

import re
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass, field

import click

from agentpg.cli.session import Session
from agentpg.cli.streams import is_of_output, let_go_of_output
from agentpg.cli.values import WrongValue
from agentpg.errors import AgentpgError, OutputNotWritten, PermissionDenied, TaskFailed
from agentpg.language import N_, Translate

FAILED = 1
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with the way a command was typed."""

    sentence: str
    hint: str = ""
    values: dict[str, object] = field(default_factory=dict)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; a command may return its own."""
    from agentpg.cli.root import PIPE_CLOSED, root

    session = Session()
    try:
        result = root.main(arguments, "agentpg", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except BrokenPipeError:
        let_go_of_output()
        return PIPE_CLOSED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place before the user
        return _explain(error, session)
    return result if isinstance(result, int) else 0


def _explain(error: Exception, session: Session) -> int:
    if session.debug:
        traceback.print_exception(error)
    if is_of_output(error):
        let_go_of_output()
        error = OutputNotWritten(error.strerror or str(error))
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.message, err=True)
            return error.exit_code
        case AgentpgError():
            translate = session.translate
            _say(_message(error, translate), _advice(error, session), translate)
            return error.exit_code
        case click.ClickException():
            complaint = _complaint(error)
            return _complain(complaint, error.exit_code, session.translate)
    return _complain(_unexpected(error), FAILED, session.translate)


def _message(error: AgentpgError, translate: Translate) -> str:
    """What an error says; a task's own is what the engine wrote down."""
    if isinstance(error, TaskFailed):
        from agentpg.cli.reasons import reason_in

        return error.message(lambda text: reason_in(translate, translate(text)))
    return error.message(translate)


def _advice(error: AgentpgError, session: Session) -> str:
    """What to do; where a role may not, as which role the command works."""
    # Its kinds say themselves what to grant.
    if type(error) is PermissionDenied:
        from agentpg.cli.needed_roles import hint_for

        return hint_for(session.command, session.translate) or error.advice(session.translate)
    return error.advice(session.translate)


def _complain(complaint: Complaint, exit_code: int, translate: Translate) -> int:
    values = dict(complaint.values)
    if "reason" in values:
        values["reason"] = translate(str(values["reason"]))
    sentence = translate(complaint.sentence).format_map(values)
    hint = translate(complaint.hint).format_map(values) if complaint.hint else ""
    _say(sentence, hint, translate)
    return exit_code


def _say(message: str, hint: str, translate: Translate) -> None:
    from agentpg.cli.output import visible

    with suppress(OSError):  # nobody can be told; the exit code still says it
        click.echo(visible(f"agentpg: {message}"), err=True)
        if hint:
            click.echo(visible(f"{translate(N_('hint'))}: {hint}"), err=True)


def _unexpected(error: Exception) -> Complaint:
    from agentpg.redaction import SECRETS_ALONE

    said = SECRETS_ALONE.hide(str(error)).strip().splitlines()
    return Complaint(
        N_("an unexpected error, {kind}: {reason}"),
        N_("`agentpg --debug …` shows where it happened; please report it."),
        {"kind": type(error).__name__, "reason": said[0] if said else "–"},
    )


def _complaint(error: click.ClickException) -> Complaint:
    context = error.ctx if isinstance(error, click.UsageError) else None
    values: dict[str, object] = {"command": context.command_path if context else "agentpg"}
    match error:
        case click.NoSuchCommand():
            return _unknown(N_("there is no command {name}"), error.command_name, error, values)
        case click.NoSuchOption():
            return _unknown(N_("there is no option {name}"), error.option_name, error, values)
        case click.MissingParameter():
            name = _name_of(error)
            return Complaint(N_("{name} is missing"), _SEE_HELP, {**values, "name": name})
        case click.BadParameter():
            return _bad_value(error, values)
    return _by_text(error.format_message(), values)


_SEE_HELP = N_("`{command} --help` shows how it is used.")


def _unknown(
    sentence: str,
    name: str,
    error: click.NoSuchCommand | click.NoSuchOption,
    values: dict[str, object],
) -> Complaint:
    if error.possibilities:
        near = {"near": error.possibilities[0]}
        return Complaint(sentence, N_("Did you mean {near}?"), {**values, "name": name, **near})
    return Complaint(sentence, N_("`{command} --help` lists them."), {**values, "name": name})


def _bad_value(error: click.BadParameter, values: dict[str, object]) -> Complaint:
    named = {**values, "name": _name_of(error)}
    if isinstance(error, WrongValue):
        said = {**named, "value": error.value, "reason": error.message}
        return Complaint(N_("{name} cannot be '{value}': {reason}"), _SEE_HELP, said)
    return _by_text(error.message, named)


def _name_of(error: click.BadParameter) -> str:
    hint = error.param_hint
    if hint is None and error.param is not None:
        hint = error.param.get_error_hint(error.ctx)
    text = " / ".join(hint) if isinstance(hint, list | tuple) else str(hint or "?")
    # One that may be left out stands in brackets.
    return text.replace("'", "").strip("[]")


# Click's own sentences, taken apart so that they can be said in the reader's language.
_CLICK_SAYS: tuple[tuple[str, str], ...] = (
    (r"(?P<value>.+) is not a valid (?P<kind>.+)\.", N_("{name}: {value} is not a valid {kind}")),
    (r"(?P<value>.+) is not one of (?P<known>.+)\.", N_("{name}: {value} is not one of {known}")),
    (
        r"(?P<value>.+) is not in the range x>=(?P<least>\S+)\.",
        N_("{name}: {value} is less than {least}"),
    ),
    (
        r"(?P<value>.+) is not in the range (?P<least>\S+?)<=x<=(?P<most>\S+)\.",
        N_("{name}: {value} is not from {least} to {most}"),
    ),
    (r"(?P<value>.+) is not in the range (?P<range>.+)\.", N_("{name}: {value} is not in {range}")),
    (r"\S+ (?P<value>'.+') does not exist\.", N_("{name}: {value} does not exist")),
    (r"\S+ (?P<value>'.+') is a file\.", N_("{name}: {value} is a file")),
    (r"\S+ (?P<value>'.+') is a directory\.", N_("{name}: {value} is a directory")),
    (r"\S+ (?P<value>'.+') is not readable\.", N_("{name}: {value} is not readable")),
    (r"\S+ (?P<value>'.+') is not writable\.", N_("{name}: {value} is not writable")),
    (r"Option (?P<value>\S+) requires an argument\.", N_("the option {value} needs a value")),
    (r"Option (?P<value>\S+) does not take a value\.", N_("the option {value} takes no value")),
    (r"Got unexpected extra arguments? \((?P<value>.+)\)", N_("unexpected argument: {value}")),
    (r"Missing command\.", N_("a command is missing")),
)


def _by_text(text: str, values: dict[str, object]) -> Complaint:
    for pattern, sentence in _CLICK_SAYS:
        found = re.fullmatch(pattern, text, re.DOTALL)
        if found:
            return Complaint(sentence, _SEE_HELP, {**values, **_bare(found.groupdict())})
    named = "{name}: {reason}" if values.get("name") else "{reason}"
    reason = text[:1].lower() + text[1:].removesuffix(".")
    return Complaint(named, _SEE_HELP, {**values, "reason": reason})


def _bare(groups: dict[str, str]) -> dict[str, str]:
    return {name: value.strip("'") if name == "value" else value for name, value in groups.items()}
