"""Indexes that are broken or worn: I05, I06 and I09."""

from __future__ import annotations

import re
from typing import Any

from agentpg.desk.check import Say, Unlooked, by, size
from agentpg.desk.doctor.indexes.facts import Estimate, Facts, Index, Server, Table
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.doctor.indexes.saying import IndexCheck, Said, apply, listed, percent
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

# What REINDEX CONCURRENTLY calls its new and its old one.
_LEFT = re.compile(r"_cc(new|old)\d*$")

_UNREADABLE = Unlooked(N_("the statistics of its columns are missing, or hidden from the role"))


def is_leftover(index: Index) -> bool:
    """Whether it was left by a REINDEX CONCURRENTLY that failed."""
    return bool(_LEFT.search(index.bare_name))


def is_left_of(bare_name: str, index: str) -> bool:
    """Whether it is what a REINDEX CONCURRENTLY of an index has left; a long name is cut.

    >>> is_left_of("tasks_pkey_ccnew1", "tasks_pkey")
    True
    """
    stem, count = _LEFT.subn("", bare_name)
    return bool(count and index.startswith(stem))


def invalid_indexes(facts: Facts) -> tuple[Index, ...]:
    """Those that serve no query and are not being built."""
    if isinstance(facts.indexes, Unlooked):
        return ()
    builds = frozenset() if isinstance(facts.builds, Unlooked) else facts.builds
    return tuple(
        one
        for one in facts.indexes
        if not one.is_valid and not one.is_partitioned and one.table_oid not in builds
    )


def broken_indexes(facts: Facts) -> tuple[Index, ...]:
    """The same, where it is known what is being built: they may be mended."""
    hidden = isinstance(facts.builds, Unlooked) or None in facts.builds
    return () if hidden else invalid_indexes(facts)


def _invalid(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.indexes, Unlooked):
        return (say.unknown(facts.indexes),)
    if isinstance(facts.builds, Unlooked):
        return (say.unknown(facts.builds),)
    found = [
        _invalid_one(say, one, building=None in facts.builds) for one in invalid_indexes(facts)
    ]
    return listed(say, found, policy, N_("every index is valid"))


def _invalid_one(say: Say, index: Index, *, building: bool) -> Finding:
    if building:
        hidden = Unlooked(N_("somebody builds an index now, and which one is hidden from the role"))
        grant = Remedy(sentence=N_("Look again later, or with more rights: GRANT pg_monitor."))
        return say.unknown(hidden, grant)
    remedy = apply(
        index.name,
        N_("Build it anew; rows can be written meanwhile."),
        f"REINDEX INDEX CONCURRENTLY {index.name}",
    )
    if is_leftover(index):
        remedy = apply(
            index.name,
            N_("Drop what a REINDEX has left; the index itself is there."),
            f"DROP INDEX CONCURRENTLY {index.name}",
        )
    return say(
        "warning",
        N_("{subject} is not valid: no query uses it, and every write keeps it; it takes {size}"),
        index.name,
        (remedy,),
        table=index.table_name,
        size=size(index.size_bytes),
        size_bytes=index.size_bytes,
        leftover=is_leftover(index),
    )


def bloat_of(index: Index, estimate: Estimate) -> float | None:
    """The share of an index that is free beyond what a new one has; None is unknown."""
    if estimate.density is not None:
        # A new one is filled to 90 %.
        return max(1 - estimate.density / 0.9, 0.0)
    if estimate.needed_bytes is None or not index.size_bytes:
        return None
    return max(1 - estimate.needed_bytes / index.size_bytes, 0.0)


def _bloat(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.indexes, Unlooked):
        return (say.unknown(facts.indexes),)
    if isinstance(facts.estimates, Unlooked):
        return (say.unknown(facts.estimates),)
    found: list[Finding] = []
    unreadable: list[Finding] = []
    for one in facts.indexes:
        estimate = facts.estimates.get(one.oid)
        if estimate is None or one.size_bytes < policy.bloat_least_bytes:
            continue
        share = bloat_of(one, estimate)
        if share is None:
            unreadable = [say.unknown(_UNREADABLE, _read_statistics(facts))]
        elif share > policy.bloat_warning:
            found.append(_bloated(say, facts, policy, one, share))
    return listed(say, found + unreadable, policy, N_("no large btree is known to be half empty"))


def _is_measured(facts: Facts, index: Index) -> bool:
    if isinstance(facts.estimates, Unlooked):
        return False
    return facts.estimates[index.oid].density is not None


def _measure(facts: Facts) -> Remedy:
    grant = f"GRANT pg_stat_scan_tables TO {facts.role}"
    there = isinstance(facts.server, Server) and facts.server.measuring_schema is not None
    return Remedy(
        sentence=N_("Measure it: what the statistics say is no more than a sign."),
        sql=grant if there else f"CREATE EXTENSION pgstattuple; {grant}",
    )


def _read_statistics(facts: Facts) -> Remedy:
    return Remedy(
        sentence=N_("ANALYZE the table, and let the role read it."),
        sql=f"GRANT pg_read_all_data TO {facts.role}",
    )


def _bloated(say: Say, facts: Facts, policy: Policy, index: Index, share: float) -> Finding:
    measured = _is_measured(facts, index)
    gain = int(index.size_bytes * share)
    rebuild = apply(
        index.name,
        N_("Build it anew; rows can be written meanwhile, and it takes its room once more."),
        f"REINDEX INDEX CONCURRENTLY {index.name}",
    )
    said: dict[str, Any] = {
        "percent": percent(share),
        "reclaimable": size(gain),
        "reclaimable_bytes": gain,
        "size": size(index.size_bytes),
        "size_bytes": index.size_bytes,
        "measured": measured,
        "table": index.table_name,
    }
    if not measured:
        text = N_("by the statistics {percent} % of {subject} is free; it takes {size}")
        return say("info", text, index.name, (_measure(facts), rebuild), **said)
    level = by(share, policy.bloat_warning, policy.bloat_critical)
    if level == "critical" and index.size_bytes < policy.bloat_critical_bytes:
        level = "warning"
    text = N_("{percent} % of {subject} is free: {reclaimable} of {size}")
    return say(level, text, index.name, (rebuild,), **said)


def _updates(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.indexes, Unlooked):
        return (say.unknown(facts.indexes),)
    if isinstance(facts.tables, Unlooked):
        return (say.unknown(facts.tables),)
    found = [
        _cold(say, one, sum(i.table_oid == one.oid for i in facts.indexes))
        for one in facts.tables
        # Which columns our own tables index is weighed by their measurements.
        if not one.is_ours
        and one.updated >= policy.updates_least
        and one.updated_hot < policy.hot_least * one.updated
    ]
    return listed(say, found, policy, N_("most updates of busy tables write no index"))


def _cold(say: Say, table: Table, indexes: int) -> Finding:
    return say(
        "info",
        N_(
            "{percent} % of {updates:,} updates of {subject} were HOT: each other one wrote all "
            "{indexes} indexes"
        ),
        table.name,
        (
            Remedy(
                sentence=N_("Leave room in its pages, and let the next rewrite use it."),
                sql=f"ALTER TABLE {table.name} SET (fillfactor = 85)",
            ),
            Remedy(
                sentence=N_("Drop indexes of columns that change often and are searched rarely.")
            ),
        ),
        percent=percent(table.updated_hot / table.updated),
        updates=table.updated,
        indexes=indexes,
        fill_factor=table.fill_factor,
    )


WORN_CHECKS = (
    IndexCheck(
        code="I05",
        title=N_("Indexes that are not valid"),
        levels=("warning",),
        threshold=N_("any that is not being built"),
        contact="dba",
        cause=N_("a CREATE INDEX or REINDEX CONCURRENTLY failed or was cancelled"),
        proof=N_("`indisvalid` of it in pg_index is true, or it is gone."),
        idea="`agentpg tune indexes --fix` builds it anew, or removes what is left.",
        decide=_invalid,
    ),
    IndexCheck(
        code="I06",
        title=N_("Indexes with much free room"),
        levels=("info", "warning", "critical"),
        threshold=N_(">= 40 % from 100 MB on / >= 70 % from 1 GB on, measured; info by statistics"),
        contact="dba",
        cause=N_("rows were deleted or changed in masses, or its newest values are at one end"),
        proof=N_("measured anew, its leaves are about 90 % full."),
        meaning=(
            "Only plain btrees are estimated: for partial indexes and those on expressions the "
            "estimate is known to be wrong."
        ),
        idea="`agentpg tune indexes --apply` builds it anew beside the old one.",
        decide=_bloat,
    ),
    IndexCheck(
        code="I09",
        title=N_("Updates that write every index"),
        levels=("info",),
        threshold=N_("< 50 % HOT of 10,000 updates"),
        contact="dba",
        cause=N_("the changed columns are indexed, or the pages have no room left"),
        proof=N_("the share of n_tup_hot_upd in pg_stat_user_tables rises."),
        idea="a lower `fillfactor`, and fewer indexes of columns that change.",
        decide=_updates,
    ),
)
