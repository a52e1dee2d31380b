"""What a client notes of what it does for somebody."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from agentpg.audit.acting import Action, Actor
from agentpg.audit.recording import entry_parameters
from agentpg.db import Composed, Statements


class Acting:
    """For whom a client acts: nobody, and then nothing is noted, or a person."""

    __slots__ = ("_actor", "_sql")

    def __init__(self, schema: str, actor: Actor | None = None) -> None:
        self._sql = Statements("audit", schema)
        self._actor = actor

    @property
    def is_noted(self) -> bool:
        """Whether there is somebody."""
        return self._actor is not None

    def entry(
        self, action: Action, about: str, details: Mapping[str, object]
    ) -> tuple[Composed, dict[str, object]] | None:
        """The statement that adds an entry, with its parameters; None where nobody acts."""
        if self._actor is None:
            return None
        return self._sql["add"], entry_parameters(self._actor, action, about, details=details)


def together(acting: Acting, connection: Any) -> Any:
    """One transaction for an act and its entry; where nobody acts, none is needed."""
    return connection.transaction() if acting.is_noted else nullcontext()
