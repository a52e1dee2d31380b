"""The rooms of the doctor, by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.finding import Finding
    from agentpg.settings import Settings

# Each room's module, loaded when it is used.
ROOMS = {"backup": "agentpg.desk.doctor.backup"}


class Examine(Protocol):
    """Looks at one side of an installation."""

    def __call__(self, database: Database, settings: Settings) -> Sequence[Finding]:
        """All findings, those of level ok too, in the order of their codes."""
        ...


def examine(
    database: Database, settings: Settings, names: Sequence[str] = ()
) -> dict[str, list[Finding]]:
    """What each of these rooms says, or all of them."""
    return {name: list(_room(name)(database, settings)) for name in names or ROOMS}


def _room(name: str) -> Examine:
    return cast(Examine, import_module(ROOMS[name]).examine)
