"""Indexes that cost more than they give: I02 to I04, and I10."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from agentpg.desk.check import Say, Unlooked, amount, size
from agentpg.desk.doctor.indexes.facts import Facts, Index, Server
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.doctor.indexes.saying import (
    IndexCheck,
    Said,
    drop,
    listed,
    percent,
    serves,
    usable,
)
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

_STANDBY = Unlooked(N_("this is a standby, which counts only its own reads; look at the primary"))


def unused_indexes(facts: Facts) -> tuple[Index, ...]:
    """Those that no query has read and nothing stands on, as far as is counted here."""
    indexes = usable(facts)
    if isinstance(indexes, Unlooked):
        return ()
    return tuple(
        one
        for one in indexes
        if not one.scans and not one.rows_read and not one.is_needed and not one.is_ours
        if not _supports_key(one, facts)
    )


def _supports_key(index: Index, facts: Facts) -> bool:
    if isinstance(facts.foreign_keys, Unlooked):
        # What can't be looked at may stand on it.
        return True
    return any(
        # A partial one may serve it as well, such as one of all that is not NULL.
        key.table_oid == index.table_oid and serves(replace(index, predicate=""), key.columns)
        for key in facts.foreign_keys
    )


def _unused(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.indexes, Unlooked):
        return (say.unknown(facts.indexes),)
    if isinstance(facts.foreign_keys, Unlooked):
        return (say.unknown(facts.foreign_keys),)
    if isinstance(facts.server, Unlooked):
        return (say.unknown(facts.server),)
    found = unused_indexes(facts)
    if not found:
        return listed(say, (), policy, N_("every index that is not a constraint's was used"))
    if facts.server.in_recovery:
        return (say.unknown(_STANDBY),)
    if facts.server.window < policy.watched_least:
        return (_too_short(say, found, facts.server, policy),)
    said = [_unused_one(say, one, facts.server, policy) for one in found]
    return listed(say, said, policy, "")


def _too_short(say: Say, found: Sequence[Index], server: Server, policy: Policy) -> Finding:
    return say(
        "info",
        N_("{count} indexes were not used yet, but they were watched for {window} only"),
        count=len(found),
        window=amount(server.window),
        window_seconds=round(server.window.total_seconds()),
        indexes=[one.name for one in found[: policy.listed]],
    )


_STATISTICS = Remedy(
    sentence=N_(
        "The planner knows the values of its expression from it: give it CREATE STATISTICS on the "
        "expression first."
    )
)


def _unused_one(say: Say, index: Index, server: Server, policy: Policy) -> Finding:
    text = N_("{subject} takes {size}, and no query has read it for {window}")
    if server.standbys:
        text = N_(
            "{subject} takes {size}, and no query here has read it for {window}; {standbys} "
            "standbys count by themselves"
        )
    large = index.size_bytes >= policy.unused_warning_bytes
    standby = Remedy(
        sentence=N_("Ask every standby first: a query there may need it."),
        sql=f"SELECT idx_scan FROM pg_stat_all_indexes WHERE indexrelid = {index.oid}",  # noqa: S608
    )
    return say(
        "warning" if large and not server.standbys else "info",
        text,
        index.name,
        (
            *((standby,) if server.standbys else ()),
            *((_STATISTICS,) if index.expressions else ()),
            drop(index),
        ),
        size=size(index.size_bytes),
        size_bytes=index.size_bytes,
        table=index.table_name,
        window=amount(server.window),
        window_seconds=round(server.window.total_seconds()),
        standbys=server.standbys,
    )


def duplicate_pairs(facts: Facts) -> Iterator[tuple[Index, Index]]:
    """Each index that is another one once more, and the one that stays."""
    indexes = usable(facts)
    if isinstance(indexes, Unlooked):
        return
    alike: dict[object, list[Index]] = defaultdict(list)
    for one in indexes:
        alike[_likeness(one)].append(one)
    for same in alike.values():
        kept, *rest = sorted(same, key=_worth)
        yield from ((one, kept) for one in rest if not one.is_needed and not one.is_ours)


def _worth(index: Index) -> tuple[bool, bool, int, int, int]:
    """What stays of two alike: what something stands on, then what is used, then the smaller."""
    return (not index.is_ours, not index.is_needed, -index.scans, index.size_bytes, index.oid)


def _likeness(index: Index) -> object:
    return (
        index.table_oid,
        index.method,
        index.key_parts,
        index.included,
        index.expressions,
        index.predicate,
        index.parameters,
        # Of a btree they change no more than its size; of a BRIN what it finds.
        index.storage if index.method != "btree" else "",
    )


def _duplicates(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.indexes, Unlooked):
        return (say.unknown(facts.indexes),)
    found = [
        say(
            "warning",
            N_("{subject} is {kept} once more; it takes {size}"),
            one.name,
            (drop(one),),
            kept=kept.name,
            table=one.table_name,
            size=size(one.size_bytes),
            size_bytes=one.size_bytes,
        )
        for one, kept in duplicate_pairs(facts)
    ]
    return listed(say, found, policy, N_("no index is there twice"))


def prefix_pairs(facts: Facts) -> Iterator[tuple[Index, Index]]:
    """Each index whose columns another one begins with, and that other."""
    indexes = usable(facts)
    if isinstance(indexes, Unlooked):
        return
    twice = {one.oid for one, _ in duplicate_pairs(facts)}
    by_table: dict[int, list[Index]] = defaultdict(list)
    for one in indexes:
        if one.method == "btree" and not one.expressions and one.oid not in twice:
            by_table[one.table_oid].append(one)
    for those in by_table.values():
        for one in those:
            longer = next((other for other in those if _begins_with(other, one)), None)
            if longer is not None and not one.is_needed and not one.is_ours:
                yield one, longer


def _begins_with(longer: Index, shorter: Index) -> bool:
    parts = shorter.key_parts
    return (
        longer.keys > shorter.keys
        and longer.key_parts[: len(parts)] == parts
        and longer.predicate == shorter.predicate
        and shorter.included <= longer.included | set(longer.columns)
    )


def _prefixes(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.indexes, Unlooked):
        return (say.unknown(facts.indexes),)
    found = [
        say(
            "info",
            N_("{longer} begins with {subject}, and serves its queries too; it takes {size}"),
            one.name,
            (
                Remedy(
                    sentence=N_(
                        "Compare a query that uses it with one that uses the longer index."
                    ),
                    command="agentpg tune explain --analyze …",
                ),
                drop(one),
            ),
            longer=longer.name,
            table=one.table_name,
            scans=one.scans,
            size=size(one.size_bytes),
            size_bytes=one.size_bytes,
            longer_bytes=longer.size_bytes,
        )
        for one, longer in prefix_pairs(facts)
    ]
    return listed(say, found, policy, N_("no index is the beginning of another"))


def _nulls(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.indexes, Unlooked):
        return (say.unknown(facts.indexes),)
    if isinstance(facts.estimates, Unlooked):
        return (say.unknown(facts.estimates),)
    found = []
    for one in facts.indexes:
        estimate = facts.estimates.get(one.oid)
        share = estimate.null_share if estimate else None
        if share is None or share <= policy.nulls_most or one.size_bytes < policy.nulls_least_bytes:
            continue
        if one.is_needed or one.is_ours or one.keys != 1:
            continue
        found.append(
            say(
                "info",
                N_("{percent} % of what {subject} has is NULL; it takes {size}"),
                one.name,
                (
                    Remedy(
                        sentence=N_(
                            "If no query looks for NULL, build it once more with WHERE … IS NOT "
                            "NULL, and drop this one."
                        ),
                        risk="careful",
                    ),
                ),
                percent=percent(share),
                table=one.table_name,
                size=size(one.size_bytes),
                size_bytes=one.size_bytes,
            )
        )
    return listed(say, found, policy, N_("no large index is mostly NULL"))


SURPLUS_CHECKS = (
    IndexCheck(
        code="I02",
        title=N_("Indexes that are not used"),
        levels=("info", "warning"),
        threshold=N_("no scan for 7 d; warning from 100 MB on, where there is no standby"),
        contact="dba",
        cause=N_("no query needs it; or it is new, or what needs it runs once a month"),
        proof=N_("no statement is slower than before, and each write of the table is quicker."),
        meaning=(
            "Unique indexes, those of constraints, replica identities and foreign keys are left "
            "out, and agentpg's own."
        ),
        idea="`agentpg tune indexes --apply` drops it, and keeps the SQL that brings it back.",
        decide=_unused,
    ),
    IndexCheck(
        code="I03",
        title=N_("Indexes that are there twice"),
        levels=("warning",),
        threshold=N_("the same columns, order, operator classes, collations and condition"),
        contact="dba",
        cause=N_("two people made it, or a migration and a constraint did"),
        proof=N_("the other one serves the same queries, and writes are quicker."),
        idea="`agentpg tune indexes --fix` drops the one that nothing stands on.",
        decide=_duplicates,
    ),
    IndexCheck(
        code="I04",
        title=N_("Indexes that another one begins with"),
        levels=("info",),
        threshold=N_("all columns of one btree are the first of another"),
        contact="dba",
        cause=N_("the longer one was made later, and the shorter one was left"),
        proof=N_("its queries use the longer one, and are about as quick."),
        idea="drop the shorter one, unless it is much smaller and used much.",
        decide=_prefixes,
    ),
    IndexCheck(
        code="I10",
        title=N_("Indexes that are mostly NULL"),
        levels=("info",),
        threshold=N_("> 50 % NULL, from 10 MB on"),
        contact="dba",
        cause=N_("the column is set for a few rows only"),
        proof=N_("the partial index is smaller, and the queries use it."),
        idea="a partial index, WHERE … IS NOT NULL.",
        decide=_nulls,
    ),
)
