"""What can be done about indexes: chosen by name, or as what is safe to do for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.indexes.facts import Index
from agentpg.desk.doctor.indexes.findings_surplus import duplicate_pairs
from agentpg.desk.doctor.indexes.findings_worn import broken_indexes, is_leftover
from agentpg.desk.tune.indexing.looking import View
from agentpg.desk.tune.indexing.proposals import Proposal
from agentpg.errors import IndexKept, IndexNameShared, IndexNotFound
from agentpg.language import N_

Kind = Literal["create", "drop", "rebuild", "clear"]

_OURS = N_("it is one of agentpg's own")
_NEEDED = N_("a constraint, a partition, a replica identity or the order of the table stands on it")
_UNSURE = N_("its use was not watched for long enough, or can't be seen from here")

_BUILT = N_("it may be being built now")

# What is said of an index that may go.
_GOING = ("I02", "I03", "I04")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One change. `name` is the index, with its schema; `sql` what is run, to be shown.

    `clear` drops what a REINDEX has left. `proposal` is what is created.
    """

    kind: Kind
    name: str
    sql: str
    oid: int = 0
    proposal: Proposal | None = None


def named_actions(view: View, names: Sequence[str]) -> tuple[Action, ...]:
    """What is to be done about these, by what was found.

    Raises IndexNotFound, IndexNameShared, and IndexKept.
    """
    return tuple(_named(view, name) for name in dict.fromkeys(names))


def safe_actions(view: View) -> tuple[Action, ...]:
    """What needs no decision: what is there twice goes, what is broken or measured as worn is
    built anew, what is measured as quicker is made, and an index for each foreign key of a large
    table that changes."""
    twice = [_drop(one) for one, _ in duplicate_pairs(view.facts)]
    broken = [_mend(one) for one in broken_indexes(view.facts)]
    worn = [_rebuild(one) for one in _worn(view)]
    made = [_create(one) for one in _worth_making(view)]
    return tuple({one.name: one for one in (*broken, *twice, *worn, *made)}.values())


def _worth_making(view: View) -> Iterator[Proposal]:
    quicker = [one for one in view.proposals if one.outcome == "quicker"]
    yield from quicker
    urgent = {
        (finding.subject, finding.evidence["constraint"])
        for finding in view.findings
        if finding.code == "I07" and finding.level == "warning"
    }
    for one in view.proposals:
        # Whatever begins with the columns of the key serves it.
        served = any(
            other.table == one.table
            and other.column_names[: len(one.column_names)] == one.column_names
            for other in quicker
        )
        if (one.table, one.foreign_key) in urgent and not served:
            yield one


def _named(view: View, name: str) -> Action:
    meant = _meant(view, name)
    return _create(meant) if isinstance(meant, Proposal) else _of_index(view, meant)


def _meant(view: View, name: str) -> Index | Proposal:
    """What has this name: with its schema, or without where there is no other of it."""
    every: list[Index | Proposal] = [*view.proposals, *_indexes(view)]
    whole = [one for one in every if one.name == name]
    found = whole or [one for one in every if _bare(one) == name]
    if not found:
        raise IndexNotFound(index=name)
    if len(found) > 1:
        raise IndexNameShared(index=name, names=", ".join(one.name for one in found))
    return found[0]


def _bare(one: Index | Proposal) -> str:
    return one.plain_name if isinstance(one, Proposal) else one.bare_name


def _of_index(view: View, index: Index) -> Action:
    if not index.is_valid and not index.is_partitioned:
        if all(one.oid != index.oid for one in broken_indexes(view.facts)):
            raise IndexKept(_BUILT, index=index.name)
        return _mend(index)
    said = [finding for finding in view.findings if finding.subject == index.name]
    if any(finding.code == "I06" for finding in said):
        return _rebuild(index)
    _require_free(view, index)
    if any(finding.code in _GOING for finding in said):
        return _drop(index)
    raise IndexNotFound(index=index.name)


def _require_free(view: View, index: Index) -> None:
    if index.is_ours:
        raise IndexKept(_OURS, index=index.name)
    if index.is_needed:
        raise IndexKept(_NEEDED, index=index.name)
    unsure = [one for one in view.findings if one.code == "I02" and one.level == "unknown"]
    if any(index.name in one.evidence.get("indexes", ()) for one in unsure) and not any(
        finding.subject == index.name and finding.code in _GOING for finding in view.findings
    ):
        raise IndexKept(_UNSURE, index=index.name)


def _indexes(view: View) -> tuple[Index, ...]:
    found = view.facts.indexes
    return () if isinstance(found, Unlooked) else found


def _worn(view: View) -> Iterator[Index]:
    """Those that are measured as half empty."""
    names = {
        finding.subject
        for finding in view.findings
        if finding.code == "I06" and finding.level in ("warning", "critical")
    }
    return (one for one in _indexes(view) if one.name in names)


def _create(proposal: Proposal) -> Action:
    return Action(kind="create", name=proposal.name, sql=proposal.sql(), proposal=proposal)


def _drop(index: Index) -> Action:
    sql = f"DROP INDEX CONCURRENTLY {index.name}"
    return Action(kind="drop", name=index.name, sql=sql, oid=index.oid)


def _rebuild(index: Index) -> Action:
    sql = f"REINDEX INDEX CONCURRENTLY {index.name}"
    return Action(kind="rebuild", name=index.name, sql=sql, oid=index.oid)


def _mend(index: Index) -> Action:
    if not is_leftover(index):
        return _rebuild(index)
    sql = f"DROP INDEX CONCURRENTLY {index.name}"
    return Action(kind="clear", name=index.name, sql=sql, oid=index.oid)
