"""Bloat, and numbers that run out, V09 and V10."""

from __future__ import annotations

from agentpg.desk.check import Say, Unlooked, by, size
from agentpg.desk.doctor.vacuum.bloat import estimated_share
from agentpg.desk.doctor.vacuum.facts import Facts, LargeTable, Sequence, Server
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.doctor.vacuum.saying import (
    Said,
    VacuumCheck,
    no_answer,
    percent,
    vacuum_command,
)
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_


def _bloat(say: Say, facts: Facts, policy: Policy) -> Said:
    server = facts.server
    if isinstance(facts.large, Unlooked):
        return no_answer(say, facts.large, facts)
    if isinstance(server, Unlooked):
        return (say.unknown(server),)
    shares = [(table, _share(table, server)) for table in facts.large]
    known = [(table, share) for table, share in shares if share is not None]
    found = [_table(say, table, share, server, policy) for table, share in known]
    bad = [one for one in found if one.level != "ok"]
    if bad:
        return tuple(bad)
    hidden = [table.name for table, share in shares if share is None]
    if hidden:
        return (_hidden(say, hidden, facts),)
    return (say("ok", N_("no large table is estimated to be half empty"), looked_at=len(known)),)


def _share(table: LargeTable, server: Server) -> float | None:
    if table.measured is not None:
        return table.measured
    return estimated_share(table, server.page_bytes)


def _hidden(say: Say, names: list[str], facts: Facts) -> Finding:
    why = Unlooked(N_("the statistics of the columns of some large tables are hidden, or missing"))
    grant = Remedy(
        sentence=N_("Let the role see it."), sql=f"GRANT pg_read_all_data TO {facts.role}"
    )
    return say.unknown(why, grant, Remedy(sentence=N_("Count it anew."), sql=f"ANALYZE {names[0]}"))


def _table(say: Say, table: LargeTable, share: float, server: Server, policy: Policy) -> Finding:
    taken = table.pages * server.page_bytes
    level = by(share, policy.bloat_warning, policy.bloat_critical)
    if level == "critical" and taken < policy.bloat_critical_bytes:
        level = "warning"
    text = N_("{percent} % of {subject} is free or dead, as measured: {free} of {size}")
    if table.measured is None:
        # An estimate alone proves nothing.
        level = "ok" if level == "ok" else "info"
        text = N_("by an estimate {percent} % of {subject} is free or dead: {free} of {size}")
    return say(
        level,
        text,
        table.name,
        () if level == "ok" else _remedies(table, server),
        percent=percent(share),
        measured=table.measured is not None,
        free=size(share * taken),
        free_bytes=round(share * taken),
        size=size(taken),
        size_bytes=taken,
        rows=round(table.rows),
    )


def _remedies(table: LargeTable, server: Server) -> tuple[Remedy, ...]:
    measure = Remedy(
        sentence=N_("Measure it: an estimate is no more than a sign."),
        sql=f"CREATE EXTENSION pgstattuple; GRANT pg_stat_scan_tables TO {server.role}",
    )
    return (
        *((measure,) if table.measured is None else ()),
        Remedy(
            sentence=N_("Let new rows use the room: the table stops growing, and stays as large."),
            command=vacuum_command(table.name),
            risk="safe",
        ),
        Remedy(
            sentence=N_("Write the table anew, where there is room for that; it is locked then."),
            command=vacuum_command(table.name).replace("vacuum", "vacuum --full", 1),
            risk="careful",
        ),
    )


def _sequences(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.sequences, Unlooked):
        return no_answer(say, facts.sequences, facts)
    found = [_sequence(say, one, policy) for one in facts.sequences if one.value is not None]
    bad = [one for one in found if one.level != "ok"]
    if bad:
        return tuple(bad)
    hidden = [one.name for one in facts.sequences if one.value is None]
    if hidden:
        why = Unlooked(N_("some sequences are hidden from this role"))
        grant = Remedy(
            sentence=N_("Let the role see it."), sql=f"GRANT pg_read_all_data TO {facts.role}"
        )
        return (say.unknown(why, grant),)
    left = max((one.found for one in facts.sequences), default=0) - len(facts.sequences)
    text = N_("no sequence is near its end")
    if left > 0:
        text = N_("of {looked_at} sequences, the shortest of all, none is near its end")
    return (say("ok", text, looked_at=len(found), left_out=left),)


def used_share(one: Sequence) -> float:
    """How much of a sequence's numbers has been given out."""
    if one.value is None or one.last == one.first:
        return 0.0
    return (one.value - one.first) / (one.last - one.first)


def _sequence(say: Say, one: Sequence, policy: Policy) -> Finding:
    share = used_share(one)
    level = by(share, policy.sequence_warning, policy.sequence_critical)
    text = N_("the sequence {subject} has given out {percent} % of its numbers: it ends at {last}")
    if one.fills:
        text = N_(
            "the sequence {subject} of {fills} has given out {percent} % of its numbers: "
            "it ends at {last}"
        )
    return say(
        level,
        text,
        one.name,
        () if level == "ok" else _longer(one),
        percent=percent(share),
        last=f"{one.last:,}",
        fills=one.fills,
        value=one.value,
        left=abs(one.last - (one.value or 0)),
    )


def _longer(one: Sequence) -> tuple[Remedy, ...]:
    table, _, column = one.fills.rpartition(".")
    widen = Remedy(
        sentence=N_("Make the column and the sequence bigint; that writes the table anew."),
        sql=f"ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint; "
        f"ALTER SEQUENCE {one.name} AS bigint",
        risk="careful",
    )
    if table:
        return (widen,)
    return (
        Remedy(
            sentence=N_("Let the sequence go on, where what it fills has room for that."),
            sql=f"ALTER SEQUENCE {one.name} AS bigint MAXVALUE 9223372036854775807",
            risk="careful",
        ),
    )


STORAGE_CHECKS = (
    VacuumCheck(
        code="V09",
        title=N_("Large tables that are half empty"),
        levels=("info", "warning", "critical"),
        threshold=N_("> 40 % from 100 MB on / > 70 % from 1 GB on, measured; info by estimate"),
        contact="dba",
        cause=N_("rows were changed or removed in masses, or vacuum came too late"),
        proof=N_("measured anew, the share is small."),
        meaning="The estimate reckons from the statistics how many pages the rows need. Where "
        "the extension pgstattuple is there, the worst few are measured, for two seconds in all.",
        idea="`agentpg tune vacuum` lets new rows use the room; `--full` writes the table anew.",
        decide=_bloat,
    ),
    VacuumCheck(
        code="V10",
        title=N_("Sequences near their end"),
        levels=("warning", "critical"),
        threshold=N_(
            "> 75 % / > 90 % of the numbers of the sequence, or of the column that it fills"
        ),
        contact="dba",
        cause=N_("the column is an int, for which two thousand million are all there is"),
        proof=N_("the sequence and its column are bigint."),
        meaning="At the end every insert fails.",
        idea="make the column and its sequence bigint while there is time to do it slowly.",
        decide=_sequences,
    ),
)
