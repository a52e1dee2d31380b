"""Apps are found by name, and what is wrong with a name is said exactly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agentpg.errors import (
    AppNotFound,
    ModuleBroken,
    ModuleMissing,
    NotAnApp,
    VariableMissing,
)
from agentpg.tasks.handlers import App
from agentpg.tasks.loading import load_app, load_apps

pytestmark = pytest.mark.without_server

_MODULE = """
from agentpg import App

application = App()
number = 7

@application.task("{agent}", "do")
async def do(run): ...
"""


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules and the path of this process stay as they are."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def _write(name: str, text: str = "", agent: str = "A") -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or _MODULE.format(agent=agent), encoding="utf-8")


def test_an_app_is_found_in_the_working_folder() -> None:
    _write("first_app.py")
    assert [handler.key for handler in load_app("first_app:application")] == [("A", "do")]


def test_an_app_may_be_in_a_package() -> None:
    _write("some_package/__init__.py", "# empty")
    _write("some_package/agents.py")
    assert isinstance(load_app("some_package.agents:application"), App)


def test_apps_are_joined() -> None:
    _write("left_app.py", agent="L")
    _write("right_app.py", agent="R")
    first = App()
    first.add(print, agent_name="F", task_type="do")
    app = load_apps(["left_app:application", "right_app:application"], first=first)
    assert {handler.agent_name for handler in app} == {"F", "L", "R"}


def test_two_apps_with_the_same_handler_are_refused() -> None:
    _write("one_app.py")
    _write("same_app.py")
    with pytest.raises(AppNotFound, match="same_app:application: A/do has a handler already"):
        load_apps(["one_app:application", "same_app:application"])


@pytest.mark.parametrize("name", ["", "module", "module:", ":app", ":"])
def test_a_name_has_two_parts(name: str) -> None:
    with pytest.raises(AppNotFound, match="no colon between module and variable"):
        load_app(name)


@pytest.mark.parametrize("module", ["no_such_module", "json.no_such_part", "no_such.part"])
def test_a_module_that_is_missing_is_named(module: str) -> None:
    with pytest.raises(ModuleMissing) as caught:
        load_app(f"{module}:app")
    missing = "no_such" if module == "no_such.part" else module
    assert str(caught.value).endswith(f"there is no module {missing}")
    assert str(Path.cwd()) in caught.value.advice()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n1 / 0\n", "ZeroDivisionError: division by zero (broken_0.py, line 2)"),
        ("import no_such_thing\n", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def f(:\n", "SyntaxError: "),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("raise RuntimeError('a\\nb')\n", "RuntimeError: a b"),
        ("raise ValueError\n", "ValueError (broken_5.py, line 1)"),
        (
            "from agentpg import App\nApp().limit('A', concurrency=0)\n",
            "WrongLimit: the concurrency of a limit cannot be 0: it is a whole number from 1 to "
            "2147483647 (broken_6.py, line 2)",
        ),
    ],
)
def test_a_module_that_raises_is_said_in_one_line(
    text: str, said: str, request: pytest.FixtureRequest
) -> None:
    number = request.node.callspec.indices["text"]
    _write(f"broken_{number}.py", text)
    with pytest.raises(ModuleBroken) as caught:
        load_app(f"broken_{number}:app")
    assert f"importing broken_{number} raised {said}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_variable_that_is_missing_gets_did_you_mean() -> None:
    _write("near_app.py")
    with pytest.raises(VariableMissing) as caught:
        load_app("near_app:aplication")
    assert caught.value.advice() == "Did you mean near_app:application?"
    with pytest.raises(VariableMissing) as caught:
        load_app("near_app:xyz")
    assert caught.value.advice() == "Did you mean near_app:application?"
    _write("far_app.py", "number = 7\n")
    with pytest.raises(VariableMissing, match="the module far_app has no zzz"):
        load_app("far_app:zzz")


def test_something_else_than_an_app_is_refused() -> None:
    _write("kinds_app.py")
    with pytest.raises(NotAnApp, match="it is of type int, and not an App"):
        load_app("kinds_app:number")
