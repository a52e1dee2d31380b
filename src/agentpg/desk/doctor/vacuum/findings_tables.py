"""Tables that autovacuum does not keep up with, and what stands in its way, V01 to V05."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.vacuum.facts import Facts, Server, Table
from agentpg.desk.doctor.vacuum.needs import Kind, Need, needs_of
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.doctor.vacuum.saying import (
    STANDBY,
    Said,
    VacuumCheck,
    is_standby,
    left_out,
    monitor,
    no_answer,
    some,
    vacuum_command,
)
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

# What hinders, as the likely cause of what a table lacks.
_CAUSES = {
    "off everywhere": N_("autovacuum is switched off in the server"),
    "off": N_("autovacuum is switched off for this table"),
    "held": N_("it was vacuumed in vain: {holder} keeps the rows, see V08"),
}

_NO_STATISTICS = N_("they were removed, or a restore or an upgrade has left them out")
_ALL_WORKERS = N_("all workers of autovacuum are busy elsewhere")


def _dead(say: Say, facts: Facts, policy: Policy) -> Said:
    well = N_("no table has more dead rows than it may")
    found = _of_kinds(say, facts, policy, ("dead",), well)
    left = left_out(facts)
    if left:
        text = N_("{number} tables more were not looked at.")
        found = (*found, say("info", text, number=left))
    return found


def _inserts(say: Say, facts: Facts, policy: Policy) -> Said:
    well = N_("no table waits for a vacuum after inserts")
    return _of_kinds(say, facts, policy, ("inserts",), well)


def _statistics(say: Say, facts: Facts, policy: Policy) -> Said:
    well = N_("the statistics of all tables are fresh")
    return _of_kinds(say, facts, policy, ("changes", "never", "bare"), well)


def _of_kinds(say: Say, facts: Facts, policy: Policy, kinds: tuple[Kind, ...], well: str) -> Said:
    said = _unanswered(say, facts)
    if said is not None:
        return said
    found = tuple(
        _said(say, need, need.counted, facts, policy)
        for need in needs_of(facts, policy)
        if need.counted is not None and need.kind in kinds
    )
    return found or (say("ok", well),)


def _unanswered(say: Say, facts: Facts) -> Said | None:
    if isinstance(facts.tables, Unlooked):
        return no_answer(say, facts.tables, facts)
    return (say.unknown(STANDBY),) if is_standby(facts) else None


def _said(say: Say, need: Need, table: Table, facts: Facts, policy: Policy) -> Finding:
    sentences = {
        "dead": N_("{subject} has {dead} dead rows, {times} times the point where it is vacuumed"),
        "inserts": N_(
            "{inserted} rows were added to {subject} since it was vacuumed, {times} times the "
            "point where it is"
        ),
        "changes": N_(
            "{changed} rows of {subject} changed since it was analysed, {times} times the point "
            "where it is"
        ),
        "never": N_("{subject} was never analysed, so its plans are guesses"),
        "bare": N_("{subject} has rows and no statistics, so its plans are guesses"),
    }
    return say(
        _level(need, table, facts, policy),
        sentences[need.kind],
        f"{need.table} (TOAST)" if need.toast else need.table,
        _remedies(need),
        cause=_cause(need, facts),
        **need.values,
        **_numbers(need, table),
    )


def _level(need: Need, table: Table, facts: Facts, policy: Policy) -> Level:
    if need.kind == "inserts":
        return "warning" if need.state != "late" else "info"
    far = need.kind == "dead" and need.times >= policy.far_behind_times
    if not far or table.dead_rows < policy.far_behind_rows or isinstance(facts.server, Unlooked):
        return "warning"
    if need.state == "late":
        # A busy table may be far behind for a while; one that nobody has seen to is.
        moment = table.vacuumed_at
        if moment is None or facts.server.asked_at - moment < policy.long_ago:
            return "warning"
    return "critical"


def _cause(need: Need, facts: Facts) -> str:
    if need.state in _CAUSES:
        return _CAUSES[need.state]
    if need.kind == "bare":
        return _NO_STATISTICS
    return _ALL_WORKERS if _saturated(facts) else ""


def _numbers(need: Need, table: Table) -> dict[str, Any]:
    holder = need.holder
    return {
        "live_rows": table.live_rows,
        "dead_rows": table.dead_rows,
        "vacuum_trigger": table.vacuum_trigger,
        "changed_rows": table.changed_rows,
        "analyze_trigger": table.analyze_trigger,
        "vacuumed_at": table.vacuumed_at,
        "analyzed_at": table.analyzed_at,
        "autovacuum": need.state not in ("off", "off everywhere"),
        "holder": "" if holder is None else _called(holder.name, holder.process),
    }


def _called(name: str, process: int | None) -> str:
    return name if process is None else f"{name} ({process})"


def _remedies(need: Need) -> tuple[Remedy, ...]:
    now = Remedy(
        sentence=N_("Vacuum it now; nobody has to wait for that."),
        command=vacuum_command(need.table),
        risk="safe",
    )
    if not need.wants_vacuum:
        now = Remedy(sentence=N_("Count it anew."), sql=f"ANALYZE {need.table}", risk="safe")
    if need.state == "held":
        end = Remedy(sentence=N_("First end what keeps the rows; see V08."))
        return end, now
    if need.state == "off":
        return now, _switch_on(need.table)
    return now, *_sooner(need)


def _sooner(need: Need) -> tuple[Remedy, ...]:
    if need.kind not in ("dead", "changes") or need.toast:
        return ()
    what = "vacuum" if need.kind == "dead" else "analyze"
    return (
        Remedy(
            sentence=N_("If that comes again: let autovacuum see to this table sooner."),
            sql=f"ALTER TABLE {need.table} SET (autovacuum_{what}_scale_factor = 0.02)",
        ),
    )


def _switch_on(table: str) -> Remedy:
    return Remedy(
        sentence=N_("Switch autovacuum on for the table, unless somebody has a reason."),
        sql=f"ALTER TABLE {table} RESET (autovacuum_enabled)",
    )


def _off(say: Say, facts: Facts, policy: Policy) -> Said:
    server = facts.server
    if isinstance(server, Unlooked):
        return (say.unknown(server),)
    for name, is_on in (("autovacuum", server.autovacuum), ("track_counts", server.track_counts)):
        if not is_on:
            return (_off_everywhere(say, name),)
    if isinstance(facts.tables, Unlooked):
        return no_answer(say, facts.tables, facts)
    off = [table for table in facts.tables if not table.enabled and not table.toast]
    found = [_off_for(say, table, policy) for table in off]
    found += [
        _out_of_reach(say, table) for table in facts.tables if _is_out_of_reach(table, policy)
    ]
    return tuple(found) or (say("ok", N_("autovacuum is on, for every table")),)


def _is_out_of_reach(table: Table, policy: Policy) -> bool:
    """Whether a third of it is dead, and autovacuum would come after many times as many rows."""
    dead = table.dead_rows
    many = dead >= policy.least_rows and dead > table.live_rows / 2
    return table.enabled and many and table.vacuum_trigger > policy.out_of_reach_times * dead


def _out_of_reach(say: Say, table: Table) -> Finding:
    names = "autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor"
    reset = Remedy(
        sentence=N_("Let it come as to other tables, unless somebody has a reason."),
        sql=f"ALTER TABLE {table.name} RESET ({names})",
    )
    now = Remedy(
        sentence=N_("Vacuum it now; nobody has to wait for that."),
        command=vacuum_command(table.name),
        risk="safe",
    )
    return say(
        "warning",
        N_(
            "autovacuum comes to {subject} after {point} dead rows only; {dead} are dead, and "
            "{live} alive"
        ),
        table.name,
        (now, reset),
        cause=N_("its own threshold, or the server's, is as good as off"),
        point=f"{table.vacuum_trigger:,}",
        dead=f"{table.dead_rows:,}",
        live=f"{table.live_rows:,}",
        dead_rows=table.dead_rows,
        live_rows=table.live_rows,
        vacuum_trigger=table.vacuum_trigger,
        vacuumed_at=table.vacuumed_at,
    )


def _off_everywhere(say: Say, name: str) -> Finding:
    return say(
        "critical",
        N_("{subject} is off: no table is vacuumed or analysed by itself"),
        name,
        (
            Remedy(
                sentence=N_("Switch it on; no restart is needed."),
                command=f"agentpg tune settings --apply {name}",
                sql=f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()",
            ),
            Remedy(
                sentence=N_("See which tables want it most, and vacuum them."),
                command="agentpg tune vacuum",
            ),
        ),
        setting=name,
    )


def _off_for(say: Say, table: Table, policy: Policy) -> Finding:
    small = max(table.live_rows, table.dead_rows, table.changed_rows) < policy.least_rows
    return say(
        "info" if small else "warning",
        N_("autovacuum is off for {subject}, with {live} live and {dead} dead rows"),
        table.name,
        (
            _switch_on(table.name),
            Remedy(
                sentence=N_("Or vacuum it at times of your own."),
                command=vacuum_command(table.name),
            ),
        ),
        live=f"{table.live_rows:,}",
        dead=f"{table.dead_rows:,}",
        live_rows=table.live_rows,
        dead_rows=table.dead_rows,
        vacuumed_at=table.vacuumed_at,
    )


def _workers(say: Say, facts: Facts, policy: Policy) -> Said:
    server, running = facts.server, facts.running_workers
    if isinstance(server, Unlooked):
        return (say.unknown(server),)
    if is_standby(facts):
        return (say("ok", N_("a standby vacuums nothing by itself")),)
    if isinstance(running, Unlooked):
        return no_answer(say, running, facts)
    if not server.sees_all:
        hidden = Unlooked(N_("what other roles' sessions do is hidden"))
        return (say.unknown(hidden, monitor(facts)),)
    waiting = _waiting(facts, policy)
    said: dict[str, Any] = {"running": running, "workers": server.workers, "waiting": len(waiting)}
    if not _saturated(facts) or not waiting:
        return (say("ok", N_("{running} of {workers} workers of autovacuum are busy"), **said),)
    return (_too_few(say, server, waiting, said),)


def _too_few(say: Say, server: Server, waiting: Sequence[str], said: dict[str, Any]) -> Finding:
    limit = max(server.cost_limit * 2, 1000)
    return say(
        "warning",
        N_("all {workers} workers of autovacuum are busy, and {waiting} tables wait: {tables}"),
        remedies=(
            Remedy(
                sentence=N_("Let the workers go faster: they share one limit. No restart."),
                sql=f"ALTER SYSTEM SET autovacuum_vacuum_cost_limit = {limit}; "
                "SELECT pg_reload_conf()",
            ),
            Remedy(
                sentence=N_("Then let there be more of them; before 18 that takes a restart."),
                sql=f"ALTER SYSTEM SET autovacuum_max_workers = {server.workers + 2}",
                risk="careful",
            ),
        ),
        tables=some(list(waiting)),
        cost_limit=server.cost_limit,
        **said,
    )


def _saturated(facts: Facts) -> bool:
    server, running = facts.server, facts.running_workers
    if isinstance(server, Unlooked) or isinstance(running, Unlooked):
        return False
    return running >= server.workers


def _waiting(facts: Facts, policy: Policy) -> list[str]:
    """Those with dead rows or stale statistics first: of old ones there may be hundreds."""
    needs = sorted(needs_of(facts, policy), key=lambda need: need.kind == "age")
    return list(dict.fromkeys(need.table for need in needs if need.state == "late"))


TABLE_CHECKS = (
    VacuumCheck(
        code="V01",
        title=N_("Tables with many dead rows"),
        levels=("info", "warning", "critical"),
        threshold=N_(
            "> 2 x the table's own autovacuum point, from 10,000 rows on, not vacuumed for "
            "10 min / > 5 x, from 100,000 rows on, for 1 h"
        ),
        contact="dba",
        cause=N_("rows change faster than autovacuum, with its limits, clears them away"),
        proof=N_("the dead rows are below the point where the table is vacuumed."),
        meaning="The point is reckoned as autovacuum does it: a threshold and a share of the "
        "rows, the table's own where it has some. A table that is vacuumed right now, or was "
        "within ten minutes, is let be, unless the vacuum was in vain.",
        idea="`agentpg tune vacuum`; a table that comes again wants a smaller "
        "`autovacuum_vacuum_scale_factor`.",
        decide=_dead,
    ),
    VacuumCheck(
        code="V02",
        title=N_("Tables with many rows added since a vacuum"),
        levels=("info", "warning"),
        threshold=N_("> 5 x the table's own point for inserts, with autovacuum off / –"),
        contact="dba",
        cause=N_("a large load, and autovacuum has not come to it yet"),
        proof=N_("the table was vacuumed after its last large load."),
        meaning="Rows that are only added leave no room behind, but index-only scans must look "
        "at the table for them, and one day all are to be frozen at once.",
        idea="`agentpg tune vacuum`, best right after a large load.",
        decide=_inserts,
    ),
    VacuumCheck(
        code="V03",
        title=N_("Statistics that are stale, or missing"),
        levels=("warning",),
        threshold=N_(
            "> 2 x the table's own analyze point, from 10,000 rows on, not analysed for "
            "10 min; never analysed or without statistics, from 1 MB on / –"
        ),
        contact="dba",
        cause=N_("rows were loaded or changed in masses, or the database was restored"),
        proof=N_("the table was analysed, and its plans fit its rows."),
        meaning="The planner chooses by what it was told of a table last. Whether it was told "
        "anything is seen by a role that may read the table.",
        idea="`ANALYZE`; after a restore or an upgrade, of the whole database.",
        decide=_statistics,
    ),
    VacuumCheck(
        code="V04",
        title=N_("Whether autovacuum is on"),
        levels=("info", "warning", "critical"),
        threshold=N_("off for a table with 10,000 rows (fewer: info) / off in the server"),
        contact="dba",
        cause=N_("somebody has switched it off for a load, and forgotten it"),
        proof=N_("autovacuum is on, and the tables are vacuumed again."),
        idea="switch it on again; nothing is restarted.",
        decide=_off,
    ),
    VacuumCheck(
        code="V05",
        title=N_("Workers of autovacuum"),
        levels=("warning",),
        threshold=N_("all of autovacuum_max_workers busy while tables wait / –"),
        contact="dba",
        cause=N_("the limit on their work is low for these tables, or they are too few"),
        proof=N_("no table waits while all workers are busy."),
        idea="raise `autovacuum_vacuum_cost_limit`, which the workers share, then their number.",
        decide=_workers,
    ),
)
