"""Finding the apps that a worker is told to run, by their names."""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from agentpg.errors import (
    AgentpgError,
    AppNotFound,
    ModuleBroken,
    ModuleMissing,
    NotAnApp,
    VariableMissing,
)
from agentpg.language import N_
from agentpg.tasks.handlers import App

_OURS = Path(__file__).resolve().parents[1]


def load_apps(names: Iterable[str], *, first: App | None = None) -> App:
    """One app with the handlers of all the named ones, and of `first`.

    Raises AppNotFound or one of its kinds, also where two apps have a handler for the same
    agent and type.
    """
    whole = App()
    if first is not None:
        whole.include(first)
    for name in names:
        try:
            whole.include(load_app(name))
        except ValueError as error:
            if isinstance(error, AgentpgError):
                raise
            raise AppNotFound(str(error), hint="", app=name) from None
    return whole


def load_app(name: str) -> App:
    """The App that `name`, as in "module:variable", names.

    Modules are looked for in the working folder first, as `python -m` does. Raises
    AppNotFound or one of its kinds.
    """
    module_name, colon, variable = name.partition(":")
    if not (module_name and colon and variable):
        raise AppNotFound(N_("it has no colon between module and variable"), app=name)
    _look_in_working_folder()
    module = _import(name, module_name)
    if not hasattr(module, variable):
        raise _variable_missing(name, module, variable)
    app = getattr(module, variable)
    if not isinstance(app, App):
        raise NotAnApp(app=name, kind=type(app).__name__)
    return app


def _look_in_working_folder() -> None:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def _import(name: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if f"{module}.".startswith(f"{missing}."):
            raise ModuleMissing(app=name, module=missing, folder=Path.cwd()) from error
        raise ModuleBroken(app=name, module=module, error=_in_one_line(error)) from error
    except (Exception, SystemExit) as error:
        raise ModuleBroken(app=name, module=module, error=_in_one_line(error)) from error


def _in_one_line(error: BaseException) -> str:
    """The error and the place where it was raised; where we raised it, the line that called us."""
    said = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    where = next((f for f in reversed(frames) if not _is_ours(f.filename)), frames[-1])
    line = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if isinstance(error, SyntaxError) or where.filename.startswith("<"):
        return line
    return f"{line} ({Path(where.filename).name}, line {where.lineno})"


def _is_ours(filename: str) -> bool:
    """Whether a frame is of this package, or of code that was made as it ran."""
    return filename.startswith("<") or Path(filename).is_relative_to(_OURS)


def _variable_missing(name: str, module: ModuleType, variable: str) -> VariableMissing:
    values = {"app": name, "module": module.__name__, "variable": variable}
    apps = [n for n, value in vars(module).items() if isinstance(value, App)]
    near = difflib.get_close_matches(variable, [*vars(module)], n=1) or apps[:1]
    if not near:
        return VariableMissing(**values)
    return VariableMissing(
        hint=N_("Did you mean {near}?"), near=f"{module.__name__}:{near[0]}", **values
    )
