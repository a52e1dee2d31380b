"""Which tables want to be vacuumed or analysed, and why: decided on frozen facts.

The doctor says it, `agentpg tune vacuum` shows it, and MaintenanceAgent acts on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.vacuum.facts import AgedTable, Facts, Holder, Server, Table
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.language import N_, Translate, untranslated

Kind = Literal["age", "dead", "inserts", "changes", "never", "bare"]

# What hinders: autovacuum is off in the server or for the table, somebody keeps the rows, or it
# is only late.
State = Literal["off everywhere", "off", "held", "late"]

# As old as most of what is held is not worth a vacuum.
_MOST = 0.9

_VACUUM: tuple[Kind, ...] = ("age", "dead", "inserts")

_SENTENCES: Mapping[Kind, str] = {
    "age": N_("its oldest transaction is {age} transactions old, {percent} % of what is allowed"),
    "dead": N_("{dead} dead rows, {times} times the point where autovacuum acts"),
    "inserts": N_("{inserted} rows added since it was vacuumed, {times} times that point"),
    "changes": N_("{changed} rows changed since it was analysed, {times} times that point"),
    "never": N_("it was never analysed"),
    "bare": N_("it has rows and no statistics"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One reason why a table wants attention: a template with its numbers.

    `times` is how far it is past the point where autovacuum acts; `counted` is the table as it was
    counted, None for what is about its age.
    """

    oid: int
    table: str
    toast: bool
    kind: Kind
    state: State
    times: float
    values: Mapping[str, Any] = field(default_factory=dict)
    counted: Table | None = None
    holder: Holder | None = None

    @property
    def wants_vacuum(self) -> bool:
        """Whether a vacuum helps, and not only counting anew."""
        return self.kind in _VACUUM

    def why(self, translate: Translate = untranslated) -> str:
        """The reason in words."""
        return translate(_SENTENCES[self.kind]).format_map(self.values)


def needs_of(facts: Facts, policy: Policy) -> tuple[Need, ...]:
    """All needs, the most urgent first: age, then by how far each is past its point."""
    server = facts.server
    if isinstance(server, Unlooked) or server.in_recovery:
        return ()
    found = [*_aged(facts, server, policy), *_counted(facts, server, policy)]
    return tuple(sorted(found, key=lambda need: (need.kind != "age", -need.times, need.table)))


def _aged(facts: Facts, server: Server, policy: Policy) -> Iterator[Need]:
    if isinstance(facts.aged, Unlooked):
        return
    holders = () if isinstance(facts.holders, Unlooked) else facts.holders
    off: State = "late" if server.autovacuum else "off everywhere"
    for table in facts.aged:
        times, age = _age_of(table)
        # The server ends what it can by itself, and a temporary table is its session's.
        if times < policy.age_warning or table.at_work or table.temporary:
            continue
        # Vacuum can make it no younger than who still reads.
        held = next((one for one in holders if one.transactions >= _MOST * table.xid_age), None)
        yield Need(
            oid=table.oid,
            table=table.name,
            toast=table.toast,
            kind="age",
            state="held" if held else off,
            times=times,
            values={"age": f"{age:,}", "percent": int(times * 100)},
            holder=held,
        )


def _age_of(table: AgedTable) -> tuple[float, int]:
    """How far it is past the age that is allowed, and the age: the worse of the two kinds."""
    return max(
        (table.xid_age / table.xid_most, table.xid_age),
        (table.multixact_age / table.multixact_most, table.multixact_age),
    )


def _counted(facts: Facts, server: Server, policy: Policy) -> Iterator[Need]:
    if isinstance(facts.tables, Unlooked):
        return
    holders = () if isinstance(facts.holders, Unlooked) else facts.holders
    for table in facts.tables:
        if not table.at_work:
            yield from _of_table(table, server, holders, policy)


def _of_table(
    table: Table, server: Server, holders: tuple[Holder, ...], policy: Policy
) -> Iterator[Need]:
    now = server.asked_at
    off: State | None = _off(table, server)
    unseen = off is not None or not _recent(table.vacuumed_at, now, policy.recently)
    dead = table.dead_rows / max(table.vacuum_trigger, 1)
    held = _holder_of(table, holders, now, policy)
    if (
        dead >= policy.behind_times
        and table.dead_rows >= policy.least_rows
        and (held is not None or unseen)
    ):
        values = {"dead": f"{table.dead_rows:,}", "times": f"{dead:.1f}"}
        yield _need(table, "dead", "held" if held else off or "late", dead, values, held)
    added = _times(table.inserted_rows, table.insert_trigger)
    if added >= policy.inserts_times and table.inserted_rows >= policy.least_rows and unseen:
        values = {"inserted": f"{table.inserted_rows:,}", "times": f"{added:.1f}"}
        yield _need(table, "inserts", off or "late", added, values)
    yield from _statistics(table, off, now, policy)


def _statistics(table: Table, off: State | None, now: datetime, policy: Policy) -> Iterator[Need]:
    changed = _times(table.changed_rows, table.analyze_trigger)
    unseen = off is not None or not _recent(table.analyzed_at, now, policy.recently)
    if table.analyze_trigger is not None and table.never and table.analyzed_at is None:
        if table.size_bytes >= policy.never_bytes:
            yield _need(table, "never", off or "late", max(changed, 1.0), {})
    elif changed >= policy.behind_times and table.changed_rows >= policy.least_rows and unseen:
        values = {"changed": f"{table.changed_rows:,}", "times": f"{changed:.1f}"}
        yield _need(table, "changes", off or "late", changed, values)
    elif table.bare and (off is not None or changed < 1):
        # Past that point autovacuum comes by itself.
        yield _need(table, "bare", off or "late", max(changed, 1.0), {})


def _need(
    table: Table,
    kind: Kind,
    state: State,
    times: float,
    values: Mapping[str, Any],
    holder: Holder | None = None,
) -> Need:
    return Need(
        oid=table.oid,
        table=table.name,
        toast=table.toast,
        kind=kind,
        state=state,
        times=times,
        values=values,
        counted=table,
        holder=holder,
    )


def _off(table: Table, server: Server) -> State | None:
    if not server.autovacuum or not server.track_counts:
        return "off everywhere"
    return None if table.enabled else "off"


def _holder_of(
    table: Table, holders: tuple[Holder, ...], now: datetime, policy: Policy
) -> Holder | None:
    """Who kept the dead rows when the table was vacuumed last: it was in vain."""
    if table.vacuumed_at is None:
        return None
    for holder in holders:
        if holder.kind == "catalogue slot":
            continue
        if holder.since is None:
            if holder.transactions >= policy.held_transactions:
                return holder
        elif holder.since < table.vacuumed_at and now - holder.since >= policy.held_least:
            return holder
    return None


def _times(rows: int, trigger: int | None) -> float:
    return 0.0 if trigger is None else rows / max(trigger, 1)


def _recent(moment: datetime | None, now: datetime, within: timedelta) -> bool:
    return moment is not None and now - moment < within
