"""Looking at the indexes of a database, with the least rights; what is refused is Unlooked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from agentpg.db import (
    Connection,
    Database,
    Statements,
    class_row,
    connect,
    tuple_row,
)
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.indexes.facts import (
    Estimate,
    Facts,
    ForeignKey,
    Index,
    Server,
    Table,
)
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.monitor.reading import Reader

T = TypeVar("T")

_SQL = Statements("indexes", "")

# All questions together are to be answered in seconds.
_LONGEST, _LONGEST_MEASURING = timedelta(seconds=5), timedelta(seconds=2)
_MOST = 5000


@cache
def own_indexes() -> frozenset[str]:
    """The names of the indexes that agentpg's schema has."""
    text = (resources.files("agentpg.sql") / "schema.sql").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^CREATE (?:UNIQUE )?INDEX (\w+)", text, re.MULTILINE))


def look_at_indexes(database: Database, policy: Policy) -> Facts:
    """Look at everything. Raises nothing for what can't be looked at."""
    connection = looked(lambda: connect(database, "agentpg doctor"))
    if isinstance(connection, Unlooked):
        return _nothing(connection)
    with connection:
        return _Look(database, connection, policy).facts()


def _nothing(why: Unlooked) -> Facts:
    return Facts(
        server=why,
        indexes=why,
        tables=why,
        foreign_keys=why,
        builds=why,
        estimates=why,
    )


class _Look:
    """One session that asks one thing after another, each in a transaction of its own."""

    def __init__(self, database: Database, connection: Connection[Any], policy: Policy) -> None:
        self._database = database
        self._reader = Reader(database, connection)
        self._policy = policy

    def facts(self) -> Facts:
        """All of it."""
        server = self._server()
        indexes = looked(self._indexes)
        return Facts(
            server=server,
            indexes=indexes,
            tables=looked(self._tables),
            foreign_keys=looked(lambda: self._many("read_foreign_keys", ForeignKey)),
            builds=looked(self._builds),
            estimates=looked(lambda: self._estimates(indexes, server)),
            definitions=self._definitions(indexes),
            left_out=self._left_out(indexes),
        )

    def _server(self) -> Server | Unlooked:
        def ask() -> Server:
            found: Server = self._run(_SQL["read_server"], class_row(Server), {})[0]
            [(sending,)] = self._run(_SQL["count_standbys"], tuple_row, {})
            return replace(found, standbys=max(found.standbys, sending))

        return looked(ask)

    def _indexes(self) -> tuple[Index, ...]:
        return tuple(self._with_ours(self._many("read_indexes", Index)))

    def _with_ours(self, found: Iterable[Index]) -> Iterable[Index]:
        for one in found:
            ours = one.schema == self._database.schema and one.bare_name in own_indexes()
            yield replace(
                one,
                is_ours=ours,
                columns=tuple(one.columns),
                classes=tuple(one.classes),
                collations=tuple(one.collations),
                options=tuple(one.options),
                parameters=tuple(one.parameters),
            )

    def _tables(self) -> tuple[Table, ...]:
        schema = self._database.schema
        found = self._many("read_tables", Table)
        return tuple(replace(one, is_ours=one.schema == schema) for one in found)

    def _builds(self) -> frozenset[int | None]:
        return frozenset(number for (number,) in self._run(_SQL["read_builds"], tuple_row, {}))

    def _estimates(
        self, indexes: Sequence[Index] | Unlooked, server: Server | Unlooked
    ) -> Mapping[int, Estimate]:
        """Of the largest plain btrees; the worst of them measured, where that can be."""
        if isinstance(indexes, Unlooked):
            return {}
        policy = self._policy
        least = min(policy.bloat_least_bytes, policy.nulls_least_bytes)
        wanted = [one for one in indexes if one.is_plain and one.size_bytes >= least]
        sizes = {one.oid: one.size_bytes for one in wanted[: policy.estimated_indexes]}
        rows = self._run(_SQL["estimate_indexes"], tuple_row, {"oids": list(sizes)})
        found = {
            oid: Estimate(needed_bytes=needed, null_share=nulls) for oid, needed, nulls in rows
        }
        if isinstance(server, Unlooked) or not server.measuring_schema:
            return found
        for oid in _suspects(found, sizes, policy):
            found[oid] = replace(found[oid], density=self._density(oid, server.measuring_schema))
        return found

    def _density(self, oid: int, extension: str) -> float | None:
        def ask() -> float:
            statement = _SQL.compose("measure_index", extension=extension)
            [(density, _)] = self._run(statement, tuple_row, {"oid": oid}, _LONGEST_MEASURING)
            return float(density) / 100

        measured = looked(ask)
        return None if isinstance(measured, Unlooked) else measured

    def _definitions(self, indexes: Sequence[Index] | Unlooked) -> Mapping[int, str]:
        """Of those that may be dropped; which one it is is judged later."""
        if isinstance(indexes, Unlooked):
            return {}
        oids = [one.oid for one in indexes if not one.is_needed and not one.is_ours]
        found = looked(lambda: self._run(_SQL["read_definitions"], tuple_row, {"oids": oids}))
        return {} if isinstance(found, Unlooked) else dict(found)

    def _left_out(self, indexes: Sequence[Index] | Unlooked) -> int:
        if isinstance(indexes, Unlooked) or len(indexes) < _MOST:
            return 0
        found = looked(lambda: self._run(_SQL["count_indexes"], tuple_row, {})[0][0])
        return 0 if isinstance(found, Unlooked) else int(found) - len(indexes)

    def _many(self, statement: str, kind: type[T]) -> tuple[T, ...]:
        return tuple(self._run(_SQL[statement], class_row(kind), {"most": _MOST}))

    def _run(
        self,
        statement: Any,
        form: Callable[..., Any],
        values: dict[str, Any],
        limit: timedelta = _LONGEST,
    ) -> list[Any]:
        with self._reader.question(limit) as connection:
            return connection.cursor(row_factory=form).execute(statement, values).fetchall()


def _suspects(found: Mapping[int, Estimate], sizes: Mapping[int, int], policy: Policy) -> list[int]:
    """Those that seem to give back most, to be measured."""
    gains = {
        oid: sizes[oid] - one.needed_bytes
        for oid, one in found.items()
        if one.needed_bytes is not None
        and sizes[oid] >= policy.bloat_least_bytes
        and one.needed_bytes < (1 - policy.bloat_warning) * sizes[oid]
    }
    return sorted(gains, key=lambda oid: -gains[oid])[: policy.measured_indexes]
