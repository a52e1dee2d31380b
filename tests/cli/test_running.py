"""Every kind of error gives its sentence, its hint and its exit code, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from agentpg import errors
from agentpg.cli.command import Command
from agentpg.cli.root import NOUNS, PIPE_CLOSED, Noun, root
from agentpg.cli.running import INTERRUPTED
from tests.cli.conftest import Call, take_interrupts

pytestmark = pytest.mark.without_server


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Makes `agentpg fail` raise an exception."""
    raised: list[Exception] = []

    def fail() -> None:
        raise raised[-1]

    command = Command("fail", callback=fail)
    monkeypatch.setitem(NOUNS, "fail", Noun("root", "fail", ""))
    monkeypatch.setattr("agentpg.cli.root.fail", command, raising=False)
    return raised.append


def test_an_error_that_nobody_expected_shows_no_secret(
    call: Call, failing: Callable[[Exception], None]
) -> None:
    failing(RuntimeError("cannot use postgresql://kim:hunter2@db/x"))
    called = call("fail")
    assert called.code == 1
    assert "postgresql://kim:***@db/x" in called.err
    assert "hunter2" not in called.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.NoDatabase(), 2),
        (errors.InvalidTask("x"), 2),
        (errors.DatabaseUnavailable("x", target="db"), 3),
        (errors.LoginRefused("x", target="db"), 3),
        (errors.ServerNotRunning(home="x"), 3),
        (errors.Refused("x"), 4),
        (errors.SchemaMismatch(schema="s", found=1, wanted=2), 4),
        (errors.TaskNotFound(task_id="x"), 1),
        (errors.DatabaseError("x"), 1),
        (click.exceptions.Exit(5), 5),
        (click.Abort(), INTERRUPTED),
        (click.FileError("x", "no such file"), 1),
        (ZeroDivisionError("division by zero"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_the_exit_code_is_the_errors_own(
    call: Call, failing: Callable[[Exception], None], error: Exception, code: int
) -> None:
    failing(error)
    called = call("fail")
    assert called.code == code
    assert "Traceback" not in called.err


def test_an_error_says_what_failed_and_what_to_do(
    call: Call, failing: Callable[[Exception], None]
) -> None:
    failing(errors.TaskNotFound(task_id="0198"))
    assert call("fail").err == (
        "agentpg: no task has the id 0198\nhint: `agentpg task list` shows the newest ones.\n"
    )


def test_an_error_is_said_in_korean(call: Call, failing: Callable[[Exception], None]) -> None:
    failing(errors.TaskNotFound(task_id="0198"))
    assert call("--lang", "ko", "fail").err == (
        "agentpg: ID가 0198인 작업이 없습니다\n"
        "도움말: `agentpg task list` 명령으로 최근 작업을 볼 수 있습니다.\n"
    )


def test_an_unexpected_error_is_one_line_and_says_how_to_see_more(
    call: Call, failing: Callable[[Exception], None]
) -> None:
    failing(KeyError("lost"))
    assert call("fail").err == (
        "agentpg: an unexpected error, KeyError: 'lost'\n"
        "hint: `agentpg --debug …` shows where it happened; please report it.\n"
    )


@pytest.mark.parametrize("arguments", [("--debug", "fail"), ("fail", "--debug")])
def test_debug_shows_the_traceback_too(
    call: Call, failing: Callable[[Exception], None], arguments: tuple[str, ...]
) -> None:
    failing(KeyError("lost"))
    called = call(*arguments)
    assert called.err.startswith("Traceback")
    assert "agentpg: an unexpected error" in called.err


@pytest.mark.parametrize(
    ("arguments", "sentence", "hint"),
    [
        (["confg"], "there is no command confg", "Did you mean config?"),
        (["config", "shwo"], "there is no command shwo", "Did you mean show?"),
        (["xyzzy"], "there is no command xyzzy", "`agentpg --help` lists them."),
        (["config", "show", "--jsn"], "there is no option --jsn", "Did you mean --json?"),
        (["--hoem", "x"], "there is no option --hoem", "Did you mean --home?"),
        (["backup", "create", "--jobs", "0"], "--jobs: 0 is not from 1 to 64", "`agentpg backup"),
        (["backup", "prune", "--keep-last", "0"], "--keep-last: 0 is less than 1", "`agentpg"),
        (["backup", "show", ""], "NAME cannot be '': it is empty", "`agentpg backup show"),
        (["--dsn"], "the option --dsn needs a value", "`agentpg --help` shows"),
        (["config", "show", "--json=1"], "the option --json takes no value", "`agentpg config sh"),
        (["config", "show", "a", "b"], "unexpected argument: a b", "`agentpg config show --help`"),
        (["--lang", "de"], "--lang: de is not one of 'en', 'ko'", "`agentpg --help` shows"),
        (["completion"], "{bash|zsh|fish} is missing", "`agentpg completion --help` shows"),
    ],
)
def test_wrong_usage_says_what_and_exits_with_2(
    call: Call, arguments: list[str], sentence: str, hint: str
) -> None:
    called = call(*arguments)
    assert called.code == 2
    assert called.out == ""
    first, second = called.err.splitlines()
    assert first == f"agentpg: {sentence}"
    assert second.startswith(f"hint: {hint}")


def test_wrong_usage_is_said_in_korean(call: Call) -> None:
    assert call("--lang", "ko", "confg").err == (
        "agentpg: confg 명령은 없습니다\n도움말: config 아닙니까?\n"
    )


def test_without_a_command_there_is_help_and_exit_code_2(call: Call) -> None:
    called = call()
    assert called.code == 2
    assert called.err.startswith("Usage: agentpg")


def test_a_command_may_return_its_exit_code(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NOUNS, "found", Noun("root", "found", ""))
    command = Command("found", callback=lambda: 5)
    monkeypatch.setattr("agentpg.cli.root.found", command, raising=False)
    assert call("found").code == 5


def test_a_closed_pipe_is_quiet(home: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "agentpg", "config", "show"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (PIPE_CLOSED, b"")


def test_an_interrupt_ends_with_130_and_no_traceback(home: Path) -> None:
    code = (
        "import os, signal, click\n"
        "from agentpg.cli import root, running\n"
        "def stop(): os.kill(os.getpid(), signal.SIGINT)\n"
        "root.fail = click.Command('fail', callback=stop)\n"
        "root.NOUNS['fail'] = root.Noun('root', 'fail', '')\n"
        "raise SystemExit(running.run(['fail']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=take_interrupts,
    )
    assert done.returncode == INTERRUPTED
    assert "Traceback" not in done.stderr


def test_the_root_is_what_runs(call: Call) -> None:
    assert root.name == "agentpg"
    called = call("--version")
    assert called.code == 0
    assert called.out.startswith("agentpg 0.")
