"""What callers give, checked before the database is asked with what it cannot take.

All functions raise WrongArgument, with the name of the argument, its value and what it is
to be.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from agentpg.errors import WrongArgument
from agentpg.language import N_
from agentpg.tasks.encoding import plain_text

T = TypeVar("T")

_MOST_ROWS = 2**63 - 1
_LONGEST_NAME = 100


def task_id_of(value: object) -> UUID:
    """The id of a task, which may be given as text."""
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        with suppress(ValueError):
            return UUID(value)
    raise WrongArgument(N_("a UUID"), what="task_id", value=repr(value))


def text_of(what: str, value: object) -> str:
    """A text that PostgreSQL can store, such as a name."""
    if not isinstance(value, str):
        raise WrongArgument(N_("a text"), what=what, value=repr(value))
    if plain_text(value) != value:
        raise WrongArgument(
            N_("a text without U+0000 and halves of surrogate pairs"), what=what, value=repr(value)
        )
    return value


def optional_text(what: str, value: object) -> str | None:
    """The same, or None."""
    return None if value is None else text_of(what, value)


def name_of(account: object) -> str:
    """The name of an account: a text of 1 to 100 characters."""
    name = text_of("on_behalf_of", account)
    if not 0 < len(name) <= _LONGEST_NAME:
        raise WrongArgument(
            N_("a text of 1 to 100 characters"), what="on_behalf_of", value=repr(account)
        )
    return name


def number_of_rows(what: str, value: object) -> int:
    """How many rows are wanted at most."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_ROWS:
        raise WrongArgument(N_("a whole number, 0 or more"), what=what, value=repr(value))
    return value


def optional_seconds(what: str, value: object) -> float | None:
    """A timedelta in seconds, or None."""
    if value is None:
        return None
    if not isinstance(value, timedelta):
        raise WrongArgument(N_("a timedelta"), what=what, value=repr(value))
    return value.total_seconds()


def instance_of(kind: type[T], what: str, value: object, wanted: str) -> T:
    """A value of a class of ours; `wanted` says which, in words."""
    if not isinstance(value, kind):
        raise WrongArgument(wanted, what=what, value=repr(value))
    return value
