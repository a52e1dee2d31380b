"""What all findings of indexes share: how a check decides, and how a few are said of many."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentpg.desk.check import Check, Say, Unlooked
from agentpg.desk.doctor.indexes.facts import Facts, Index
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.finding import LEVELS, Finding, Remedy
from agentpg.language import N_

Said = tuple[Finding, ...]

_MORE = N_("{count} more of the same are not listed")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexCheck(Check):
    """A check with what decides it on the facts."""

    decide: Callable[[Say, Facts, Policy], Said]


def listed(say: Say, found: Sequence[Finding], policy: Policy, well: str) -> Said:
    """The worst of them, how many more there are, or that all is `well`."""
    if not found:
        return (say("ok", well),)
    worst = sorted(found, key=lambda one: -LEVELS.index(one.level))
    left = len(worst) - policy.listed
    rest = (say("info", _MORE, count=left),) if left > 0 else ()
    return (*worst[: policy.listed], *rest)


def percent(share: float) -> int:
    """A share of 0 to 1 in per cent."""
    return round(share * 100)


def apply(index: str, sentence: str, sql: str) -> Remedy:
    """What `agentpg tune indexes` would do about an index, with the SQL that it runs."""
    return Remedy(
        sentence=sentence,
        command=f"agentpg tune indexes --apply {shlex.quote(index)}",
        sql=sql,
        risk="careful",
    )


def drop(index: Index) -> Remedy:
    """Dropping it, with the way back."""
    return apply(
        index.name,
        N_("Drop it; the file that brings it back is written first."),
        f"DROP INDEX CONCURRENTLY {index.name}",
    )


def usable(facts: Facts) -> tuple[Index, ...] | Unlooked:
    """The indexes that are valid."""
    if isinstance(facts.indexes, Unlooked):
        return facts.indexes
    return tuple(one for one in facts.indexes if one.is_valid)


def serves(index: Index, columns: Sequence[int]) -> bool:
    """Whether an index finds rows by these columns, in whatever order it has them."""
    first = index.columns[: len(columns)]
    return (
        index.is_valid
        and not index.predicate
        and len(columns) <= index.keys
        and set(first) == set(columns)
    )
