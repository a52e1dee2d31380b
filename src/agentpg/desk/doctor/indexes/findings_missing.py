"""Indexes and keys that are missing: I01, I07 and I08."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked, amount
from agentpg.desk.doctor.indexes.facts import Facts, ForeignKey, Index, Server, Table
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.doctor.indexes.saying import IndexCheck, Said, listed, serves, usable
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_


def _scans(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.tables, Unlooked):
        return (say.unknown(facts.tables),)
    if isinstance(facts.server, Unlooked):
        return (say.unknown(facts.server),)
    server = facts.server
    found = [
        _scanned(say, one, server, policy)
        for one in facts.tables
        if one.rows >= policy.large_rows
        and one.scans >= policy.scans_least
        and one.rows_scanned / one.scans >= policy.large_rows
    ]
    return listed(say, found, policy, N_("no large table is read as a whole again and again"))


def _scanned(say: Say, table: Table, server: Server, policy: Policy) -> Finding:
    minutes = max(server.window.total_seconds() / 60, 1)
    often = table.scans / minutes >= policy.scans_per_minute
    return say(
        "warning" if often else "info",
        N_("{subject} was read as a whole {scans:,} times in {window}, {rows:,} rows each time"),
        table.name,
        (
            Remedy(
                sentence=N_("See which statements do, and which index would serve them."),
                command="agentpg tune indexes --try",
            ),
        ),
        scans=table.scans,
        rows=round(table.rows_scanned / table.scans),
        window=amount(server.window),
        window_seconds=round(server.window.total_seconds()),
    )


def bare_keys(facts: Facts) -> tuple[ForeignKey, ...]:
    """The foreign keys that no index serves."""
    indexes = usable(facts)
    if isinstance(indexes, Unlooked) or isinstance(facts.foreign_keys, Unlooked):
        return ()
    return tuple(
        key
        for key in facts.foreign_keys
        if not any(
            one.table_oid == key.table_oid
            and one.method in ("btree", "hash")
            and serves(one, key.columns)
            for one in indexes
        )
    )


def index_name(schema: str, table: str, columns: Sequence[str], suffix: str = "") -> str:
    """What an index on these columns is called: `schema` is quoted, and so is the name."""
    bare = "_".join((table, *(name.strip('"') for name in columns)))
    # PostgreSQL cuts a name at 63 bytes.
    bare = bare.encode()[: 58 - len(suffix)].decode(errors="ignore") + f"{suffix}_idx"
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", bare)
    return f"{schema}.{bare if plain else identifier(bare)}"


def name_for(key: ForeignKey) -> str:
    """What the index of a foreign key is called, with its schema."""
    return index_name(key.schema_name, key.bare_table, key.column_names)


def _foreign_keys(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.indexes, Unlooked):
        return (say.unknown(facts.indexes),)
    if isinstance(facts.foreign_keys, Unlooked):
        return (say.unknown(facts.foreign_keys),)
    if isinstance(facts.tables, Unlooked):
        return (say.unknown(facts.tables),)
    found = [_bare(say, key, facts, policy) for key in bare_keys(facts)]
    return listed(say, found, policy, N_("every foreign key has an index"))


def _bare(say: Say, key: ForeignKey, facts: Facts, policy: Policy) -> Finding:
    table, parent = facts.table(key.table_oid), facts.table(key.referenced_oid)
    rows = table.rows if table else 0.0
    changes = (parent.updated + parent.deleted) if parent else 0
    columns = ", ".join(key.column_names)
    return say(
        "warning" if rows >= policy.large_rows and changes else "info",
        N_(
            "{subject} refers by {columns}, and no index has that: each row that is deleted there "
            "reads all of its {rows:,} rows"
        ),
        key.table_name,
        (_index_for(key, table),),
        constraint=key.name,
        columns=columns,
        rows=round(rows),
        changes=changes,
    )


def _index_for(key: ForeignKey, table: Table | None) -> Remedy:
    columns = ", ".join(key.column_names)
    if table is not None and table.is_partitioned:
        return Remedy(
            sentence=N_(
                "Build it on each partition, CONCURRENTLY; then on the table, which takes those."
            ),
            sql=f"CREATE INDEX ON {key.table_name} ({columns})",
            risk="careful",
        )
    return Remedy(
        sentence=N_("Build the index; rows can be written meanwhile."),
        command=f"agentpg tune indexes --apply {shlex.quote(name_for(key))}",
        sql=f"CREATE INDEX CONCURRENTLY ON {key.table_name} ({columns})",
        risk="careful",
    )


def _primary_keys(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.indexes, Unlooked):
        return (say.unknown(facts.indexes),)
    if isinstance(facts.tables, Unlooked):
        return (say.unknown(facts.tables),)
    keyed = {one.table_oid for one in facts.indexes if one.is_primary}
    found = [
        _keyless(say, one, facts.indexes, policy)
        for one in facts.tables
        # A part is spoken of with its whole.
        if one.oid not in keyed and not one.is_part
    ]
    return listed(say, found, policy, N_("every table has a primary key"))


def _keyless(say: Say, table: Table, indexes: tuple[Index, ...], policy: Policy) -> Finding:
    unique = any(one.is_unique and one.table_oid == table.oid for one in indexes)
    return say(
        "warning" if table.rows >= policy.large_rows and not unique else "info",
        N_("{subject} has no primary key: its {rows:,} rows can't be told apart"),
        table.name,
        (
            Remedy(
                sentence=N_(
                    "Give it one; logical replication and the recovery of single rows need it."
                ),
                risk="careful",
            ),
        ),
        rows=round(table.rows),
        has_unique_index=unique,
    )


MISSING_CHECKS = (
    IndexCheck(
        code="I01",
        title=N_("Large tables that are read as a whole"),
        levels=("info", "warning"),
        threshold=N_(">= 50 scans of 10,000 rows; warning from one a minute on"),
        contact="dba",
        cause=N_("no index fits a condition that is asked often"),
        proof=N_("seq_scan of the table in pg_stat_user_tables stands still."),
        idea="`agentpg tune indexes` proposes indexes for the workload, and tries them.",
        decide=_scans,
    ),
    IndexCheck(
        code="I07",
        title=N_("Foreign keys without an index"),
        levels=("info", "warning"),
        threshold=N_("any; warning from 10,000 rows on where the other table's rows change"),
        contact="dba",
        cause=N_("PostgreSQL makes no index for a foreign key by itself"),
        proof=N_("a row of the other table is deleted in a moment."),
        idea="an index on its columns.",
        decide=_foreign_keys,
    ),
    IndexCheck(
        code="I08",
        title=N_("Tables without a primary key"),
        levels=("info", "warning"),
        threshold=N_("any; warning from 10,000 rows on without a unique index"),
        contact="dba",
        cause=N_("the table was made without one, or by CREATE TABLE AS"),
        proof=N_("the table has a primary key."),
        idea="a primary key.",
        decide=_primary_keys,
    ),
)
