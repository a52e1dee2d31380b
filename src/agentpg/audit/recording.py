"""Adding entries: with what they are about, in one transaction, or around what none can hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from agentpg.audit.acting import Action, Actor
from agentpg.db import Connection, Database, Jsonb, Statements, connect, driver_errors
from agentpg.errors import AgentpgError, Refused, UsageError
from agentpg.settings import hide_secrets

Outcome = Literal["begun", "done", "failed", "refused"]

# An entry is a line to read and no store: what is longer is cut, what is more is counted.
_LONGEST_TEXT = 500
_MOST_ITEMS = 50
_LEVELS = 4
# Below what audit_log_details_are_few allows, in bytes.
_MOST_BYTES = 16_000
# jsonb writes all digits of a number.
_LARGEST_NUMBER = 2**63

_SECRET_NAME = re.compile(r"(?i)pass(word|wd|phrase)|secret|token$|_key$|verifier|credential")


def record(
    connection: Connection[Any],
    schema: str,
    actor: Actor,
    action: Action,
    about: str | None = None,
    outcome: Outcome = "done",
    /,
    **details: object,
) -> None:
    """Add an entry on this connection, as part of its transaction.

    From here to the transaction's end others wait who want to add one: let it be the last
    statement. Values that their name calls a secret are hidden.
    """
    values = entry_parameters(actor, action, about, outcome, details)
    connection.execute(Statements("audit", schema)["add"], values)


def entry_parameters(
    actor: Actor,
    action: Action,
    about: str | None = None,
    outcome: Outcome = "done",
    details: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The parameters of the statement `add` of `sql/audit.sql`, cut and without secrets."""
    said = {name: value for name, value in (details or {}).items() if value is not None}
    return {
        "action": str(action),
        "object": None if about is None else _text(about),
        "outcome": outcome,
        "account": actor.account,
        "os_user": actor.os_user,
        "program": actor.program,
        "details": Jsonb(_small(said)),
    }


@dataclass(slots=True)
class Course:
    """What is known of a work in its course; `details` are those of its last entry.

    With an `error` it has failed although nothing is raised; what `changed` nothing is no entry.
    """

    details: dict[str, object] = field(default_factory=dict)
    error: AgentpgError | None = None
    changed: bool = True


@contextmanager
def recording(
    find_database: Callable[[], Database],
    actor: Actor,
    action: Action,
    about: str | None = None,
    /,
    *,
    first: bool = False,
    unrecorded: Callable[[AgentpgError], None],
    **details: object,
) -> Iterator[Course]:
    """Around what no transaction holds: an entry of how it ended, and with `first` one before.

    Of what destroys, the entry before stays whatever happens. The work does not wait for the
    log: where an entry of what is done cannot be written, `unrecorded` is told why, and the work
    goes on. Wrong usage is no entry.
    """

    def add(outcome: Outcome, said: Mapping[str, object]) -> AgentpgError | None:
        try:
            _add_alone(find_database(), entry_parameters(actor, action, about, outcome, said))
        except AgentpgError as error:
            return error
        return None

    course = Course(dict(details))
    problem = add("begun", details) if first else None
    try:
        yield course
    except UsageError:
        raise
    except BaseException as error:
        add(_outcome_of(error), {**course.details, "error": _said_by(error)})
        raise
    if course.error is not None:
        problem = add("failed", {**course.details, "error": _said_by(course.error)}) or problem
    elif course.changed:
        problem = add("done", course.details) or problem
    if problem is not None:
        unrecorded(problem)


def _outcome_of(error: BaseException) -> Outcome:
    return "refused" if isinstance(error, Refused) else "failed"


def _said_by(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _add_alone(database: Database, values: Mapping[str, object]) -> None:
    with (
        connect(database, "agentpg audit log") as connection,
        driver_errors(database.target(), connection),
    ):
        connection.execute(Statements("audit", database.schema)["add"], values)


@dataclass(frozen=True, slots=True)
class _Measure:
    """How long a text may be, and how many items are kept of several."""

    text: int = _LONGEST_TEXT
    items: int = _MOST_ITEMS

    def fit(self, value: object, levels: int = _LEVELS) -> object:
        """The value as the log keeps it."""
        match value:
            case None | bool():
                return value
            case int() | float() if abs(value) < _LARGEST_NUMBER:
                return value
            case Mapping() if levels:
                pairs = list(value.items())[: self.items]
                named = ((str(name), one) for name, one in pairs)
                return {_text(name)[:100]: self._named(name, one, levels) for name, one in named}
            case list() | tuple() | set() | frozenset() if levels:
                items = list(value)
                kept = [self.fit(one, levels - 1) for one in items[: self.items]]
                more = len(items) - len(kept)
                return [*kept, f"… {more} more"] if more else kept
        return _text(value, self.text)

    def _named(self, name: str, value: object, levels: int) -> object:
        if _SECRET_NAME.search(name) and isinstance(value, str | bytes | Mapping | list | tuple):
            return "***"
        return self.fit(value, levels - 1)

    def halved(self) -> _Measure:
        return _Measure(max(self.text // 2, 1), max(self.items // 2, 1))


def _small(details: Mapping[str, object]) -> object:
    """Details that the table takes: an act does not fail for want of room to tell it."""
    measure = _Measure()
    while True:
        kept = measure.fit(details)
        if measure.text == 1 or len(json.dumps(kept, ensure_ascii=False).encode()) <= _MOST_BYTES:
            return kept
        measure = measure.halved()


def _text(value: object, longest: int = _LONGEST_TEXT) -> str:
    """A text without secrets, and without what the server cannot keep, of up to so many signs."""
    whole = hide_secrets(str(value)[: 4 * _LONGEST_TEXT]).replace("\x00", "")
    whole = whole.encode("utf-8", "replace").decode("utf-8")
    return whole if len(whole) <= longest else f"{whole[: longest - 1]}…"
