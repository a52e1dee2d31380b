"""What a plan is made of: steps, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agentpg.desk.finding import Risk

Kind = Literal[
    "release_ballast",
    "remove_logs",
    "prune_backups",
    "cancel_query",
    "mend_archiving",
    "drop_slot",
    "checkpoint",
    "free_deleted",
    "remove_others",
    "end_holder",
    "start_server",
    "vacuum",
    "vacuum_full",
    "grow",
    "make_ballast",
]

# Who does it: `--fix` after one question for all, `--fix` after a question for it alone,
# `--fix` where it is named, or a person.
Doer = Literal["fix", "asked", "named", "you"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: `gives_bytes` is what it frees, None where nobody knows; `needs_bytes` what it
    takes meanwhile. `subject` is what it acts on."""

    kind: Kind
    sentence: str
    doer: Doer
    subject: str = ""
    device: int | None = None
    gives_bytes: int | None = None
    needs_bytes: int = 0
    risk: Risk = "safe"
    command: str = ""
    sql: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What seems to help and is not done: `reason` says why, with the values."""

    sentence: str
    reason: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do, in this order; nothing where no disk calls for it."""

    steps: tuple[Step, ...] = ()
    refused: tuple[Refusal, ...] = ()
