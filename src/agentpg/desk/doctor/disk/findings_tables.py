"""What tables take that holds nothing, and what keeps vacuum from freeing it, D12 and D13."""

from __future__ import annotations

import shlex

from agentpg.db import literal
from agentpg.desk.check import Say, Unlooked, amount, by, size
from agentpg.desk.doctor.disk.facts import Facts, Holder, Slot, Table, age_of
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.doctor.disk.rewriting import gain_bytes, volume_of_space
from agentpg.desk.doctor.disk.saying import DiskCheck, Said, mount, no_answer, percent
from agentpg.desk.finding import LEVELS, Finding, Remedy
from agentpg.language import N_

_MEASURE = Remedy(
    sentence=N_("Measure it: what the statistics say is no more than a sign."),
    sql="CREATE EXTENSION pgstattuple; GRANT pg_stat_scan_tables TO {role}",
)


def _bloat(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.tables, Unlooked):
        return no_answer(say, facts.tables, facts)
    volume = facts.volume("data")
    least = policy.bloat_least_bytes
    if volume is not None:
        # On a small disk a small table matters.
        least = min(least, int(policy.kept_warning * volume.size_bytes))
    found = [
        _table(say, table, facts, policy) for table in facts.tables if table.size_bytes >= least
    ]
    bad = [finding for finding in found if finding.level != "ok"]
    return tuple(bad) or (say("ok", N_("no large table is known to be half empty")),)


def _table(say: Say, table: Table, facts: Facts, policy: Policy) -> Finding:
    gain = gain_bytes(table)
    share = gain / table.size_bytes if table.free_share is not None else table.dead_share
    level = by(share, policy.bloat_warning, policy.bloat_critical)
    if level == "critical" and table.size_bytes < policy.bloat_critical_bytes:
        level = "warning"
    text = N_("{percent} % of {subject} is free or dead: {reclaimable} of {size}")
    if table.free_share is None:
        # An estimate alone proves nothing.
        level = "ok" if level == "ok" else "info"
        text = N_("by the statistics {percent} % of the rows of {subject} are dead; {size} in all")
    return say(
        level,
        text,
        table.name,
        () if level == "ok" else _table_remedies(table, facts),
        mount=mount(volume_of_space(facts, table.folder)),
        percent=percent(share),
        measured=table.free_share is not None,
        reclaimable=size(gain),
        reclaimable_bytes=gain,
        size=size(table.size_bytes),
        size_bytes=table.size_bytes,
        dead_rows=table.dead_rows,
        live_rows=table.live_rows,
        vacuumed_at=table.vacuumed_at,
    )


def _table_remedies(table: Table, facts: Facts) -> tuple[Remedy, ...]:
    measure = Remedy(sentence=_MEASURE.sentence, sql=_MEASURE.sql.format(role=facts.role))
    rewrite = Remedy(
        sentence=N_("Write the table anew, where there is room for that; it is locked then."),
        command=f"agentpg tune vacuum --full {shlex.quote(table.name)}",
        risk="careful",
    )
    return (
        *((measure,) if table.free_share is None else ()),
        Remedy(
            sentence=N_("Let new rows use the room: the table stops growing, and stays as large."),
            command=f"agentpg tune vacuum {shlex.quote(table.name)}",
        ),
        *(() if table.free_share is None else (rewrite,)),
    )


def _holders(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.holders, Unlooked):
        return no_answer(say, facts.holders, facts)
    found = [_holder(say, holder, facts, policy) for holder in facts.holders]
    slots = () if isinstance(facts.slots, Unlooked) else facts.slots
    found += [_slot(say, slot, policy) for slot in slots if slot.horizon_age]
    bad = [finding for finding in found if finding.level != "ok"]
    if bad:
        return tuple(bad)
    if isinstance(facts.server, Unlooked) or not facts.server.sees_all:
        hidden = Unlooked(N_("what other roles' sessions do is hidden"))
        return no_answer(say, hidden, facts)
    return (say("ok", N_("nothing old keeps dead rows from being removed")),)


def _holder(say: Say, holder: Holder, facts: Facts, policy: Policy) -> Finding:
    held = age_of(holder.since, facts.now)
    level = max(
        by(holder.horizon_age, policy.horizon_warning, policy.horizon_critical),
        by(
            held.total_seconds(),
            policy.holding_warning.total_seconds(),
            policy.holding_critical.total_seconds(),
        ),
        key=LEVELS.index,
    )
    text = N_("a session of {subject} has kept dead rows for {age}: process {process}")
    end = Remedy(
        sentence=N_("End the session, if nobody needs what it does."),
        sql=f"SELECT pg_terminate_backend({holder.process})",
        risk="careful",
    )
    if holder.kind == "prepared":
        text = N_("the prepared transaction {subject} has kept dead rows for {age}")
        end = Remedy(
            sentence=N_("Ask who prepared it; then commit it, or roll it back."),
            sql=f"ROLLBACK PREPARED {literal(holder.name)}",
            risk="destroys",
        )
    return say(
        level,
        text,
        holder.name,
        () if level == "ok" else (end,),
        age=amount(held),
        age_seconds=round(held.total_seconds()),
        transactions=holder.horizon_age,
        process=holder.process,
        application=holder.application,
    )


def _slot(say: Say, slot: Slot, policy: Policy) -> Finding:
    return say(
        by(slot.horizon_age, policy.horizon_warning, policy.horizon_critical),
        N_("the slot {subject} keeps the dead rows of {transactions} transactions"),
        slot.name,
        transactions=slot.horizon_age,
    )


TABLE_CHECKS = (
    DiskCheck(
        code="D12",
        title=N_("Tables with much free or dead room"),
        levels=("info", "warning", "critical"),
        threshold=N_(">= 40 % from 100 MB on / >= 70 % from 1 GB on, measured; info by statistics"),
        contact="dba",
        cause=N_("rows were changed or removed in masses, or vacuum came too late"),
        proof=N_("measured anew, the share is small."),
        idea="`agentpg tune vacuum` lets new rows use the room; `--full` writes the table anew.",
        decide=_bloat,
    ),
    DiskCheck(
        code="D13",
        title=N_("What keeps vacuum from freeing room"),
        levels=("warning", "critical"),
        threshold=N_("> 1 h or 10 million transactions / > 6 h or 100 million"),
        contact="dba",
        cause=N_("a transaction was left open, or its program hangs"),
        proof=N_("the oldest transaction is young, and vacuum removes the dead rows."),
        idea="end the session, or settle the prepared transaction; then vacuum can do its work.",
        decide=_holders,
    ),
)
